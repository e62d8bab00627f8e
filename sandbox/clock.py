"""One clock for the sandbox: virtual time that passes at a speed, the same for all of its processes.

What lies between things lasts virtual seconds: intervals, time-outs, leases, schedules. The work itself takes what the
machine needs. `sandbox/traffic/README.md` lists what is scaled and what is not.

The state is a small file: from which real moment on virtual time passes at which speed. A change of speed is announced
`AHEAD` before it holds and everybody looks more often than that, so all processes turn at the same moment, and none
ever goes back. Without the file the virtual time is the machine's.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from shared import files
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

T = TypeVar("T")

LOOK_EVERY = 0.1
"""Real seconds between two looks at the file."""
AHEAD = 0.3
"""Real seconds between the announcement of a speed and the moment from which on it holds."""
SLOWEST, FASTEST = 0.1, 1000.0


class VirtualClock(Protocol):
    """Virtual time, in seconds."""

    @property
    def speed(self) -> float:
        """Virtual seconds in a real one."""

    def now(self) -> float:
        """Since the epoch."""

    def monotonic(self) -> float:
        """For durations: never goes back, whatever becomes of the machine's wall clock."""

    def real(self, seconds: float) -> float:
        """How many real seconds they last at the speed of now: for a socket's time-out."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many virtual seconds, whatever the speed becomes meanwhile."""

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        """The result of what is awaited; a TimeoutError, and its end, when it takes longer."""


class Segment(NamedTuple):
    """Virtual time that passes at one speed: `virtual` is the time at the `real` moment, both since the epoch."""

    real: float
    virtual: float
    speed: float

    def at(self, real: float) -> float:
        return self.virtual + (real - self.real) * self.speed


UNCHANGED = Segment(0.0, 0.0, 1.0)
"""The machine's own time."""


def at(segments: tuple[Segment, ...], real: float) -> Segment:
    """The segment that holds at a moment: the last one that has begun."""
    return next((each for each in reversed(segments) if each.real <= real), segments[0])


def lasting(segments: tuple[Segment, ...], real: float, seconds: float) -> float:
    """How many real seconds so many virtual ones last from a moment on, with what is announced."""
    holds = at(segments, real)
    for after in segments[segments.index(holds) + 1 :]:
        passed = (after.real - real) * holds.speed
        if passed >= seconds:
            break
        return after.real - real + (seconds - passed) / after.speed
    return seconds / holds.speed


@dataclass
class _Passed:
    """Virtual seconds by the monotonic clock: `value` at its moment `since`."""

    since: float
    value: float
    speed: float


