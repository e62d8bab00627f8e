"""Deterministic zips of Python code: equal content gives equal bytes, with fixed times and no paths of a machine.

Bytecode goes along if the building interpreter makes that of Lambda's runtime (hash-based, unchecked): with it a cold
start does not compile the SDK, 0.3 s of it, in a folder that cannot be written. That of another version would lie there
unread.
"""

from __future__ import annotations

import importlib.util
import marshal
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING, Final

from shared import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

RUNTIME: Final = "python3.13"
"""Lambda's, of all functions."""

RUNTIME_TAG: Final = f"cpython-{RUNTIME.removeprefix('python').replace('.', '')}"
"""How its bytecode is named (PEP 3147)."""

_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


def write(target: Path, entries: Iterable[tuple[str, bytes]], *, onto: Path | None = None) -> None:
    """Make a zip of names and contents, in the order of the names, behind what the zip `onto` has, if it is given.

    The target appears whole or not at all. Safe to call from several processes at once.
    """
    with files.replacing(target) as draft:
        if onto:
            shutil.copyfile(onto, draft)
        with zipfile.ZipFile(draft, "a") as archive:
            for name, data in sorted(entries):
                entry = zipfile.ZipInfo(name, _TIME)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)


def module(name: str, source: bytes) -> Iterator[tuple[str, bytes]]:
    """Entries for a module, a path ending in .py: its source, and its bytecode if that is the runtime's."""
    yield name, source
    if sys.implementation.cache_tag == RUNTIME_TAG:
        yield bytecode_name(name), bytecode(name, source)


def bytecode_name(name: str) -> str:
    """Where this interpreter looks for a module's bytecode."""
    folder, _, file = name.rpartition("/")
    compiled = f"{file.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
    return f"{folder}/__pycache__/{compiled}".lstrip("/")


def bytecode(name: str, source: bytes) -> bytes:
    """A module's bytecode for this interpreter. Raises SyntaxError."""
    # Python keeps one string for each of these, and marshal says whether it has ever been interned by anybody.
    for character in range(256):
        sys.intern(chr(character))
    # The path in the code object is the one inside Lambda, not this machine's.
    code = compile(source, f"/var/task/{name}", "exec", dont_inherit=True, optimize=0)
    flags = 0b01  # PEP 552: invalidated by hash, and not checked
    header = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + importlib.util.source_hash(source)
    return header + marshal.dumps(code)
