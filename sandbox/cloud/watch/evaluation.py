"""Which state an alarm takes: pure, by AWS's rules.

"How alarm state is evaluated when data is missing" and "Avoiding premature transitions to alarm state" in
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from sandbox.cloud.watch.points import MINUTE, percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.cloud.watch.points import Point

State: TypeAlias = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
FewSamples: TypeAlias = Literal["evaluate", "ignore"]
Missing: TypeAlias = Literal["breaching", "notBreaching", "ignore", "missing"]

EXTRA = 2
"""Periods beyond those that are evaluated from which points are taken when newer ones are missing.

AWS's examples have an evaluation range of 5 periods for 3; for other alarms it states no figure: assumed.
"""
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}


@dataclass(frozen=True)
class AlarmSettings:
    """A metric alarm's rule. `period` in seconds; `few_samples` says whether a percentile of few samples counts."""

    statistic: str
    period: int
    periods: int
    to_alarm: int
    threshold: float
    comparison: str
    missing: Missing = "missing"
    few_samples: FewSamples = "evaluate"

    @property
    def range(self) -> int:
        """So many periods are looked at."""
        return self.periods + EXTRA

    @property
    def every(self) -> int:
        """Seconds between two evaluations: a minute, or ten seconds for periods of less than a minute."""
        return MINUTE if self.period >= MINUTE else 10

    def breaches(self, value: float) -> bool:
        return bool(COMPARISONS[self.comparison](value, self.threshold))


@dataclass(frozen=True)
class AlarmVerdict:
    """The state that an alarm takes, and why; no state: it keeps the one that it has."""

    state: State | None
    reason: str


def evaluate(rule: AlarmSettings, points: Sequence[Point | None]) -> AlarmVerdict:
    """The verdict over `rule.range` points of one period each, the oldest first; None is a point that is missing."""
    if rule.few_samples == "ignore" and _too_few(rule, points):
        return AlarmVerdict(None, "too few samples for the percentile")
    values = [None if point is None else point.statistic(rule.statistic) for point in points]
    return decide(rule, values)


def decide(rule: AlarmSettings, values: Sequence[float | None]) -> AlarmVerdict:
    """The same over the points' statistics."""
    real = [(age, value) for age, value in enumerate(reversed(values), 1) if value is not None]
    if len(real) >= rule.periods:
        real = real[: rule.periods]
    filled = rule.periods - len(real)
    breaching = sum(rule.breaches(value) for _, value in real)
    if filled == rule.periods and rule.missing in {"ignore", "missing"}:
        return AlarmVerdict(
            None if rule.missing == "ignore" else "INSUFFICIENT_DATA", _reason(rule, [], filled, breaching)
        )
    if filled and rule.missing == "breaching":
        breaching += filled
    elif filled and rule.missing in {"ignore", "missing"} and _premature(rule, real, breaching):
        return AlarmVerdict(None if rule.missing == "ignore" else "ALARM", _reason(rule, real, filled, breaching))
    state: State = "ALARM" if breaching >= rule.to_alarm else "OK"
    return AlarmVerdict(state, _reason(rule, real, filled, breaching))


def _premature(rule: AlarmSettings, real: Sequence[tuple[int, float]], breaching: int) -> bool:
    """All that is known breaches, and the oldest of it is as old as the alarm needs breaches; it has fewer of them."""
    return breaching < rule.to_alarm and breaching == len(real) and real[-1][0] >= rule.to_alarm


def _too_few(rule: AlarmSettings, points: Sequence[Point | None]) -> bool:
    """Whether the points evaluated have fewer samples than a percentile needs: 10/(1 − p), below the median 10/p.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
    """
    rank = percentile(rule.statistic)
    if rank is None:
        return False
    share = rank / 100
    outside = 1 - share if share >= 1 / 2 else share
    if outside <= 0:
        return False
    evaluated = [point for point in reversed(points) if point is not None][: rule.periods]
    return any(point.count < 10 / outside for point in evaluated)


def _reason(rule: AlarmSettings, real: Sequence[tuple[int, float]], filled: int, breaching: int) -> str:
    if not real:
        return f"no data in the last {rule.range} periods of {rule.period} s, treated as {rule.missing}"
    shown = ", ".join(f"{value:g}" for _, value in reversed(real))
    crossed = f"{rule.statistic} {rule.comparison} {rule.threshold:g}"
    words = f"Threshold Crossed: {crossed} in {breaching} of {rule.periods} datapoints [{shown}]"
    return words + (f", {filled} missing, treated as {rule.missing}" if filled else "")
