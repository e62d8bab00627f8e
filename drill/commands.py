"""What the drill's tasks call; each returns the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drill import reading
from drill.reconcile import Reconciliation, examine
from drill.since import moment
from orchestration import report
from orchestration.target import Target, choose, published
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PerRole
from shared.root import ROOT
from shared.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestration.choice import Choice

SHOWN = 50
"""Findings in a table; JSON has them all."""


def reconcile(choice: Choice, *, since: str, ledger: str, fix: bool) -> int:
    """Compare everybody's books of the payments since then. Returns 1 when they disagree."""
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    now = place.now()
    begin = int(moment(since, now) * 1000)
    lines = Path(ledger) if ledger else place.ledger
    if ledger and not Path(ledger).is_file():
        raise Problem(f"--ledger {ledger}: there is no such file")
    known = None if lines is None else list(_ledger(lines))
    where = reading.places(place, settings)
    if fix:
        reading.sweep(where, sweepers(place, settings))
        known = None if lines is None else list(_ledger(lines))
    found = examine(reading.read(where, since=begin, now=int(place.now() * 1000), ledger=known))
    if choice.json:
        report.print_json({"since": begin, **found.to_json()})
    else:
        show(found)
    return 0 if found.clean else 1


def sweepers(place: Target, settings: Environment) -> PerRole[str]:
    """The function that finishes what was left, in each region."""
    return PerRole.build(lambda role: str(published(place, Stack("compute", settings.name, role), "audit_alias_arn")))


def show(found: Reconciliation) -> None:
    """Print what there is, and what disagrees."""
    from rich.console import Console  # noqa: PLC0415 - the quick path does without
    from rich.table import Table  # noqa: PLC0415

    counts = found.counts
    print(
        f"{counts.attempted} payments attempted = {counts.paid} paid + {counts.declined} declined "
        f"+ {counts.refused} refused + {counts.unknown} unknown"
    )
    if not found.charges_known:
        print("not compared with the processor: give its report with --ledger (docs/runbooks/reconcile.md)")
    if found.clean:
        books = "tables, processor and audit buckets agree" if found.charges_known else "tables and audit buckets agree"
        print(f"{books}: nothing is lost, doubled, contradictory or unaudited")
        return
    table = Table("payment", "is", "what", "what to do", box=None, pad_edge=False)
    for finding in found.findings[:SHOWN]:
        table.add_row(finding.payment, finding.kind, finding.what, finding.todo)
    Console().print(table)
    if len(found.findings) > SHOWN:
        print(f"... and {len(found.findings) - SHOWN} more: --json has them all")


def _ledger(path: Path) -> Iterator[Mapping[str, Any]]:
    """A ledger's lines. Raises Problem for a file that is none."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"cannot read the ledger {path}: {error}") from None
    for number, line in enumerate(text.split("\n")[:-1], 1):
        try:
            told = json.loads(line)
            told["endpoint"], told["key"], told["what"], int(told["at"])
        except (ValueError, KeyError, TypeError):
            raise Problem(f"{path}:{number}: is no line of a ledger (docs/processor.md)") from None
        yield told
