"""Whether a daemon runs the code that the checkout has now."""

from __future__ import annotations

import hashlib
import sysconfig
from pathlib import Path

SANDBOX = Path(__file__).parent


def digest(*packages: str) -> str:
    """Of the names, times and sizes of packages of the sandbox, its own modules, and the installed libraries.

    Takes two milliseconds.
    """
    files = [*SANDBOX.glob("*.py"), *(path for package in packages for path in (SANDBOX / package).rglob("*.py"))]
    found = hashlib.sha256()
    for path in [*sorted(files), Path(sysconfig.get_path("purelib"))]:
        stat = path.stat()
        found.update(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\n".encode())
    return found.hexdigest()
