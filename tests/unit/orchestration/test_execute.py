from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from engine.operations import Interrupted
from orchestration.ahead import Ahead
from orchestration.execute import Executor, StepStatus, Work, on_signals
from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement, Operation, make
from shared.errors import Problem
from shared.stack import Stack
from tests.waiting import until

GRAPH = Graph.of("payments")
STALE, FRESH = Judgement(Freshness.STALE, "new"), Judgement(Freshness.FRESH, "")
COMPUTE_1, COMPUTE_2 = Stack("compute", "payments", "primary"), Stack("compute", "payments", "secondary")
DATA = Stack("data", "payments")


class FakeDriver:
    """Answers from a table; records what ran, how much of it at once, and what got ready before its turn."""

    def __init__(self, answers=None, judgements=None, changes=None):
        self.answers, self.judgements = answers or {}, judgements or {}
        self.changes = changes or {"create": 1}
        self.ran, self.interrupts = [], 0
        self.made_ready, self.cancelled = [], []
        self.running, self.most = 0, 0
        self.lock = threading.Lock()
        self.ahead = None

    def judge(self, stack):
        return self.judgements.get(stack, STALE)

    def prepare(self, step):
        self.made_ready.append(step.stack)

    def cancel(self, step):
        if step.stack not in self.ran:
            self.cancelled.append(step.stack)

    def run(self, step):
        with self.lock:
            self.ran.append(step.stack)
            self.running += 1
            self.most = max(self.most, self.running)
        self.ahead.started(step.stack)
        try:
            answer = self.answers.get(step.stack)
            if callable(answer):
                answer()
            elif answer is not None:
                raise answer
            return Work(self.changes)
        finally:
            with self.lock:
                self.running -= 1

    def interrupt(self):
        self.interrupts += 1


class Watcher:
    def __init__(self):
        self.started_, self.finished_ = [], []

    def started(self, step, reason):
        self.started_.append((step.stack, reason))

    def finished(self, outcome):
        self.finished_.append(outcome)


ALL = make(Operation.DEPLOY, GRAPH, GRAPH.stacks, lambda _: STALE)


def executor(driver, watcher=None, plan=ALL, **options):
    driver.ahead = Ahead(driver, driver, plan)
    return Executor(driver.ahead, watcher or Watcher(), **options)


def deploy(driver, judge=lambda _: STALE, watcher=None):
    plan = make(Operation.DEPLOY, GRAPH, GRAPH.stacks, judge)
    return {o.stack: o for o in executor(driver, watcher, plan).run(plan)}


def test_all_stacks_run_each_after_what_it_needs():
    driver = FakeDriver()
    outcomes = deploy(driver)
    assert [o.status for o in outcomes.values()] == [StepStatus.CHANGED] * 8
    assert sorted(map(str, driver.ran)) == sorted(map(str, GRAPH.stacks))
    for place, stack in enumerate(driver.ran):
        assert GRAPH.after[stack] <= set(driver.ran[:place])


def test_independent_stacks_run_at_once():
    together = threading.Barrier(2, timeout=5)
    driver = FakeDriver({DATA: together.wait, Stack("network", "payments", "secondary"): together.wait})
    assert all(o.status is StepStatus.CHANGED for o in deploy(driver).values())
    assert driver.most >= 2


def ready(driver, stack):
    """Wait until a stack has got ready, as the work of another one."""
    return lambda: until(lambda: stack in driver.made_ready, 5)


def test_the_next_step_gets_ready_while_the_one_before_it_runs_and_runs_after_it():
    driver = FakeDriver()
    driver.answers[COMPUTE_2] = ready(driver, COMPUTE_1)
    outcomes = deploy(driver)
    assert {o.status for o in outcomes.values()} == {StepStatus.CHANGED}
    assert driver.ran.index(COMPUTE_2) < driver.ran.index(COMPUTE_1)
    assert driver.ran.count(COMPUTE_1) == 1
    assert driver.cancelled == []


def test_nothing_gets_ready_before_what_runs_has_started_up():
    driver = FakeDriver()
    begun = threading.Event()
    run = driver.run

    def start_slowly(step):
        if step.stack == COMPUTE_2:
            time.sleep(0.05)
            assert COMPUTE_1 not in driver.made_ready
            begun.set()
        return run(step)

    driver.run = start_slowly
    assert deploy(driver)[COMPUTE_2].status is StepStatus.CHANGED
    assert begun.is_set()


def test_only_what_is_sure_to_run_gets_ready():
    driver = FakeDriver(judgements=dict.fromkeys((COMPUTE_1, COMPUTE_2), FRESH))
    deploy(driver, lambda stack: STALE if stack.layer in {"network", "data"} else FRESH)
    assert set(driver.made_ready) <= {Stack("network", "payments", "primary")}


def test_what_waits_for_a_failure_is_cancelled():
    driver = FakeDriver()

    def fail():
        ready(driver, COMPUTE_1)()
        raise Problem("memory_mb is too small")

    driver.answers[COMPUTE_2] = fail
    outcomes = deploy(driver)
    assert outcomes[COMPUTE_1].status is StepStatus.SKIPPED
    assert driver.cancelled == [COMPUTE_1]
    assert COMPUTE_1 not in driver.ran


