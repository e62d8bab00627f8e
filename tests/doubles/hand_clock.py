"""A clock that stands still until a test moves it: the interface of `sandbox.clock.VirtualClock`."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")

TURNS = 50
"""Turns of the event loop after which whatever can go on without time has gone on."""
BEGINNING = 1_700_000_000.0


class HandClock:
    def __init__(self, now: float = BEGINNING, speed: float = 1.0) -> None:
        self.speed = speed
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def real(self, seconds: float) -> float:
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), waiting))
        await waiting

    async def wait_for(self, awaitable: Awaitable[T], seconds: float) -> T:
        work = asyncio.ensure_future(awaitable)
        limit = asyncio.ensure_future(self.sleep(seconds))
        try:
            await asyncio.wait({work, limit}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise TimeoutError
        finally:
            work.cancel()
            limit.cancel()

    async def advance(self, seconds: float) -> None:
        """Let time pass: whoever sleeps wakes in order, each at its moment, and goes on as far as it can."""
        end = self._now + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _, waiting = heapq.heappop(self._sleepers)
            if waiting.done():  # nobody waits for it any more
                continue
            self._now = moment
            waiting.set_result(None)
            await self._settle()
        self._now = end

    async def _settle(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
