"""Real time and real names: the only place in these functions that asks the machine for either."""

from __future__ import annotations

import os
import time


class SystemClock:
    """The machine's clock (UTC; Amazon's time service keeps it within milliseconds)."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def sleep(self, milliseconds: int) -> None:
        """Wait."""
        time.sleep(milliseconds / 1000)


def token() -> str:
    """A name that nobody else has: 128 random bits, read from the kernel, also after a restored snapshot."""
    return os.urandom(16).hex()
