"""The simulation's time, chance and processes."""

from __future__ import annotations

from functools import partial

import pytest

from simulation.scheduler import EPOCH, Scheduler


def test_processes_interleave_where_they_wait_in_the_order_of_time():
    scheduler, seen = Scheduler(1), []

    def process(name: str, pause: int) -> None:
        for _ in range(2):
            scheduler.sleep(pause)
            seen.append((name, scheduler.now - EPOCH))

    scheduler.spawn("slow", lambda: process("slow", 30))
    scheduler.spawn("quick", lambda: process("quick", 20))
    scheduler.run(EPOCH + 1_000)
    assert seen == [("quick", 20), ("slow", 30), ("quick", 40), ("slow", 60)]
    assert scheduler.now == EPOCH + 1_000


def test_events_of_one_moment_come_in_an_order_drawn_by_the_seed():
    def order(seed: int) -> list[int]:
        scheduler = Scheduler(seed)
        seen: list[int] = []
        for number in range(8):
            scheduler.after(5, partial(seen.append, number))
        scheduler.run(EPOCH + 5)
        return seen

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(20)}) > 10


def test_a_killed_process_does_nothing_more_whatever_it_catches():
    scheduler, seen = Scheduler(1), []

    def process() -> None:
        try:
            scheduler.sleep(100)
        except Exception:  # noqa: BLE001 - no handler of errors may see the end
            seen.append("caught")
        finally:
            scheduler.sleep(1)
            seen.append("went on")

    victim = scheduler.spawn("victim", process)
    scheduler.after(50, lambda: scheduler.kill(victim))
    scheduler.run(EPOCH + 1_000)
    assert not victim.alive
    assert seen == []


def test_a_process_that_kills_itself_ends_at_once():
    scheduler, seen = Scheduler(1), []

    def process() -> None:
        scheduler.kill(scheduler.current)
        seen.append("went on")

    scheduler.spawn("suicidal", process)
    scheduler.run(EPOCH + 10)
    assert seen == []


def test_a_place_is_lost_with_all_that_runs_there_and_nothing_else():
    scheduler, seen = Scheduler(1), []

    def process() -> None:
        place = scheduler.current.place
        scheduler.sleep(10)
        seen.append(place)

    for place in ("east", "west"):
        scheduler.spawn(place, process, place=place)
    scheduler.after(5, lambda: scheduler.kill_all("east"))
    scheduler.run(EPOCH + 6)
    assert scheduler.is_busy("west")
    assert not scheduler.is_busy("east")
    scheduler.run(EPOCH + 20)
    assert seen == ["west"]


def test_only_the_first_result_that_is_waited_for_counts():
    scheduler, seen = Scheduler(1), []

    def process() -> None:
        def start(deliver) -> None:
            scheduler.after(10, lambda: deliver("answer"))
            scheduler.after(20, lambda: deliver("time-out"))

        seen.append(scheduler.wait(start))
        scheduler.sleep(50)
        seen.append(scheduler.now - EPOCH)

    scheduler.spawn("client", process)
    scheduler.run(EPOCH + 100)
    assert seen == ["answer", 60]


def test_what_a_process_raises_reaches_whoever_runs_the_simulation():
    scheduler = Scheduler(1)

    def process() -> None:
        raise KeyError("a bug")

    scheduler.spawn("buggy", process)
    with pytest.raises(KeyError, match="a bug"):
        scheduler.run(EPOCH + 1)
