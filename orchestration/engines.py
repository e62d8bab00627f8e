"""The engine's long operations: run in the real project folders, watched by their event log, and ended in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration import processes
from orchestration.cli import Cli, explained
from orchestration.events import Events
from orchestration.execute import Interrupted
from orchestration.graph import Stack
from orchestration.runs import Run
from sandbox.plugins.hold import Hold
from shared.errors import Problem

LOOK_EVERY = 0.1
"""Seconds between looks at an operation's event log."""
NOT_STARTED = "not started: the run was interrupted"


@dataclass(frozen=True)
class Held:
    """An operation whose engine is there, and whose program waits."""

    stack: Stack
    process: processes.Process
    hold: Hold


class Engines:
    """Runs operations of one run, several at once, and ends all of them when asked."""

    def __init__(self, cli: Cli, run: Run, projects: Path, progress: Callable[[Stack, int], None]) -> None:
        """Make them for a run; `progress` is told how many of a stack's resources have been dealt with.

        It hears of a stack for the first time when its engine has started up, or its held program is released.
        """
        self._cli = cli
        self._run = run
        self._projects = projects
        self._progress = progress
        self._running: dict[Stack, processes.Process] = {}
        self._guard = threading.Lock()
        self._stopping = False

    def operate(self, stack: Stack, *arguments: str, variables: Mapping[str, str] | None = None) -> Events:
        """Run one operation to its end. Raises Problem with the cause, or Interrupted."""
        with self._guard:
            if self._stopping:
                raise Interrupted(NOT_STARTED)
            self._running[stack] = process = self._start(stack, arguments, variables or {})
        return self._finish(stack, process)

    def get_ready(self, stack: Stack, *arguments: str) -> Held:
        """Start an operation that goes no farther than to its program, until it is released or called off."""
        hold = Hold(self._run.hold(str(stack)))
        return Held(stack, self._start(stack, arguments, hold.variables), hold)

    def release(self, held: Held) -> Events:
        """Let a held operation run to its end. Raises Problem with the cause, or Interrupted."""
        with self._guard:
            if self._stopping:
                raise Interrupted(NOT_STARTED)
            self._running[held.stack] = held.process
        held.hold.release()
        self._progress(held.stack, 0)
        return self._finish(held.stack, held.process)

    def call_off(self, held: Held) -> None:
        """End a held operation, if it has not ended. It has changed nothing; its lock on the stack is left."""
        held.process.kill()
        held.hold.call_off()

    def _finish(self, stack: Stack, process: processes.Process) -> Events:
        try:
            events, code = self._watch(stack, process)
        finally:
            with self._guard:
                del self._running[stack]
        if code == 0:
            return events
        if self._stopping:
            raise Interrupted("what it had begun is complete")
        raise Problem(explained(events.failure(self._run.log(str(stack)).read_text(errors="replace"))))

    def interrupt(self) -> None:
        """Ask every running operation to finish what it has begun; asked again, to stop at once."""
        with self._guard:
            self._stopping = True
            for process in self._running.values():
                process.interrupt()

    def _start(self, stack: Stack, arguments: Sequence[str], variables: Mapping[str, str]) -> processes.Process:
        events = self._run.events(str(stack))
        events.unlink(missing_ok=True)
        command = [str(self._cli.executable), *arguments, "--stack", stack.reference, "--event-log", str(events)]
        return processes.start(
            [*command, "--non-interactive", "--color", "never"],
            record=self._run.sessions / f"{stack.layer}.{stack.name}",
            log=self._run.log(str(stack)),
            folder=self._projects / stack.layer,
            environment={**self._cli.variables, **variables},
        )

    def _watch(self, stack: Stack, process: processes.Process) -> tuple[Events, int]:
        """Follow the event log until the engine has ended."""
        events, ended = Events(), threading.Event()

        def follow() -> None:
            log = _Tail(self._run.events(str(stack)))
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
