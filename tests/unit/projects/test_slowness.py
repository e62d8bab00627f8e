"""Alarms on slow answers: what they make of as many as there are, as CloudWatch computes it."""

from __future__ import annotations

import pytest

from tests.unit.projects.evaluated import state
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment

CHECKERS = {"primary": 130, "secondary": 34}
"""Health answers in a minute, where Route 53 and the canaries ask alone."""
LATENCY = {PAYMENTS: ("Latency", 500.0), TRADING: ("TargetResponseTime", 0.5)}
"""The metric, and what may just be reached, in its own unit."""


@pytest.fixture(params=CHECKERS)
def role(request):
    return request.param


def alarm(profile, role, name):
    watch = run_environment(profile)[f"observability/{profile}-{role}"].recorder
    return watch.one("MetricAlarm", f"alarms-{name}")


def answers(metric, limit, minutes, each_minute, slow):
    """So many answers in each of these minutes, `slow` of them just over the limit and the others just within it."""
    for minute in minutes:
        yield metric, minute, limit, each_minute - slow
        yield metric, minute, limit * 1.01, slow


@pytest.mark.parametrize(
    ("slow", "expected"), [(lambda each_minute: each_minute, "ALARM"), (lambda _: 0, "OK")], ids=["all", "none"]
)
def test_slow_health_answers_are_told_at_the_checkers_rate_alone(profile, role, slow, expected):
    rate = CHECKERS[role]
    measured = answers("Duration", 100.0, range(1, 16), rate, slow(rate))
    assert state(alarm(profile, role, "health-latency"), measured) == expected


@pytest.mark.parametrize("slow", [1, 3])
def test_a_few_slow_health_answers_of_hundreds_tell_nobody(profile, role, slow):
    good = answers("Duration", 100.0, range(1, 16), CHECKERS[role], 0)
    assert state(alarm(profile, role, "health-latency"), [*good, ("Duration", 2, 101.0, slow)]) == "OK"


def test_a_share_of_slow_health_answers_is_told_from_over_one_in_a_hundred(profile):
    made = alarm(profile, "primary", "health-latency")
    assert state(made, answers("Duration", 100.0, range(1, 6), CHECKERS["primary"], 2)) == "ALARM", "10 of 650"
    assert state(made, answers("Duration", 100.0, range(1, 6), CHECKERS["primary"], 1)) == "OK", "5 of 650"


@pytest.mark.parametrize(
    ("each_minute", "slow", "expected"),
    [
        (4, 4, "ALARM"),
        (3, 3, "OK"),
        (50, 50, "ALARM"),
        (50, 1, "OK"),
        (300, 3, "OK"),
        (1000, 10, "OK"),
        (1000, 11, "ALARM"),
        (10_000, 200, "ALARM"),
    ],
)
def test_slow_payments_are_told_from_four_a_minute_and_over_one_percent(profile, role, each_minute, slow, expected):
    metric, limit = LATENCY[profile]
    measured = answers(metric, limit, range(1, 6), each_minute, slow)
    assert state(alarm(profile, role, "latency"), measured) == expected


def test_slow_payments_of_one_minute_tell_nobody(profile, role):
    metric, limit = LATENCY[profile]
    measured = [*answers(metric, limit, [1, 3, 4, 5], 50, 0), *answers(metric, limit, [2], 50, 50)]
    assert state(alarm(profile, role, "latency"), measured) == "OK"


@pytest.mark.parametrize("name", ["latency", "health-latency"])
def test_no_answers_are_no_alarm(profile, role, name):
    assert state(alarm(profile, role, name), []) == "OK"
