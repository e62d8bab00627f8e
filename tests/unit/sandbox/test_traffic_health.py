"""Health checks by Route 53's rules, played on a hand-driven clock: what fails when, and when DNS hears of it."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import random

import pytest

from sandbox.checker_ranges import IPV4, PLACES
from sandbox.records import RecordSet
from sandbox.traffic.checks import CheckerView, CheckSettings, CheckState, alarm_is_healthy, endpoint_is_healthy, status
from sandbox.traffic.health import LONGEST_PROPAGATION, NOTICED_AFTER, CheckerFleet
from sandbox.traffic.probe import ProbeResult
from sandbox.traffic.zones import HostedZone, HostedZones
from shared.failover_time import Fault, HealthCheckTiming
from tests.doubles.hand_clock import HandClock

ALARM = ("us-east-1", "grey")
PRIMARY, SECONDARY, SWITCH = "use1.example.com", "use2.example.com", "bucket.s3.us-east-2.amazonaws.com"
TAKES = {"refused": 0, "error": 0, "hang": 4, "slow": 8}
"""Seconds that a checker waits for such an endpoint."""


def check(identifier, kind="HTTPS", **config):
    return CheckSettings.of({"Id": identifier, "HealthCheckConfig": {"Type": kind, **config}})


def declared():
    """The checks of the edge stack."""
    endpoint = {"FullyQualifiedDomainName": PRIMARY, "ResourcePath": "/health", "Port": 443}
    alarm = {"AlarmIdentifier": {"Region": ALARM[0], "Name": ALARM[1]}, "InsufficientDataHealthStatus": "Healthy"}
    children = ["standard", "fast", "stop", "errors"]
    return [
        check("gate", "CALCULATED", ChildHealthChecks=children, HealthThreshold=4),
        check("standard", **endpoint, RequestInterval=30, FailureThreshold=2),
        check("fast", **endpoint, RequestInterval=10, FailureThreshold=3),
        check(
            "stop",
            "HTTPS_STR_MATCH",
            FullyQualifiedDomainName=SWITCH,
            RequestInterval=10,
            FailureThreshold=2,
            SearchString="stop",
            Inverted=True,
        ),
        check("errors", "CLOUDWATCH_METRIC", **alarm),
        check("secondary", FullyQualifiedDomainName=SECONDARY, RequestInterval=30, FailureThreshold=2),
    ]


class World:
    """Endpoints that a test takes away, the checks, and the name that clients ask for."""

    def __init__(self, seed=0, remembered=None):
        self.clock = HandClock()
        self.broken = {SWITCH: "refused"}  # the switch says run: the plain check of it fails
        self.told = []
        self.asked = []
        self.checks = CheckerFleet(self.clock, self, self._tell, remembered=remembered, chance=random.Random(seed))
        pair = [
            {"Failover": "PRIMARY", "SetIdentifier": "primary", "HealthCheckId": "gate"},
            {"Failover": "SECONDARY", "SetIdentifier": "secondary"},
        ]
        values = {"Name": "api.example.com.", "Type": "CNAME", "TTL": 30, "ResourceRecords": [{"Value": "x.example"}]}
        records = tuple(RecordSet.of({**values, **each}) for each in pair)
        self.zones = HostedZones([HostedZone("example.com", records)], self.checks.in_dns, lambda _: None)

    async def ask(self, settings, place):
        self.asked.append((settings.id, place, self.clock.now()))
        how = self.broken.get(settings.host)
        if how is None:
            return ProbeResult(good=True, reason="Success: HTTP Status Code 200, OK")
        await self.clock.sleep(TAKES[how])
        return ProbeResult(good=False, reason=f"Failure: {how}")

    def _tell(self, what, **details):
        self.told.append((self.clock.now(), what, details))

    @property
    def answer(self):
        return self.zones.resolve("api.example.com", "CNAME").chosen_sets[0]

    async def until(self, answer, seconds):
        """Seconds until clients are answered that; None when they are not."""
        began = self.clock.now()
        while self.clock.now() - began < seconds:
            if self.answer == answer:
                return self.clock.now() - began
            await self.clock.advance(0.5)
        return None

    def when(self, what, identifier):
        return [at for at, told, details in self.told if (told, details["check"]) == (what, identifier)]


def play(script, **options):
    async def played():
        world = World(**options)
        world.checks.declare(declared())
        await world.clock.advance(60)  # the inverted check has asked
        world.told.clear()
        try:
            return await script(world)
        finally:
            world.checks.close()

    return asyncio.run(played())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.ERROR, Fault.HANG, Fault.SLOW])
def test_a_primary_that_fails_moves_the_answer_within_the_bound(fault, seed):
    async def script(world):
        assert world.answer == "primary"
        await world.clock.advance(seed * 3.7)
        world.broken[PRIMARY] = fault.value[0]
        began = world.clock.now()
        bound = min(
            HealthCheckTiming(30, 2).detection(fault),
            HealthCheckTiming(10, 3).detection(fault),
        )
        took = await world.until("secondary", 200)
        (detected,) = world.when("status", "gate")
        assert 20 < detected - began <= bound
        assert took <= bound + LONGEST_PROPAGATION + 0.5
        assert world.when("dns", "gate")[0] - detected <= LONGEST_PROPAGATION

    play(script, seed=seed)


def test_a_primary_that_is_evacuated_moves_the_answer():
    async def script(world):
        del world.broken[SWITCH]  # it says stop
        took = await world.until("secondary", 200)
        assert took <= HealthCheckTiming(10, 2).detection(Fault.ERROR) + LONGEST_PROPAGATION + 0.5
        world.broken[SWITCH] = "refused"
        assert await world.until("primary", 200)

    play(script)


def test_an_alarm_moves_the_answer():
    async def script(world):
        world.checks.hear({ALARM: "ALARM"})
        assert await world.until("secondary", 200) <= LONGEST_PROPAGATION + 0.5
        world.checks.hear({ALARM: "INSUFFICIENT_DATA"})
        assert await world.until("primary", 200) <= LONGEST_PROPAGATION + 0.5

    play(script)


def test_a_secondary_that_is_lost_moves_nothing():
    async def script(world):
        world.broken |= {SECONDARY: "hang", SWITCH: "hang"}  # the switch is in its region
        assert await world.until("secondary", 600) is None
        assert world.when("status", "secondary")
        assert not world.when("status", "gate")

    play(script)


def test_with_both_lost_the_secondary_is_answered():
    async def script(world):
        world.broken |= {SECONDARY: "hang", PRIMARY: "refused", SWITCH: "hang"}
        assert await world.until("secondary", 200)
        assert await world.until("primary", 600) is None

    play(script)


def test_a_primary_that_comes_back_is_answered_again():
    """Nothing latches in Route 53: that is the stop switch's part."""

    async def script(world):
        world.broken[PRIMARY] = "refused"
        assert await world.until("secondary", 200)
        del world.broken[PRIMARY]
        assert 20 < await world.until("primary", 200) < 60 + LONGEST_PROPAGATION

    play(script)


def test_a_single_failure_moves_nothing():
    async def script(world):
        world.broken[PRIMARY] = "refused"
        await world.clock.advance(9)
        del world.broken[PRIMARY]
        assert await world.until("secondary", 300) is None

    play(script)


def test_checkers_ask_each_in_its_own_phase_an_interval_after_the_answer():
    async def script(world):
        world.broken[PRIMARY] = "hang"
        world.asked.clear()
        await world.clock.advance(280)
        for place in PLACES:
            times = [at for identifier, where, at in world.asked if (identifier, where) == ("fast", place)]
            assert {round(after - before, 6) for before, after in itertools.pairwise(times)} == {14.0}
        phases = {round(at % 14, 3) for identifier, _, at in world.asked if identifier == "fast"}
        assert len(phases) == 16

    play(script)


@pytest.mark.parametrize("seed", range(8))
def test_a_later_change_does_not_overtake_an_earlier_one(seed):
    async def script(world):
        for round_number in range(30):
            world.checks.hear({ALARM: "ALARM" if round_number % 2 == 0 else "OK"})
            await world.clock.advance(1)
        await world.clock.advance(LONGEST_PROPAGATION)
        assert world.answer == "primary"
        heard = [details for _, what, details in world.told if what == "dns"]
        changes = [details["healthy"] for details in heard if details["check"] == "gate"]
        assert changes == [number % 2 == 1 for number in range(len(changes))]
        delays = [
            after - before
            for before, after in zip(world.when("status", "gate"), world.when("dns", "gate"), strict=False)
        ]
        assert len({round(delay, 3) for delay in delays}) > 1

    play(script, seed=seed)


