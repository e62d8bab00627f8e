"""The scheduler on random graphs: whatever is chosen, stale, fails or is interrupted, and in whatever order it ends.

The executor runs with real threads; a model says at each moment what must be under way, and what becomes of each stack.
"""

from __future__ import annotations

import threading
from collections import Counter
from queue import SimpleQueue

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.operations import Interrupted
from orchestration.ahead import Ahead
from orchestration.execute import STACKS_AT_ONCE, Executor, StepStatus, Work
from orchestration.plan import Freshness, Judgement, Operation, make
from shared.errors import Problem
from tests.property.graphs import graphs
from tests.waiting import until

FRESHNESS = st.sampled_from([Freshness.FRESH, Freshness.STALE, Freshness.STALE, Freshness.FORCED])
ENDS = {
    StepStatus.CHANGED: Work({"create": 1}),
    StepStatus.UNCHANGED: Work({}),
    StepStatus.FAILED: Problem("refused"),
    StepStatus.INTERRUPTED: Interrupted("broken off"),
}
WAIT = 20
"""Seconds until something is called missing: a machine may be busy."""


class Held:
    """A driver whose work ends when, and as, it is told to. `moved`: stacks that are stale in their turn."""

    def __init__(self, moved):
        self.moved = moved
        self.begun, self.running, self.interrupts = [], set(), 0
        self.ends = {}
        self.prepared, self.cancelled = [], []
        self.ahead = None

    def judge(self, stack):
        return Judgement(Freshness.STALE if stack in self.moved else Freshness.FRESH, "")

    def run(self, step):
        self.ends[step.stack] = SimpleQueue()
        self.begun.append(step.stack)
        self.ahead.started(step.stack)
        self.running.add(step.stack)
        end = ENDS[self.ends[step.stack].get()]
        self.running.discard(step.stack)
        if isinstance(end, Exception):
            raise end
        return end

    def interrupt(self):
        self.interrupts += 1

    def prepare(self, step):
        self.prepared.append(step.stack)

    def cancel(self, step):
        self.cancelled.append(step.stack)


class Model:
    """What must be under way, and what has become of the others, by the rules alone."""

    def __init__(self, plan, moved):
        self.moved = moved
        self.steps = {step.stack: step for step in plan.steps}
        self.order = sorted(self.steps, key=lambda stack: stack.role is not None)
        self.running, self.outcomes = [], {}
        self._start()

    def _start(self):
        """Whatever waits for nothing more begins, or is fresh, as long as there is room."""
        while len(self.running) < STACKS_AT_ONCE and (stack := next(filter(self._ready, self.order), None)):
            freshness = self.steps[stack].judgement.freshness
            if freshness is Freshness.FRESH or (freshness is Freshness.FOLLOWS and stack not in self.moved):
                self.outcomes[stack] = StepStatus.FRESH
            else:
                self.running.append(stack)

    def _ready(self, stack):
        waits = stack not in self.outcomes and stack not in self.running
        return waits and all(self.outcomes.get(each) and self.outcomes[each].good for each in self.steps[stack].after)

    def end(self, stack, status):
        self.running.remove(stack)
        self.outcomes[stack] = status
        if not status.good:
            for lost in self.behind(stack):
                self.outcomes.setdefault(lost, StepStatus.SKIPPED)
        self._start()

    def behind(self, stack):
        """All that waits for it, directly or through others."""
        found = {stack}
        for each in self.steps:  # in the plan's order, so one pass reaches all
            if self.steps[each].after & found:
                found.add(each)
        return found - {stack}

    def interrupt(self):
        for stack in self.steps:
            if stack not in self.running:
                self.outcomes.setdefault(stack, StepStatus.SKIPPED)


class Heard:
    """What the observer is told, in its order."""

    def __init__(self):
        self.started_, self.finished_ = [], []

    def started(self, step, reason):
        self.started_.append(step.stack)

    def finished(self, outcome):
        self.finished_.append(outcome.stack)


@settings(max_examples=60)
@given(graphs(7), st.sampled_from([Operation.DEPLOY, Operation.DESTROY, Operation.DRIFT]), st.data())
def test_what_can_run_runs_and_nothing_else(graph, operation, data):
    chosen = data.draw(st.lists(st.sampled_from(graph.stacks), unique=True, min_size=1))
    verdicts = {stack: data.draw(FRESHNESS) for stack in chosen}
    moved = set(data.draw(st.lists(st.sampled_from(chosen), unique=True)))
    interrupted_at = data.draw(st.integers(0, 3 * len(chosen)))
    plan = make(operation, graph, chosen, lambda stack: Judgement(verdicts[stack], ""))
    driver, heard, model = Held(moved), Heard(), Model(plan, moved)
    driver.ahead = Ahead(driver, driver, plan)
    executor, came = Executor(driver.ahead, heard), []
    thread = threading.Thread(target=lambda: came.extend(executor.run(plan)), daemon=True)
    thread.start()
    interrupted, turn = False, 0
    while model.running:
        until(lambda: driver.running == set(model.running), WAIT)
        assert len(driver.running) <= STACKS_AT_ONCE
        if turn == interrupted_at:
            executor.interrupt()
            until(lambda: driver.interrupts, WAIT)
            model.interrupt()
            interrupted = True
        stack = data.draw(st.sampled_from(sorted(model.running, key=str)))
        ends = [StepStatus.CHANGED, StepStatus.CHANGED, StepStatus.UNCHANGED, StepStatus.FAILED]
        status = data.draw(st.sampled_from([*ends, StepStatus.INTERRUPTED] if interrupted else ends))
        driver.ends[stack].put(status)
        if interrupted and status is StepStatus.FAILED:
            status = StepStatus.INTERRUPTED  # whatever an engine says that was asked to end
        model.end(stack, status)
        turn += 1
    thread.join(WAIT)
    assert not thread.is_alive(), "somebody waits for what will never come"

    assert {outcome.stack: outcome.status for outcome in came} == model.outcomes
    assert [outcome.stack for outcome in came] == list(plan.stacks)
    assert sorted(map(str, heard.finished_)) == sorted(map(str, plan.stacks)), "each is told of once"
    assert Counter(driver.begun) == Counter(heard.started_)
    _named(came, model)
    _prepared(driver)


def _named(came, model):
    """A stack that is skipped names one that failed before it."""
    for outcome in came:
        if outcome.status is StepStatus.SKIPPED and outcome.message.startswith("needs "):
            (failed,) = [each for each in model.steps if outcome.message == f"needs {each}"]
            assert not model.outcomes[failed].good
            assert outcome.stack in model.behind(failed)


def _prepared(driver):
    """What was got ready before its turn has had it, or was given up."""
    assert set(driver.prepared) <= set(driver.begun) | set(driver.cancelled)
