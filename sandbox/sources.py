"""Whether a daemon runs the code that the checkout has now, by the setting that holds now."""

from __future__ import annotations

import hashlib
import sysconfig
from pathlib import Path

from sandbox import quotas, tricks
from shared.root import ROOT


def digest(*folders: str) -> str:
    """Of the names, times and sizes of what the sandbox's daemons share, other folders, and the installed libraries.

    And of what is said about tricks and quotas. Takes two milliseconds.
    """
    folders = ("sandbox/faults", *folders)
    files = [*(ROOT / "sandbox").glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    found = hashlib.sha256(f"{tricks.setting()}\0{quotas.setting()}".encode())
    for path in [*sorted(files), Path(sysconfig.get_path("purelib"))]:
        stat = path.stat()
        found.update(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\n".encode())
    return found.hexdigest()
