"""The executor: applies a plan, whatever its operation, with a driver that does the work on one stack.

Independent steps run at once. A failure takes only its dependants with it, by name; everything else finishes. An
interrupt starts nothing new and lets what runs end in order.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from queue import SimpleQueue
from typing import Protocol

from engine.events import ResourceChange
from engine.operations import Interrupted
from orchestration.plan import Freshness, Judgement, Plan, Step
from orchestration.ready import ReadyQueue
from shared import signals
from shared.errors import Problem
from shared.stack import Stack

STACKS_AT_ONCE = 4


class StepStatus(Enum):
    """How a step ended."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FRESH = "fresh"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    UNCOMPARED = "not compared"
    """Somebody else was changing it: nothing is known of how it differs."""

    @property
    def good(self) -> bool:
        return self in {StepStatus.CHANGED, StepStatus.UNCHANGED, StepStatus.FRESH}


class NotCompared(Problem):
    """A stack could not be compared with the cloud, as it was being changed."""


@dataclass(frozen=True)
class Outcome:
    """What became of one stack."""

    stack: Stack
    status: StepStatus
    changes: Mapping[str, int] = field(default_factory=dict)
    """Resources by what was (or would be) done to them: create, update, replace, delete; without `same`."""
    seconds: float = 0.0
    message: str = ""
    """One line: the error, why it was skipped, or what else is worth knowing."""
    resources: Sequence[ResourceChange] = ()
    """What was (or would be) done to each resource."""


@dataclass(frozen=True)
class Work:
    """What a driver has done: changes by kind, a remark, and the changes one by one."""

    changes: Mapping[str, int]
    remark: str = ""
    resources: Sequence[ResourceChange] = ()


class Driver(Protocol):
    """Does one operation on single stacks, several at once: its methods are called from as many threads."""

    def judge(self, stack: Stack) -> Judgement:
        """Say whether the stack is fresh now that what it reads has had its turn."""

    def run(self, step: Step) -> Work:
        """Do the work. Raises Problem when it fails, Interrupted when it was asked to end."""

    def interrupt(self) -> None:
        """Ask all running work to end in order; asked again, to end at once."""


class Observer(Protocol):
    """Is told what happens, from the executor's own thread."""

    def started(self, step: Step, reason: str) -> None: ...

    def finished(self, outcome: Outcome) -> None: ...


class Executor:
    """Applies one plan."""

    def __init__(self, driver: Driver, observer: Observer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._driver = driver
        self._observer = observer
        self._clock = clock
        self._inbox: SimpleQueue[Outcome | tuple[Step, str] | None] = SimpleQueue()
        self._waiting: ReadyQueue[Stack] = ReadyQueue({})
        self._outcomes: dict[Stack, Outcome] = {}
        self._interrupted = False
        self._bug: BaseException | None = None

    def interrupt(self) -> None:
        """End the run in order: callable from a signal handler (SimpleQueue is re-entrant) and from any thread."""
        self._inbox.put(None)

    def run(self, plan: Plan) -> tuple[Outcome, ...]:
        """Apply the plan; return one outcome for each step, in the plan's order."""
        steps = {step.stack: step for step in plan.steps}
        # Of what is ready, a stack of both regions has the most to do, and starts first.
        longest = sorted(plan.steps, key=lambda step: step.stack.role is not None)
        self._waiting = ReadyQueue({step.stack: step.after for step in longest})
        self._outcomes = {}
        running = 0
        while not self._waiting.finished:
            while running < STACKS_AT_ONCE and (stack := self._waiting.take()) is not None:
                if steps[stack].fresh:
                    self._settle(Outcome(stack, StepStatus.FRESH))
                else:
                    running += 1
                    threading.Thread(target=self._work, args=(steps[stack],), daemon=True).start()
            if not running:
                break
            match self._inbox.get():
                case None:
                    self._stop()
                case (step, reason):
                    self._observer.started(step, reason)
                case Outcome() as outcome:
                    running -= 1
                    self._settle(outcome)
        if self._bug is not None:
            raise self._bug
        return tuple(self._outcomes[stack] for stack in plan.stacks)

    def _settle(self, outcome: Outcome) -> None:
        self._record(outcome)
        if outcome.status.good:
            self._waiting.done(outcome.stack)
            return
        for stack in self._waiting.failed(outcome.stack):
            self._record(Outcome(stack, StepStatus.SKIPPED, message=f"needs {outcome.stack}"))

    def _stop(self) -> None:
        self._interrupted = True
        for stack in self._waiting.abandon():
            self._record(Outcome(stack, StepStatus.SKIPPED, message="not started: the run was interrupted"))
        self._driver.interrupt()

    def _record(self, outcome: Outcome) -> None:
        self._outcomes[outcome.stack] = outcome
        self._observer.finished(outcome)

    def _work(self, step: Step) -> None:
        began = self._clock()
        try:
            outcome = self._attempt(step)
        except Interrupted as interrupted:
            outcome = Outcome(step.stack, StepStatus.INTERRUPTED, message=str(interrupted))
        except NotCompared as problem:
            outcome = Outcome(step.stack, StepStatus.UNCOMPARED, message=str(problem))
        except Problem as problem:
            status = StepStatus.INTERRUPTED if self._interrupted else StepStatus.FAILED
            outcome = Outcome(step.stack, status, message=str(problem))
        except OSError as error:
            message = f"cannot use {error.filename}: {error.strerror}"
            outcome = Outcome(step.stack, StepStatus.FAILED, message=message)
        except BaseException as bug:  # noqa: BLE001  a bug of ours must not leave the other stacks half done
            self._bug = bug
            outcome = Outcome(step.stack, StepStatus.FAILED, message=repr(bug))
        self._inbox.put(replace(outcome, seconds=self._clock() - began))

    def _attempt(self, step: Step) -> Outcome:
        judgement = step.judgement
        if judgement.freshness is Freshness.FOLLOWS:
            judgement = self._driver.judge(step.stack)
            if judgement.freshness is Freshness.FRESH:
                return Outcome(step.stack, StepStatus.FRESH)
        self._inbox.put((step, judgement.reason))
        work = self._driver.run(step)
        status = StepStatus.CHANGED if work.changes else StepStatus.UNCHANGED
        return Outcome(step.stack, status, work.changes, message=work.remark, resources=work.resources)


@contextmanager
def on_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """While inside, Ctrl-C and a polite request to terminate call `interrupt`."""
    with signals.handled(lambda *_: interrupt(), signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield
