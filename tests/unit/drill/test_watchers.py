"""Alarms and schedules that did not do what they were to do while something was broken are found."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from drill import watchers
from drill.watchers import StateChange
from sandbox.cloud.watch.evaluation import AlarmSettings, decide
from sandbox.cloud.watch.points import KEPT

BEGUN, HEALED = 6_000.0, 6_600.0
BEFORE, SINCE = (datetime.fromtimestamp(at, UTC) for at in (BEGUN - 900, BEGUN + 200))


def alarm(state="OK", updated=BEFORE, **settings):
    return {
        "AlarmName": "failures",
        "MetricName": "5XXError",
        "Period": 60,
        "EvaluationPeriods": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.5,
        "StateValue": state,
        "StateUpdatedTimestamp": updated,
        **settings,
    }


BREACHED = {6_060.0: 1.0, 6_120.0: 0.9, 6_180.0: 0.9, 6_240.0: 0.9}


@pytest.mark.parametrize("told", [alarm("ALARM"), alarm("OK", SINCE), alarm("ALARM", SINCE)])
def test_an_alarm_that_fired_is_believed(told):
    assert watchers.alarm_lies(told, BREACHED, BEGUN, HEALED) == ""


def test_an_alarm_that_never_fires_is_not():
    found = watchers.alarm_lies(alarm(), BREACHED, BEGUN, HEALED)
    assert found == "the alarm failures did not fire, though its metric breached 4 times in a row"


@pytest.mark.parametrize(
    "points",
    [
        {},
        {6_060.0: 1.0},
        {6_060.0: 1.0, 6_120.0: 1.0, 6_180.0: 1.0},  # the newest one came first, and then the others
        {6_060.0: 1.0, 6_120.0: 1.0, 6_240.0: 1.0, 6_300.0: 1.0},  # not in a row
        dict.fromkeys(BREACHED, 0.5),  # at the threshold
        {at + 240: 1.0 for at in BREACHED},  # the alarm may still be on its way
        {at - 120: 1.0 for at in BREACHED},  # of before
    ],
)
def test_an_alarm_that_had_no_reason_is_believed(points):
    assert watchers.alarm_lies(alarm(), points, BEGUN, HEALED) == ""


@pytest.mark.parametrize(
    ("comparison", "value", "fires"),
    [
        ("GreaterThanOrEqualToThreshold", 0.5, True),
        ("LessThanThreshold", 0.4, True),
        ("LessThanThreshold", 0.5, False),
        ("LessThanOrEqualToThreshold", 0.5, True),
    ],
)
def test_it_compares_as_the_alarm_does(comparison, value, fires):
    points = dict.fromkeys(BREACHED, value)
    assert (watchers.alarm_lies(alarm(ComparisonOperator=comparison), points, BEGUN, HEALED) != "") is fires


def follows_minutes(**settings):
    told = {"Namespace": "AWS/ApiGateway", "TreatMissingData": "notBreaching", "EvaluationPeriods": 3, **settings}
    return alarm(**told)


@pytest.mark.parametrize(
    ("fired", "wanted"),
    [
        ([6_240.0], None),
        ([6_250.0, 6_600.0], None),
        ([6_239.0], "fired after 2 bad minutes, and wants 3"),
        ([6_130.0], "fired after 1 bad minutes, and wants 3"),
        ([6_300.0, 6_000.0], "fired after 0 bad minutes, and wants 3"),
        ([7_000.0], "fired after 0 bad minutes, and wants 3"),  # all of them too long ago
    ],
)
def test_an_alarm_that_fires_by_fewer_bad_minutes_than_it_wants_is_not_believed(fired, wanted):
    found = watchers.premature_lies(follows_minutes(), fired, BREACHED)
    assert found == ("" if wanted is None else f"the alarm failures {wanted}")


def test_an_alarm_of_some_of_its_periods_wants_so_many():
    some = follows_minutes(EvaluationPeriods=5, DatapointsToAlarm=2)
    assert watchers.premature_lies(some, [6_180.0], BREACHED) == ""
    assert "fired after 1 bad minutes, and wants 2" in watchers.premature_lies(some, [6_179.0], BREACHED)


@pytest.mark.parametrize(
    ("settings", "tells"),
    [
        ({}, True),
        ({"Period": 300}, False),
        ({"Period": 10}, False),
        ({"Namespace": "Payments"}, False),
        ({"TreatMissingData": "breaching"}, False),
        ({"TreatMissingData": "missing"}, False),
    ],
)
def test_only_minutes_that_come_whole_tell_why_an_alarm_fired(settings, tells):
    assert watchers.tells_why(follows_minutes(**settings)) is tells


def test_whatever_comes_when_an_alarm_of_the_sandbox_has_the_minutes_that_it_wants():
    """By the sandbox's own rule, with minutes that come late and in any order."""
    for seed in range(400):
        draw = random.Random(seed)
        periods = draw.choice([1, 2, 3, 5])
        wanted = draw.randint(1, periods)
        rule = AlarmSettings("Average", 60, periods, wanted, 0.5, "GreaterThanThreshold", "notBreaching")
        minutes = {60.0 * each: draw.choice([0.0, 1.0]) for each in range(100, 130) if draw.random() < 0.8}
        comes = {at: at + 60 + draw.uniform(0, 60) for at in minutes}
        told = follows_minutes(EvaluationPeriods=periods, DatapointsToAlarm=wanted)
        for now in range(6_300 + draw.randrange(60), 7_800, 60):
            end = now // 60 * 60
            looked = [
                minutes[at] if comes.get(at, now + 1) <= now else None for at in range(end - 60 * rule.range, end, 60)
            ]
            if decide(rule, looked).state == "ALARM":
                assert watchers.premature_lies(told, [float(now)], minutes) == "", seed


