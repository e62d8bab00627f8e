"""The metrics of the cloud: what was measured arrives late, as on AWS, and is read as it arrived."""

from __future__ import annotations

import heapq
import threading
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from sandbox.cloud.watch.points import MINUTE, Point, Series
from shared.failover_time import METRIC_DELAY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

SERIES = 20_000
"""Metrics that are kept; the one that was told longest ago goes first."""


class Scope(NamedTuple):
    """Whose metrics: each account has its own in each region."""

    account: str
    region: str


class Name(NamedTuple):
    """What a metric is called; `dimensions` sorted."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, namespace: str, metric: str, dimensions: Mapping[str, str]) -> Name:
        return cls(namespace, metric, tuple(sorted(dimensions.items())))


Key = tuple[str, str, Name]


_Arriving = dict[tuple[Key, int, bool], tuple[Point, str]]
"""What arrives together: points and their units by metric, beginning, and whether they are kept by the second."""


class Metrics:
    """The points of all metrics. `series` is where they are kept; threads may tell and read at once.

    A service's metrics of a minute are sent when the minute is over, and can be read up to `METRIC_DELAY_SECONDS`
    later; those of a log line, so long after the line. AWS states no figure for either: the bounds of
    `shared/failover_time.py` assume the same, and each delay is drawn evenly.
    """

    def __init__(
        self, series: MutableMapping[Key, Series], now: Callable[[], float], random: Random | None = None
    ) -> None:
        self.series = series
        self.now = now
        self._random = random or Random()  # noqa: S311 - a delay is no secret
        self._lock = threading.Lock()
        self._due: list[float] = []
        self._arriving: dict[float, _Arriving] = {}
        self._drawn: dict[tuple[str, str, int], float] = {}
        for key in [key for key, value in series.items() if not isinstance(value, Series)]:
            del series[key]  # what the emulator kept, of a cloud that knew nothing of this

    def count(self, scope: Scope, name: Name, value: float, unit: str, times: float = 1.0) -> None:
        """Measure something now that a service tells of each minute, when it is over."""
        now = self.now()
        minute = int(now // MINUTE) * MINUTE
        point = Point()
        point.add(value, times)
        with self._lock:
            due = minute + MINUTE + self._delay(scope.region, name.namespace, minute)
            self._put(due, (*scope, name), minute, point, unit, fine=False)

    def tell(self, scope: Scope, name: Name, point: Point, unit: str, at: float, *, fine: bool = False) -> None:
        """Take in what a log line measured at a moment (seconds since the epoch)."""
        now = self.now()
        second = int(now)
        with self._lock:
            due = second + self._delay(scope.region, "a log's", second)
            self._put(due, (*scope, name), int(at), point, unit, fine=fine)

    def keep(self, scope: Scope, name: Name, point: Point, unit: str, at: float, *, fine: bool = False) -> None:
        """Take in what can be read at once, as what PutMetricData was told."""
        with self._lock:
            self._take((*scope, name), int(at), point, unit, fine=fine)

    def find(self, scope: Scope, name: Name) -> Series | None:
        """What has arrived of a metric by now."""
        with self._lock:
            self._arrive()
        return self.series.get((*scope, name))

    def read(self, scope: Scope, name: Name, start: float, end: float, period: int) -> dict[int, Point]:
        """What has arrived of a metric, by the beginning of its periods (seconds)."""
        with self._lock:
            self._arrive()
            series = self.series.get((*scope, name))
            return {} if series is None else series.read(start, end, period)

    def all_of(self, scope: Scope) -> Iterator[tuple[Name, Series]]:
        """What has arrived in a region."""
        with self._lock:
            self._arrive()
            found = list(self.series.items())
        yield from ((name, series) for (account, region, name), series in found if (account, region) == scope)

    def _put(self, due: float, key: Key, start: int, point: Point, unit: str, *, fine: bool) -> None:
        if due not in self._arriving:
            self._arriving[due] = {}
            heapq.heappush(self._due, due)
        place = (key, start if fine else start // MINUTE * MINUTE, fine)
        known, _ = self._arriving[due].setdefault(place, (Point(), unit))
        known.merge(point)
        self._arrive()

    def _arrive(self) -> None:
        now = self.now()
        if not self._due or self._due[0] > now:
            return
        while self._due and self._due[0] <= now:
            for (key, start, fine), (point, unit) in self._arriving.pop(heapq.heappop(self._due)).items():
                self._take(key, start, point, unit, fine=fine)
        self._drawn = {each: delay for each, delay in self._drawn.items() if each[2] > now - 2 * MINUTE}

    def _take(self, key: Key, start: int, point: Point, unit: str, *, fine: bool) -> None:
        series = self.series.pop(key, None) or Series(dict(key[2].dimensions), unit)
        series.take(start, point, fine=fine)
        self.series[key] = series
        if len(self.series) > SERIES:
            del self.series[next(iter(self.series))]

    def _delay(self, region: str, source: str, moment: int) -> float:
        """One for what comes together, so that it arrives together."""
        key = (region, source, moment)
        if key not in self._drawn:
            self._drawn[key] = self._random.uniform(0, METRIC_DELAY_SECONDS)
        return self._drawn[key]
