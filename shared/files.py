"""Replaces files whole: whoever reads one sees the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def replace(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a file in the place of what is there, if anything is. Its folder is made when it is missing.

    mode: of a file that is new, less what the process's umask takes away.
    """
    with replacing(path) as draft:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lend a path beside `path` to write to; what is there at the end takes the place of `path`.

    No other process or thread is lent the same one. What an exception leaves half written goes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
