"""Replaces files and folders whole: whoever reads one sees the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def replace(path: Path, content: str | bytes | memoryview, *, mode: int = 0o666) -> None:
    """Write a file in the place of what is there, if anything is. Its folder is made when it is missing.

    mode: of a file that is new, less what the process's umask takes away.
    """
    with replacing(path) as draft:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Lend a draft of `path` to write a file or a folder to, which takes the place of `path` at the end."""
    with drafting(path) as draft:
        yield draft
        put(draft, path)


@contextmanager
def drafting(path: Path) -> Iterator[Path]:
    """Lend a path beside `path` that no other process or thread is lent. What is still there at the end goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.draft")
    try:
        yield draft
    finally:
        _remove(draft)


def put(finished: Path, path: Path) -> None:
    """Put a finished file or folder in the place of what is there. A folder that is there goes before."""
    if finished.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    finished.replace(path)


def forget_drafts(path: Path) -> None:
    """Remove what processes that were killed left of `path`. Nobody else may be replacing it."""
    for draft in path.parent.glob(f".{path.name}.*.draft"):
        _remove(draft)


def _remove(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)
