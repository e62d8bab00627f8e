"""What the tasks around restored data call. Each returns the exit code."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from drill.bring_in import Destination
from drill.restored import compare
from drill.restoring import TAIL, Restoring
from drill.restoring_copies import RestoringCopies
from drill.since import moment
from drill.tables import show_table, table_of
from orchestration import report
from orchestration.aws import Aws
from orchestration.pay import chosen
from orchestration.person import go_ahead
from orchestration.target import choose, published
from shared.environment import Environment
from shared.environment_sections import VaultSettings
from shared.errors import Problem
from shared.root import ROOT
from shared.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from drill.restored import RestoredTable, WrongItem
    from orchestration.choice import Choice
    from orchestration.target import Target
    from shared.roles import Role

VAULT = VaultSettings.layer
"""The value of --from that means the copies there."""
SHOWN = 50
"""Differences in a table; JSON has them all."""
TOLD_EVERY = 15.0
"""Seconds between two words about a long run."""


def restore_test(choice: Choice, *, at: str, source: str) -> int:
    """Restore the table beside the original, compare every item, and remove it. Returns 1 when they differ.

    source: `vault` restores the newest copy that lies there instead, in its region; empty: point-in-time recovery.
    """
    if source not in {"", VAULT}:
        raise Problem(f"--from {source}: choose {VAULT}, or leave it out for point-in-time recovery")
    settings = Environment.load(choice.environment, ROOT)
    role = chosen(choice.region or None)
    place = choose(choice.target, settings, report.tell)
    wanted = moment(at, place.now(), option="--at") if at else None
    original = restoring_in(place, settings, role)
    restoring = restoring_copies(place, settings) if source else original
    then = restoring.moment(wanted)
    go_ahead(
        place,
        choice,
        f"restoring {restoring.table} of {place.where}, {restoring.region}, to {then:%Y-%m-%dT%H:%M:%SZ} as "
        f"{restoring.target}, and reading both: AWS bills each restored GB, and what is read",
    )
    began = time.monotonic()
    with restoring.restored(then) as table:
        ready = time.monotonic()
        restored_to = int(then.timestamp() * 1000)
        found = compare(original.items(original.table), restoring.items(table), restored_to, doubt=restoring.doubt)
    if choice.json:
        report.print_json(_values(restoring, then, found, ready - began))
    else:
        _show(restoring, then, found, ready - began)
    return 0 if found.same else 1


def bring_in(choice: Choice, *, table: str, unfinished: bool) -> int:
    """Bring the payments of another table of the account into the deployed one. Returns 1 on a contradiction."""
    settings = Environment.load(choice.environment, ROOT)
    role = chosen(choice.region or None)
    if not table:
        raise Problem("bring-in: say from which --table")
    place = choose(choice.target, settings, report.tell)
    restoring = restoring_in(place, settings, role)
    if table == restoring.table:
        raise Problem(f"--table {table} is the deployed table itself: name the one that payments come from")
    restoring.require_keys(table)
    into = f"{restoring.table} of {place.where}, {restoring.region}"
    go_ahead(place, choice, f"bringing payments of {table} into {into}")
    destination = Destination(restoring.client, restoring.region, restoring.table)
    told = Progress(report.tell, table)
    found = destination.bring_in(restoring.items(table), unfinished=unfinished, progress=told)
    if choice.json:
        contradictions = [{"key": list(each.key), "what": each.what} for each in found.contradictions]
        report.print_json({"from": table, "into": restoring.table, "items": found.counts, "another": contradictions})
    else:
        counts = ", ".join(f"{number:,} {what}" for what, number in found.counts.items()) or "no items"
        print(f"{table} into {restoring.table} in {restoring.region}: {counts}")
        list_wrong(found.contradictions)
    return 1 if found.contradictions else 0


class Progress:
    """Says from time to time how far it is."""

    def __init__(self, tell: Callable[[str], None], table: str) -> None:
        self._tell, self._table = tell, table
        self._last = time.monotonic()

    def __call__(self, number: int) -> None:
        if time.monotonic() - self._last >= TOLD_EVERY:
            self._last = time.monotonic()
            self._tell(f"{number:,} items of {self._table} so far")


def restoring_in(place: Target, settings: Environment, role: Role) -> Restoring:
    """What restores the table of a target's stacks. Raises Problem when they are not deployed."""
    data, region = Stack("data", settings.name), settings.region(role)
    return Restoring(
        Aws(place.cli.variables).client("dynamodb", region),
        region,
        str(published(place, data, "table_name")),
        str(published(place, data, "key_arns")[role]),
        report.tell,
    )


def restoring_copies(place: Target, settings: Environment) -> RestoringCopies:
    """What restores the copies of a target's vault. Raises Problem when there is none."""
    vault, data, aws = Stack(VAULT, settings.name), Stack("data", settings.name), Aws(place.cli.variables)
    region = str(published(place, vault, "region"))
    return RestoringCopies(
        aws.client("dynamodb", region),
        region,
        str(published(place, data, "table_name")),
        str(published(place, vault, "key_arn")),
        report.tell,
        backup=aws.client("backup", region),
        vault=str(published(place, vault, "vault_name")),
        table_arn=str(published(place, data, "table_arns")["primary"]),
        role_arn=str(published(place, vault, "restore_role_arn")),
    )


def _values(restoring: Restoring, then: datetime, found: RestoredTable, seconds: float) -> dict[str, Any]:
    return {
        "table": restoring.table,
        "region": restoring.region,
        "restored_to": f"{then:%Y-%m-%dT%H:%M:%SZ}",
        "restored_in_seconds": round(seconds, 1),
        "items": dict(found.counts),
        "sha256": {"original": found.hashes[0], "restored": found.hashes[1]},
        "differences": [{"key": list(each.key), "what": each.what} for each in found.differences],
        "same": found.same,
    }


def _show(restoring: Restoring, then: datetime, found: RestoredTable, seconds: float) -> None:
    """Print what there is, and what differs."""
    counts = ", ".join(f"{number:,} {what}" for what, number in found.counts.items()) or "no items"
    print(
        f"{restoring.table} in {restoring.region}, restored to {then:%Y-%m-%dT%H:%M:%SZ} in {seconds:.0f} s: {counts}"
    )
    print(f"sha256 of what nobody has touched since: original {found.hashes[0]}")
    print(f"                                         restored {found.hashes[1]}")
    if found.same:
        same = found.counts.get("same", 0)
        print(f"the restored table is the original as of that moment: {same:,} payments are the same")
        if doubtful := found.counts.get("in doubt", 0):
            print(
                f"{doubtful:,} were written within {restoring.doubt // 1000:,} s of that moment and differ, as they may"
            )
    else:
        list_wrong(found.differences)
    print(f"{restoring.table}{TAIL} is removed")


def list_wrong(found: Sequence[WrongItem]) -> None:
    """Print the first of what is wrong."""
    if not found:
        return
    table = table_of("payment", "what")
    for each in found[:SHOWN]:
        table.add_row(each.key[0], each.what)
    show_table(table)
    if len(found) > SHOWN:
        print(f"... and {len(found) - SHOWN} more: --json has them all")
