"""Alarms on budgets that burn: what they are given, and what they make of answers, as CloudWatch computes it."""

from __future__ import annotations

import json

import pytest

from shared.environment import Environment
from shared.service_levels import BURNS
from tests.unit.projects.evaluated import state
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, published, run_environment, run_program

HOUR = 3600
WINDOWS = ("long", "short")
FAILED = {PAYMENTS: ("5XXError",), TRADING: ("HTTPCode_Target_5XX_Count", "LambdaUserError", "LambdaInternalError")}
REQUESTS = {PAYMENTS: "Count", TRADING: "RequestCount"}
LATENCY = {PAYMENTS: ("Latency", 500.0), TRADING: ("TargetResponseTime", 0.5)}
"""The metric, and what may just be reached, in its own unit."""


def watch_of(profile, role="primary"):
    return run_environment(profile)[f"observability/{profile}-{role}"].recorder


def alarm(profile, name, role="primary"):
    return watch_of(profile, role).one("MetricAlarm", f"alarms-{name}")


def answers(profile, minutes, good, bad):
    """So many answers in each of these minutes."""
    for minute in minutes:
        yield REQUESTS[profile], minute, 1.0, good + bad
        yield FAILED[profile][0], minute, 0.0, good
        yield FAILED[profile][0], minute, 1.0, bad


def raised(profile, level, burn, measured):
    measured = list(measured)
    states = [state(alarm(profile, f"{level}-{burn}-burn-{window}"), measured) for window in WINDOWS]
    return all(each == "ALARM" for each in states)


def test_one_failure_in_a_quiet_night_tells_nobody(profile):
    night = [*answers(profile, range(2, 360), 0, 0), *answers(profile, [1, 3], 1, 0), *answers(profile, [2], 0, 1)]
    for burn in BURNS:
        assert not raised(profile, "availability", burn.name, night)


def test_failures_of_everything_tell_somebody_at_two_payments_a_minute_too(profile):
    """Of clients and canaries: eleven failed within six minutes."""
    outage = list(answers(profile, range(1, 7), 0, 2))
    assert raised(profile, "availability", "fast", outage)
    assert not raised(profile, "availability", "fast", answers(profile, range(1, 6), 0, 2)), "ten are too few"


@pytest.mark.parametrize("failure", FAILED[TRADING])
def test_every_kind_of_failure_behind_a_load_balancer_is_told(failure):
    outage = [(metric, minute, 1.0, 2) for minute in range(1, 7) for metric in (REQUESTS[TRADING], failure)]
    assert raised(TRADING, "availability", "fast", outage)
    assert state(alarm(TRADING, "error-rate"), outage) == "ALARM"


def test_what_never_reaches_the_entry_point_is_counted_by_the_canary(profile):
    dark = [("PrimaryUnserved", minute, 1.0, 1) for minute in range(1, 12)]
    assert raised(profile, "availability", "fast", dark)
    bright = [("PrimaryUnserved", minute, 0.0, 1) for minute in range(1, 60)]
    assert not raised(profile, "availability", "fast", bright)


@pytest.mark.parametrize(("bad", "fast", "slow"), [(1, False, False), (8, False, True), (20, True, True)])
def test_at_high_traffic_the_share_decides(profile, bad, fast, slow):
    """Of ten thousand payments a minute, over 0.144 % for an hour or 0.06 % for six."""
    steady = list(answers(profile, range(1, 361), 10_000 - bad, bad))
    assert raised(profile, "availability", "fast", steady) == fast
    assert raised(profile, "availability", "slow", steady) == slow


def test_an_alarm_ends_when_the_failures_do(profile):
    over = [*answers(profile, range(6, 60), 0, 50), *answers(profile, range(1, 6), 50, 0)]
    assert not raised(profile, "availability", "fast", over)
    assert state(alarm(profile, "availability-fast-burn-long"), over) == "ALARM", "the long window still has them"


@pytest.mark.parametrize(("slow_percent", "fast", "slow"), [(5, False, False), (10, False, True), (20, True, True)])
def test_latency_has_a_budget_of_its_own(profile, slow_percent, fast, slow):
    metric, limit = LATENCY[profile]
    steady = [
        each
        for minute in range(1, 361)
        for each in (
            (REQUESTS[profile], minute, 1.0, 100),
            (metric, minute, limit, 100 - slow_percent),
            (metric, minute, limit * 1.01, slow_percent),
        )
    ]
    assert raised(profile, "latency", "fast", steady) == fast
    assert raised(profile, "latency", "slow", steady) == slow


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_both_windows_must_say_so_and_only_their_sum_tells_somebody(profile, role):
    watch = watch_of(profile, role)
    environment = Environment.load(profile)
    for level in ("availability", "latency"):
        for burn in ("fast", "slow"):
            both = watch.one("CompositeAlarm", f"alarms-{level}-{burn}-burn")
            parts = [alarm(profile, f"{level}-{burn}-burn-{window}", role) for window in WINDOWS]
            assert both["alarmRule"] == " AND ".join(f'ALARM("{part["name"]}")' for part in parts)
            assert both["alarmActions"] == both["okActions"]
            assert f"failover-topic{'' if profile == TRADING else f'-{role}'}" in both["alarmActions"][0]
            assert not any(part["alarmActions"] or part["okActions"] for part in parts)
            assert both["alarmName"].endswith(f"-{environment.suffix}")


def test_thresholds_follow_the_promise(monkeypatch):
    load = Environment.load

    def changed(name, root=None):
        environment = load(name, root)
        objectives = environment.objectives.model_copy(update={"availability_percent": 99.9})
        section = environment.observability.model_copy(update={"least_failures": 3})
        return environment.model_copy(update={"objectives": objectives, "observability": section})

    monkeypatch.setattr(Environment, "load", changed)
    watch = run_program("observability", "payments-primary", published()).recorder
    made = watch.one("MetricAlarm", "availability-fast-burn-long")
    (text,) = [each["expression"] for each in made["metricQueries"] if "expression" in each]
    assert text.endswith(" / 0.001")
    assert " > 209," in text, "of 209 payments, three are 14.4 times a thousandth"


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_the_dashboard_shows_what_is_left_of_each_regions_budgets(profile, role):
    environment = Environment.load(profile)
    widgets = json.loads(watch_of(profile, role).one("Dashboard")["dashboardBody"])["widgets"]
    for each in ("primary", "secondary"):
        (left,) = [w["properties"] for w in widgets if w["properties"]["title"].startswith(f"{each}: % left")]
        assert (left["start"], left["setPeriodToTimeRange"]) == ("-P30D", True)
        assert left["region"] == environment.region(each)
        expressions = {row[0]["id"]: row[0]["expression"] for row in left["metrics"] if len(row) == 1}
        assert set(expressions) == {"availability", "latency"}
        assert all(text.startswith("100 - 100 * IF(") for text in expressions.values())
        hidden = {row[-1]["id"] for row in left["metrics"] if len(row) > 1}
        assert {"requests", "unserved", "probes", "within"} < hidden
        (burning,) = [w["properties"] for w in widgets if w["properties"]["title"].startswith(f"{each}: burn rate")]
        assert [line["value"] for line in burning["annotations"]["horizontal"]] == [14.4, 6.0]
        assert burning["period"] == HOUR
