"""Creates that no engine has recorded yet, so that a killed run leaves nothing twice.

An engine killed between a create and its record has an operation pending, and its next run creates again. Names settle
that where names are unique; a VPC, a REST API or a key has none. So a create stays unclaimed until the engine speaks
of its id, which it only knows from its state: a second create before that means that the state has lost the first.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Unclaimed:
    """What a create made."""

    id: str
    inputs: Mapping[str, Any]


class Claims:
    """The unclaimed creates of all provider instances of this process, by endpoint and URN."""

    def __init__(self) -> None:
        self._unclaimed: dict[tuple[str, str], Unclaimed] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._changed = threading.Condition()
        self._under_way = 0

    @contextmanager
    def creating(self, place: tuple[str, str]) -> Iterator[None]:
        """Around a whole create: one that outlived its engine ends before the next run's begins."""
        with self._changed:
            self._under_way += 1
        try:
            with self._locks[place]:
                yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def settle(self, seconds: float) -> bool:
        """Wait until no create is under way, before the process ends; whether that came within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._under_way == 0, seconds)

    def made(self, place: tuple[str, str], physical_id: str, inputs: Mapping[str, Any]) -> None:
        """A create succeeded."""
        self._unclaimed[place] = Unclaimed(physical_id, inputs)

    def known(self, place: tuple[str, str], physical_id: str) -> None:
        """An engine spoke of this id."""
        left = self._unclaimed.get(place)
        if left is not None and left.id == physical_id:
            self._unclaimed.pop(place, None)

    def left(self, place: tuple[str, str]) -> Unclaimed | None:
        """What an earlier create made and no engine recorded."""
        return self._unclaimed.pop(place, None)
