"""Lets minutes pass in a test's cloud: metrics come late and alarms look every minute."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox.clock import AHEAD, SharedClock, read, set_speed
from sandbox.cloud.watch.points import MINUTE
from shared import files
from shared.failover_time import METRIC_DELAY_SECONDS

if TYPE_CHECKING:
    from sandbox import Sandbox

FAST = 300.0
METRICS_ARRIVE = MINUTE + METRIC_DELAY_SECONDS + 5
"""Seconds after which all that was measured can be read: its minute is over, and it was sent."""

NOTICED = 90
"""Seconds within which everything in the cloud that looks at the clock has done so."""


@dataclass
class VirtualTime:
    """The time in a sandbox, and a way to let it pass."""

    sandbox: Sandbox

    def __post_init__(self) -> None:
        self._path = self.sandbox.layout.clock
        self._clock = SharedClock(self._path)

    def now(self) -> float:
        return self._clock.now()

    def pass_seconds(self, seconds: float) -> None:
        """Return when so many virtual seconds have passed, or a minute and a half if that is more."""
        end = self.now() + seconds - AHEAD * FAST
        set_speed(self._path, FAST)
        try:
            while self.now() < end:
                time.sleep(0.02)
        finally:
            set_speed(self._path, 1.0)

    def jump(self, seconds: float) -> None:
        """Set the time ahead, by days too; who waits for a moment sees it within `NOTICED` more."""
        holds = read(self._path)[-1]
        real = time.time() + AHEAD
        ahead = holds._replace(real=real, virtual=holds.at(real) + seconds)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(self._path, json.dumps([each._asdict() for each in (holds, ahead)]) + "\n")
        time.sleep(2 * AHEAD)
        self.pass_seconds(NOTICED)

    def date(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)
