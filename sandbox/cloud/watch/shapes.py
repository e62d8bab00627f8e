"""Which alarms are evaluated here: the shapes that the stacks declare. Any other is refused by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from sandbox.cloud.watch.evaluation import COMPARISONS, AlarmSettings, FewSamples, Missing
from sandbox.cloud.watch.metrics import Name
from sandbox.cloud.watch.points import MINUTE, STATISTICS, percentile

if TYPE_CHECKING:
    from collections.abc import Mapping

FINE_PERIODS = frozenset({10, 20, 30})
LONGEST = 7 * 24 * 60 * MINUTE
"""Seconds that an alarm looks back at most; a day when its period is less than an hour."""
DAY = 24 * 60 * MINUTE
_OTHER_SHAPES = {
    "Metrics": "metric math",
    "ThresholdMetricId": "anomaly detection",
    "EvaluationCriteria": "a PromQL query",
}


class UnknownShape(ValueError):
    """An alarm that nothing here evaluates. The text says which shape it has."""


@dataclass(frozen=True)
class Shape:
    """A metric, and the rule over it. Its statistics are of a unit alone when there is one."""

    name: Name
    rule: AlarmSettings
    unit: str | None


def shape_of(alarm: Mapping[str, Any]) -> Shape:
    """The shape of an alarm as PutMetricAlarm is told it. Raises UnknownShape."""
    for field, shape in _OTHER_SHAPES.items():
        if alarm.get(field):
            raise UnknownShape(f"{field}: alarms on {shape} are not evaluated in the sandbox")
    statistic = str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "")
    if statistic not in STATISTICS and percentile(statistic) is None:
        raise UnknownShape(f"Statistic: an alarm on {statistic or 'no statistic'} is not evaluated in the sandbox")
    comparison = str(alarm.get("ComparisonOperator") or "")
    if comparison not in COMPARISONS:
        raise UnknownShape(f"ComparisonOperator: {comparison or 'none'} is not evaluated in the sandbox")
    missing: Missing = alarm.get("TreatMissingData") or "missing"
    few: FewSamples = alarm.get("EvaluateLowSampleCountPercentile") or "evaluate"
    if missing not in get_args(Missing) or few not in get_args(FewSamples):
        raise UnknownShape(f"TreatMissingData: {missing} with {few} is not evaluated in the sandbox")
    periods = int(alarm.get("EvaluationPeriods") or 0)
    to_alarm = int(alarm.get("DatapointsToAlarm") or periods)
    period = int(alarm.get("Period") or 0)
    if not 1 <= to_alarm <= periods:
        raise UnknownShape(f"DatapointsToAlarm: {to_alarm} of {periods} evaluation periods")
    if period not in FINE_PERIODS and (period < MINUTE or period % MINUTE):
        raise UnknownShape(f"Period: {period} s is neither 10, 20 or 30 nor a multiple of {MINUTE}")
    if period * periods > (DAY if period < 60 * MINUTE else LONGEST):
        raise UnknownShape(f"EvaluationPeriods: {periods} of {period} s are longer than an alarm may look back")
    if not alarm.get("Namespace") or not alarm.get("MetricName"):
        raise UnknownShape("MetricName: the alarm names no metric")
    return Shape(
        Name.of(alarm["Namespace"], alarm["MetricName"], dimensions(alarm.get("Dimensions"))),
        AlarmSettings(statistic, period, periods, to_alarm, float(alarm["Threshold"]), comparison, missing, few),
        alarm.get("Unit") or None,
    )


def dimensions(listed: Any) -> dict[str, str]:
    """AWS's list of dimensions as name → value."""
    return {each["Name"]: str(each.get("Value", "")) for each in listed or ()}
