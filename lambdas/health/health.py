"""Whether this region can serve payments.

Only a strongly consistent read tells: a region that is cut off from the others still answers eventually consistent
ones.

    age of the last good read      0 ───────── 5 s ────────────── 10 s ──────────>
    answer                           good        read again:        only a read in
                                     at once     good, or late:     time is good
                                                 still good
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.adapters.store import TableClient
    from lambdas.domain.ports import Clock

FRESH: Final = 5_000
"""A good read of this age answers without another (ms)."""
STALE: Final = 10_000
"""A good read of this age still answers when a new one fails or is late (ms): this much detection may lag."""
BUDGET: Final = 100
"""How long a request waits for its read (ms)."""
STUCK: Final = 1_000
"""A read of this age was frozen with its environment: another is started beside it (ms)."""


def read_strongly(table: TableClient, name: str) -> None:
    """Read what all regions agree on: raises, whatever it is, in a region that is cut off. Nothing need be there."""
    table.get_item(TableName=name, Key={"pk": {"S": "health"}, "sk": {"S": "probe"}}, ConsistentRead=True)


@dataclass(slots=True)
class Health:
    """`read` makes one strongly consistent read, or raises anything."""

    read: Callable[[], object]
    clock: Clock
    _good_at: int | None = None
    _reading_since: int | None = None
    _done: threading.Event = field(default_factory=threading.Event)

    def check(self, budget: int = BUDGET) -> bool:
        """Whether the region can serve, within the budget (ms)."""
        if self._good_within(FRESH):
            return True
        now = self.clock.now()
        if self._reading_since is None or not 0 <= now - self._reading_since <= STUCK:
            self._start(now)
        self._done.wait(budget / 1000)
        return self._good_within(STALE)

    def _good_within(self, age: int) -> bool:
        # A clock that was set back makes a good read one of the future, which would be good until then.
        return self._good_at is not None and abs(self.clock.now() - self._good_at) <= age

    def _start(self, now: int) -> None:
        done = threading.Event()
        self._done, self._reading_since = done, now

        def run() -> None:
            try:
                self.read()
            except Exception:  # noqa: BLE001, S110 - whatever it was, the region could not read: that is the answer
                pass
            else:
                # By its start: what was read is at least that old. A late read still counts for the next request.
                known = self._good_at
                self._good_at = now if known is None or known > self.clock.now() else max(now, known)
            finally:
                if self._done is done:
                    self._reading_since = None
                done.set()

        threading.Thread(target=run, daemon=True).start()
