"""By when an invocation must be over: one object, which whoever is about to wait asks first."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import local
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdas.domain.ports import Clock


class _OwnLimit(local):
    until: int | None = None


@dataclass(slots=True)
class Deadline:
    """One for each execution environment, as that runs one invocation at a time; without a limit until `begin`.

    Each thread has its own limit: a sweep works on several payments at once.

    Nothing is begun that may end after it: each call has a time-out, and is made only when all of that is left. So the
    invocation is over in time however slow each call is.
    """

    clock: Clock
    _own: _OwnLimit = field(default_factory=_OwnLimit, init=False, repr=False, compare=False)

    @property
    def until(self) -> int | None:
        """When all must be over (ms), or None."""
        return self._own.until

    @until.setter
    def until(self, moment: int | None) -> None:
        self._own.until = moment

    def begin(self, milliseconds: int) -> None:
        """From here on, so much time is left."""
        self.until = self.clock.now() + milliseconds

    def allows(self, milliseconds: int) -> bool:
        """Whether what takes so long at most may be begun."""
        until = self.until
        return until is None or self.clock.now() + milliseconds <= until

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
