"""How many payments a second this machine's sandbox serves with nothing broken: open loop, at growing rates.

Through both regions' gateways, in real time, while the health checkers run. A rate is served when no payment of its
step fails or comes late and p99 stays within a second. A drill takes half of the highest such rate.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drill.clients import DrillClient, Merchandise, finished
from drill.figures import quantile
from drill.names import Resolved
from drill.records import Attempt, Record
from drill.schedule import Arrival

if TYPE_CHECKING:
    from drill.stage import DrillClock

CAPACITY: Final = "capacity.json"
LOWEST: Final = 2.0
GROWS: Final = 1.5
STEPS: Final = 10
STEP: Final = 4.0
"""Seconds of load at each rate: with what is awaited after each, all of it takes a minute at most."""
WARM: Final = 5.0
"""Seconds of load before, which are not measured: functions start cold."""
MINUTE: Final = 60.0
AT_ONCE: Final = 100
"""Payments under way at most: those beyond it have failed."""
SLOW: Final = 1.0
"""Seconds that p99 may take."""
SHARE: Final = 0.5
"""Of the capacity that a drill may take."""


@dataclass(frozen=True)
class CapacityStep(Record):
    """One rate that was tried; times in seconds."""

    rate: float
    payments: int
    failed: int
    """Not answered with 201 or 402, or not sent in time."""
    p50: float
    p99: float

    @property
    def served(self) -> bool:
        return self.payments > 0 and self.failed == 0 and self.p99 <= SLOW


@dataclass(frozen=True)
class Capacity(Record):
    """What this machine serves."""

    rate: float
    """Payments a second; 0 when not even the lowest rate was served."""
    p50: float
    p99: float
    at: float
    """Seconds since 1970."""
    commit: str
    steps: tuple[CapacityStep, ...]
    why: str
    """What ended it."""


def rates() -> Iterator[float]:
    """What is tried, in payments a second."""
    yield from (round(LOWEST * GROWS**number, 1) for number in range(STEPS))


def step_of(rate: float, attempts: Sequence[Attempt], left_out: int) -> CapacityStep:
    """What a step came to. `left_out`: payments that were not begun or not ended."""
    took = sorted(each.ended - each.sent for each in attempts)
    failed = sum(each.outcome not in {"created", "declined"} for each in attempts) + left_out
    return CapacityStep(rate, len(attempts) + left_out, failed, quantile(took, 0.5), quantile(took, 0.99))


def capacity_of(steps: Sequence[CapacityStep], at: float, commit: str) -> Capacity:
    """The highest rate that was served before the first that was not."""
    best = None
    why = "nothing higher was tried"
    for step in steps:
        if not step.served:
            slow = f"p99 is {step.p99:.2f} s" if not step.failed else f"{step.failed} of {step.payments} failed"
            why = f"at {step.rate:g} a second {slow}"
            break
        best = step
    found = (best.rate, best.p50, best.p99) if best else (0.0, 0.0, 0.0)
    return Capacity(*found, at, commit, tuple(steps), why)


def allowed(rate: float, speed: float, told: Mapping[str, Any] | None) -> tuple[float, str]:
    """The rate of a drill, per virtual second, and in a line why it is that."""
    if not told:
        return rate, f"{rate:g} payments a second, with no calibration of this machine (./invoke drill.calibrate)"
    most = float(told["rate"]) * SHARE / speed
    half = f"half of this machine's {told['rate']:g} a second, at speed {speed:g}, are {most:.2g}"
    if most <= 0:
        return rate, f"{rate:g} payments a second, though the calibration of this machine served none"
    return (most, f"{most:.2g} payments a second, not {rate:g}: {half}") if most < rate else (rate, f"{rate:g}: {half}")


async def calibrate(
    clock: DrillClock, addresses: Sequence[str], goods: Merchandise, told: Callable[[CapacityStep], None]
) -> list[CapacityStep]:
    """Try the rates one after the other until one is not served, or a minute is over. The clock's speed is 1."""
    end = time.monotonic() + MINUTE
    await _step(clock, addresses, goods, LOWEST, WARM)
    steps: list[CapacityStep] = []
    for rate in rates():
        if time.monotonic() + STEP + 2 * SLOW > end:
            break
        steps.append(await _step(clock, addresses, goods, rate, STEP))
        told(steps[-1])
        if not steps[-1].served:
            break
    return steps


async def _step(
    clock: DrillClock, addresses: Sequence[str], goods: Merchandise, rate: float, seconds: float
) -> CapacityStep:
    attempts: list[Attempt] = []
    chance = random.Random(f"{goods.drill} {rate} {seconds}")  # noqa: S311 - moments, no secrets
    clients = [
        DrillClient(number, "fresh", goods, resolve=_leads(address), clock=clock, told=attempts.append, chance=chance)
        for number, address in enumerate(addresses)
    ]
    paying: set[asyncio.Task[None]] = set()
    begun, at, number, left_out = clock.now(), 0.0, 0, 0
    while (at := at + chance.expovariate(rate)) < seconds:
        number += 1
        await clock.sleep(begun + at - clock.now())
        if len(paying) >= AT_ONCE:
            left_out += 1
            continue
        arrival = Arrival(number, at, number % len(clients), "1.00", "calibration")
        task = asyncio.create_task(clients[arrival.client].pay(_numbered(arrival, rate, seconds), begun + at))
        paying.add(task)
        task.add_done_callback(paying.discard)
    left_out += await finished(set(paying), clock, 2 * SLOW)
    return step_of(rate, attempts, left_out)


def _numbered(arrival: Arrival, rate: float, seconds: float) -> Arrival:
    """Numbers make idempotency keys: each step has its own."""
    offset = round(rate * 10) * 1_000_000 + (0 if seconds == STEP else 500_000)
    return Arrival(offset + arrival.number, arrival.at, arrival.client, arrival.amount, arrival.customer)


def _leads(address: str) -> Callable[[str], Awaitable[Resolved]]:
    """Resolves every name to one address."""

    async def resolve(_: str) -> Resolved:
        return Resolved(address, 0.0)

    return resolve
