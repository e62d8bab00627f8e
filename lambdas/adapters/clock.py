"""Real time and real names: the only place in these functions that asks the machine for either."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock (UTC; Amazon's time service keeps it within milliseconds).

    The machine counts in nanoseconds (`time_ns`) and waits in seconds (`wait`); all else here is in milliseconds.
    """

    time_ns: Callable[[], int] = time.time_ns
    wait: Callable[[float], None] = time.sleep

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self.time_ns() // 1_000_000

    def sleep(self, milliseconds: int) -> None:
        """Wait."""
        self.wait(milliseconds / 1000)


def token() -> str:
    """A name that nobody else has: 128 random bits, read from the kernel, also after a restored snapshot."""
    return os.urandom(16).hex()
