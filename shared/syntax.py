"""Python sources as syntax trees, also where several threads want some.

CPython (3.11, for one) counts how deep it is in a tree in one place for all threads: when the collector runs Python
code while one is made, another thread may begin one too, and both fail with a SystemError (gh-106905).
"""

from __future__ import annotations

import ast
import threading
from pathlib import Path

_ONE_AT_A_TIME = threading.Lock()


def tree(path: Path) -> ast.Module:
    """Parse a file. Raises OSError, SyntaxError, or ValueError where it holds a null byte."""
    source = path.read_bytes()
    with _ONE_AT_A_TIME:
        return ast.parse(source, filename=str(path))
