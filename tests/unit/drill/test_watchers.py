"""Alarms and schedules that did not do what they were to do while something was broken are found."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drill import watchers

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
    """Two alarms, one of them on an expression; and the points of the other's metric."""

    def client(self, _service, region):
        assert region == "us-east-2"
        return self

    def get_paginator(self, _operation):
        return self

    def paginate(self):
        told = alarm(Namespace="AWS/ApiGateway", Dimensions=[{"Name": "Stage", "Value": "live"}], Statistic="Average")
        return [{"MetricAlarms": [told, {"AlarmName": "sum", "ComparisonOperator": "GreaterThanThreshold"}]}]

    def get_metric_data(self, MetricDataQueries, StartTime, EndTime):  # noqa: N803 - AWS's names
        assert (StartTime.timestamp(), EndTime.timestamp()) == (BEGUN, HEALED)
        wanted = MetricDataQueries[0]["MetricStat"]
        assert (wanted["Stat"], wanted["Period"]) in {("Average", 60), ("Sum", 60)}
        times = [datetime.fromtimestamp(at, UTC) for at in BREACHED]
        return {"MetricDataResults": [{"Timestamps": times, "Values": list(BREACHED.values())}]}


def test_each_alarm_of_a_region_is_judged_by_its_metric():
    found = filter(None, watchers.alarms(PaperCloudWatch(), "us-east-2", BEGUN, HEALED, told=set()))
    assert [each.split(" did")[0] for each in found] == ["the alarm failures"]
    assert watchers.runs(PaperCloudWatch(), "us-east-2", "latch", BEGUN, HEALED) == pytest.approx(3.7)
