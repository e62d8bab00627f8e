"""Whether what a drill plays on may be believed: judged from what was seen. Nothing is asked here.

Each judgement returns why it is not to be believed, in a sentence, or nothing. Before the load a lie ends the drill;
one that shows only afterwards takes the verdict away. All times are virtual seconds unless they are called real.
"""

from __future__ import annotations

import math
import statistics
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from drill.figures import GATE, first
from drill.records import NOTICED
from shared.failover_time import METRIC_DELAY_SECONDS
from shared.roles import PRIMARY, SECONDARY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from drill.names import Resolved
    from drill.records import Attempt, DrillPlan, Event

SEEN: Final = "self-test"
"""Kind of the events that the drill has seen by itself."""
AGREES: Final = 5.0
"""Virtual seconds by which what the drill saw of DNS and what DNS says of itself may differ: it looks once a second,
and waits two for an answer."""
CLOCK_AGREES: Final = 0.05
"""The part by which a clock may be wrong: it is measured over a few real seconds, by questions that take some time."""
OLDEST: Final = 2
"""Intervals after which an observation is too old."""
NEAREST: Final = 0.005
"""Virtual seconds to another region and back, at least: the nearest that share a strongly consistent table are 10 to 15
milliseconds apart (https://www.cloudping.co/). By the drill's own knowledge: the sandbox's is what is judged."""
TAKES_HOLD: Final = 1.0
"""Real seconds in which a fault reaches whoever answers: it is work, and takes no less at a higher speed."""
TOTAL: Final = frozenset({"refuse", "hang", "5xx", "slow"})
"""Faults under which the primary answers nobody well in time: neither clients nor checkers."""
UNPAID: Final = TOTAL | {"grey", "data", "name", "partition"}
"""Faults under which no payment can be made in the primary."""
ASKING: Final = 16
"""Checkers of one endpoint."""
FEW: Final = 2
"""Of them, at most so many find an endpoint well that is unhealthy (18 %, Route 53 Developer Guide)."""
PROBED: Final = "probe"
"""Kind of the events that tell when what the drill itself finds at the primary's health route has changed."""
WELL, ILL = "well", "ill"
GREY: Final = "grey"
"""The fault under which payments fail and the health route answers."""
OF_HEALTH: Final = ("fast", "standard")
"""End the names of the checks that ask the primary's health route."""
ILL_FOR: Final = 30.0
"""Virtual seconds for which a health route may seem ill to a drill on a machine that is slow for a moment."""
PROPAGATES: Final = 10.0
"""Virtual seconds within which DNS hears of a check: in the sandbox each change takes what is drawn of them, evenly
(sandbox/traffic/README.md)."""
BY_CHANCE: Final = 1e-6
"""What an honest sandbox draws more seldom than this is no chance."""


def dns_lies(seen: Sequence[Resolved], roles: Mapping[str, str], role: str, ttl: float) -> str:
    """The failover name must lead to the region that is declared for now, for as long as is declared."""
    if not seen:
        return "DNS did not answer"
    for each in seen:
        if roles.get(each.address) != role:
            return f"DNS answers {each.address}, which is not the {role}'s"
        if each.ttl != ttl:
            return f"DNS answers with a TTL of {each.ttl:g} s where {ttl:g} s are declared"
    return ""


def region_lies(served: Mapping[str, str], regions: Mapping[str, str]) -> str:
    """Each region's gateway must answer as that region. Both: what `Served-By` says, by role."""
    for role, region in regions.items():
        if (by := served.get(role, "")) != region:
            return f"the {role}'s gateway answers as {by or 'nobody'}, and not as {region}"
    return ""


def refusal_lies(before: str, during: str, after: str) -> str:
    """A region that refuses must refuse, and answer again when it is mended: "answered", "refused" or another word."""
    if before != "answered":
        return f"a region with no fault is {before}"
    if during != "refused":
        return f"a region that was to refuse connections {during}"
    return "" if after == "answered" else f"a region that is mended is {after}"


def checkers_lie(check: str, ages: Sequence[float], checkers: int, interval: float) -> str:
    """All checkers must have looked lately. `ages`: of their last observations."""
    if len(ages) != checkers:
        return f"{len(ages)} checkers observe {check}, and not {checkers}"
    oldest, newest = max(ages, default=0.0), min(ages, default=0.0)
    if oldest > OLDEST * interval:
        return f"a checker of {check} has not looked for {oldest:.0f} s, and is to every {interval:g} s"
    return f"a checker of {check} will look in {-newest:.0f} s" if newest < -interval else ""


def replica_lies(written: str, found: str | None) -> str:
    """What was written in one region must be read in the other."""
    return "" if found == written else "a write in the primary's table is not read in the secondary's"


def distance_lies(strong: Sequence[float], weak: Sequence[float]) -> str:
    """A strong read takes the way to the nearest other region and back, and a weak one none (virtual seconds)."""
    way = max(0.0, statistics.median(strong) - statistics.median(weak))
    if way >= NEAREST:
        return ""
    return f"a strong read takes {way * 1000:.0f} ms longer than a weak one, and no two regions are that near"


