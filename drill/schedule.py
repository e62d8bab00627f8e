"""When a drill's payments begin, and by which client: decided by the seed before anything is sent (open loop).

Payments come at random moments (a Poisson process), whatever becomes of those before them: a system that answers
slowly gets no relief from clients that wait for it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drill.records import DECLINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from drill.records import ClientKind

KINDS: Final[Mapping[ClientKind, int]] = {"fresh": 5, "example": 2, "keep-alive": 2, "floor-60": 1}
"""Of ten clients, how many are of each kind."""
CLIENTS_PER_RATE: Final = 2.0
"""Clients for each payment per second, ten at least: each pays every two seconds."""
RAMP: Final = 20.0
"""Virtual seconds in which the load grows to its rate: the primary of a drill serves already, and is warm."""
STEADY: Final = 60.0
"""Virtual seconds of load, at least, before a fault: the baseline, but for the ramp."""
SOONEST, LATEST = 0.25, 0.4
"""The fault comes after this part of the duration."""


@dataclass(frozen=True)
class Arrival:
    """One payment's first attempt: `at` in virtual seconds from the beginning of the load."""

    number: int
    at: float
    client: int
    amount: str
    customer: str


@dataclass(frozen=True)
class DrillSchedule:
    """Who pays when, from a seed."""

    seed: int
    rate: float
    duration: float

    @property
    def kinds(self) -> tuple[ClientKind, ...]:
        """Each client's kind."""
        count = max(10, round(self.rate * CLIENTS_PER_RATE))
        pattern = [kind for kind, share in KINDS.items() for _ in range(share)]
        return tuple(pattern[number % len(pattern)] for number in range(count))

    @property
    def fault_at(self) -> float:
        """A random moment of the middle, after the baseline."""
        moment = self._random("fault").uniform(SOONEST, LATEST) * self.duration
        return max(moment, STEADY)

    def arrivals(self) -> Iterator[Arrival]:
        """All payments, for as long as they are asked for: the load goes on until the drill ends it."""
        chance, clients, expected, number = self._random("arrivals"), len(self.kinds), 0.0, 0
        while True:
            expected += chance.expovariate(1.0)
            at = moment_of(expected / self.rate)
            number += 1
            # Each client in its turn: all of them see the failover, and none is idle for long.
            amount = f"{chance.randint(100, 99_999) / 100:.2f}"
            customer = (DECLINES if chance.random() < 0.02 else "drill-") + str(chance.randint(1, 999))
            yield Arrival(number, at, number % clients, amount, customer)

    def _random(self, what: str) -> random.Random:
        return random.Random(f"{self.seed} {what}")  # noqa: S311 - a drill is played again by its seed


def moment_of(seconds: float) -> float:
    """When as many payments are expected as come in so many seconds at the full rate: the rate grows in the ramp.

    A gap that was drawn at the rate of its beginning could skip the whole ramp, and the baseline with it.
    """
    ramp = (RAMP**2 - 1.0) / (2.0 * RAMP)  # the integral of (t + 1) / RAMP until it is 1
    if seconds < ramp:
        return math.sqrt(1.0 + 2.0 * RAMP * seconds) - 1.0
    return RAMP - 1.0 + seconds - ramp


def counts(kinds: Sequence[ClientKind]) -> dict[str, int]:
    """How many clients there are of each kind."""
    return {kind: kinds.count(kind) for kind in KINDS}