def composite(state="OK", rule='ALARM("failures") OR ALARM("latency")'):
    return {"AlarmName": "degraded", "AlarmRule": rule, "StateValue": state}


def went(name, at, after="ALARM"):
    before = {"ALARM": "OK", "OK": "ALARM"}[after]
    return StateChange(name, at, before, after)


QUIET = {"failures": "OK", "latency": "OK"}
FIRED_AND_OVER = [went("failures", 6_100), went("failures", 6_400, "OK")]
EITHER, BOTH = (f'ALARM("failures") {word} ALARM("latency")' for word in ("OR", "AND"))


@pytest.mark.parametrize(
    ("changes", "rule", "why"),
    [
        ([], EITHER, ""),
        (FIRED_AND_OVER, EITHER, "did not fire for 300 s"),
        (FIRED_AND_OVER, BOTH, ""),
        (FIRED_AND_OVER, 'ALARM("failures")', "did not fire for 300 s"),
        (FIRED_AND_OVER, f"NOT ({EITHER})", ""),  # a rule of another form
        (FIRED_AND_OVER, 'ALARM("failures") OR ALARM("elsewhere")', ""),
        ([went("elsewhere", 6_100), went("elsewhere", 6_400, "OK")], EITHER, ""),
        ([FIRED_AND_OVER[0], went("failures", 6_105, "OK")], EITHER, ""),  # it may still be on its way
        ([went("degraded", 6_100), went("degraded", 6_400, "OK")], EITHER, "was raised for 300 s"),
        (
            [
                went("failures", 6_100),
                went("degraded", 6_101),
                went("failures", 6_400, "OK"),
                went("degraded", 6_400, "OK"),
            ],
            EITHER,
            "",
        ),
        (
            [
                went("failures", 6_100),
                went("latency", 6_200),
                went("latency", 6_300, "OK"),
                went("failures", 6_400, "OK"),
            ],
            BOTH,
            "did not fire for 100 s",
        ),
    ],
)
def test_an_alarm_on_alarms_follows_them(changes, rule, why):
    found = watchers.composite_lies(composite(rule=rule), {**QUIET, "degraded": "OK"}, changes, 7_000.0)
    assert why in found if why else found == ""


def test_an_alarm_on_alarms_that_stands_while_they_do_is_judged_by_now():
    standing = {**QUIET, "failures": "ALARM"}
    changes = [went("failures", 6_100)]
    assert "did not fire for 900 s" in watchers.composite_lies(composite(), standing, changes, 7_000.0)
    assert watchers.composite_lies(composite(), standing, changes, 6_105.0) == ""
    raised = [*changes, went("degraded", 6_100)]
    assert watchers.composite_lies(composite("ALARM"), standing, raised, 7_000.0) == ""


@pytest.mark.parametrize(
    ("runs", "failed", "lies"),
    [(10, 0, False), (13, 0, False), (16, 0, False), (17, 0, True), (120, 0, True), (36, 24, False), (36, 12, True)],
)
def test_a_schedule_that_runs_too_often_is_not_believed(runs, failed, lies):
    assert (watchers.haste_lies("the latch", runs, failed, BEGUN, HEALED) != "") is lies


@pytest.mark.parametrize("minutes", [3, 4, 10, 200])
def test_a_schedule_of_a_minute_beside_one_of_a_quarter_of_an_hour_is_believed(minutes):
    """The latch is called by both; at both ends whole minutes are read."""
    for begun in range(6_000, 6_060, 7):
        healed = begun + 60 * minutes
        read = (-(-healed // 60) * 60 - begun // 60 * 60) / 60
        assert watchers.haste_lies("the latch", read + 1 + read // 15 + 1, 0, begun, healed) == ""
        assert watchers.haste_lies("the latch", 4 * (read - 1), 0, begun, healed) != ""


@pytest.mark.parametrize(
    ("told", "heard", "silent"),
    [
        (alarm("ALARM", SINCE, AlarmActions=["topic"]), set(), True),
        (alarm("ALARM", SINCE, AlarmActions=["topic"]), {"failures"}, False),
        (alarm("ALARM", SINCE, AlarmActions=[]), set(), False),
        (alarm("ALARM", BEFORE, AlarmActions=["topic"]), set(), False),
        (alarm("OK", SINCE, AlarmActions=["topic"]), set(), False),
    ],
)
def test_an_alarm_that_fired_tells_people(told, heard, silent):
    assert (watchers.silence_lies(told, heard, BEGUN, HEALED) != "") is silent


@pytest.mark.parametrize(("runs", "lies"), [(10, False), (8, False), (7, True), (0, True)])
def test_a_schedule_that_does_not_run_is_not_believed(runs, lies):
    assert (watchers.schedule_lies("the latch", runs, BEGUN, HEALED) != "") is lies


class PaperCloudWatch:
    """Two alarms, one of them on an expression, and one on both; the points of the other's metric, and changes."""

    def __init__(self, changes=()):
        self.changes = changes
        self.read = []

    def client(self, _service, region):
        assert region == "us-east-2"
        return self

    def get_paginator(self, operation):
        return SimpleNamespace(paginate=getattr(self, f"_{operation}"))

    def _describe_alarms(self, AlarmTypes=("MetricAlarm",)):  # noqa: N803 - AWS's names
        stage = [{"Name": "Stage", "Value": "live"}]
        told = follows_minutes(EvaluationPeriods=2, Dimensions=stage, Statistic="Average")
        of_sum = {"AlarmName": "sum", "ComparisonOperator": "GreaterThanThreshold", "StateValue": "OK"}
        of_both = composite(rule='ALARM("failures") OR ALARM("sum")')
        found = {"MetricAlarm": [told, of_sum], "CompositeAlarm": [of_both]}
        return [{f"{each}s": found[each]} for each in AlarmTypes]

    def _describe_alarm_history(self, HistoryItemType, StartDate, ScanBy, AlarmTypes=("MetricAlarm",)):  # noqa: N803
        assert (HistoryItemType, StartDate.timestamp(), ScanBy) == ("StateUpdate", BEGUN, "TimestampAscending")
        assert set(AlarmTypes) == {"MetricAlarm", "CompositeAlarm"}
        return [
            {
                "AlarmHistoryItems": [
                    {
                        "AlarmName": each.alarm,
                        "Timestamp": datetime.fromtimestamp(each.at, UTC),
                        "HistoryData": json.dumps(
                            {"oldState": {"stateValue": each.before}, "newState": {"stateValue": each.after}}
                        ),
                    }
                ]
            }
            for each in self.changes
        ]

    def get_metric_data(self, MetricDataQueries, StartTime, EndTime):  # noqa: N803 - AWS's names
        self.read.append((StartTime.timestamp(), EndTime.timestamp()))
        wanted = MetricDataQueries[0]["MetricStat"]
        assert (wanted["Stat"], wanted["Period"]) in {("Average", 60), ("Sum", 60)}
        times = [datetime.fromtimestamp(at, UTC) for at in BREACHED]
        return {"MetricDataResults": [{"Timestamps": times, "Values": list(BREACHED.values())}]}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ([], ["the alarm failures did not fire, though its metric breached 4 times in a row"]),
        (
            [went("failures", 6_130.0), went("failures", 6_400.0, "OK")],
            ["fired after 1 bad minutes, and wants 2", "the alarm degraded did not fire for 270 s"],
        ),
    ],
)
def test_each_alarm_of_a_region_is_judged_by_its_metric_or_by_those_that_it_follows(monkeypatch, changes, found):
    if changes:
        monkeypatch.setattr(watchers, "alarm_lies", lambda *_: "")
    judged = watchers.alarms(PaperCloudWatch(changes), "us-east-2", "", BEGUN, HEALED, now=7_000.0, told=set())
    told = list(filter(None, judged))
    assert len(told) == len(found)
    assert all(wanted in each for wanted, each in zip(found, told, strict=True))


def test_alarms_of_another_system_in_the_same_cloud_are_not_judged():
    """Whom they tell, and what was broken for them, this one's drill does not know."""
    judged = watchers.alarms(PaperCloudWatch(), "us-east-2", "-x7k2", BEGUN, HEALED, now=7_000.0, told=set())
    assert not [*judged]


def test_what_was_measured_too_long_ago_to_be_read_accuses_no_alarm(monkeypatch):
    """An outage that is played in its own time lasts longer than the sandbox keeps a metric's minutes."""
    monkeypatch.setattr(watchers, "alarm_lies", lambda *_: "")
    cloud = PaperCloudWatch([went("failures", 6_130.0), went("degraded", 6_130.0)])
    now = 6_130.0 + watchers.KEPT_FOR
    found = list(filter(None, watchers.alarms(cloud, "us-east-2", "", BEGUN, HEALED, now=now, told=None)))
    assert not [each for each in found if "bad minutes" in each]
    assert watchers.KEPT_FOR + 30 * 60 < KEPT * 60


def test_a_function_is_counted_by_what_is_asked():
    cloud = PaperCloudWatch()
    assert watchers.runs(cloud, "us-east-2", "latch", BEGUN, HEALED, metric="Errors") == pytest.approx(3.7)
    assert cloud.read == [(BEGUN, HEALED)]