def early_lies(ages: Sequence[float]) -> str:
    """What is measured of a minute can be read when a while has passed, which is drawn for each minute and region.

    `ages`: virtual seconds after its minute at which each was there; of all that were looked for, and none was missing.
    """
    chance = math.prod(min(1.0, max(0.0, age) / METRIC_DELAY_SECONDS) for age in ages)
    if chance >= BY_CHANCE:
        return ""
    return (
        f"metrics of {len(ages)} minutes could all be read within {max(ages):.1f} s, "
        f"and are to take up to {METRIC_DELAY_SECONDS} s"
    )


def propagation_lies(delays: Sequence[float]) -> str:
    """DNS hears of each change of a check after a while of its own. `delays`: virtual seconds, of each change.

    So many that are drawn evenly add up to so little by the chance of a simplex in a cube. One that a machine made late
    among them does not decide.
    """
    number, together = len(delays), sum(delays)
    if (together / PROPAGATES) ** number / math.factorial(number) >= BY_CHANCE:
        return ""
    return (
        f"DNS heard of {number} changes of checks within {together / number:.1f} s on average, "
        f"and each is to take up to {PROPAGATES:g} s"
    )


def delays(lines: Iterable[Mapping[str, Any]], since: float) -> Iterator[float]:
    """How long DNS took to hear of each change, by what checkers and DNS write down: `status` and `dns` of a check.

    What another change may have overtaken is left out: of those only the quick ones arrive.
    """
    wanted = (line for line in lines if line["what"] in {"status", "dns"} and line["at"] >= since)
    told = sorted(wanted, key=lambda line: float(line["at"]))
    changed: dict[str, list[tuple[float, bool]]] = {}
    for line in told:
        if line["what"] == "status":
            changed.setdefault(line["check"], []).append((line["at"], line["healthy"]))
    for line in told:
        before = [each for each in changed.get(line["check"], ()) if each[0] <= line["at"]]
        if line["what"] != "dns" or not before:
            continue
        at, healthy = before[-1]
        soon = any(at < other <= at + PROPAGATES for other, _ in changed[line["check"]])
        if healthy == line["healthy"] and not soon:
            yield line["at"] - at


def processor_lies(
    endpoints: Collection[str], answers: Mapping[str, Sequence[str]], lines: Iterable[Mapping[str, Any]]
) -> str:
    """Each endpoint decides a key by itself, and once.

    `answers`: what it told, each time; `lines`: what the ledger has of the key.
    """
    decided = [str(line["endpoint"]) for line in lines if line["what"] not in {"charge", "cancel"}]
    for each in endpoints:
        if set(answers.get(each, ())) != {"declined"}:
            return f"the processor's {each} answers {', '.join(answers.get(each, ())) or 'nothing'}, and is to decline"
        if (times := decided.count(each)) != 1:
            return f"the processor's {each} has decided {times} times of a key that it was given twice, and is to once"
    return ""


def isolation_lies(seen: str | None, alone: str, *, strong: bool) -> str:
    """A region that hears no other must learn of no write, and acknowledge none that must not be lost.

    `seen`: what was read there of a write elsewhere; `alone`: what became of a write there, as `knock` tells it.
    """
    if seen is not None:
        return "a write reached the table of a region that was cut off"
    return f"a strong write in a region that was cut off was {alone}" if strong and alone != "refused" else ""


def timeouts_lie(statuses: Sequence[str], checkers: int) -> str:
    """Every checker of an endpoint that hangs must have given up, for want of an answer."""
    gave_up = sum("within" in each for each in statuses)
    return (
        "" if gave_up == checkers else f"{checkers - gave_up} of {checkers} checkers do not give up a region that hangs"
    )


def clock_lies(virtual: float, real: float, speed: float, whose: str) -> str:
    """Virtual time must pass at the speed. `real`: by this process's monotonic clock."""
    if real <= 0:
        return "the machine's clock stands still"
    passed = virtual / real
    wrong = abs(passed - speed) > CLOCK_AGREES * speed
    return f"{whose} clock goes {passed:.2f} times as fast as time, and not {speed:g} times" if wrong else ""


def afterwards(plan: DrillPlan, attempts: Sequence[Attempt], events: Sequence[Event], least: float) -> list[str]:
    """Why a drill that has been played is not to be believed. `least`: seconds that the checkers need, at least."""
    begun = first(events, 0.0, "fault", plan.fault)
    if begun is None:
        return []
    healed = first(events, 0.0, "heal", "") or max((each.ended for each in attempts), default=begun)
    detected, told = first(events, begun, "health", "unhealthy", GATE), first(events, begun, "dns", SECONDARY)
    found = [
        fault_lies(plan, attempts, begun, healed),
        switch_lies(told, first(events, begun, SEEN, SECONDARY)),
        detection_lies(plan, detected, begun, healed, least),
        blind_lies(plan, events, detected, begun, healed),
        sound_lies(plan, events, begun, healed),
        following_lies(plan, events, detected, told, healed),
        *(share_lies(each) for each in events if each.kind == "health" and begun <= each.at < healed),
    ]
    return [f"the sandbox is not to be believed: {each}" for each in found if each]


