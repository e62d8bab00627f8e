"""Holds a program back while its engine starts: half of what a small update takes is getting ready.

Who starts the engine locks a file and names it in the engine's variables. The program (program.py) goes no farther
than its imports until that lock is gone, and ends there unless the file says so. A starter that dies lets go of its
lock without a word, and so cancels.
"""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from engine.plugins.variables import HELD_BY

if TYPE_CHECKING:
    from pathlib import Path

GO = "go"


class Hold:
    """Keeps a program from running until it is released or cancelled."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self.variables = {HELD_BY: str(path)}

    def release(self) -> None:
        self._file.write(GO)
        self._file.close()

    def cancel(self) -> None:
        self._file.close()
