"""When services tell what they measured: once a minute, by the cloud's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.cloud.watch.points import MINUTE

if TYPE_CHECKING:
    from sandbox.clock import VirtualClock


async def next_minute(clock: VirtualClock, seconds: float) -> None:
    """Sleep until so many seconds of a minute have passed."""
    await clock.sleep(MINUTE - (clock.now() - seconds) % MINUTE)
