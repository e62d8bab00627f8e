"""What a drill's records come to: how long clients were out, and whether the objectives held. Only arithmetic.

"Good" is a new payment that was answered 201 and is in the books: never a replay, a refusal or a health answer. A
client is out from its first failed attempt to its next good answer, and may be so again; one that never has a good one
again is out for ever. A payment's first attempt fails from when it was due, others from when they were sent. One whose
first attempt could not be sent in time has failed; where such payments decide, there is no verdict.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from drill.clients import SENT_IN_TIME
from drill.reconcile import DOUBLED, LOST
from drill.records import NOTHING, Attempt, Event
from shared.failover_time import MONTH, Allowance

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from drill.reconcile import Reconciliation
    from drill.records import DrillPlan, DrillStatus

FOREVER: Final = math.inf
LOST_PAYMENTS: Final = "payments lost"
DOUBLED_PAYMENTS: Final = "payments doubled"
NOT_COMPARED: Final = "not compared with the processor's books"
STAYED: Final = "clients stayed away until restored"
RETURNED: Final = "clients went back by themselves"
SERVED_AGAIN: Final = "clients are served there again"
LONGEST: Final = "longest of all outages, worst client that honours the TTL"
RECOVERY_POINT: Final = "RPO: age of the oldest lost payment at the failover"
DETECTION: Final = "detection"
GATE: Final = "gate"
"""Ends the name of the check that decides for the primary."""
COLD: Final = 60.0
"""Virtual seconds of the standby's first minute, which is told apart."""
LAG: Final = 2.0
"""Virtual seconds by which the drill's own loop may be late."""
STALL: Final = 5.0
"""Virtual seconds by which it may be late once: what is measured is wrong by as much, and nobody pays meanwhile."""
UNDER_WAY: Final = 1.0
"""Real seconds before the fault: who fails of what was sent then was failed by it, and not by the machine."""
WELL_BEHAVED: Final = ("fresh", "example")
"""Kinds that honour the TTL: the objectives are for them. The others are told beside."""
ADDS: Final[Mapping[str, str]] = {"fresh": "client", "example": "example"}
"""Which of the plan's bounds is what a client of a kind adds by itself: its own time-out and pause."""
BY_THEMSELVES: Final = "; clients went back by themselves after the first fault, which was too short for the latch"
PASSED, MISSED, INCONCLUSIVE, ABORTED = 0, 1, 3, 130
"""Exit codes."""
SERVED_PART: Final = 0.05
"""Of the attempts after going back: where more fail, clients are not served there."""
LATE_PART: Final = 0.01
"""Of the payments of a baseline: where more are late or fail, the machine is the bottleneck and nothing is measured.
Later on, too, where more are late."""


@dataclass(frozen=True)
class ClientOutage:
    """How long the clients of one kind were out, in virtual seconds; infinite where one never came back."""

    kind: str
    clients: int
    affected: int
    p50: float
    p99: float
    worst: float


@dataclass(frozen=True)
class Figure:
    """One measured value beside what was promised and what the model allows."""

    name: str
    measured: float | int | str
    objective: float | None = None
    bound: float | None = None
    """Within the model (shared/failover_time.py)."""
    unit: str = "s"
    held: bool | None = None
    """None where nothing was promised."""


@dataclass(frozen=True)
class Latencies:
    """Of answered attempts, in virtual seconds."""

    p50: float
    p99: float
    answered: int


@dataclass(frozen=True)
class StepFigures:
    """What clients saw of one step of an outage."""

    at: float
    """Virtual seconds after the first step."""
    until: float
    faults: tuple[str, ...]
    """What is said of it; none when the outage is over."""
    sources: tuple[str, ...]
    attempts: int
    failed: int
    primary: int
    """Attempts that it answered well or declined."""
    secondary: int


@dataclass(frozen=True)
class DrillFigures:
    """Everything that was measured."""

    figures: tuple[Figure, ...]
    begun: float
    """When the fault came, in virtual seconds since the epoch; infinite where none did."""
    outages: tuple[ClientOutage, ...]
    before: Latencies
    after: Latencies
    cold_attempts: int
    """Attempts in the standby's first minute."""
    cold_failed: int
    cold_payments: int
    cold_p99: float
    first_attempts: int
    first_failed: int
    payments: int
    acknowledged: int
    declined: int
    refused: int
    unknown: int
    notifications: tuple[Event, ...]
    steps: tuple[StepFigures, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return dict(_finite(asdict(self)))


def outages(
    attempts: Iterable[Attempt],
    since: float,
    known: Callable[[Attempt], bool],
    until: float = FOREVER,
    allowed: float = 0.0,
) -> list[ClientOutage]:
    """How long clients were out from a moment on, by kind. `known`: whether the books have the payment.

    until: what was sent from then on neither begins nor ends an outage; unless that began less than `allowed` before:
    then the fault was over before the time was in which the client had to be served again.
    """
    by_client: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_client[attempt.kind, attempt.client].append(attempt)
    lengths: dict[str, list[float]] = defaultdict(list)
    clients: dict[str, int] = defaultdict(int)
    for (kind, _), own in sorted(by_client.items()):
        clients[kind] += 1
        if (length := _out(own, since, known, until, allowed)) is not None:
            lengths[kind].append(length)
    return [
        ClientOutage(kind, clients[kind], len(found), *(quantile(found, part) for part in (0.5, 0.99, 1.0)))
        for kind in clients
        for found in [sorted(lengths[kind])]
    ]


def _out(
    attempts: Sequence[Attempt], since: float, known: Callable[[Attempt], bool], until: float, allowed: float
) -> float | None:
    """How long one client was out; None when it was not."""
    # What was on its way when the fault came counts too: it was sent before, and failed by it.
    failed = [each.begins for each in attempts if each.ended >= since and each.is_bad and each.sent < until]
    if not failed:
        return None
    begin = min(failed)
    end = FOREVER if begin > until - allowed else until
    good = [each.ended for each in attempts if begin < each.sent < end and each.outcome == "created" and known(each)]
    return min(good, default=FOREVER) - begin


def _all_outages(attempts: Iterable[Attempt], since: float, lost: Collection[str]) -> list[list[float]]:
    """How long each client that honours the TTL was out, each time: after a first good payment it may fail again."""
    by_client: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        if attempt.kind in WELL_BEHAVED:
            by_client[attempt.client].append(attempt)
    return [list(_outages_of(own, since, lost)) for own in by_client.values()]


def _longest(attempts: Iterable[Attempt], since: float, lost: Collection[str] = ()) -> float:
    return max((each for own in _all_outages(attempts, since, lost) for each in own), default=0.0)


def _outages_of(attempts: Sequence[Attempt], since: float, lost: Collection[str]) -> Iterator[float]:
    """One client's; one that has not ended with the records lasts to its last attempt.

    Failed attempts that wait for the same good answer are of one outage.
    """
    last = max(each.ended for each in attempts)
    good = [(each.sent, each.ended) for each in attempts if each.outcome == "created" and each.payment not in lost]
    begins: dict[float, float] = {}
    for at in sorted(each.begins for each in attempts if each.is_bad and each.ended >= since):
        begins.setdefault(min((ended for sent, ended in good if sent > at), default=last), at)
    for end, begin in begins.items():
        yield end - begin


def quantile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of them do not exceed; 0 of none."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


def latencies(attempts: Iterable[Attempt], begin: float, end: float) -> Latencies:
    """Of the attempts that were sent in a window and answered."""
    took = sorted(each.ended - each.sent for each in attempts if begin <= each.sent < end and each.status)
    return Latencies(quantile(took, 0.5), quantile(took, 0.99), len(took))


def first(events: Iterable[Event], since: float, kind: str, what: str, subject: str = "") -> float | None:
    """When something of a kind happened first, from a moment on."""
    return min(
        (
            each.at
            for each in events
            if each.kind == kind and each.what == what and each.at >= since and each.subject.endswith(subject)
        ),
        default=None,
    )


def measure(
    plan: DrillPlan, attempts: Sequence[Attempt], events: Sequence[Event], books: Reconciliation | None
) -> DrillFigures:
    """All figures of a drill, from what it has left."""
    begun = first(events, 0.0, "fault", plan.fault) or math.inf
    fault = begun + plan.measured_at
    healed = first(events, 0.0, "heal", "") or max((each.ended for each in attempts), default=fault)
    bad = {each.payment for each in books.findings if each.kind == LOST} if books else set()
    lasting = [each for each in attempts if each.sent < healed]
    allowed = min((each for each in (plan.objective, plan.bounds.get("total")) if each is not None), default=FOREVER)
    by_kind = outages(attempts, fault, lambda each: each.payment not in bad, healed, allowed)
    well = [each for each in by_kind if each.kind in WELL_BEHAVED]
    worst = max((each.worst for each in well), default=0.0)
    detected = first(events, fault, "health", "unhealthy", GATE)
    switched = first(events, fault, "dns", "secondary")
    objective = plan.objective
    detection = plan.bounds.get("detection")
    total = plan.bounds.get("total")
    limits = {each.kind: _sum(total, plan.bounds.get(ADDS.get(each.kind, ""))) for each in well}
    limit = max((each for each in limits.values() if each is not None), default=_sum(total, plan.bounds.get("client")))
    phases = {each.what for each in events if each.kind == "phase"}
    altogether = max((sum(own) for own in _all_outages(lasting, begun, bad)), default=0.0)
    loaded = [each for each in attempts if each.sent < _settled(events)]
    if plan.fault == NOTHING:
        figures = [_within("RTO, worst client that honours the TTL", worst, objective, None)]
        figures += _undisturbed(attempts, events)
    else:
        figures = [
            _within("RTO, worst client that honours the TTL", worst, objective, limit),
            *(_within(f"RTO, worst {each.kind} client", each.worst, None, limits[each.kind]) for each in well),
            # Of a planned move no time was promised, so the model's bound is taken, which is for the first outage.
            _within(LONGEST, _longest(loaded, begun, bad), plan.longest_objective, limit if plan.planned else None),
            Figure("out in all its outages, worst client", altogether),
            Figure("RTO, p50", max((each.p50 for each in well), default=0.0)),
            Figure("RTO, p99", max((each.p99 for each in well), default=0.0)),
            _within(DETECTION, _after(detected, fault), None, detection),
            _within(
                "DNS answers the secondary",
                _after(switched, fault),
                None,
                _sum(detection, plan.bounds.get("propagation")),
            ),
        ]
        back = "failed back" in phases
        figures.append(_stayed(plan, events, begun, switched))
        figures.append(Figure("clients went back then", "yes" if back else "no", unit="", held=back))
        figures += _served_again(plan, attempts, events)
        figures.append(_budget(plan, max(worst, altogether)))
    if plan.planned:
        figures += _paid_at_the_primary(plan, lasting, fault)
    if books:
        lost, doubled, strong = books.of(LOST), books.of(DOUBLED), plan.consistency == "strong"
        others = len({each.payment for each in books.findings if each.kind not in {LOST, DOUBLED}})
        known = books.charges_known
        figures += [
            # With eventual consistency writes may be lost, and nothing else was promised: they are counted.
            Figure(LOST_PAYMENTS, lost, 0 if strong else None, unit="", held=lost == 0 if strong else None),
            *([] if strong else [_recovery_point(lasting, bad, switched)]),
            # Without the processor's own books nobody knows how often it has charged.
            Figure(
                DOUBLED_PAYMENTS, doubled if known else NOT_COMPARED, 0, unit="", held=doubled == 0 if known else None
            ),
            Figure("other disagreements of the books", others, 0, unit="", held=others == 0),
            Figure("payments still unknown", books.counts.unknown, 0, unit="", held=books.counts.unknown == 0),
        ]
    firsts = [each for each in attempts if each.attempt == 1]
    over = switched if switched is not None else math.inf
    standby = [each for each in attempts if plan.role_of(each) == "secondary"]
    cold = [each for each in standby if over <= each.sent < over + COLD]
    cold_took = sorted(each.ended - each.sent for each in cold if each.status)
    counts = books.counts if books else None
    return DrillFigures(
        tuple(figures),
        begun,
        tuple(by_kind),
        latencies(attempts, 0.0, begun),
        latencies(attempts, switched or healed, healed),
        len(cold),
        sum(each.is_bad for each in cold),
        len({each.key for each in cold}),
        quantile(cold_took, 0.99),
        len(firsts),
        sum(each.is_bad for each in firsts),
        len({each.key for each in attempts}),
        len({each.payment for each in attempts if each.status == 201}),
        counts.declined if counts else 0,
        counts.refused if counts else 0,
        counts.unknown if counts else 0,
        tuple(each for each in events if each.kind == "notification" and each.at >= begun),
        tuple(_steps(plan, attempts, begun, healed)),
    )


def _steps(plan: DrillPlan, attempts: Sequence[Attempt], fault: float, healed: float) -> Iterator[StepFigures]:
    """An outage step by step, the last one until the primary was mended."""
    begins = [fault + step["at"] for step in plan.steps]
    for step, begin, end in zip(plan.steps, begins, [*begins, healed][1:], strict=True):
        within = [each for each in attempts if begin <= each.sent < end]
        failed = sum(each.is_bad for each in within)
        served = [plan.role_of(each) for each in within if not each.is_bad and each.outcome != "pending"]
        yield StepFigures(
            begin - fault,
            end - fault,
            tuple(each["says"] for each in step["faults"]),
            tuple(each["source"] for each in step["faults"]),
            len(within),
            failed,
            served.count("primary"),
            served.count("secondary"),
        )


def _paid_at_the_primary(plan: DrillPlan, attempts: Sequence[Attempt], fault: float) -> Iterator[Figure]:
    """Of an evacuation: how long the primary went on making payments, for each kind of client."""
    for kind in plan.clients:
        last = max(
            (
                each.ended
                for each in attempts
                if each.kind == kind and each.outcome == "created" and plan.role_of(each) == "primary"
            ),
            default=fault,
        )
        yield Figure(f"{kind} clients paid at the primary for", max(0.0, last - fault))


def _stayed(plan: DrillPlan, events: Sequence[Event], fault: float, switched: float | None) -> Figure:
    """Whether clients went back to the primary without a decision, also between the waves of an outage.

    Of an outage whose first fault was too short for the latch they may: it is told, and nothing was promised.
    """
    moments = {each.what: each.at for each in reversed(events) if each.kind == "phase"}
    back = moments.get("returned")
    if plan.returns:
        return Figure(RETURNED, "no" if back is None else "yes", unit="", held=back is not None)
    if switched is None:
        return Figure(STAYED, "nobody had left", unit="")
    decision = min((each.at for each in events if each.kind == "restore"), default=math.inf)
    by_dns = first(events, switched, "dns", "primary")
    back = by_dns if by_dns is not None and by_dns < decision else back
    if back is None:
        return Figure(STAYED, "yes", unit="", held=True)
    lasting = plan.bounds.get("latched")
    if (
        not plan.steps
        or moments.get("latched", math.inf) < back
        or (lasting is not None and plan.first_lasts >= lasting)
    ):
        return Figure(STAYED, "no", unit="", held=False)
    return Figure(STAYED, f"no: back after {back - fault:.0f} s, which the latch allows", unit="")


def _recovery_point(attempts: Iterable[Attempt], lost: Collection[str], switched: float | None) -> Figure:
    """With eventual consistency: how old the oldest payment was that is lost, when DNS moved clients away from it."""
    acknowledged = [each.ended for each in attempts if each.status == 201 and each.payment in lost]
    if not acknowledged or switched is None:
        return Figure(RECOVERY_POINT, "nothing was lost, and that is not promised", unit="")
    return Figure(RECOVERY_POINT, max(0.0, switched - min(acknowledged)))


def _budget(plan: DrillPlan, worst: float) -> Figure:
    """What the worst client's outages together take of the time that the availability leaves in a month."""
    percent = plan.objectives.get("availability_percent")
    allowed = Allowance(percent).seconds(MONTH) if percent is not None else 0
    return Figure("of a month's error budget", 100 * worst / allowed if allowed else math.inf, unit="%")


def _undisturbed(attempts: Iterable[Attempt], events: Iterable[Event]) -> Iterator[Figure]:
    """Of a drill in which nothing was broken."""
    moved = sum(each.kind == "dns" and each.what == "secondary" for each in events)
    failed = sum(each.is_bad for each in attempts)
    paid = len({each.payment for each in attempts if each.outcome == "created"})
    yield Figure("failovers", moved, 0, unit="", held=moved == 0)
    yield Figure("attempts that failed", failed, 0, unit="", held=failed == 0)
    yield Figure("new payments", paid, unit="", held=paid > 0)


def _served_again(plan: DrillPlan, attempts: Iterable[Attempt], events: Iterable[Event]) -> Iterator[Figure]:
    """Whether who has followed DNS back is served there: an answer of DNS alone is no payment."""
    back = next((each.at for each in events if (each.kind, each.what) == ("phase", "failed back")), None)
    if back is None:
        return
    begin = back + plan.bounds.get("ttl", 0.0)
    tried = [each for each in attempts if each.sent >= begin and each.kind in WELL_BEHAVED]
    made = sum(each.outcome == "created" and plan.role_of(each) != "secondary" for each in tried)
    failed = sum(each.is_bad and not _is_late(each) for each in tried)  # late is the machine's
    held = made > 0 and failed <= max(1.0, SERVED_PART * len(tried)) if tried else None
    yield Figure(SERVED_AGAIN, f"{made} new payments, {failed} attempts failed", unit="", held=held)


def verdict(figures: DrillFigures, trouble: Sequence[str]) -> tuple[DrillStatus, int, str]:
    """What to say of a drill: its status, the exit code, and why. Trouble of the machine is never a verdict."""
    names = missed(figures)
    told = f"missed: {', '.join(names)}"
    if trouble:  # what is missed all the same is told: nobody shall read past a payment that was lost
        return "inconclusive", INCONCLUSIVE, "; ".join([*trouble, told] if names else trouble)
    if not any(each.name == LOST_PAYMENTS for each in figures.figures):
        return "inconclusive", INCONCLUSIVE, "the books were not compared"
    if names:
        return "missed", MISSED, told
    alone = any(each.name == STAYED and str(each.measured).startswith("no:") for each in figures.figures)
    return "passed", PASSED, f"{_held(figures)}{BY_THEMSELVES if alone else ''}{_unjudged(figures)}"


def _unjudged(figures: DrillFigures) -> str:
    """Of a fault that the model does not bound: a failure of some payments ends each outage at the next lucky one."""
    unbounded = any(each.name == DETECTION and each.bound is None for each in figures.figures)
    if not unbounded or not figures.first_failed:
        return ""
    return f"; {figures.first_failed} of {figures.first_attempts} payments failed at first: nothing judges how many may"


def _held(figures: DrillFigures) -> str:
    """Of a drill that missed nothing: what held, and what nobody knows."""
    unknown = [
        each.name
        for each in figures.figures
        if each.held is None and (each.objective is not None or each.name == SERVED_AGAIN)
    ]
    if not unknown:
        return "every objective held"
    return f"every objective that was measured held; not measured: {', '.join(unknown)}"


def bottleneck(attempts: Sequence[Attempt], begin: float, end: float, lags: Sequence[float], speed: float = 1.0) -> str:
    """Why the machine, and not the system, may have been too slow before the fault; empty when it was not."""
    window = [each for each in attempts if each.attempt == 1 and begin <= each.due < end]
    late = sum(map(_is_late, window))
    by_fault = end - UNDER_WAY * speed  # work takes no longer at a higher speed
    failed = sum(each.is_bad and not _is_late(each) and (each.ended < end or each.sent < by_fault) for each in window)
    if not window:
        return "no payment was made before the fault"
    if late > LATE_PART * len(window):
        return f"{late} of {len(window)} payments could not be sent in time: the machine is too slow for this rate"
    if failed > LATE_PART * len(window):
        return f"{failed} of {len(window)} payments failed before the fault"
    slow, worst = quantile(sorted(lags), 0.99), max(lags, default=0.0)
    if slow <= min(0.5, LAG / speed) and worst <= STALL / speed:
        return ""
    return f"the drill itself was held up by {max(slow, worst):.1f} s: the machine is too slow for this speed"


def too_late(
    plan: DrillPlan,
    attempts: Sequence[Attempt],
    events: Sequence[Event],
    books: Reconciliation | None,
    found: DrillFigures,
) -> str:
    """Why what the machine did not send in time may have decided after the fault; empty when it has not."""
    window = [each for each in attempts if each.attempt == 1 and each.due >= found.begun]
    late = sum(map(_is_late, window))
    if late > LATE_PART * len(window):
        return (
            f"{late} of {len(window)} payments could not be sent in time after the fault: "
            "the machine is too slow for this rate"
        )
    in_time = measure(plan, [each for each in attempts if not _is_late(each)], events, books)
    decided = [name for name in missed(found) if name not in missed(in_time)]
    if not decided:
        return ""
    return f"missed only by payments that the machine did not send in time: {', '.join(decided)}"


def missed(figures: DrillFigures) -> list[str]:
    """The names of what did not hold."""
    return [each.name for each in figures.figures if each.held is False]


def _is_late(attempt: Attempt) -> bool:
    """Whether the machine was too slow to send a payment when it was due. Threads, too, may have kept it waiting."""
    return attempt.outcome == "late" or (attempt.attempt == 1 and attempt.sent - attempt.due > SENT_IN_TIME)


def out_again(plan: DrillPlan, attempts: Iterable[Attempt], events: Sequence[Event]) -> str:
    """Why the standby, or the machine, was too slow once it had taken over; empty when it was not.

    A standby that fails later is no failover that was too slow, and no machine of this size can tell which it was;
    unless the outage that is played breaks it, too, or it goes on answering what is no payment: that is measured.
    """
    if plan.breaks("secondary"):
        return ""
    switched = first(events, 0.0, "dns", "secondary")
    healed = first(events, 0.0, "heal", "")
    if switched is None or healed is None:
        return ""
    begin = switched + COLD
    there = [each for each in attempts if plan.role_of(each) == "secondary" and begin <= each.sent < healed]
    failed = [each for each in there if each.is_bad and not _is_late(each)]
    few = LATE_PART * len(there)
    is_answered = sum(not each.status for each in failed) <= few
    if len(failed) <= few or (is_answered and _longest(there, begin) > _may_be(plan)):
        return ""
    told = f"{len(failed)} of {len(there)} attempts failed at the standby after its first minute"
    return f"{told}: it or the machine is slow"


def _may_be(plan: DrillPlan) -> float:
    """For how long a client may be out."""
    objective = plan.longest_objective
    limits = (_sum(plan.bounds.get("total"), plan.bounds.get(each)) for each in ADDS.values())
    return objective if objective is not None else max((each for each in limits if each is not None), default=FOREVER)


def _settled(events: Iterable[Event]) -> float:
    """When the load ended: who fails afterwards has no next payment."""
    return first(events, 0.0, "phase", "settled") or math.inf


def _within(name: str, measured: float, objective: float | None, limit: float | None) -> Figure:
    """A time that must be within what was promised, and within what the model allows."""
    known = [value for value in (objective, limit) if value is not None]
    return Figure(name, measured, objective, limit, held=measured <= min(known) if known else None)


def _after(at: float | None, begin: float) -> float:
    return FOREVER if at is None else at - begin


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _finite(value: Any) -> Any:
    """JSON knows no infinity: it is written as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def shown(value: float | str | None, unit: str) -> str:
    """A figure for people."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "never" if math.isinf(value) else f"{value:.1f}{f' {unit}' if unit else ''}"
    return f"{value}{f' {unit}' if unit else ''}"
