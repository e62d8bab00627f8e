"""What an engine's event log tells: progress, changes, the stack's outputs, and why it failed in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.backend import STACK_TYPE
from shared.errors import Problem
from shared.root import ROOT

UNCHANGING = frozenset({"same", "read", "discard", "read-discard"})
REPLACING = frozenset({"replace", "create-replacement", "delete-replaced", "discard-replaced", "import-replacement"})
"""The steps of a replacement, in whatever order the provider wants them."""
ENDING = frozenset({"replace", "delete"})
"""The operations by which what is there goes."""
REFRESH = "refresh"
READ_FROM_ELSEWHERE = frozenset({"pulumi:pulumi:StackReference"})
"""What a refresh finds changed, and nobody in the cloud has changed."""
COLOUR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
TRACEBACK = "Traceback (most recent call last)"
FRAME = re.compile(r'^  File "([^"]+)", line (\d+)', re.MULTILINE)
PROBLEM = f"{Problem.__module__}.{Problem.__qualname__}: "
STDERR_ERROR = re.compile(r"^error: (.+(?:\n[ \t]+\S.*)*)$", re.MULTILINE)
"""Lines that are indented belong to it: the holder of a lock."""


class RuleBroken(Problem):
    """Resources do not keep the rules of a policy pack: none of these was made or changed."""

    def __init__(self, violations: Sequence[str]) -> None:
        self.violations = tuple(violations)
        others = len(violations) - 1
        more = f"; {others} more {'violation' if others == 1 else 'violations'}" if others else ""
        super().__init__(f"{violations[0]}{more}")


@dataclass(frozen=True)
class ResourceChange:
    """What is, or would be, done to one resource."""

    operation: str
    """create, update, replace or delete; seldom another of the engine's words."""
    urn: str
    type: str
    """Such as `aws:s3/bucket:Bucket`."""
    properties: tuple[str, ...] = ()
    """Paths of the properties that differ."""
    forcing: tuple[str, ...] = ()
    """Those that cannot be changed in place."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """Its state: `id`, `inputs`, `outputs`, `provider`; empty for what is created."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What it is to be given, secrets left out, with the engine's sentinel where unknown; empty for what is deleted."""

    @property
    def name(self) -> str:
        """Its name in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def ends(self) -> bool:
        """Whether what is there goes."""
        return self.operation in ENDING


@dataclass
class Events:
    """The events of one operation, read as they come."""

    finished: int = 0
    """Resources that have been dealt with."""
    changes: Mapping[str, int] = field(default_factory=dict)
    outputs: Mapping[str, Any] | None = None
    """The stack's outputs, in a preview with the engine's sentinel where unknown; None when the program failed."""
    errors: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    """What resources do against a policy pack's mandatory rules: resource, rule, and what is wrong, in a line each."""
    _resources: dict[tuple[str, str, str], ResourceChange] = field(default_factory=dict)
    _refreshed: dict[str, ResourceChange] = field(default_factory=dict)
    _refreshing: set[str] = field(default_factory=set)

    @property
    def resources(self) -> tuple[ResourceChange, ...]:
        """What is, or would be, done to each resource."""
        return tuple(self._resources.values())

    @property
    def refreshed(self) -> tuple[ResourceChange, ...]:
        """Resources that a refresh has found changed (`update`) or gone (`delete`)."""
        return tuple(self._refreshed.values())

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._one(json.loads(line))

    def _one(self, event: Mapping[str, Any]) -> None:
        match event:
            case {"resourcePreEvent": {"metadata": {"op": "refresh", "urn": urn}}}:
                self._refreshing.add(urn)
            case {"resourcePreEvent": {"metadata": metadata}}:
                self._step(metadata)
            case {"resOutputsEvent": {"metadata": metadata}}:
                self.finished += 1
                if metadata.get("urn") in self._refreshing:
                    self._refreshing.discard(metadata["urn"])
                    self._compared(metadata)
                if metadata["type"] == STACK_TYPE:
                    self.outputs = (metadata.get("new") or {}).get("outputs")
            case {"summaryEvent": {"resourceChanges": changes}}:
                self.changes = {kind: count for kind, count in (changes or {}).items() if kind not in UNCHANGING}
            case {"policyEvent": {"enforcementLevel": "mandatory", "policyName": rule, "message": message, **rest}}:
                said = str(message).partition("\n")[2] or str(message)  # it begins with what the rule demands
                self.violations.append(_of_resource(f"{rule}: {_plain(said)}", str(rest.get("resourceUrn", ""))))
            case {"diagnosticEvent": {"severity": "error", "message": message, **rest}}:
                self.errors.append(_described(str(message), str(rest.get("urn", ""))))

    def _step(self, metadata: Mapping[str, Any]) -> None:
        change = _change(metadata)
        if change.operation in UNCHANGING:
            return
        key = (change.urn, change.operation, str(change.before.get("id")) if change.operation == "delete" else "")
        known = self._resources.get(key, change)
        self._resources[key] = replace(
            change,
            properties=known.properties or change.properties,
            forcing=known.forcing or change.forcing,
            before=known.before or change.before,
            inputs=known.inputs or change.inputs,
        )

    def _compared(self, metadata: Mapping[str, Any]) -> None:
        change = _change(metadata)
        if change.operation not in {*UNCHANGING, REFRESH} and change.type not in READ_FROM_ELSEWHERE:
            self._refreshed[change.urn] = change

    def failure(self, output: str) -> str:
        """Return the line that says best why the operation failed, from the events or else from the CLI's output."""
        told = [error for error in self.errors if error]
        # The engine closes with "update failed"; the cause comes before.
        causes = [error for error in told if not error.endswith(("update failed", "preview failed", "destroy failed"))]
        if causes or told:
            return (causes or told)[0]
        return closing_error(output) or "the engine said nothing"


def _change(metadata: Mapping[str, Any]) -> ResourceChange:
    operation = "replace" if metadata["op"] in REPLACING else str(metadata["op"])
    return ResourceChange(
        operation,
        metadata["urn"],
        metadata["type"],
        tuple(sorted(metadata.get("detailedDiff") or metadata.get("diffs") or ())),
        tuple(metadata.get("keys") or ()),
        metadata.get("old") or {},
        (metadata.get("new") or {}).get("inputs") or {},
    )


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
    return _of_resource(_cause(text) if TRACEBACK in text else _plain(text), urn)


def _plain(text: str) -> str:
    """Return a text in one line, without colours."""
    return " ".join(COLOUR.sub("", text).split())


def _of_resource(line: str, urn: str) -> str:
    """Return a line with the resource that it is about, unless it names that itself."""
    kind, _, name = urn.rpartition("::")
    kind = kind.rpartition("::")[2].rpartition("$")[2]
    if not line or not kind or kind == STACK_TYPE or name in line:
        return line
    return f"{kind} {name}: {line}"
