"""Standard output and error of a task: they take every character, and a reader that leaves ends nothing.

A release must not be cut off because `head` has seen enough, or because a disk with the log is full. What nobody can
read is dropped, and the task's own exit code stands; only where the output could not be written to the end (a full
disk) that is said, with exit code 1.
"""

from __future__ import annotations

import codecs
import errno
import io
import locale
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAIN = {"└": "`", "±": "+-", "×": "x", "→": "->", "…": "...", "–": "-", "—": "-", "·": "-"}
"""The characters that we draw with, for terminals that have none of them."""
ERRORS = "plain"
"""The name of the way in which text is written that the encoding has no characters for."""


class Output(io.FileIO):
    """A standard stream that goes on when nobody reads it any more."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self.failed: OSError | None = None

    def write(self, content: object) -> int:
        data = memoryview(content).cast("B")  # type: ignore[arg-type]
        if self.failed is None:
            try:
                return super().write(data) or 0
            except OSError as error:
                self.failed = error
        return len(data)


def set_up(variables: Mapping[str, str]) -> None:
    """Put our streams in the place of Python's. `variables`: the user's, which may name an encoding."""
    codecs.register_error(ERRORS, _plainly)
    name = encoding(variables)
    sys.stdout = _stream(1, name)
    sys.stderr = _stream(2, name)


def encoding(variables: Mapping[str, str]) -> str:
    """The encoding of the user's terminal, by PYTHONIOENCODING, PYTHONUTF8 or else the locale."""
    wished = variables.get("PYTHONIOENCODING", "").partition(":")[0]
    if variables.get("PYTHONUTF8") == "1":
        wished = wished or "utf-8"
    if not wished and (variables.get("LC_ALL") or variables.get("LANG")) in {"C", "POSIX"}:
        wished = "ascii"  # Python would take UTF-8 for it
    try:
        name = codecs.lookup(wished or locale.getencoding()).name
        # `hex` and its like encode no text, and a few (`idna`, `undefined`) not every text.
        with io.TextIOWrapper(io.BytesIO(), encoding=name, errors="backslashreplace") as trial:
            trial.write("".join(PLAIN))
    except (LookupError, ValueError):
        return "utf-8"
    return name


def unwritten() -> str:
    """Why some of the output could not be written; empty when it was, or nobody wanted it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except ValueError:
            continue  # closed by somebody
        raw = getattr(getattr(stream, "buffer", None), "raw", None)
        if isinstance(raw, Output) and raw.failed is not None and raw.failed.errno != errno.EPIPE:
            return raw.failed.strerror or str(raw.failed)
    return ""


def _stream(number: int, name: str) -> io.TextIOWrapper:
    """A line at a time to a terminal, as Python does it; standard error always."""
    lines = number == 2 or os.isatty(number)
    return io.TextIOWrapper(io.BufferedWriter(Output(number)), encoding=name, errors=ERRORS, line_buffering=lines)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that cannot be written: our own drawing in ASCII, others as JSON writes them."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    said = []
    for character in error.object[error.start : error.end]:
        units = character.encode("utf-16-be", "surrogatepass")
        escaped = "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
        said.append(PLAIN.get(character, escaped))
    return "".join(said), error.end
