"""A sandbox that does not do what it says is not believed: a defect is planted in it, and the drill gives no verdict.

Each stands for a kind: DNS, checkers, distance and quorum, faults, alarms and schedules, clocks, the card processor,
what is written down; and each for too much as for too little: what comes too late or never, and what comes too soon.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Checkout

SPEED = 3.0
TOO_FAST = re.compile(r"is too fast for this machine: .* (?P<fitting>[\d.]+) fits")


class PlantedDefect(NamedTuple):
    """A line of the sandbox, and what stands there instead."""

    path: str
    old: str
    new: str
    fault: str = "refuse"
    """What is played with it: a kind of fault that goes by this line."""


BEFORE = {
    "DNS answers with a TTL of its own": PlantedDefect(
        "sandbox/traffic/dns_server.py", "{name} {record.ttl} IN", "{name} 1 IN"
    ),
    "checkers never time out": PlantedDefect(
        "sandbox/traffic/probe.py", "self._clock.wait_for(work, seconds)", "self._clock.wait_for(work, 1e6)"
    ),
    "three checkers and no more": PlantedDefect(
        "sandbox/traffic/checks.py",
        "for number in range(len(PLACES))) if found else PLACES",
        "for number in range(3)) if found else PLACES[:3]",
    ),
    "no distance between regions": PlantedDefect(
        "sandbox/distances.py",
        "return min((round_trip(region, other) for",
        "return 0 * min((round_trip(region, other) for",
    ),
    "replication through a cut": PlantedDefect(
        "sandbox/cloud/global_tables.py", "            if region in heard:\n", "            if region != home:\n"
    ),
    "an acknowledgement before the quorum": PlantedDefect(
        "sandbox/cloud/global_tables.py", "if not replicas.serves(heard):", "if not replicas.members:"
    ),
    "a fault that does not reach gateways": PlantedDefect(
        "sandbox/faults/rules.py",
        "    faults = tuple(faults)\n    for fault in faults:\n        blocked",
        "    faults = () if asked.service == GATEWAY else tuple(faults)\n    for fault in faults:\n        blocked",
    ),
    "what hangs is refused": PlantedDefect(
        "sandbox/faults/rules.py", 'return REFUSED if blocked == "refuse" else HANGS', "return REFUSED"
    ),
    "a fault that never ends": PlantedDefect(
        "sandbox/faults/book.py", "if number in {None, fault.number} and", "if number is None and"
    ),
    "the checkers' clock does not follow the speed": PlantedDefect(
        "sandbox/traffic/daemon.py", '"now": self._clock.now(),', '"now": __import__("time").time(),'
    ),
    "a replica catches up late, and answers all the same": PlantedDefect(
        "sandbox/cloud/global_tables.py",
        "        there = set(_regions(table))\n",
        "        if Here.clock.now() < self.__dict__.setdefault(region, Here.clock.now() + 4):\n            return\n"
        "        there = set(_regions(table))\n",
    ),
    "metrics come at once": PlantedDefect(
        "sandbox/cloud/watch/metrics.py", "self._random.uniform(0, METRIC_DELAY_SECONDS)", "self._random.uniform(0, 0)"
    ),
    "a processor whose endpoints know each other's keys": PlantedDefect(
        "sandbox/processor/ledger.py",
        '        scenario, asked = customer.split("-", 1)[0]',
        "        endpoint = next((each for each, known in self._charges if known == key), endpoint)\n"
        '        scenario, asked = customer.split("-", 1)[0]',
    ),
    "both regions are one": PlantedDefect(
        "sandbox/cloud/gateway.py", "self.route(region, host, path)", 'self.route("us-east-1", host, path)'
    ),
}
"""Seen before the load begins."""

AFTERWARDS = {
    "DNS does not follow the checkers": PlantedDefect(
        "sandbox/traffic/health.py", "known.in_dns = healthy\n", "pass\n"
    ),
    "one checker of sixteen decides": PlantedDefect("sandbox/traffic/checks.py", "SHARE = 0.18", "SHARE = 0.95"),
    "the first failure decides": PlantedDefect(
        "sandbox/traffic/checks.py", "if self.differing < threshold:", "if self.differing < 1:"
    ),
    "checkers ask too often": PlantedDefect(
        "sandbox/traffic/health.py", "due += ended - began + settings.interval\n", "due += ended - began + 1\n"
    ),
    "checkers notice nothing": PlantedDefect(
        "sandbox/traffic/health.py", "view.take(good=found.good,", "view.take(good=True,"
    ),
    "alarms never fire": PlantedDefect(
        "sandbox/cloud/watch/alarms.py",
        "if state is None or state == before:",
        'if state is None or state in {before, "ALARM"}:',
    ),
    "topics tell nobody": PlantedDefect(
        "sandbox/mail.py", "file.write(json.dumps(asdict(mail))", "str(json.dumps(asdict(mail))"
    ),
    "schedules never run": PlantedDefect(
        "sandbox/cloud/watch/schedules.py", "if not self.out(key[1]):", "if self.out(key[1]):"
    ),
    "functions are not measured": PlantedDefect(
        "sandbox/cloud/repairs/metrics.py", '"Invocations": ("Count", 1.0)', '"Invocations": ("Count", 0.0)'
    ),
    "DNS writes nothing down": PlantedDefect(
        "sandbox/traffic/daemon.py",
        'if what == "dns":\n            self._notice_answers()',
        'if what == "dns":\n            pass',
    ),
    "DNS hears of checkers at once": PlantedDefect(
        "sandbox/traffic/health.py", "self._chance.uniform(0, LONGEST_PROPAGATION)", "self._chance.uniform(0, 0)"
    ),
    "the first bad minute is an alarm": PlantedDefect(
        "sandbox/cloud/watch/evaluation.py",
        '"ALARM" if breaching >= rule.to_alarm else "OK"',
        '"ALARM" if breaching >= 1 else "OK"',
        fault="grey",
    ),
    "alarms on alarms never fire": PlantedDefect(
        "sandbox/cloud/watch/alarms.py",
        "            cloudwatch._evaluate_parent_alarms(alarm)\n",
        "",
        fault="grey",
    ),
    "a grey failure that reaches the health route": PlantedDefect(
        "sandbox/faults/rules.py",
        'if fault.kind in {"function", "grey"} and (fault.region, fault.part) == (region, name) and',
        'if fault.kind in {"function", "grey"} and fault.region == region and',
        fault="grey",
    ),
    "schedules run too often": PlantedDefect(
        "sandbox/cloud/watch/schedules.py",
        "    interval: int | None = eventbridge._parse_rate_seconds(expression)\n",
        "    interval: int | None = (eventbridge._parse_rate_seconds(expression) or 0) // 3\n",
    ),
    "a fault that breaks nothing in the primary": PlantedDefect(
        "sandbox/faults/rules.py",
        "    faults = tuple(faults)\n    found = lasting",
        '    faults = () if asked.region == "us-east-1" else tuple(faults)\n    found = lasting',
        fault="5xx",
    ),
}
"""Seen when the drill is over, or before where it shows already then."""


def disbelieved(checkout: Checkout, defect: PlantedDefect) -> str:
    """Plant a defect and play; why there is no verdict."""
    with checkout.edited(defect.path, defect.old, defect.new):
        checkout.ok("sandbox.up")
        told = played(checkout, defect.fault, SPEED)
        if found := TOO_FAST.search(told):  # that is no word about the defect
            told = played(checkout, defect.fault, float(found["fitting"]))
    assert "not to be believed" in told, told
    return told


def played(checkout: Checkout, fault: str, speed: float) -> str:
    wish = ("--fault", fault, "--rate", "1", "--duration", "120", "--speed", f"{speed:g}", "--seed", "7")
    found = checkout.run("drill", *wish, seconds=300 + 1800 / speed)
    told = found.out + found.err
    assert found.code in {1, 3}, told
    return told


@pytest.mark.prove
@pytest.mark.parametrize("defect", BEFORE.values(), ids=BEFORE)
def test_a_defect_that_shows_at_once_ends_a_drill_before_anything_is_broken(
    fresh: Checkout, defect: PlantedDefect
) -> None:
    assert "nothing was broken" in disbelieved(fresh, defect)


@pytest.mark.prove
@pytest.mark.parametrize("defect", AFTERWARDS.values(), ids=AFTERWARDS)
def test_a_defect_that_shows_under_the_fault_takes_the_verdict_away(fresh: Checkout, defect: PlantedDefect) -> None:
    told = disbelieved(fresh, defect)
    assert "INCONCLUSIVE" in told or "nothing was broken" in told
