"""What the tasks around drills call: the books, the history, the evidence. Each returns the exit code."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drill import reading
from drill.anchor import publish
from drill.evidence import bind, gather, ledger_of, new_folder, settings_of
from drill.figures import INCONCLUSIVE
from drill.reconcile import Reconciliation, examine
from drill.since import moment
from drill.tables import show_table, table_of
from orchestration import report
from orchestration.target import Target, choose, published
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PerRole, Role
from shared.root import ROOT
from shared.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.choice import Choice

SHOWN = 50
"""Findings in a table; JSON has them all."""


def reconcile(choice: Choice, *, since: str, ledger: str, fix: bool) -> int:
    """Compare everybody's books of the payments since then.

    Returns 1 when they disagree, or the sweep that was asked for could not be run in a region.
    """
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    now = place.now()
    begin = int(moment(since, now) * 1000)
    lines = Path(ledger) if ledger else place.ledger
    if ledger and not _is_file(ledger):
        raise Problem(f"--ledger {ledger}: there is no such file")
    known = None if lines is None else list(reading.ledger(lines, grows=not ledger))
    where = reading.places(place, settings)
    swept: dict[Role, Mapping[str, Any] | Problem] = {}
    if fix:
        swept = reading.sweep(where, sweepers(place, settings))
        for role, done in swept.items():  # before anything else can fail
            report.tell(f"sweep in the {role}: {_did(done)}")
        known = None if lines is None else list(reading.ledger(lines, grows=not ledger))
    found = examine(reading.read(where, since=begin, now=int(place.now() * 1000), ledger=known))
    if choice.json:
        told = {role: {"failed": str(done)} if isinstance(done, Problem) else done for role, done in swept.items()}
        report.print_json({"since": begin, **({"sweep": told} if fix else {}), **found.to_json()})
    else:
        show(found)
    return 0 if found.clean and not any(isinstance(done, Problem) for done in swept.values()) else 1


def _did(done: Mapping[str, Any] | Problem) -> str:
    if isinstance(done, Problem):
        return str(done)
    return ", ".join(f"{count} {what}" for what, count in sorted(done.items())) or "nothing was due"


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # a name that no file has
        return False


def sweepers(place: Target, settings: Environment) -> PerRole[str]:
    """The function that finishes what was left, in each region."""
    return PerRole.build(lambda role: str(published(place, Stack("compute", settings.name, role), "audit_alias_arn")))


def show(found: Reconciliation) -> None:
    """Print what there is, and what disagrees."""
    counts = found.counts
    print(
        f"{counts.attempted} payments attempted = {counts.paid} paid + {counts.declined} declined "
        f"+ {counts.refused} refused + {counts.unknown} unknown"
    )
    if found.coming:
        print(f"{found.coming} payments are so new that a book may not have them yet: run it again to see them, too")
    if not found.charges_known:
        print("not compared with the processor: give its report with --ledger (docs/runbooks/reconcile.md)")
    if found.clean:
        books = "tables, processor and audit buckets agree" if found.charges_known else "tables and audit buckets agree"
        print(f"{books}: nothing is lost, doubled, contradictory or unaudited")
        return
    table = table_of("payment", "is", "what", "what to do")
    for finding in found.findings[:SHOWN]:
        table.add_row(finding.payment, finding.kind, finding.what, finding.todo)
    show_table(table)
    if len(found.findings) > SHOWN:
        print(f"... and {len(found.findings) - SHOWN} more: --json has them all")


def drill_history(choice: Choice) -> int:
    """List the drills that there were, the newest last."""
    from drill import session  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    found = list(session.history(session.home(place)))
    if choice.json:
        report.print_json(
            [{"plan": plan.to_json(), "outcome": end.to_json(), "figures": each} for plan, end, each in found]
        )
        return 0
    if not found:
        print("no drill has been played: ./invoke drill plays one")
        return 0
    table = table_of("drill", "fault", "rate", "speed", "RTO", "verdict", "why")
    for plan, end, each in found:
        rto = next((row["measured"] for row in each.get("figures", ()) if row["name"].startswith("RTO, worst")), None)
        told = f"{rto:.1f} s" if rto is not None else "never" if each else ""
        table.add_row(plan.id, plan.title, f"{plan.rate:g}/s", f"{plan.speed:g}", told, end.status, end.why)
    show_table(table)
    return 0


def drill_evidence(choice: Choice, drill_id: str, out: str) -> int:
    """Gather the evidence of a drill that has been played, and print the head of its chain.

    Returns 1 when the head could not be locked away where it should have been.
    """
    from drill import session  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    played = [plan.id for plan, _, _ in session.history(session.home(place)) if plan.environment == choice.environment]
    if not out:
        raise Problem("drill.evidence: say where to, with --out FOLDER")
    if drill_id and drill_id not in played:
        raise Problem(f"there is no drill {drill_id!r} of {choice.environment}: ./invoke drill.history lists them")
    if not played:
        raise Problem(f"no drill of {choice.environment} has been played: ./invoke drill plays one")
    head = gather(session.home(place) / (drill_id or played[-1]), Path(out), ledger_of(place))
    published_head = publish(place, settings, head, out)
    if choice.json:
        report.print_json({"drill": drill_id or played[-1], "out": out, **published_head.to_json()})
    else:
        print("\n".join(published_head.lines()))
    return published_head.code


def evidence(choice: Choice, *, since: str, out: str) -> int:
    """Gather what a real failover has left since then. Returns 1 when the books disagree, 3 when they are unknown."""
    from drill import aftermath, session  # noqa: PLC0415

    if not since or not out:
        raise Problem("evidence: say --since (30m, 2h, 1d or 2026-11-26T10:00Z) and where to, with --out FOLDER")
    new_folder("--out", out)
    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    window = aftermath.Window(moment(since, place.now()), place.now())
    gathered = aftermath.Aftermath(place, settings, window).gather()
    found = aftermath.summed_up(gathered, window)
    about = {**session.about(settings), "target": choice.target, **asdict(window), "failover": aftermath.told(found)}
    files = [*settings_of(choice.environment), *ledger_of(place)]
    texts = {"window.json": json.dumps(about, indent=2, sort_keys=True) + "\n", **aftermath.files(gathered)}
    head = publish(place, settings, bind(Path(out), files, texts), out)
    if choice.json:
        unknown = {each.name: each.missing for each in gathered if each.missing}
        report.print_json({"out": out, **head.to_json(), **about, "unknown": unknown})
    else:
        table = table_of("source", "asked in", "")
        for each in gathered:
            table.add_row(each.name, each.asked, f"unknown: {each.unknown}" if each.unknown else each.entries)
        show_table(table)
        for what, at in (("the gate was unhealthy", found.detected), ("well again", found.well_again)):
            print(f"{what}: {at or 'not in this window'}")
        print(f"the switch said stop: {found.stopped or 'not in this window'}; {found.notified} notifications on file")
        if found.found:
            show(found.found)
        print("\n".join(head.lines()))
    if found.found is None:
        return INCONCLUSIVE  # nobody knows whether the books agree
    return head.code if found.found.clean else 1


def drill_report(choice: Choice) -> int:
    """Print what the model allows over what is assumed, and what the drills that there were have found."""
    from drill import rto, session  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    place = choose(choice.target, settings, report.tell)
    found = rto.by_fault(session.history(session.home(place)))
    assumed, objective = settings.edge.propagation, settings.objectives.failover
    grid = {each: {floor: rto.allowed(settings, each, floor) for floor in rto.FLOORS} for each in rto.PROPAGATIONS}
    latch = rto.latch(settings)
    if choice.json:
        told = {
            "propagation": assumed.model_dump(mode="json"),
            "objective": objective,
            "client": session.CLIENT,
            "example": session.EXAMPLE,
            "latch": latch,
        }
        report.print_json({**told, "allowed": grid, "drills": [asdict(each) for each in found]})
        return 0
    print(
        f"seconds until DNS leads the last client to the secondary, at most, whatever the fault (objective {objective})"
    )
    table = table_of("propagation", *(f"floor {floor}" for floor in rto.FLOORS))
    for seconds, row in grid.items():
        mark = " *" if seconds == assumed.seconds else ""
        table.add_row(
            f"{seconds}{mark}", *(f"{total}{'' if total <= objective else ' over'}" for total in row.values())
        )
    show_table(table)
    print(f"* the environment's propagation: {assumed.source}")
    print(f"floor: for how long a resolver keeps an answer at least, whatever its TTL ({settings.edge.ttl} s)")
    own = f"{session.CLIENT:g} s, and {session.EXAMPLE:g} s by clients/payments.py"
    print(f"a client adds its own time-out and pause: in a drill at most {own}; each bound below has the longest")
    if latch:
        least, surely = latch["shortest"], latch["certain"]
        print(f"an outage of {surely} s makes a failover last for certain, one of less than {least} s never does")
    print()
    if found:
        drills = table_of(
            *("fault", "drills", "passed", "missed", "no verdict", "worst RTO", "objective", "bound"),
            *("paid", "lost", "doubled"),
        )
        for each in found:
            drills.add_row(*rto.cells(each))
        show_table(drills)
    print(rto.never_seen(found))
    return 0
