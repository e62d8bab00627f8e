"""A region that clients are to leave answers no new payment: those whose connections outlive DNS go elsewhere.

It moves clients and protects nothing: conditional writes do. So a region that has never read its fence has none. It
holds from a moment on, when whoever honours the TTL has moved, and ends by itself: the region that clients have gone to
may be lost after that, and then this one is all that they have.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from lambdas.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.ports import Clock

KNOWN: Final = 5_000
"""What was read of it holds for so long (ms), and longer while it cannot be read."""


class FencedPeriod(NamedTuple):
    """When no new payment is answered: from the first moment on, until before the second (ms)."""

    begin: int
    end: int


@dataclass(slots=True)
class Fence:
    """Whether this region is fenced. `read` answers when it is, or None, and raises Unavailable."""

    read: Callable[[], FencedPeriod | None]
    clock: Clock
    _period: FencedPeriod | None = field(default=None, init=False)
    _read_at: int | None = field(default=None, init=False)

    def holds(self) -> bool:
        """Whether clients are to go elsewhere; reads at most every `KNOWN` ms, and never raises for a dependency."""
        now = self.clock.now()
        if self._read_at is None or not 0 <= now - self._read_at < KNOWN:
            # What was read last goes on: an idle connection that has died must let nobody in.
            with suppress(Unavailable):
                self._period = self.read()
            self._read_at = now
        return self._period is not None and self._period.begin <= now < self._period.end
