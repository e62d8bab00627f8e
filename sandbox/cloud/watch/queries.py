"""Metrics and expressions over them, as GetMetricData and PutMetricAlarm are told them, each by its id.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.cloud.watch.expressions import ID, Expression, UnknownExpression
from sandbox.cloud.watch.metrics import Name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sandbox.cloud.watch.expressions import Values


class MetricStat(NamedTuple):
    """A statistic of a metric's periods (seconds), of a unit alone when there is one."""

    name: Name
    statistic: str
    period: int
    unit: str | None = None


@dataclass(frozen=True)
class Queries:
    """What can be asked for: metrics, and expressions over them and over each other."""

    measured: Mapping[str, MetricStat]
    expressions: Mapping[str, Expression]

    @classmethod
    def of(cls, told: Iterable[Mapping[str, Any]]) -> Queries:
        """Raises UnknownExpression."""
        measured, expressions = {}, {}
        for query in told:
            name = str(query.get("Id") or "")
            if not ID.match(name) or name in measured or name in expressions:
                raise UnknownExpression(f"{name or 'none'} is no id of one query")
            if bool(query.get("Expression")) == bool(query.get("MetricStat")):
                raise UnknownExpression(f"{name} has to be either an expression or a metric")
            if query.get("Expression"):
                expressions[name] = Expression.of(query["Expression"])
            else:
                measured[name] = _measured(query["MetricStat"])
        for name in expressions:
            _check(name, measured, expressions, ())
        return cls(measured, expressions)

    @property
    def periods(self) -> set[int]:
        """Of all metrics."""
        return {each.period for each in self.measured.values()}

    def period(self, name: str) -> int:
        """Of a metric, or of all that an expression is over. Raises UnknownExpression where they differ."""
        found = {self.measured[each].period for each in self._under(name)}
        if len(found) != 1:
            raise UnknownExpression(f"{name} is over periods of {', '.join(map(str, sorted(found))) or 'no'} s")
        return found.pop()

    def values(self, name: str, read: Callable[[MetricStat], Values], periods: Sequence[int]) -> Values:
        """Of a metric, or of an expression over these periods, by their beginnings."""
        if name in self.measured:
            return read(self.measured[name])
        expression = self.expressions[name]
        return expression.over({each: self.values(each, read, periods) for each in expression.names}, periods)

    def _under(self, name: str) -> set[str]:
        if name in self.measured:
            return {name}
        return {metric for each in self.expressions[name].names for metric in self._under(each)}


def dimensions(listed: Any) -> dict[str, str]:
    """AWS's list of dimensions as name → value."""
    return {each["Name"]: str(each.get("Value", "")) for each in listed or ()}


def _measured(stat: Mapping[str, Any]) -> MetricStat:
    metric = stat["Metric"]
    name = Name.of(metric.get("Namespace", ""), metric.get("MetricName", ""), dimensions(metric.get("Dimensions")))
    return MetricStat(name, str(stat["Stat"]), int(stat["Period"]), stat.get("Unit") or None)


def _check(name: str, measured: Mapping[str, MetricStat], expressions: Mapping[str, Expression], above: Any) -> None:
    """Every id that an expression names is there, and none leads back to it."""
    if name in above:
        raise UnknownExpression(f"{name} is over itself")
    if name in measured:
        return
    if name not in expressions:
        raise UnknownExpression(f"{name} is no id of a query")
    for each in expressions[name].names:
        _check(each, measured, expressions, (*above, name))