def test_what_is_ready_and_does_not_wait_for_a_failure_runs_all_the_same():
    network_2, network_1 = (Stack("network", "payments", role) for role in ("secondary", "primary"))
    driver = FakeDriver()
    failed = threading.Event()

    def fail():
        ready(driver, network_1)()
        failed.set()
        raise Problem("no such key")

    driver.answers = {DATA: fail, network_2: lambda: failed.wait(5)}
    outcomes = deploy(driver)
    assert outcomes[network_1].status is StepStatus.CHANGED
    assert driver.ran.count(network_1) == 1


def test_a_step_that_cannot_get_ready_says_so_in_its_turn():
    driver = FakeDriver({COMPUTE_1: Problem("the disk is full")})

    def refuse(step):
        driver.made_ready.append(step.stack)
        raise OSError(28, "No space left on device")

    driver.prepare = refuse
    assert deploy(driver)[COMPUTE_1].message == "the disk is full"


def test_a_failure_takes_only_its_dependants_and_names_itself():
    driver = FakeDriver({COMPUTE_2: Problem("memory_mb is too small")})
    watcher = Watcher()
    outcomes = deploy(driver, watcher=watcher)
    assert outcomes[COMPUTE_2].status is StepStatus.FAILED
    assert outcomes[COMPUTE_2].message == "memory_mb is too small"
    for stack in [COMPUTE_1, *(s for s in GRAPH.stacks if s.layer in {"edge", "observability"})]:
        assert outcomes[stack].status is StepStatus.SKIPPED
        assert outcomes[stack].message == "needs compute/payments-secondary"
        assert stack not in driver.ran
    for layer in ("network", "data"):
        assert all(o.status is StepStatus.CHANGED for s, o in outcomes.items() if s.layer == layer)
    assert len(watcher.finished_) == 8


def test_fresh_stacks_are_not_run():
    driver = FakeDriver()
    assert all(o.status is StepStatus.FRESH for o in deploy(driver, lambda _: FRESH).values())
    assert driver.ran == []


def test_a_stack_behind_a_change_is_judged_again_at_its_turn():
    driver = FakeDriver(judgements={COMPUTE_2: FRESH, COMPUTE_1: Judgement(Freshness.STALE, "outputs of data changed")})
    watcher = Watcher()
    outcomes = deploy(driver, lambda stack: STALE if stack == DATA else FRESH, watcher)
    assert outcomes[COMPUTE_2].status is StepStatus.FRESH
    assert outcomes[COMPUTE_1].status is StepStatus.CHANGED
    assert (COMPUTE_1, "outputs of data changed") in watcher.started_


def test_nothing_to_change_is_told_apart_from_a_change():
    driver = FakeDriver()
    driver.changes = {}
    assert {o.status for o in deploy(driver).values()} == {StepStatus.UNCHANGED}


def test_an_interrupt_ends_what_runs_in_order_and_starts_nothing_new():
    begun, ended = threading.Event(), threading.Event()

    def long():
        begun.set()
        assert ended.wait(5)
        raise Interrupted("3 resources are in place")

    driver = FakeDriver({DATA: long, Stack("network", "payments", "secondary"): long})
    driver.interrupt = ended.set
    network_1 = Stack("network", "payments", "primary")
    running = executor(driver)
    with on_signals(running.interrupt):
        threading.Thread(
            target=lambda: (
                ready(driver, network_1)(),
                ready(driver, COMPUTE_2)(),
                begun.wait(5),
                os.kill(os.getpid(), signal.SIGINT),
            )
        ).start()
        outcomes = running.run(ALL)
    assert {o.status for o in outcomes} == {StepStatus.INTERRUPTED, StepStatus.SKIPPED}
    assert set(driver.cancelled) == set(driver.made_ready) == {network_1, COMPUTE_2}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert {o.message for o in outcomes if o.status is StepStatus.SKIPPED} == {"not started: the run was interrupted"}


def test_a_problem_that_an_interrupt_causes_is_an_interruption():
    ended = threading.Event()

    def long():
        assert ended.wait(5)
        raise Problem("update cancelled")

    driver = FakeDriver({DATA: long, Stack("network", "payments", "secondary"): long})
    driver.interrupt = ended.set
    running = executor(driver)
    running.interrupt()
    outcomes = running.run(ALL)
    assert StepStatus.FAILED not in {o.status for o in outcomes}


def test_a_bug_is_raised_after_the_others_have_finished():
    driver = FakeDriver({COMPUTE_2: KeyError("ours")})
    with pytest.raises(KeyError, match="ours"):
        deploy(driver)
    assert DATA in driver.ran


def test_an_outcome_says_how_long_it_took():
    ticks = iter(range(100))
    plan = make(Operation.DEPLOY, GRAPH, [DATA], lambda _: STALE)
    (outcome,) = executor(FakeDriver(), plan=plan, clock=lambda: next(ticks)).run(plan)
    assert outcome.seconds == 1
