"""By when an invocation must be over: one object, which whoever is about to wait asks first."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdas.domain.ports import Clock


@dataclass(slots=True)
class Deadline:
    """One for each execution environment, as that runs one invocation at a time; without a limit until `begin`.

    Nothing is begun that may end after it: each call has a time-out, and is made only when all of that is left. So the
    invocation is over in time however slow each call is.
    """

    clock: Clock
    until: int | None = None

    def begin(self, milliseconds: int) -> None:
        """From here on, so much time is left."""
        self.until = self.clock.now() + milliseconds

    def allows(self, milliseconds: int) -> bool:
        """Whether what takes so long at most may be begun."""
        return self.until is None or self.clock.now() + milliseconds <= self.until

    @contextmanager
    def keeping(self, milliseconds: int) -> Iterator[None]:
        """Keep so much back for what must follow this block."""
        until = self.until
        if until is not None:
            self.until = until - milliseconds
        try:
            yield
        finally:
            self.until = until
