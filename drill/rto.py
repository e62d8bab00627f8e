"""What the model allows for a failover, over what nobody has measured; and what the drills of this checkout have found.

The bound grows second by second with the propagation (from the checkers' verdict to all name servers) and with the
longest of the record's TTL and the time for which a resolver keeps an answer all the same (its floor).
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drill.figures import DOUBLED_PAYMENTS, LOST_PAYMENTS, shown
from drill.records import MOVES, NOTHING
from shared.failover_time import DnsTiming, LatchTiming, worst

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drill.records import DrillOutcome, DrillPlan
    from shared.environment import Environment

PROPAGATIONS: Final = (0, 5, 10, 20, 30, 60)
FLOORS: Final = (0, 30, 60, 120, 300)
"""Seconds."""
RULE_OF_THREE: Final = 3
"""What n tries never showed happens in fewer than 3/n of them, at 95 % confidence (Hanley, Lippman-Hand, 1983)."""

NO_FAULTS: Final = MOVES | {NOTHING}
"""Drills of which nothing follows for faults."""


def allowed(environment: Environment, propagation: int, floor: int) -> int:
    """Seconds until the last client that honours what its resolver says has the secondary's answer, at most."""
    dns = DnsTiming(max(environment.edge.ttl, floor), propagation)
    return worst(environment.edge.checks.of_the_entry_point, dns).total


def latch(environment: Environment) -> dict[str, int] | None:
    """The outage that surely lasts, and the shortest that can, in seconds; None where failback is automatic."""
    if environment.edge.failback != "manual":
        return None
    timing = LatchTiming(environment.edge.checks.of_the_entry_point, environment.edge.dns)
    return {"certain": timing.certain, "shortest": timing.shortest}


@dataclass(frozen=True)
class FaultRecord:
    """What the drills with one fault came to."""

    fault: str
    drills: int
    passed: int
    missed: int
    inconclusive: int
    """Those and the ones that were broken off: of these nothing can be said."""
    worst: float | None
    """Virtual seconds that a client that honours the TTL was out, in the drills with a verdict; infinite: for good."""
    bound: float | None
    objective: float | None
    acknowledged: int
    lost: int
    doubled: int
    uncompared: int = 0
    """Drills with a verdict in which some books were not compared: what was lost or doubled there is not all known."""
    uncompared_payments: int = 0
    """Acknowledged in drills in which some books were not compared."""


def by_fault(history: Iterable[tuple[DrillPlan, DrillOutcome, Mapping[str, Any]]]) -> list[FaultRecord]:
    """Sum up a history; figures as they are written, with null for what never came."""
    found: dict[str, list[tuple[DrillPlan, DrillOutcome, Mapping[str, Any]]]] = defaultdict(list)
    for each in history:
        found[each[0].title].append(each)
    return [_record(fault, drills) for fault, drills in sorted(found.items())]


def _record(fault: str, drills: list[tuple[DrillPlan, DrillOutcome, Mapping[str, Any]]]) -> FaultRecord:
    judged = [(plan, told) for plan, outcome, told in drills if outcome.status in {"passed", "missed"}]
    statuses = [outcome.status for _, outcome, _ in drills]
    rows = [_row(told, "RTO, worst") for _, told in judged]
    outs = [math.inf if row["measured"] is None else float(row["measured"]) for row in rows if row]
    last = next((row for row in reversed(rows) if row), None)
    # A payment that was lost is lost, whatever else there is to say of its drill.
    lost, doubled = (sum(_count(told, name) for _, _, told in drills) for name in _BOOKS)
    return FaultRecord(
        fault,
        len(drills),
        statuses.count("passed"),
        statuses.count("missed"),
        len(drills) - len(judged),
        max(outs, default=None),
        last["bound"] if last else None,
        last["objective"] if last else None,
        sum(int(told.get("acknowledged", 0)) for *_, told in drills),
        lost,
        doubled,
        uncompared=sum(not _compared(told) for _, told in judged),
        uncompared_payments=sum(int(told.get("acknowledged", 0)) for *_, told in drills if not _compared(told)),
    )


_BOOKS: Final = (LOST_PAYMENTS, DOUBLED_PAYMENTS)


def _count(told: Mapping[str, Any], name: str) -> int:
    """0 too where it was not compared."""
    measured = (_row(told, name) or {}).get("measured", 0)
    return measured if isinstance(measured, int) else 0


def _compared(told: Mapping[str, Any]) -> bool:
    """Whether all books were: without the processor's nobody knows what was doubled."""
    return all(isinstance((_row(told, name) or {}).get("measured"), int) for name in _BOOKS)


def _row(told: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((each for each in told.get("figures", ()) if each["name"].startswith(name)), None)


def never_seen(records: Iterable[FaultRecord]) -> str:
    """What it means that no payment was lost or doubled; or how many were."""
    records = list(records)
    broken = [each for each in records if each.fault not in NO_FAULTS]
    drills, payments = sum(each.passed + each.missed for each in broken), sum(each.acknowledged for each in records)
    lost, doubled = sum(each.lost for each in records), sum(each.doubled for each in records)
    if lost or doubled:
        return f"{lost} of {payments} acknowledged payments were lost and {doubled} doubled, in {drills} drills"
    drills -= sum(each.uncompared for each in broken)
    payments -= sum(each.uncompared_payments for each in records)
    if not drills or not payments:
        return "no drill has come to a verdict, so nothing is known of lost or doubled payments"
    counted = f"{drills} drill{'' if drills == 1 else 's'}"
    return (
        f"none of {payments} acknowledged payments was lost or doubled in {counted}. By the rule of three fewer "
        f"than {_at_least(RULE_OF_THREE / payments, 4):.2%} of payments, and than "
        f"{min(1.0, _at_least(RULE_OF_THREE / drills, 2)):.0%} of faults, "
        "lose or double one, at 95 % confidence: drills in a sandbox, in which AWS's own failures are imitated"
    )


def _at_least(part: float, digits: int) -> float:
    """Rounded up: "fewer than" must stay true."""
    scale = float(10**digits)
    return math.ceil(round(part * scale, 6)) / scale


def cells(record: FaultRecord) -> tuple[str, ...]:
    """A row for people."""
    verdicts = (record.drills, record.passed, record.missed, record.inconclusive)
    times = (shown(value, "s") for value in (record.worst, record.objective, record.bound))
    books = (record.acknowledged, record.lost, record.doubled)
    return record.fault, *map(str, verdicts), *times, *map(str, books)
