"""The engine's long operations: run in the real project folders, watched by their event log, and ended in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine import processes
from engine.cli import Cli, explained
from engine.events import Events, RuleBroken
from shared.errors import Problem
from shared.stack import Stack

LOOK_EVERY = 0.1
"""Seconds between looks at an operation's event log."""

JUDGED = frozenset({"preview", "up"})
"""Commands that a policy pack judges; what only compares or removes has no option for one."""

Start = Callable[[Stack, Sequence[str], Mapping[str, str]], processes.EngineProcess]
"""Starts an engine: a stack, the CLI's arguments, and variables beside the CLI's own."""


class Interrupted(Exception):
    """The operation ended early because it was asked to; what it had begun is complete and recorded."""


class Files(Protocol):
    """Where operations on stacks leave what they tell."""

    def log(self, stack: Stack) -> Path:
        """What the CLI prints."""

    def events(self, stack: Stack) -> Path:
        """The engine's event log."""

    def session(self, stack: Stack) -> Path:
        """The process on record, as long as it runs."""


@dataclass(frozen=True)
class Starter:
    """Starts engines, each on record."""

    cli: Cli
    files: Files
    projects: Path
    """The folder with a folder for each layer's program."""
    policies: Path | None
    """The policy pack that judges whatever an operation would make, where there is one."""

    def start(self, stack: Stack, arguments: Sequence[str], variables: Mapping[str, str]) -> processes.EngineProcess:
        """Start one operation on a stack."""
        events = self.files.events(stack)
        events.unlink(missing_ok=True)
        judged = ["--policy-pack", str(self.policies)] if self.policies and arguments[0] in JUDGED else []
        command = [str(self.cli.executable), *arguments, *judged]
        command += ["--stack", stack.reference, "--event-log", str(events)]
        return processes.start(
            [*command, "--non-interactive", "--color", "never"],
            record=self.files.session(stack),
            log=self.files.log(stack),
            folder=self.projects / stack.layer,
            variables={**self.cli.variables, **variables},
        )


class Operations:
    """Runs operations, several at once, and ends all of them when asked."""

    def __init__(self, start: Start, files: Files, progress: Callable[[Stack, int], None]) -> None:
        """Make them for a run; `progress` is told how many of a stack's resources have been dealt with."""
        self._start = start
        self._files = files
        self._progress = progress
        self._running: dict[Stack, processes.EngineProcess] = {}
        self._guard = threading.Lock()
        self._stopping = False

    def run(self, stack: Stack, *arguments: str, variables: Mapping[str, str] | None = None) -> Events:
        """Run one operation to its end. Raises Problem with the cause, RuleBroken say, or Interrupted."""
        with self._guard:
            if self._stopping:
                raise Interrupted("not started: the run was interrupted")
            self._running[stack] = process = self._start(stack, arguments, variables or {})
        try:
            events, code = self._watch(stack, process)
        finally:
            with self._guard:
                del self._running[stack]
        if code == 0:
            return events
        if self._stopping:
            raise Interrupted("what it had begun is complete")
        if code < 0:  # it could not say why
            killed = signal.Signals(-code).name
            raise Problem(f"the engine was ended by {killed}; run the same command again: it goes on from here")
        if events.violations:
            raise RuleBroken(events.violations)
        raise Problem(explained(events.failure(self._files.log(stack).read_text(errors="replace"))))

    def interrupt(self) -> None:
        """Ask every running operation to finish what it has begun; asked again, to stop at once."""
        with self._guard:
            self._stopping = True
            for process in self._running.values():
                process.interrupt()

    def _watch(self, stack: Stack, process: processes.EngineProcess) -> tuple[Events, int]:
        """Follow the event log until the engine has ended."""
        events, ended = Events(), threading.Event()

        def follow() -> None:
            log = _Tail(self._files.events(stack))
            while not ended.wait(LOOK_EVERY):
                events.read(log.lines())
                if events.finished:
                    self._progress(stack, events.finished)
            events.read(log.lines())

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            code = process.wait()
        finally:
            ended.set()
            follower.join()
        return events, code


class _Tail:
    """The whole lines that have come to a file since it was last looked at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._rest = b""

    def lines(self) -> list[str]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        return [line.decode() for line in lines if line]
