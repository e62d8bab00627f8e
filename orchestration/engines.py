"""The engine's long operations: run in the real project folders, watched by their event log, and ended in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from orchestration import processes
from orchestration.cli import Cli, explained
from orchestration.events import Events
from orchestration.execute import Interrupted
from orchestration.graph import Stack
from orchestration.runs import Run
from shared.errors import Problem

LOOK_EVERY = 0.1
"""Seconds between looks at an operation's event log."""


class Engines:
    """Runs operations of one run, several at once, and ends all of them when asked."""

    def __init__(self, cli: Cli, run: Run, projects: Path, progress: Callable[[Stack, int], None]) -> None:
        """Make them for a run; `progress` is told how many of a stack's resources have been dealt with."""
        self._cli = cli
        self._run = run
        self._projects = projects
        self._progress = progress
        self._running: dict[Stack, processes.Process] = {}
        self._guard = threading.Lock()
        self._stopping = False

    def operate(self, stack: Stack, *arguments: str, variables: Mapping[str, str] | None = None) -> Events:
        """Run one operation to its end. Raises Problem with the cause, or Interrupted."""
        path = self._run.events(str(stack))
        path.unlink(missing_ok=True)
        command = [str(self._cli.executable), *arguments, "--stack", stack.reference, "--event-log", str(path)]
        log = self._run.log(str(stack))
        with self._guard:
            if self._stopping:
                raise Interrupted("not started: the run was interrupted")
            process = processes.start(
                [*command, "--non-interactive", "--color", "never"],
                record=self._run.sessions / f"{stack.layer}.{stack.name}",
                log=log,
                folder=self._projects / stack.layer,
                environment={**self._cli.variables, **(variables or {})},
            )
            self._running[stack] = process
        try:
            events, code = self._watch(stack, process, path)
        finally:
            with self._guard:
                del self._running[stack]
        if code == 0:
            return events
        if self._stopping:
            raise Interrupted("what it had begun is complete")
        raise Problem(explained(events.failure(log.read_text(errors="replace"))))

    def interrupt(self) -> None:
        """Ask every running operation to finish what it has begun; asked again, to stop at once."""
        with self._guard:
            self._stopping = True
            for process in self._running.values():
                process.interrupt()

    def _watch(self, stack: Stack, process: processes.Process, path: Path) -> tuple[Events, int]:
        """Follow the event log until the engine has ended."""
        events, ended = Events(), threading.Event()

        def follow() -> None:
            log = _Tail(path)
            while not ended.wait(LOOK_EVERY):
                events.read(log.lines())
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
