"""Whether this machine keeps up with a speed: what it has to do takes as long as it takes, its limits are virtual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import control
from sandbox.clock import SLOWEST, SharedClock

if TYPE_CHECKING:
    from sandbox.layout import Layout

MINUTE = 60.0
WARM = 35.0
"""Virtual seconds in which every checker asks once, before it counts: functions may have to start for it."""
ROOM = 0.5
"""The share of a limit that the slowest answer of an idle minute may take: under load the slowest is slower."""
ANSWER_WITHIN = 2.0


@dataclass(frozen=True)
class SpeedFit:
    """How an idle virtual minute went at a speed."""

    speed: float
    strain: float
    """The share of its limit that the slowest health answer would have taken at the speed 1."""
    unhealthy: tuple[str, ...] = ()
    """Checks that were unhealthy at its end, though nothing was broken."""

    @property
    def fits(self) -> bool:
        return self.speed * self.strain <= ROOM and not self.unhealthy

    @property
    def fitting(self) -> float:
        """The speed at which the slowest answer leaves room enough; never more than the one that was measured."""
        found = min(self.speed, ROOM / self.strain) if self.strain else self.speed
        found = math.floor(found) if found >= 1 else math.floor(found * 10) / 10
        if self.unhealthy and found >= self.speed:
            found = self.speed / 2
        return max(SLOWEST, found)

    def __str__(self) -> str:
        if self.fits:
            return f"at {self.speed:g} times the speed the slowest health answer takes {self._share} of its limit"
        why = f"the slowest health answer takes {self._share} of its limit, and {ROOM:.0%} leave room to spare"
        if self.unhealthy:
            why += f"; {', '.join(self.unhealthy)} became unhealthy with nothing broken"
        return f"{self.speed:g} times the speed is too fast for this machine: {why}. {self.fitting:g} fits"

    @property
    def _share(self) -> str:
        return f"{self.speed * self.strain:.0%}"


def measure(layout: Layout, seconds: float = MINUTE) -> SpeedFit:
    """Watch the checkers for so many virtual seconds at the speed of now, in which nothing else should happen.

    Raises OSError when the sandbox is not running.
    """
    clock = SharedClock(layout.clock)
    clock.pause(WARM)
    began, before = clock.now(), _unhealthy(layout)
    clock.pause(seconds)
    strain = _ask(layout, "strain", since=began)["strain"]
    return SpeedFit(clock.speed, strain, tuple(sorted(_unhealthy(layout) - before)))


def _unhealthy(layout: Layout) -> set[str]:
    return {check["name"] for check in _ask(layout, "health")["checks"] if not check["healthy"]}


def _ask(layout: Layout, question: str, **details: Any) -> dict[str, Any]:
    return control.ask(layout.traffic_socket, ANSWER_WITHIN, question, **details)
