"""Whether alarms and schedules did what they were to do while something was broken: asked of CloudWatch afterwards.

An alarm is judged by its own metric: when more periods in a row breached than it wants, it must have changed its
state. More, as values may come late: one that comes after its successor is never the newest, and no alarm looks at it.
One that fired must have had the bad periods that it wants, and an alarm on alarms must follow them.
"""

from __future__ import annotations

import json
import operator
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.aws import asked
from shared.failover_time import METRIC_DELAY_SECONDS, METRIC_PERIOD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

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
FIRED: Final = "ALARM"
BOTH_TYPES: Final = ("MetricAlarm", "CompositeAlarm")
"""AWS tells of the first alone where nobody asks for the second."""
LOOKS_BACK: Final = 5
"""Periods beyond its own from which an alarm may take a value when newer ones are missing."""
KEPT_FOR: Final = 9 * 3600.0
"""Virtual seconds for which what was measured can be read: the sandbox keeps the newest 600 minutes of a metric."""
AT_ONCE: Final = 10.0
"""Virtual seconds in which an alarm on alarms follows them."""
MORE_RUNS: Final = 4
"""Beyond one a minute: at both ends of the time a part of a minute, and one that is a little late or early."""
MORE_OFTEN: Final = 1.2
"""By which part a function may be called more often than every minute: another schedule calls it too, but seldom."""
_OF_ALARM: Final = r'ALARM\("([^"]+)"\)'
_RULE: Final = re.compile(rf"{_OF_ALARM}(?:(?: AND {_OF_ALARM})*|(?: OR {_OF_ALARM})*)")


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


@dataclass(frozen=True)
class StateChange:
    """An alarm has changed its state."""

    alarm: str
    at: float
    before: str
    after: str


def premature_lies(alarm: Mapping[str, Any], fired: Iterable[float], points: Mapping[float, float]) -> str:
    """An alarm fires by as many bad minutes as it wants. `fired`: when; `points`: its metric, from well before on."""
    wanted, looks_at = _wanted(alarm), int(alarm["EvaluationPeriods"]) + LOOKS_BACK
    breaches, period = COMPARISONS[alarm["ComparisonOperator"]], METRIC_PERIOD_SECONDS
    for moment in fired:
        seen = [value for at, value in points.items() if moment - (looks_at + 1) * period <= at <= moment - period]
        bad = sum(breaches(value, float(alarm["Threshold"])) for value in seen)
        if bad < wanted:
            return f"the alarm {alarm['AlarmName']} fired after {bad} bad minutes, and wants {wanted}"
    return ""


def tells_why(alarm: Mapping[str, Any]) -> bool:
    """Whether an alarm's minutes say why it fired: they come whole, and nothing counts that is missing.

    Of periods that begin at every minute, and of logs' metrics, which come line by line, another value was seen then.
    """
    return (
        alarm["Period"] == METRIC_PERIOD_SECONDS
        and str(alarm.get("Namespace", "")).startswith("AWS/")
        and alarm.get("TreatMissingData") == "notBreaching"
    )


def composite_lies(
    composite: Mapping[str, Any], states: Mapping[str, str], changes: Sequence[StateChange], now: float
) -> str:
    """An alarm on alarms follows them. `states`: of all of them now; `changes`: of them, in order of time."""
    rule = str(composite["AlarmRule"])
    children = re.findall(_OF_ALARM, rule)
    if not _RULE.fullmatch(rule) or any(each not in states for each in children):
        return ""
    name, follows = str(composite["AlarmName"]), all if " AND " in rule else any
    standing, until = {**states, name: str(composite["StateValue"])}, now
    for change in reversed(changes):
        wanted = follows(standing[each] == FIRED for each in children)
        if until - change.at > AT_ONCE and wanted != (standing[name] == FIRED):
            says = "did not fire" if wanted else "was raised"
            return f"the alarm {name} {says} for {until - change.at:.0f} s, against those that it follows"
        if change.alarm in {name, *children}:
            standing[change.alarm], until = change.before, change.at
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


def haste_lies(what: str, runs: float, failed: float, begun: float, healed: float) -> str:
    """What runs once a minute must not run more often. `failed`: so many of its runs were tried again, at most."""
    most = MORE_OFTEN * (healed - begun) / METRIC_PERIOD_SECONDS + MORE_RUNS
    if runs - failed <= most:
        return ""
    return f"{what} ran {runs:.0f} times in {healed - begun:.0f} s, and is to run once a minute"


def alarms(
    aws: Aws, region: str, ending: str, begun: float, healed: float, *, now: float, told: Collection[str] | None
) -> Iterator[str]:
    """Judge an environment's alarms of a region that follow one metric, or other alarms. `ending`: of their names.

    `told`: those that people heard of; None: nobody listens.
    """
    client = aws.client("cloudwatch", region)
    paginator = client.get_paginator("describe_alarms")
    pages = asked(lambda: list(paginator.paginate(AlarmTypes=BOTH_TYPES)), "read the alarms", region)
    ordinary, composites = (
        [alarm for page in pages for alarm in page.get(kind, ()) if alarm["AlarmName"].endswith(ending)]
        for kind in ("MetricAlarms", "CompositeAlarms")
    )
    changes = _changes(client, region, begun)
    for alarm in ordinary:
        if "MetricName" not in alarm or alarm["ComparisonOperator"] not in COMPARISONS:
            continue
        yield alarm_lies(alarm, _points(client, region, alarm, begun, healed), begun, healed)
        fired = [
            each.at
            for each in changes
            if (each.alarm, each.after) == (alarm["AlarmName"], FIRED) and each.at > now - KEPT_FOR
        ]
        if fired and tells_why(alarm):
            earliest = min(fired) - (int(alarm["EvaluationPeriods"]) + LOOKS_BACK + 2) * METRIC_PERIOD_SECONDS
            yield premature_lies(alarm, fired, _points(client, region, alarm, earliest, max(fired)))
        if told is not None:
            yield silence_lies(alarm, told, begun, healed)
    states = {str(each["AlarmName"]): str(each["StateValue"]) for each in (*ordinary, *composites)}
    for alarm in composites:
        yield composite_lies(alarm, states, changes, now)
        if told is not None:
            yield silence_lies(alarm, told, begun, healed)


def _changes(client: Any, region: str, since: float) -> list[StateChange]:
    """Each change of an alarm's state since a moment, in order of time."""
    pages = client.get_paginator("describe_alarm_history").paginate(
        AlarmTypes=BOTH_TYPES, HistoryItemType="StateUpdate", ScanBy="TimestampAscending", StartDate=_date(since)
    )
    found = []
    for page in asked(lambda: list(pages), "read the alarms' history", region):
        for item in page["AlarmHistoryItems"]:
            change = json.loads(item["HistoryData"])
            before, after = (str(change[each]["stateValue"]) for each in ("oldState", "newState"))
            found.append(StateChange(item["AlarmName"], item["Timestamp"].timestamp(), before, after))
    return found


def runs(aws: Aws, region: str, function: str, begun: float, healed: float, *, metric: str = "Invocations") -> float:
    """How often a function was invoked; by another metric, such as Errors, how often that happened."""
    measured = {
        "Namespace": "AWS/Lambda",
        "MetricName": metric,
        "Dimensions": [{"Name": "FunctionName", "Value": function}],
        "Period": METRIC_PERIOD_SECONDS,
        "Statistic": "Sum",
    }
    return sum(_points(aws.client("cloudwatch", region), region, measured, begun, healed).values())


def _wanted(alarm: Mapping[str, Any]) -> int:
    """How many periods must be bad."""
    return int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])


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
