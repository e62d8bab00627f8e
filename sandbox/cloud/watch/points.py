"""What CloudWatch keeps of a metric: statistics of each period, never single values.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MINUTE = 60
KEPT = 600
"""Points of a metric that are kept, the newest ones: ten hours of one-minute points. AWS keeps them for 15 days."""
DISTINCT = 256
"""Different values of a point that are kept as they are. More of them are kept within `WIDTH` of what they were."""
WIDTH = math.log(1.01)

STATISTICS = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"^p(\d{1,2}(?:\.\d{1,10})?|100)$")
_RANK = re.compile(r"^PR\((?P<low>\d+(?:\.\d+)?)?:(?P<high>\d+(?:\.\d+)?)?\)$")


def percentile(statistic: str) -> float | None:
    """The 99 of `p99`; None for what is no percentile."""
    found = _PERCENTILE.match(statistic)
    return float(found[1]) if found else None


@dataclass(frozen=True)
class Rank:
    """A percentile rank: the percentage of values over `low`, up to and with `high`; None is no limit.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
    """

    low: float | None
    high: float | None

    @classmethod
    def of(cls, statistic: str) -> Rank | None:
        """That of `PR(:500)`; None for what is none."""
        found = _RANK.match(statistic)
        limits = [None if limit is None else float(limit) for limit in found.groups()] if found else []
        return cls(*limits) if any(limit is not None for limit in limits) else None

    def share(self, values: Mapping[float, float]) -> float:
        """The percentage, of values by how often each was seen."""
        inside = sum(
            count
            for value, count in values.items()
            if (self.low is None or value > self.low) and (self.high is None or value <= self.high)
        )
        return 100 * inside / sum(values.values())


def known(statistic: str) -> bool:
    """Whether it is computed here."""
    return statistic in STATISTICS or percentile(statistic) is not None or Rank.of(statistic) is not None


@dataclass
class Point:
    """The statistics of one period. `values` (value → how often) is None when there are no percentiles of it."""

    count: float = 0.0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    values: dict[float, float] | None = field(default_factory=dict)

    def add(self, value: float, count: float = 1.0) -> None:
        """Take in a value that was seen so often."""
        if count <= 0:
            return
        self._widen(count, value * count, value, value)
        if self.values is None:
            return
        if value < 0:  # CloudWatch has no percentiles of what was negative
            self.values = None
            return
        known = self.values
        if value not in known and len(known) >= DISTINCT:
            self.values = known = _coarse(known)
            value = _near(value)
        known[value] = known.get(value, 0.0) + count

    def add_set(self, count: float, total: float, low: float, high: float) -> None:
        """Take in a statistic set: it says nothing of percentiles unless all of its values were the same."""
        if count <= 0:
            return
        if low == high and math.isclose(total, low * count):
            self.add(low, count)
            return
        self._widen(count, total, low, high)
        self.values = None

    def merge(self, other: Point) -> None:
        """Take in another point."""
        if other.values is None:
            self._widen(other.count, other.total, other.low, other.high)
            self.values = None
            return
        for value, count in other.values.items():
            self.add(value, count)

    def statistic(self, name: str) -> float | None:
        """A statistic by AWS's name, `p99` and `PR(:500)` among them; None when there is none."""
        if not self.count:
            return None
        plain = dict(
            zip(STATISTICS, (self.count, self.total, self.total / self.count, self.low, self.high), strict=True)
        )
        if name in plain:
            return plain[name]
        if not self.values:
            return None
        if (rank := Rank.of(name)) is not None:
            return rank.share(self.values)
        share = percentile(name)
        return None if share is None else _percentile(self.values, share)

    def _widen(self, count: float, total: float, low: float, high: float) -> None:
        self.count += count
        self.total += total
        self.low, self.high = min(self.low, low), max(self.high, high)


def _percentile(values: dict[float, float], rank: float) -> float:
    """Between the two nearest ranks, as if each value stood there as often as it was seen."""
    ordered = sorted(values.items())
    place = rank / 100 * max(sum(values.values()) - 1, 0)
    below = above = ordered[-1][0]
    seen = 0.0
    for value, count in ordered:
        if seen <= math.floor(place) < seen + count:
            below = value
        if seen <= math.ceil(place) < seen + count:
            above = value
        seen += count
    return below + (above - below) * (place - math.floor(place))


def _near(value: float) -> float:
    return value if value <= 0 else math.exp(round(math.log(value) / WIDTH) * WIDTH)


def _coarse(values: dict[float, float]) -> dict[float, float]:
    found: dict[float, float] = {}
    for value, count in values.items():
        found[_near(value)] = found.get(_near(value), 0.0) + count
    return found


@dataclass
class Series:
    """A metric with one set of dimensions: its points by the minute, and by the second where it is so declared."""

    dimensions: dict[str, str]
    unit: str
    minutes: dict[int, Point] = field(default_factory=dict)
    seconds: dict[int, Point] = field(default_factory=dict)

    def take(self, start: int, point: Point, *, fine: bool) -> None:
        """Take in a point of the second or minute that begins at `start`. A fine one counts for its minute, too."""
        if fine:
            _keep(self.seconds, start, point)
        _keep(self.minutes, start // MINUTE * MINUTE, point)

    def read(self, start: float, end: float, period: int) -> dict[int, Point]:
        """The points of periods of so many seconds: those that begin at or after `start` and before `end`."""
        fine = period < MINUTE
        points = self.seconds if fine else self.minutes
        found: dict[int, Point] = {}
        for at in self._within(points, start, end):
            whole = found.setdefault(at // period * period, Point())
            whole.merge(points[at])
        return found

    @staticmethod
    def _within(points: dict[int, Point], start: float, end: float) -> Iterable[int]:
        def newest_first() -> Iterator[int]:
            for at in reversed(list(points)):
                if start <= at < end:
                    yield at

        return newest_first()


def _keep(points: dict[int, Point], start: int, point: Point) -> None:
    points.setdefault(start, Point()).merge(point)
    while len(points) > KEPT:
        del points[min(points)]
