"""Replaces files and folders whole: whoever reads one sees the old content or the new, never a part."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_STEM = 200
"""Bytes: a file system's names have 255, and a draft's says its process too."""


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
    draft = _draft(path)
    try:
        yield draft
    finally:
        _remove(draft)


def put(finished: Path, path: Path) -> None:
    """Put a finished file or folder in the place of what is there. A file takes no folder's place.

    A folder that is not empty cannot be replaced in one step: it is moved away first.
    """
    while True:
        try:
            finished.replace(path)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR} or not finished.is_dir():
                raise
        else:
            return
        aside = _draft(path)
        with suppress(FileNotFoundError):  # another thread has moved it away
            path.replace(aside)
        _remove(aside)


def forget_drafts(path: Path) -> None:
    """Remove what processes that were killed left of `path`. Nobody else may be replacing it."""
    draft = re.compile(rf"\.{re.escape(_stem(path))}\.\d+-[0-9a-f]{{8}}\.draft")
    for beside in path.parent.iterdir() if path.parent.is_dir() else ():
        if draft.fullmatch(beside.name):
            _remove(beside)


def _draft(path: Path) -> Path:
    return path.with_name(f".{_stem(path)}.{os.getpid()}-{secrets.token_hex(4)}.draft")


def _stem(path: Path) -> str:
    """What a draft's name has of its file's: a digest where both together would be too long for a name."""
    encoded = os.fsencode(path.name)
    return path.name if len(encoded) <= LONGEST_STEM else hashlib.sha256(encoded).hexdigest()


def _remove(draft: Path) -> None:
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)
