"""Whether alarms and schedules did what they were to do while something was broken: asked of CloudWatch afterwards.

An alarm is judged by its own metric: when more periods in a row breached than it wants, it must have changed its
state. More, as values may come late: one that comes after its successor is never the newest, and no alarm looks at it.
"""

from __future__ import annotations

import operator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.aws import asked
from shared.failover_time import METRIC_DELAY_SECONDS, METRIC_PERIOD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from orchestration.aws import Aws

COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
PASSED_OVER: Final = 2
"""Periods in a row that an alarm may never look at."""
LATE: Final = METRIC_DELAY_SECONDS + METRIC_PERIOD_SECONDS
"""Virtual seconds that an alarm may need beyond its periods."""


def alarm_lies(alarm: Mapping[str, Any], points: Mapping[float, float], begun: float, healed: float) -> str:
    """Why an alarm is not to be believed. `points`: its metric, by the beginning of each period (virtual seconds)."""
    period, wanted = float(alarm["Period"]), int(alarm["EvaluationPeriods"])
    breaches = COMPARISONS[alarm["ComparisonOperator"]]
    run = 0
    for at in _periods(begun, healed - LATE, period):
        run = run + 1 if at in points and breaches(points[at], float(alarm["Threshold"])) else 0
        if run == wanted + PASSED_OVER:
            changed = alarm["StateUpdatedTimestamp"].timestamp() >= begun
            if changed or alarm["StateValue"] == "ALARM":
                return ""
            return f"the alarm {alarm['AlarmName']} did not fire, though its metric breached {run} times in a row"
    return ""


def silence_lies(alarm: Mapping[str, Any], told: Collection[str], begun: float, healed: float) -> str:
    """An alarm that has fired tells people. `told`: the alarms of which they have been told."""
    fired = alarm["StateValue"] == "ALARM" and begun <= alarm["StateUpdatedTimestamp"].timestamp() < healed - LATE
    if not fired or not alarm.get("AlarmActions") or alarm["AlarmName"] in told:
        return ""
    return f"the alarm {alarm['AlarmName']} fired, and nobody was told"


def schedule_lies(what: str, runs: float, begun: float, healed: float) -> str:
    """What runs once a minute must have run: two minutes may be cut, or late."""
    wanted = (healed - begun) / METRIC_PERIOD_SECONDS - 2
    return f"{what} ran {runs:.0f} times in {healed - begun:.0f} s, and is to run every minute" if runs < wanted else ""


def alarms(aws: Aws, region: str, begun: float, healed: float, *, told: Collection[str] | None) -> Iterator[str]:
    """Judge the alarms of a region that follow one metric. `told`: those that people heard of; None: nobody listens."""
    client = aws.client("cloudwatch", region)
    for page in asked(lambda: list(client.get_paginator("describe_alarms").paginate()), "read the alarms", region):
        for alarm in page["MetricAlarms"]:
            if "MetricName" not in alarm or alarm["ComparisonOperator"] not in COMPARISONS:
                continue
            yield alarm_lies(alarm, _points(client, region, alarm, begun, healed), begun, healed)
            if told is not None:
                yield silence_lies(alarm, told, begun, healed)


def runs(aws: Aws, region: str, function: str, begun: float, healed: float) -> float:
    """How often a function was invoked."""
    metric = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "FunctionName", "Value": function}],
        "Period": METRIC_PERIOD_SECONDS,
        "Statistic": "Sum",
    }
    return sum(_points(aws.client("cloudwatch", region), region, metric, begun, healed).values())


def _points(client: Any, region: str, metric: Mapping[str, Any], begun: float, healed: float) -> dict[float, float]:
    period = int(metric["Period"])
    query = {
        "Id": "m",
        "MetricStat": {
            "Metric": {name: metric.get(name, []) for name in ("Namespace", "MetricName", "Dimensions")},
            "Period": period,
            "Stat": metric.get("Statistic") or metric["ExtendedStatistic"],
        },
    }
    answer = asked(
        lambda: client.get_metric_data(
            MetricDataQueries=[query], StartTime=_date(begun // period * period), EndTime=_date(healed)
        ),
        f"read the metric {metric['MetricName']}",
        region,
    )
    found: Sequence[Mapping[str, Any]] = answer["MetricDataResults"]
    return {
        at.timestamp() // period * period: float(value)
        for each in found
        for at, value in zip(each["Timestamps"], each["Values"], strict=True)
    }


def _periods(begin: float, end: float, period: float) -> Iterator[float]:
    """The whole periods in between, by their beginnings."""
    at = -(-begin // period) * period
    while at + period <= end:
        yield at
        at += period


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
