from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from lambdas.health.health import BUDGET, FRESH, STALE, STUCK, Health, read_strongly
from tests.doubles.payments import ManualClock


class Replica:
    """Reads that succeed, fail, or wait until `go` is set."""

    def __init__(self):
        self.reads = 0
        self.error = None
        self.go = threading.Event()
        self.go.set()

    def __call__(self):
        self.reads += 1
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error


@pytest.fixture
def world():
    clock, replica = ManualClock(), Replica()
    return Health(replica, clock), replica, clock


def settle(health):
    health._done.wait(5)
    time.sleep(0.01)


def test_a_good_read_answers_for_five_seconds(world):
    health, replica, clock = world
    assert health.check()
    clock.time += FRESH
    assert health.check()
    assert replica.reads == 1
    clock.time += 1
    assert health.check()
    assert replica.reads == 2


def test_a_failed_read_is_excused_for_ten_seconds(world):
    health, replica, clock = world
    health.check()
    replica.error = RuntimeError("cut off")
    clock.time += STALE
    assert health.check()
    clock.time += 1
    assert not health.check()
    replica.error = None
    assert health.check()


def test_without_any_good_read_it_is_unhealthy(world):
    health, replica, _ = world
    replica.error = RuntimeError("cut off")
    assert not health.check()
    assert not health.check()
    assert replica.reads == 2


def test_a_hanging_read_costs_the_budget_and_no_more(world):
    health, replica, _ = world
    replica.go.clear()
    started = time.perf_counter()
    assert not health.check()
    assert 0.1 <= time.perf_counter() - started < 0.2, "health answers within 100 ms, whatever the code says"
    replica.go.set()


def test_a_late_read_counts_for_the_next_request(world):
    health, replica, _ = world
    replica.go.clear()
    assert not health.check()
    replica.go.set()
    settle(health)
    assert health.check()
    assert replica.reads == 1


def test_a_late_read_is_as_old_as_its_start(world):
    health, replica, clock = world
    replica.go.clear()
    assert not health.check(budget=1)
    clock.time += STALE + 1
    replica.go.set()
    settle(health)
    replica.error = RuntimeError("cut off")
    assert not health.check()


def test_one_read_at_a_time(world):
    health, replica, _ = world
    replica.go.clear()
    for _ in range(3):
        health.check(budget=1)
    assert replica.reads == 1
    replica.go.set()


def test_a_read_frozen_with_its_environment_does_not_block_the_next(world):
    health, replica, clock = world
    replica.go.clear()
    health.check(budget=1)
    clock.time += STUCK
    health.check(budget=1)
    assert replica.reads == 1
    clock.time += 1
    replica.go.set()
    frozen, replica.go = replica.go, threading.Event()
    replica.go.set()
    assert health.check()
    assert frozen.is_set()


@pytest.mark.parametrize("back", [STALE + 1, 3_600_000])
def test_a_clock_that_is_set_back_keeps_no_dead_region_healthy_nor_a_good_one_out(world, back):
    health, replica, clock = world
    assert health.check()
    clock.time -= back
    assert health.check(), "read anew"
    assert replica.reads == 2
    clock.time += FRESH
    assert health.check()
    assert replica.reads == 2, "what was read since counts by the clock as it is"
    replica.error = RuntimeError("cut off")
    clock.time -= 2 * back
    assert not health.check()


def test_a_read_that_hangs_while_the_clock_is_set_back_does_not_block_the_next(world):
    health, replica, clock = world
    replica.go.clear()
    health.check(budget=1)
    clock.time -= 3_600_000
    frozen, replica.go = replica.go, threading.Event()
    replica.go.set()
    assert health.check()
    frozen.set()


def test_the_promises_of_detection():
    assert (FRESH, STALE, BUDGET) == (5_000, 10_000, 100)


def test_the_read_is_strongly_consistent():
    """An eventually consistent one succeeds in a region that is cut off."""
    asked = []
    read_strongly(SimpleNamespace(get_item=lambda **arguments: asked.append(arguments)), "payments")
    assert asked == [
        {"TableName": "payments", "Key": {"pk": {"S": "health"}, "sk": {"S": "probe"}}, "ConsistentRead": True}
    ]
