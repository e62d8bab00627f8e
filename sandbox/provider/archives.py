"""The bytes of a pulumi.Archive."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from sandbox.provider.wire import ARCHIVE, ASSET, SIGNATURE
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(archive: Mapping[str, Any], directory: Path) -> bytes:
    """The archive as a zip file. directory: what relative paths start from.

    The same contents give the same bytes: names sorted, times fixed. Raises Problem when a file is not there.
    """
    path = directory / str(archive.get("path", ""))
    if path.is_file():
        return path.read_bytes()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(_members(archive, directory, "")):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            file.writestr(info, content)
    return target.getvalue()


def _members(value: Mapping[str, Any], directory: Path, name: str) -> Iterator[tuple[str, bytes]]:
    signature, path = value.get(SIGNATURE), value.get("path")
    if signature == ASSET:
        yield name, value["text"].encode() if "text" in value else _content(directory / (path or ""), value)
    elif signature == ARCHIVE and "assets" in value:
        for key, each in value["assets"].items():
            yield from _members(each, directory, f"{name}/{key}" if name else key)
    elif signature == ARCHIVE and path:
        root = directory / path
        if root.is_file():  # an archive inside an archive: its files
            with zipfile.ZipFile(root) as file:
                inner = [(each, file.read(each)) for each in file.namelist() if not each.endswith("/")]
        else:
            inner = [
                (each.relative_to(root).as_posix(), _content(each, value))
                for each in _existing(root, value).rglob("*")
                if each.is_file()
            ]
        yield from ((f"{name}/{each}" if name else each, content) for each, content in inner)
    else:
        raise _lost(value)


def _existing(path: Path, value: Mapping[str, Any]) -> Path:
    if not path.exists():
        raise _lost(value)
    return path


def _content(path: Path, value: Mapping[str, Any]) -> bytes:
    if not path.is_file():
        raise _lost(value)
    return path.read_bytes()


def _lost(value: Mapping[str, Any]) -> Problem:
    where = value.get("path") or value.get("uri")
    return Problem(f"{where}: no such file" if where else "the contents of an archive or asset were not given")
