"""Prepares deployments before their turn: a driver around another one.

Half of what a small update takes is an engine getting ready. A step that is sure to run, if all goes well, has its
engine started while the steps before it run. Its program is held back, after its imports, until its turn comes. When
something fails before it, or the run ends, the engine is ended too: nothing was made, and its lock is removed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.backend import Backend
from engine.operations import Start
from engine.plugins.hold import Hold
from engine.processes import EngineProcess
from engine.workspace import Workspace
from orchestration.execute import Driver, Work
from orchestration.fingerprint import Fingerprints
from orchestration.made_of import Stamps
from orchestration.plan import Freshness, Judgement, Plan, Step
from shared.stack import Stack

STEPS_AHEAD = 2
"""Steps that are prepared at once: each takes half a second of a core from those that run."""


class Preparation(Protocol):
    """What can be done of a step before it is certain that it gets its turn: nothing in the cloud."""

    def prepare(self, step: Step) -> None:
        """Do it."""

    def cancel(self, step: Step) -> None:
        """Undo it, if the step's run has not made use of it."""


class Ahead:
    """Runs a plan's steps with `driver`, and prepares the next ones meanwhile."""

    def __init__(self, driver: Driver, preparation: Preparation, plan: Plan) -> None:
        self._driver = driver
        self._preparation = preparation
        # As the executor: a stack of both regions has the most to do.
        self._steps = sorted(plan.steps, key=lambda step: step.stack.role is not None)
        self._done = {step.stack for step in plan.steps if step.fresh}
        self._started: set[Stack] = set()
        """Stacks whose engine has started up: what comes after them may be prepared."""
        self._begun: set[Stack] = set()
        self._preparing: dict[Stack, tuple[Step, threading.Thread]] = {}
        self._closed = False
        self._guard = threading.RLock()

    def judge(self, stack: Stack) -> Judgement:
        judgement = self._driver.judge(stack)
        if judgement.freshness is Freshness.FRESH:
            self._finished(stack)
        return judgement

    def run(self, step: Step) -> Work:
        with self._guard:  # what is being cancelled is gone then
            self._begun.add(step.stack)
            _, thread = self._preparing.pop(step.stack, (step, None))
        if thread:
            thread.join()
        try:
            work = self._driver.run(step)
        except BaseException:
            self._cancel_all()
            raise
        finally:
            self._preparation.cancel(step)
        self._finished(step.stack)
        return work

    def interrupt(self) -> None:
        self._driver.interrupt()
        self.close()

    def started(self, stack: Stack) -> None:
        """Hear that a step's engine has started up. From any thread."""
        with self._guard:
            if stack not in self._started:
                self._started.add(stack)
                self._look_ahead()

    def close(self) -> None:
        """Cancel what has not had its turn, and prepare nothing more."""
        self._closed = True
        self._cancel_all()

    def _finished(self, stack: Stack) -> None:
        with self._guard:
            self._done.add(stack)
            self._look_ahead()

    def _look_ahead(self) -> None:
        for step in self._steps:
            if len(self._preparing) >= STEPS_AHEAD or self._closed:
                return
            taken = step.stack in self._begun or step.stack in self._preparing
            upcoming = step.after <= self._done | self._started and not step.after <= self._done
            if upcoming and not taken and step.judgement.freshness is Freshness.STALE:
                thread = threading.Thread(target=self._prepare, args=(step,), daemon=True)
                self._preparing[step.stack] = step, thread
                thread.start()

    def _prepare(self, step: Step) -> None:
        with suppress(Exception):  # whatever it is, the step's run will meet it too
            self._preparation.prepare(step)

    def _cancel_all(self) -> None:
        with self._guard:
            self._started &= self._done  # what fails lets nothing behind it be prepared again
            for _, thread in self._preparing.values():
                thread.join()
            for step, _ in self._preparing.values():
                self._preparation.cancel(step)
            self._preparing.clear()


@dataclass(frozen=True)
class _Held:
    arguments: Sequence[str]
    process: EngineProcess
    hold: Hold
    files: Stamps
    """Of what its program was started."""


class HeldEngines:
    """Starts engines whose programs are held back; `start` makes use of one when its operation is asked for."""

    def __init__(
        self,
        start: Start,
        folder: Path,
        *,
        workspace: Workspace,
        fingerprints: Fingerprints,
        backend: Backend,
        arguments: Callable[[Step], Sequence[str]],
        started: Callable[[Stack], None],
    ) -> None:
        """Make them for a run.

        `arguments` says which operation a step is going to ask for; `started` is told when its program goes on.
        """
        self._start = start
        self._folder = folder
        self._workspace = workspace
        self._fingerprints = fingerprints
        self._backend = backend
        self._arguments = arguments
        self._started = started
        self._held: dict[Stack, _Held] = {}

    def prepare(self, step: Step) -> None:
        stack = step.stack
        checkpoint = self._backend.checkpoint(stack)
        if self._fingerprints.doubtful(stack) or (checkpoint and checkpoint.pending):
            return  # where there is something to settle first, the engine would begin before the program
        self._workspace.ensure(stack)
        self._fingerprints.parts(stack)  # of what is there now, and no later: the program reads its sources now too
        files = self._fingerprints.require_as_begun(stack)
        hold = Hold(self._folder / stack.label)
        arguments = tuple(self._arguments(step))
        try:
            process = self._start(stack, arguments, hold.variables)
        except BaseException:
            hold.cancel()
            raise
        self._held[stack] = _Held(arguments, process, hold, files)

    def start(self, stack: Stack, arguments: Sequence[str], variables: Mapping[str, str]) -> EngineProcess:
        """Let the held engine of this very operation, of the files that there are, go on, or start one."""
        held = self._held.pop(stack, None)
        same = held and held.arguments == tuple(arguments) and not variables
        if held and same and not self._fingerprints.touched(stack, held.files):
            held.hold.release()
            self._started(stack)
            return held.process
        if held:
            self._end(stack, held)
        return self._start(stack, arguments, variables)

    def cancel(self, step: Step) -> None:
        if held := self._held.pop(step.stack, None):
            self._end(step.stack, held)

    def _end(self, stack: Stack, held: _Held) -> None:
        held.process.kill()
        held.hold.cancel()
        self._backend.unlock(stack)
