"""In a process that has this folder on PYTHONPATH, the files that $FULL_DISK lists have no room when they are replaced.

FULL_DISK names a file that lists names; while it is missing, there is room for all.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

from shared import files

LISTED = Path(os.environ["FULL_DISK"])


def full(draft: Path, flags: int, mode: int) -> int:
    names = LISTED.read_text().split() if LISTED.exists() else ()
    without_room = any(draft.name.startswith(f".{name}.") for name in names)
    return os.open("/dev/full", os.O_WRONLY) if without_room else os.open(draft, flags, mode)


files.os = SimpleNamespace(**{**vars(os), "open": full})  # type: ignore[attr-defined]