def is_unnoticed(fault: str, consistency: str) -> bool:
    """Whether nobody needs to notice a fault: with eventual consistency a region that is cut off goes on paying."""
    return fault == "partition" and consistency != "strong"


def fault_lies(plan: DrillPlan, attempts: Sequence[Attempt], begun: float, healed: float) -> str:
    """Under a fault of the whole region nobody may be served there."""
    if plan.fault not in UNPAID or is_unnoticed(plan.fault, plan.consistency):
        return ""
    served = sum(
        each.outcome == "created"
        and plan.role_of(each) == PRIMARY
        and each.sent > begun + TAKES_HOLD * max(1.0, plan.speed)
        and each.ended < healed
        for each in attempts
    )
    return f"{served} payments were served by the primary under the fault {plan.fault}" if served else ""


def switch_lies(told: float | None, seen: float | None) -> str:
    """When DNS changed, as it tells itself and as the drill saw it, must agree."""
    if told is None and seen is None:
        return ""
    if told is None:
        return "the drill saw DNS answer the secondary, and DNS tells of no change"
    if seen is None:
        return "DNS tells that it answers the secondary, and the drill never saw that"
    if abs(seen - told) > AGREES:
        return f"DNS tells of a change {abs(seen - told):.1f} s from when the drill saw it; {AGREES:g} s are allowed"
    return ""


def detection_lies(plan: DrillPlan, detected: float | None, begun: float, healed: float, least: float) -> str:
    """Checkers can be no faster than their threshold allows, and must notice what nobody can miss."""
    if detected is not None and detected - begun < least:
        return f"the checkers needed {detected - begun:.1f} s, and cannot in less than {least:g} s"
    overdue = healed - begun > plan.bounds.get("detection", 0.0)
    if detected is None and overdue and plan.fault in TOTAL:
        return f"no checker noticed the fault {plan.fault} in {healed - begun:.0f} s"
    return ""


def blind_lies(plan: DrillPlan, events: Sequence[Event], detected: float | None, begun: float, healed: float) -> str:
    """Checkers must notice a health route that the drill itself finds ill for as long as they may need."""
    *_, last = [None, *sorted((each for each in events if each.kind == PROBED and each.at < healed), key=_when)]
    if detected is not None or last is None or last.what != ILL:
        return ""
    ill_for = healed - max(last.at, begun)
    overdue = ill_for > plan.bounds.get("detection", plan.bounds.get(NOTICED, 0.0)) + AGREES
    return f"the primary's health route was ill for {ill_for:.0f} s, and no checker noticed" if overdue else ""


def sound_lies(plan: DrillPlan, events: Sequence[Event], begun: float, healed: float) -> str:
    """Under a grey failure the health route answers: whoever finds it ill has found another fault."""
    if plan.fault != GREY:
        return ""
    during = [each for each in sorted(events, key=_when) if begun <= each.at < healed]
    for each in during:
        if each.kind == "health" and each.what == "unhealthy" and each.subject.endswith(OF_HEALTH):
            return f"{each.subject} was called unhealthy under a fault that leaves the health route alone"
    ill_for = _longest([each for each in during if each.kind == PROBED], ILL, healed)
    if ill_for <= ILL_FOR:
        return ""
    return f"the primary's health route was ill for {ill_for:.0f} s under a fault that leaves it alone"


def following_lies(
    plan: DrillPlan, events: Sequence[Event], detected: float | None, told: float | None, healed: float
) -> str:
    """DNS follows the checkers: not before them, and surely in twice the time that is assumed.

    Of a check that was well again before that it need not have heard.
    """
    if detected is None:
        return ""
    if told is not None and told < detected:
        return f"DNS answered the secondary {detected - told:.1f} s before the primary's check was unhealthy"
    of_the_gate = (each for each in events if each.kind == "health" and each.subject.endswith(GATE))
    during = [each for each in sorted(of_the_gate, key=_when) if detected <= each.at < healed]
    ill_for = _longest(during, "unhealthy", healed)
    if told is None and ill_for > 2 * plan.bounds.get("propagation", PROPAGATES):
        return f"the primary's check was unhealthy for {ill_for:.0f} s, and DNS answered it all the same"
    return ""


def _longest(changes: Sequence[Event], what: str, until: float) -> float:
    """For how long, at most, something stayed so. `changes`: of one thing, in order of time."""
    begins = [next(same) for _, same in groupby(changes, key=lambda each: each.what)]
    ends = [each.at for each in begins[1:]] + [until]
    return max((end - each.at for each, end in zip(begins, ends, strict=False) if each.what == what), default=0.0)


def share_lies(event: Event) -> str:
    """An endpoint that is called unhealthy is so for most checkers. `event`: of an endpoint's check."""
    number = event.detail.partition(" ")[0]
    if event.what != "unhealthy" or event.subject.endswith("stop-switch") or not number.isdecimal():
        return ""
    well = int(number)
    return f"{event.subject} was called unhealthy while {well} of {ASKING} checkers found it well" if well > FEW else ""


def _when(event: Event) -> float:
    return event.at