class Delays(random.Random):
    """Draws what it is told, then nothing."""

    def __init__(self, *told):
        super().__init__()
        self.told = list(told)

    def uniform(self, _low, _high):
        return self.told.pop(0) if self.told else 0.0


async def flipped(*moments, delays):
    """DNS's changes of a check whose alarm flips at these moments, and the check at the end."""
    clock, told = HandClock(), []
    fleet = CheckerFleet(
        clock, None, lambda what, **said: told.append((clock.now(), what, said)), chance=Delays(*delays)
    )
    began = clock.now()
    fleet.declare([check("errors", "CLOUDWATCH_METRIC", AlarmIdentifier={"Region": ALARM[0], "Name": ALARM[1]})])
    for moment, state in zip(moments, itertools.cycle(("ALARM", "OK"))):
        await clock.advance(began + moment - clock.now())
        fleet.hear({ALARM: state})
    await clock.advance(60)
    (left,) = fleet.report()
    fleet.close()
    return [(at - began, said["healthy"]) for at, what, said in told if what == "dns"], left


@pytest.mark.parametrize(
    ("moments", "delays", "heard"),
    [
        ((0, 1), (4, 0), []),  # the second overtakes the first: nothing of it is left
        ((0, 1), (4, 3), []),  # both at once
        ((0, 1), (4, 9), [(4, False), (10, True)]),
        ((0, 1, 2), (1, 8, 1), [(1, False)]),
        ((0, 1, 2), (8, 8, 1), [(3, False)]),
    ],
)
def test_dns_ends_with_the_newest_of_the_changes_that_were_on_their_way_together(moments, delays, heard):
    found, left = asyncio.run(flipped(*moments, delays=delays))
    assert left["in_dns"] == left["healthy"]
    assert [(round(at, 3), healthy) for at, healthy in found] == heard


def test_a_change_that_was_on_its_way_when_the_checkers_ended_arrives_all_the_same():
    """Else DNS would keep what it knew until the check's next change."""

    async def begun_again():
        clock = HandClock()
        remembered = {"errors": {"healthy": False, "in_dns": True}}
        fleet = CheckerFleet(clock, None, lambda *_, **__: None, remembered=remembered)
        fleet.hear({ALARM: "ALARM"})
        fleet.declare([check("errors", "CLOUDWATCH_METRIC", AlarmIdentifier={"Region": ALARM[0], "Name": ALARM[1]})])
        assert fleet.in_dns("errors")
        await clock.advance(LONGEST_PROPAGATION)
        left = fleet.in_dns("errors")
        fleet.close()
        return left

    assert asyncio.run(begun_again()) is False


def test_nothing_is_told_of_a_check_that_is_gone():
    """A change of it that was still on its way would be told of a name that nobody can look up."""

    async def removed():
        clock, told = HandClock(), []
        fleet = CheckerFleet(clock, None, lambda what, **_: told.append(what), chance=Delays(5))
        fleet.declare([check("errors", "CLOUDWATCH_METRIC", AlarmIdentifier={"Region": ALARM[0], "Name": ALARM[1]})])
        fleet.hear({ALARM: "ALARM"})
        fleet.declare([])
        await clock.advance(60)
        return told

    assert asyncio.run(removed()) == ["status"]


def test_checks_begin_as_aws_begins_them():
    async def played():
        world = World()
        world.checks.declare(declared())
        found = {each["id"]: each["healthy"] for each in world.checks.report()}
        world.checks.close()
        return found

    healthy = asyncio.run(played())
    assert healthy == {
        **dict.fromkeys(("standard", "fast", "errors", "secondary"), True),
        "stop": False,  # inverted
        "gate": False,
    }


def test_checkers_leave_a_new_check_some_seconds_and_one_that_they_knew_none():
    async def first_asked(remembered=None):
        world = World(remembered=remembered)
        world.checks.declare(declared())
        await world.clock.advance(60)
        memory = world.checks.memory()
        world.checks.close()
        return memory, min(at for _, _, at in world.asked)

    memory, first = asyncio.run(first_asked())
    began = HandClock().now()
    assert NOTICED_AFTER <= first - began < NOTICED_AFTER + 5
    assert asyncio.run(first_asked(memory))[1] - began < 5


