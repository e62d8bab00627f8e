"""The faults in force, in a file: the cloud alone writes it, everybody reads it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sandbox.faults.fault import InjectedFault
from shared import files

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Book:
    """The faults in force, in the order in which they began; kept over a restart, and forgotten by a wipe."""

    path: Path
    faults: tuple[InjectedFault, ...] = ()
    _next: int = 1
    _seen: tuple[int, int] = field(default=(0, 0))

    def refresh(self) -> bool:
        """Read the file if it has changed since; whether it has. A file that is none is an empty book."""
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
        except OSError:
            seen = (0, 0)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            told = json.loads(self.path.read_text())
            self.faults = tuple(InjectedFault.read(each) for each in told["faults"])
            self._next = int(told["next"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            self.faults, self._next = (), 1
        return True

    def begin(self, fault: InjectedFault) -> InjectedFault:
        """Add a fault and return it with its number."""
        begun = replace(fault, number=self._next, since=time.time())
        self._write((*self.faults, begun), self._next + 1)
        return begun

    def end(self, number: int | None = None, region: str = "") -> tuple[InjectedFault, ...]:
        """End the fault with a number, those of a region, or all; return the ones that ended."""
        ended = tuple(
            fault for fault in self.faults if number in {None, fault.number} and (not region or fault.region == region)
        )
        self._write(tuple(fault for fault in self.faults if fault not in ended), self._next)
        return ended

    def _write(self, faults: tuple[InjectedFault, ...], following: int) -> None:
        told = {"next": following, "faults": [fault.told() for fault in faults]}
        files.replace(self.path, json.dumps(told, indent=1) + "\n")
        self.faults, self._next = faults, following
