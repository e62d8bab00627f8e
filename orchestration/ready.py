"""A ready queue: hands out what may start now, and drops what can no longer succeed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class ReadyQueue(Generic[T]):
    """Items with their prerequisites, taken as soon as those are done. Order among the ready is the mapping's."""

    def __init__(self, after: Mapping[T, frozenset[T]]) -> None:
        self._waiting = {item: set(needed) for item, needed in after.items()}
        self._running: set[T] = set()

    def take(self) -> T | None:
        """Return the next item whose prerequisites are all done, or None when none is ready now."""
        for item, missing in self._waiting.items():
            if not missing:
                del self._waiting[item]
                self._running.add(item)
                return item
        return None

    def done(self, item: T) -> None:
        """Mark a taken item as succeeded."""
        self._running.remove(item)
        for missing in self._waiting.values():
            missing.discard(item)

    def failed(self, item: T) -> tuple[T, ...]:
        """Mark a taken item as failed; drop and return all that waited for it, directly or through others."""
        self._running.remove(item)
        lost = {item}
        dropped: list[T] = []
        found = True
        while found:
            found = False
            for candidate, missing in list(self._waiting.items()):
                if missing & lost:
                    del self._waiting[candidate]
                    lost.add(candidate)
                    dropped.append(candidate)
                    found = True
        return tuple(dropped)

    def abandon(self) -> tuple[T, ...]:
        """Drop everything that has not been taken, and return it."""
        rest = tuple(self._waiting)
        self._waiting.clear()
        return rest

    @property
    def finished(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self._running and not self._waiting
