"""Figures from measurements, and the clock that leaves out what is not ours."""

from __future__ import annotations

import math
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all do not exceed (nearest rank): always a measured one."""
    if not values or not 0 < percent <= 100:
        raise ValueError(f"no {percent}th percentile of {len(values)} values")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


class Meter:
    """Splits the time of an act into I/O, which is whatever passes inside wrapped calls, and the rest.

    For one thread; wrapped calls do not call each other. `clock` counts nanoseconds and never goes back.
    """

    def __init__(self, clock: Callable[[], int] = perf_counter_ns) -> None:
        self._clock = clock
        self._inside = 0
        self.calls = 0
        """How many wrapped calls the last act made."""

    def wrap(self, call: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
        """The call, with its time put down as I/O, also when it raises."""
        clock = self._clock

        def measured(**arguments: Any) -> dict[str, Any]:
            began = clock()
            try:
                return call(**arguments)
            finally:
                self.calls += 1
                self._inside += clock() - began

        return measured

    def own_time(self, act: Callable[[], object]) -> int:
        """Nanoseconds that the act took apart from I/O."""
        self._inside = self.calls = 0
        began = self._clock()
        act()
        return self._clock() - began - self._inside
