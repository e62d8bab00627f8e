"""Which alarms are evaluated here: the shapes that the stacks declare. Any other is refused by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from sandbox.cloud.watch.evaluation import COMPARISONS, AlarmSettings, FewSamples, Missing
from sandbox.cloud.watch.expressions import UnknownExpression
from sandbox.cloud.watch.metrics import Name
from sandbox.cloud.watch.points import MINUTE, known
from sandbox.cloud.watch.queries import MetricStat, Queries, dimensions

if TYPE_CHECKING:
    from collections.abc import Mapping

FINE_PERIODS = frozenset({10, 20, 30})
LONGEST = 7 * 24 * 60 * MINUTE
"""Seconds that an alarm looks back at most; a day when its period is less than an hour."""
DAY = 24 * 60 * MINUTE
_OTHER_SHAPES = {
    "ThresholdMetricId": "anomaly detection",
    "EvaluationCriteria": "a PromQL query",
}
_OF_ONE_METRIC = ("Namespace", "MetricName", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
"""What an alarm on metric math cannot have.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""


class UnknownShape(ValueError):
    """An alarm that nothing here evaluates. The text says which shape it has."""


@dataclass(frozen=True)
class Shape:
    """The rule, and which of the queries it is over: a metric or an expression."""

    rule: AlarmSettings
    queries: Queries
    watched: str


def shape_of(alarm: Mapping[str, Any]) -> Shape:
    """The shape of an alarm as PutMetricAlarm is told it. Raises UnknownShape."""
    for field, shape in _OTHER_SHAPES.items():
        if alarm.get(field):
            raise UnknownShape(f"{field}: alarms on {shape} are not evaluated in the sandbox")
    queries, watched = _of_math(alarm) if alarm.get("Metrics") else (_of_one_metric(alarm), "")
    for each in queries.measured.values():
        if not known(each.statistic):
            raise UnknownShape(
                f"Statistic: an alarm on {each.statistic or 'no statistic'} is not evaluated in the sandbox"
            )
    comparison = str(alarm.get("ComparisonOperator") or "")
    if comparison not in COMPARISONS:
        raise UnknownShape(f"ComparisonOperator: {comparison or 'none'} is not evaluated in the sandbox")
    missing: Missing = alarm.get("TreatMissingData") or "missing"
    few: FewSamples = alarm.get("EvaluateLowSampleCountPercentile") or "evaluate"
    if missing not in get_args(Missing) or few not in get_args(FewSamples):
        raise UnknownShape(f"TreatMissingData: {missing} with {few} is not evaluated in the sandbox")
    periods = int(alarm.get("EvaluationPeriods") or 0)
    to_alarm = int(alarm.get("DatapointsToAlarm") or periods)
    if not 1 <= to_alarm <= periods:
        raise UnknownShape(f"DatapointsToAlarm: {to_alarm} of {periods} evaluation periods")
    period = _period(queries, watched, periods)
    for each in queries.measured.values():
        if not each.name.namespace or not each.name.metric:
            raise UnknownShape("MetricName: the alarm names no metric")
    told = queries.measured[watched].statistic if watched in queries.measured else queries.expressions[watched].text
    rule = AlarmSettings(told, period, periods, to_alarm, float(alarm["Threshold"]), comparison, missing, few)
    return Shape(rule, queries, watched)


def _period(queries: Queries, watched: str, periods: int) -> int:
    try:
        period = queries.period(watched)
    except UnknownExpression as unknown:
        raise UnknownShape(f"Metrics: {unknown}") from None
    if period not in FINE_PERIODS and (period < MINUTE or period % MINUTE):
        raise UnknownShape(f"Period: {period} s is neither 10, 20 or 30 nor a multiple of {MINUTE}")
    if period * periods > (DAY if period < 60 * MINUTE else LONGEST):
        raise UnknownShape(f"EvaluationPeriods: {periods} of {period} s are longer than an alarm may look back")
    return period


def _of_one_metric(alarm: Mapping[str, Any]) -> Queries:
    name = Name.of(alarm.get("Namespace") or "", alarm.get("MetricName") or "", dimensions(alarm.get("Dimensions")))
    statistic = str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "")
    return Queries({"": MetricStat(name, statistic, int(alarm.get("Period") or 0), alarm.get("Unit") or None)}, {})


def _of_math(alarm: Mapping[str, Any]) -> tuple[Queries, str]:
    """The queries of metric math, and which of them returns data: exactly one.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create-alarm-on-metric-math-expression.html
    """
    told = alarm["Metrics"]
    if both := [field for field in _OF_ONE_METRIC if alarm.get(field)]:
        raise UnknownShape(f"Metrics: not together with {both[0]}")
    if alarm.get("EvaluateLowSampleCountPercentile") == "ignore":
        raise UnknownShape("EvaluateLowSampleCountPercentile: not evaluated in the sandbox for metric math")
    if other := [each["Id"] for each in told if each.get("AccountId")]:
        raise UnknownShape(f"Metrics: {other[0]} names an account, which is not evaluated in the sandbox")
    returning = [str(each.get("Id")) for each in told if each.get("ReturnData") is not False]
    if len(returning) != 1:
        raise UnknownShape(f"Metrics: {', '.join(returning) or 'none'} to return data, where exactly one has to")
    try:
        queries = Queries.of(told)
    except UnknownExpression as unknown:
        raise UnknownShape(f"Metrics: {unknown}") from None
    if wrong := [str(each["Period"]) for each in told if each.get("Period") and {each["Period"]} != queries.periods]:
        raise UnknownShape(f"Metrics: an expression's period of {wrong[0]} s is not that of its metrics")
    return queries, returning[0]
