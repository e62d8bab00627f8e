"""What an engine's event log tells: progress, changes, the stack's outputs, and why it failed in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.backend import STACK_TYPE
from shared.errors import Problem
from shared.root import ROOT

UNCHANGING = frozenset({"same", "read", "discard", "read-discard"})
COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
TRACEBACK = "Traceback (most recent call last)"
FRAME = re.compile(r'^  File "([^"]+)", line (\d+)', re.MULTILINE)
PROBLEM = f"{Problem.__module__}.{Problem.__qualname__}: "
STDERR_ERROR = re.compile(r"^error: (.+(?:\n[ \t]+\S.*)*)$", re.MULTILINE)
"""Lines that are indented belong to it: the holder of a lock."""


@dataclass
class Events:
    """The events of one operation, read as they come."""

    finished: int = 0
    """Resources that have been dealt with."""
    changes: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, Any] | None = None
    """The stack's outputs, in a preview with the engine's sentinel where unknown; None when the program failed."""
    errors: list[str] = field(default_factory=list)

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._one(json.loads(line))

    def _one(self, event: Mapping[str, Any]) -> None:
        match event:
            case {"resOutputsEvent": {"metadata": metadata}}:
                self.finished += 1
                if metadata["type"] == STACK_TYPE:
                    self.outputs = (metadata.get("new") or {}).get("outputs")
            case {"summaryEvent": {"resourceChanges": changes}}:
                self.changes = {kind: count for kind, count in (changes or {}).items() if kind not in UNCHANGING}
            case {"diagnosticEvent": {"severity": "error", "message": message, **rest}}:
                self.errors.append(_described(str(message), str(rest.get("urn", ""))))

    def failure(self, output: str) -> str:
        """Return the line that says best why the operation failed, from the events or else from the CLI's output."""
        told = [error for error in self.errors if error]
        # The engine closes with "update failed"; the cause comes before.
        causes = [error for error in told if not error.endswith(("update failed", "preview failed", "destroy failed"))]
        if causes or told:
            return (causes or told)[0]
        return closing_error(output) or "the engine said nothing"


def closing_error(output: str) -> str:
    """Return in one line the error that the CLI ended with, or else the last line of what it said."""
    found = STDERR_ERROR.findall(COLOUR.sub("", output))
    return " ".join(str(found[-1]).split()) if found else last_line(output)


def last_line(text: str) -> str:
    """Return the last line of a text that is not blank."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _cause(text: str) -> str:
    """Return a traceback in one line: where in the checkout's own code it happened, and what was wrong."""
    said = last_line(text)
    if said.startswith(PROBLEM):  # it says itself where and what
        return said.removeprefix(PROBLEM)
    own = [(file, line) for file, line in FRAME.findall(text) if _is_own(file)]
    if not own:
        return said
    file, line = own[-1]
    return f"{Path(file).relative_to(ROOT)}:{line}: {said}"


def _is_own(file: str) -> bool:
    path = Path(file)
    return path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / ".venv")


def _described(message: str, urn: str) -> str:
    """Return an error in one line; of a traceback, the line that says what was wrong."""
    text = COLOUR.sub("", message).strip()
    line = _cause(text) if TRACEBACK in text else " ".join(text.split())
    kind, _, name = urn.rpartition("::")
    kind = kind.rpartition("::")[2].rpartition("$")[2]
    if not line or not kind or kind == STACK_TYPE or name in line:
        return line
    return f"{kind} {name}: {line}"