def test_checkers_that_are_started_again_know_what_was_found():
    async def script(world):
        world.broken[PRIMARY] = "refused"
        assert await world.until("secondary", 200)
        await world.clock.advance(LONGEST_PROPAGATION)
        return world.checks.memory()

    memory = play(script)

    async def again():
        world = World(remembered=memory)
        world.broken[PRIMARY] = "refused"
        world.checks.declare(declared())
        assert world.answer == "secondary"
        await world.clock.advance(200)
        assert world.answer == "secondary"
        assert not world.when("status", "gate")
        world.checks.close()

    asyncio.run(again())


def test_what_is_declared_anew_takes_its_place():
    async def script(world):
        changed = [
            check("standard", FullyQualifiedDomainName=SECONDARY, RequestInterval=30, FailureThreshold=2),
            *(each for each in declared() if each.id not in {"standard", "secondary"}),
        ]
        world.checks.declare(changed)
        world.asked.clear()
        await world.clock.advance(60)
        assert {identifier for identifier, *_ in world.asked} == {"standard", "fast", "stop"}
        disabled = [check("fast", FullyQualifiedDomainName=PRIMARY, Disabled=True)]
        world.checks.declare(disabled)
        world.asked.clear()
        world.broken[PRIMARY] = "refused"
        await world.clock.advance(200)
        assert world.asked == []
        assert world.checks.statuses() == {"fast": True}

    play(script)


def test_the_report_says_who_found_what():
    async def script(world):
        world.broken[PRIMARY] = "refused"
        await world.clock.advance(100)
        found = {each["id"]: each for each in world.checks.report()}
        fast, gate = found["fast"], found["gate"]
        assert (fast["healthy"], fast["healthy_checkers"], fast["checkers"]) == (False, 0, 16)
        assert fast["last_failure"] == "Failure: refused"
        assert len({each["address"] for each in fast["observations"]}) == 16
        assert {each["status"] for each in fast["observations"]} == {"Failure: refused"}
        assert (gate["healthy_children"], gate["children_needed"]) == (2, 4)
        assert world.clock.now() - 100 < fast["since"] < world.clock.now()

    play(script)


@pytest.mark.parametrize(("healthy", "expected"), [(0, False), (2, False), (3, True), (16, True)])
def test_more_than_eighteen_percent_of_the_checkers_decide(healthy, expected):
    assert endpoint_is_healthy(healthy, 16) is expected


def test_a_checker_changes_its_mind_after_as_many_in_a_row():
    view = CheckerView()
    findings = [False, False, True, False, False, False, True, True, False, True, True, True]
    told = [view.take(good=good, reason="", threshold=3, now=1.0) for good in findings]
    assert [number for number, changed in enumerate(told) if changed] == [5, 11]


@pytest.mark.parametrize(
    ("state", "rule", "last", "expected"),
    [
        ("OK", "Unhealthy", False, True),
        ("ALARM", "Healthy", True, False),
        ("INSUFFICIENT_DATA", "Healthy", False, True),
        ("INSUFFICIENT_DATA", "Unhealthy", True, False),
        ("INSUFFICIENT_DATA", "LastKnownStatus", True, True),
        ("INSUFFICIENT_DATA", "LastKnownStatus", False, False),
    ],
)
def test_an_alarm_without_data_is_what_the_check_says(state, rule, last, expected):
    assert alarm_is_healthy(state, rule, last_known=last) is expected


@pytest.mark.parametrize(
    ("config", "children", "expected"),
    [
        ({"HealthThreshold": 2}, [True, True, False], True),
        ({"HealthThreshold": 3}, [True, True, False], False),
        ({"HealthThreshold": 0}, [False], True),
        ({"HealthThreshold": 3, "Inverted": True}, [False], True),
        ({"HealthThreshold": 3, "Disabled": True}, [False], True),
        ({"HealthThreshold": 3, "Disabled": True, "Inverted": True}, [False], False),
    ],
)
def test_a_calculated_check_counts_its_children(config, children, expected):
    assert status(CheckState(check("gate", "CALCULATED", **config)), "OK", children) is expected


def test_checkers_have_addresses_of_route_53s_and_of_this_machine():
    networks = [ipaddress.ip_network(cidr) for cidr, _ in IPV4]
    assert len({place.address for place in PLACES}) == len({place.source for place in PLACES}) == 16
    assert len({place.region for place in PLACES}) == 8
    for place in PLACES:
        assert any(ipaddress.ip_address(place.address) in network for network in networks)
        assert ipaddress.ip_address(place.source).is_loopback
