"""An alarm as data: what it looks at, and when it is raised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pulumi

from shared.components.regions import Region
from shared.contracts import ComputeOutputs, DataOutputs, EdgeOutputs
from shared.roles import Role

MILLISECONDS = 1000
MINUTE = 60
FIVE_MINUTES = 300
TEN_MINUTES = 600

SLOWEST = 0.01
"""The share of answers that may be slow."""
_FEWEST = 350
"""Fewer answers count as that many. A hundredth of them is three and a half: a fourth slow one is told."""

Text = pulumi.Input[str]


@dataclass(frozen=True)
class Watched:
    """What an observability stack looks at."""

    region: Region
    compute: ComputeOutputs
    data: DataOutputs
    edge: EdgeOutputs


@dataclass(frozen=True)
class Metric:
    """One CloudWatch metric in this region; `statistic` may be a percentile rank such as PR(:500)."""

    namespace: str
    name: str
    dimensions: Mapping[str, Text]
    statistic: str


@dataclass(frozen=True)
class MetricMath:
    """Metrics of one period by the names that `text` calls them (CloudWatch User Guide, "Using metric math")."""

    text: str
    metrics: Mapping[str, Metric]


def own_metric(region: Region, name: str, statistic: str, role: Role | None = None) -> Metric:
    """A metric that the functions of this region report, with the dimensions of lambdas/telemetry/journal.py.

    `role`: of another region, where its dashboards have it.
    """
    foundation = region.foundation
    dimensions = {"Environment": foundation.name, "Suffix": foundation.suffix, "Role": role or region.role}
    return Metric("Payments", name, dimensions, statistic)


def share(bad: str, every: str, fewest: int) -> str:
    """The share of what is bad, in metric math; fewer than so many count as that many."""
    return f"IF({every} > {fewest}, ({bad}) / ({every}), ({bad}) / {fewest})"


def rank(metric: Metric, limit: float) -> Metric:
    """Percent of a metric's values that are within the limit: CloudWatch's percentile rank."""
    return replace(metric, statistic=f"PR(:{limit:g})")


def slow_share(duration: Metric, limit: float) -> MetricMath:
    """The share of answers that took longer than the limit, in the metric's unit: against `SLOWEST`.

    An alarm on a p99 would tell of a single slow answer among few, or, where few samples are ignored, of none among
    fewer than 1000 in a period (CloudWatch User Guide, "Percentile-based alarms and low data samples"). This one is for
    any number from four in a period: four must be slow, and of more than 350 over one in a hundred.
    """
    return MetricMath(
        share("answers * (100 - within) / 100", "answers", _FEWEST),
        {"answers": replace(duration, statistic="SampleCount"), "within": rank(duration, limit)},
    )


@dataclass(frozen=True)
class AlarmRule:
    """When to raise an alarm: `metric` against `threshold` in `datapoints` of `evaluations` periods (seconds)."""

    name: str
    description: str
    metric: Metric | MetricMath
    threshold: float
    period: int = MINUTE
    evaluations: int = 1
    datapoints: int | None = None
    """None: in all of them."""
    comparison: Literal["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold"] = (
        "GreaterThanThreshold"
    )
    missing: Literal["notBreaching", "breaching", "ignore"] = "notBreaching"
    degrades: bool = False
    """Clients notice: part of the composite alarm."""
    told: bool = True
    """Somebody is told of it; False: only as a part of an alarm on alarms."""


@dataclass(frozen=True)
class BothRule:
    """An alarm that is raised while both of its parts are."""

    name: str
    description: str
    parts: tuple[AlarmRule, AlarmRule]
