"""One run of the orchestration: its folder, its record, and the locks that keep two from changing one stack."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from engine.processes import ENDED, Recorded
from orchestration.person import user_and_machine
from shared import files
from shared.errors import Problem
from shared.stack import Stack

KEPT = 30
"""Folders of runs; older ones go."""


@dataclass(frozen=True)
class Run:
    """A run that is under way. Its folder holds the record, each stack's log and events, and the engines it started."""

    id: str
    folder: Path
    record: Mapping[str, Any]

    @property
    def sessions(self) -> Path:
        return self.folder / "sessions"

    @property
    def previewed(self) -> Path:
        """The outputs that this run's previews expect, for the previews behind them."""
        return self.folder / "previewed"

    @property
    def held(self) -> Path:
        """Files that hold programs back."""
        return self.folder / "held"

    def log(self, stack: Stack) -> Path:
        return self.folder / f"{stack.label}.log"

    def events(self, stack: Stack) -> Path:
        return self.folder / f"{stack.label}.events"

    def session(self, stack: Stack) -> Path:
        return self.sessions / stack.label

    def update(self, stack: Stack) -> str:
        """Return the id of the run's update of a stack."""
        return f"{self.id}.{stack.label}"

    def message(self, update: str, reason: str) -> str:
        """Return what an update's history entry says: its id, the run, who and why."""
        return json.dumps({"update": update, "run": self.id, "by": self.record["by"], "why": reason})

    def finish(self, stacks: Sequence[Mapping[str, Any]], code: int) -> dict[str, Any]:
        """Complete the record, and return it."""
        record = {**self.record, "ended": _now(), "exit_code": code, "stacks": list(stacks)}
        self.write(record)
        return record

    def write(self, record: Mapping[str, Any]) -> None:
        """Replace the record on disk."""
        files.replace(self.folder / "run.json", json.dumps(record, indent=2) + "\n")


@dataclass(frozen=True)
class Looks:
    """Where a run's previews leave what they tell, beside the updates of the same stacks."""

    run: Run

    def log(self, stack: Stack) -> Path:
        return self.run.folder / f"{stack.label}.preview.log"

    def events(self, stack: Stack) -> Path:
        return self.run.folder / f"{stack.label}.preview.events"

    def session(self, stack: Stack) -> Path:
        return self.run.sessions / f"{stack.label}.preview"


@contextmanager
def begin(
    state: Path, operation: str, environment: str, target: str, *, changing: Iterable[Stack] = ()
) -> Iterator[Run]:
    """Begin a run below a target's state folder. Raises Problem while another one may change one of its stacks.

    Runs of different stacks go on beside each other. On other machines it is the engine's own lock that keeps them
    apart, stack by stack.
    """
    began = _now()
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(2)}"  # sorts by time
    record = {
        "run": name,
        "operation": operation,
        "environment": environment,
        "target": target,
        "by": user_and_machine(),
        "pid": os.getpid(),
        "began": began,
    }
    with ExitStack() as held:
        folder = state / "runs" / name
        try:
            folder.mkdir(parents=True)
            for stack in sorted(changing, key=str):
                _lock(held, state / "locks" / stack.label, stack, record)
            alive = held.enter_context((folder / "alive").open("w"))
            fcntl.flock(alive, fcntl.LOCK_EX)
            run = Run(name, folder, record)
            run.write(record)
            _forget_old(state / "runs")
        except OSError as error:
            raise Problem(f"cannot write {error.filename or folder}: {error.strerror}; nothing was changed") from error
        yield run


def dead(state: Path) -> Iterator[Path]:
    """Yield the folders of runs that were killed while engines of theirs were on record."""
    for sessions in sorted((state / "runs").glob("*/sessions")):
        if any(sessions.iterdir()) and _ended(sessions.parent):
            yield sessions.parent


def engines(state: Path, stack: Stack) -> Iterator[Recorded]:
    """Yield the engines of the runs that are kept that worked on a stack and did not end in order, or are at work."""
    for record in (state / "runs").glob(f"*/*/{stack.label}*"):
        if record.parent.name in {"sessions", ENDED} and (known := Recorded.read(record)):
            yield known


def records(state: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of the runs that are kept, the oldest first; one that is damaged is left out."""
    for path in sorted((state / "runs").glob("*/run.json")):
        try:
            record = json.loads(path.read_text())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _lock(held: ExitStack, path: Path, stack: Stack, record: Mapping[str, Any]) -> None:
    """Hold a stack's lock until the process ends, in whatever way: the operating system gives it back."""
    path.parent.mkdir(exist_ok=True)
    lock: TextIO = held.enter_context(path.open("a+"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise Problem(f"another run is changing {stack} ({_holder(lock.read())}): wait for it to end") from None
    lock.truncate(0)
    lock.write(json.dumps(record))
    lock.flush()


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"{holder['operation']} by {holder['by']}, process {holder['pid']}, since {holder['began']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "just begun"


def _ended(folder: Path) -> bool:
    with (folder / "alive").open("a") as alive:
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _forget_old(runs: Path) -> None:
    for folder in sorted(runs.iterdir())[:-KEPT]:
        if not any(folder.glob("sessions/*")):
            shutil.rmtree(folder, ignore_errors=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
