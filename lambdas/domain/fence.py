"""A region that clients are to leave answers no new payment: those whose connections outlive DNS go elsewhere.

It moves clients and protects nothing: conditional writes do. So what cannot be read fences nothing, and what was read
holds for some seconds. It holds from a moment on, when whoever honours the TTL has moved.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lambdas.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.ports import Clock

KNOWN: Final = 5_000
"""What was read of it holds for so long (ms)."""


@dataclass(slots=True)
class Fence:
    """Whether this region is fenced. `read` answers from when on (ms) or None, and raises Unavailable."""

    read: Callable[[], int | None]
    clock: Clock
    _holds_from: int | None = field(default=None, init=False)
    _read_at: int | None = field(default=None, init=False)

    def holds(self) -> bool:
        """Whether clients are to go elsewhere; reads at most every `KNOWN` ms, and never raises for a dependency."""
        now = self.clock.now()
        if self._read_at is None or not 0 <= now - self._read_at < KNOWN:
            try:
                self._holds_from = self.read()
            except Unavailable:
                self._holds_from = None
            self._read_at = now
        return self._holds_from is not None and now >= self._holds_from