class SharedClock:
    """The clock of a checkout's sandbox, by its file. Threads and one event loop may use it at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._segments = read(path)
        self._seen = _signature(path)
        self._looked = time.monotonic()
        self._told = self._not_before = float("-inf")
        self._passed = _Passed(self._looked, self._looked, at(self._segments, time.time()).speed)
        self._waiters: set[asyncio.Future[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    @property
    def speed(self) -> float:
        self._look()
        return at(self._segments, time.time()).speed

    def now(self) -> float:
        self._look()
        real = time.time()
        self._told = max(at(self._segments, real).at(real), self._not_before)
        return self._told

    def ahead(self) -> float:
        """Seconds by which virtual time is ahead of the machine's."""
        self._look()
        real = time.time()
        return at(self._segments, real).at(real) - real

    def monotonic(self) -> float:
        self._look()
        with self._lock:
            return self._follow()

    def real(self, seconds: float) -> float:
        self._look()
        return max(0.0, lasting(self._segments, time.time(), seconds))

    def pause(self, seconds: float) -> None:
        """Sleep in a thread."""
        end = self.monotonic() + seconds
        while (left := end - self.monotonic()) > 0:
            time.sleep(min(self.real(left), LOOK_EVERY))

    async def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        if seconds <= 0:
            await asyncio.sleep(0)
        while (left := end - self.monotonic()) > 0:
            await self._wait(set(), left)

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        future = asyncio.ensure_future(awaitable)
        end = self.monotonic() + seconds
        try:
            while not future.done() and (left := end - self.monotonic()) > 0:
                await self._wait({future}, left)
            if future.done():
                return future.result()
            raise TimeoutError
        finally:
            if not future.done():
                future.cancel()
                await asyncio.wait({future})  # who waits may be cancelled meanwhile: that is not to be lost
                if not future.cancelled():
                    future.exception()  # it is nobody's any more

    async def _wait(self, futures: set[asyncio.Future[Any]], seconds: float) -> None:
        """Return when one of the futures is done, when the time is over, or when the speed is about to change."""
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(changed)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._watch())
        try:
            waiting: set[asyncio.Future[Any]] = {changed, *futures}
            await asyncio.wait(waiting, timeout=self.real(seconds), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.discard(changed)
            changed.cancel()

    async def _watch(self) -> None:
        """Look at the file for all who wait, while there are any."""
        known = self._segments
        while self._waiters:
            await asyncio.sleep(LOOK_EVERY)
            self._look()
            if self._segments is not known:
                known = self._segments
                for waiter in self._waiters:
                    if not waiter.done():
                        waiter.set_result(None)

    def _look(self) -> None:
        """Take over what the file says, if it was not looked at lately."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        with self._lock:
            self._looked = time.monotonic()
            seen = _signature(self._path)
            if seen == self._seen:
                return
            self._segments, self._seen = read(self._path), seen
            real = time.time()
            # A process that looked too late has told a time that the others had not reached: it waits for them.
            self._not_before = self._told if at(self._segments, real).at(real) < self._told else float("-inf")

    def _follow(self) -> float:
        """Bring the monotonic time up to now, through a change of speed that lies between."""
        here, real = time.monotonic(), time.time()
        passed = self._passed
        segment = at(self._segments, real)
        turned = min(here, max(passed.since, here - (real - segment.real))) if segment.speed != passed.speed else here
        value = passed.value + (turned - passed.since) * passed.speed + (here - turned) * segment.speed
        self._passed = _Passed(here, value, segment.speed)
        return value


def checked(said: str) -> float:
    """A speed that somebody has typed. Raises Problem for what is none."""
    try:
        speed = float(said)
    except ValueError:
        raise Problem(f"--speed {said}: it is a number from {SLOWEST:g} to {FASTEST:g}") from None
    return _usable(speed)


def _usable(speed: float) -> float:
    if not SLOWEST <= speed <= FASTEST:
        raise Problem(f"the speed {speed:g} is not between {SLOWEST:g} and {FASTEST:g}")
    return speed


def set_speed(path: Path, speed: float) -> float:
    """Let virtual time pass at another speed, and return when it does: the virtual moment of the change.

    It goes on from where it is. Raises Problem for a speed that nobody could use; nothing is changed then.
    """
    _usable(speed)
    if not path.exists() and speed == UNCHANGED.speed:
        return UNCHANGED.at(time.time())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        segments, real = read(path), time.time()
        holds = at(segments, real)
        change = Segment(real + AHEAD, holds.at(real + AHEAD), speed)
        if holds.speed == speed and holds == segments[-1]:
            return holds.at(real)
        files.replace(path, json.dumps([segment._asdict() for segment in (holds, change)]) + "\n")
        time.sleep(max(0.0, change.real - time.time()))
    return change.virtual


def read(path: Path) -> tuple[Segment, ...]:
    """What the file says; the machine's time when there is none, or one that is damaged."""
    try:
        found = tuple(
            Segment(**{name: float(value) for name, value in each.items()}) for each in json.loads(path.read_text())
        )
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return (UNCHANGED,)
    finite = all(math.isfinite(value) for each in found for value in each)
    valid = found and finite and all(SLOWEST <= each.speed <= FASTEST for each in found)
    return found if valid else (UNCHANGED,)


def _signature(path: Path) -> tuple[int, int] | None:
    """Changes whenever the file is replaced."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns
