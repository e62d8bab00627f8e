"""One clock: it passes at a speed, never goes back, and all processes agree."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time

import pytest

from sandbox import clock
from sandbox.clock import Segment, SharedClock, set_speed
from shared.errors import Problem
from shared.root import ROOT
from tests.doubles.hand_clock import HandClock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clock.json"


def test_without_a_file_it_is_the_machines_time(path):
    shared = SharedClock(path)
    assert shared.speed == 1
    assert shared.now() == pytest.approx(time.time(), abs=0.05)
    assert shared.monotonic() == pytest.approx(time.monotonic(), abs=0.05)
    assert shared.real(4) == 4


def test_time_goes_on_from_where_it_is_at_another_speed(path):
    shared = SharedClock(path)
    before, real = shared.now(), time.time()
    turned = set_speed(path, 100)
    assert turned == pytest.approx(before + (time.time() - real), abs=0.05)
    time.sleep(0.1)
    assert shared.speed == 100
    assert shared.now() == pytest.approx(turned + (time.time() - clock.read(path)[-1].real) * 100, abs=1)
    assert shared.real(4) == 0.04
    fast = shared.now()
    set_speed(path, 1)
    slow = shared.now()
    assert slow > fast
    time.sleep(0.2)
    assert shared.now() - slow == pytest.approx(0.2, abs=0.1)


def test_neither_time_goes_back_through_changes(path):
    shared = SharedClock(path)
    told, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            told.append((shared.now(), shared.monotonic()))
            time.sleep(0.001)

    looking = threading.Thread(target=look)
    looking.start()
    for speed in (60, 2, 100, 1):
        set_speed(path, speed)
        time.sleep(0.05)
    ended.set()
    looking.join()
    assert len(told) > 100
    for which in (0, 1):
        times = [each[which] for each in told]
        assert times == sorted(times)
    wall, monotonic = (told[-1][which] - told[0][which] for which in (0, 1))
    assert wall == pytest.approx(monotonic, abs=1)
    assert wall > 20


def test_a_process_that_looks_too_late_waits_for_the_others(path, monkeypatch):
    set_speed(path, 100)
    late = SharedClock(path)
    late._looked = float("inf")  # it does not look
    set_speed(path, 1)
    time.sleep(0.1)
    ahead = late.now()
    late._looked = 0.0
    assert SharedClock(path).now() < ahead - 5
    assert ahead <= late.now() < ahead + 5


def test_processes_agree(path):
    set_speed(path, 50)
    code = (
        "import sys; from pathlib import Path; from sandbox.clock import SharedClock\n"
        "c = SharedClock(Path(sys.argv[1]))\n"
        "for line in sys.stdin: print(c.now(), c.speed, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:

        def asked():
            other.stdin.write("\n")
            other.stdin.flush()
            return [float(each) for each in other.stdout.readline().split()]

        here = SharedClock(path)
        asked()
        for speed in (200, 5):
            set_speed(path, speed)
            before = here.now()
            there, its_speed = asked()
            assert before <= there <= here.now()
            assert its_speed == speed
        other.stdin.close()


def test_a_sleeper_wakes_by_the_new_speed(path):
    shared = SharedClock(path)

    async def sleeps():
        began, real = shared.monotonic(), time.monotonic()
        changing = asyncio.get_running_loop().run_in_executor(None, set_speed, path, 100)
        await shared.sleep(60)
        await changing
        return shared.monotonic() - began, time.monotonic() - real

    virtual, real = asyncio.run(sleeps())
    assert 60 <= virtual < 80
    assert real < 2


def test_waiting_has_an_end_in_virtual_time(path):
    set_speed(path, 100)
    shared = SharedClock(path)

    async def waits():
        real = time.monotonic()
        with pytest.raises(TimeoutError):
            await shared.wait_for(asyncio.sleep(30), 20)
        assert 0.15 < time.monotonic() - real < 1
        assert await shared.wait_for(asyncio.sleep(0, "result"), 5) == "result"
        with pytest.raises(ValueError, match="its own"):
            await shared.wait_for(fails(), 5)

    async def fails():
        raise ValueError("its own")

    asyncio.run(waits())


def test_what_waits_ends_with_its_waiter(path):
    shared, ended = SharedClock(path), []

    async def work():
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)

    async def waits():
        waiting = asyncio.create_task(shared.wait_for(work(), 60))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait({waiting})

    asyncio.run(waits())
    assert ended == [True]


@pytest.mark.parametrize("speed", [0, -1, 0.01, 1001, float("nan"), float("inf")])
def test_a_speed_that_nobody_can_use_changes_nothing(path, speed):
    set_speed(path, 10)
    before = path.read_text()
    with pytest.raises(Problem, match=r"is not between 0\.1 and 1000"):
        set_speed(path, speed)
    assert path.read_text() == before


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", "[1]", "null", '[{"real": 1}]', '[{"real": 0, "virtual": 0, "speed": 0}]'),
        '[{"real": 0, "virtual": NaN, "speed": 1}]',
        '[{"real": Infinity, "virtual": 0, "speed": 1}]',
        f'[{{"real": 0, "virtual": {10**400}, "speed": 1}}]',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_damaged_file_is_the_machines_time(path, text):
    path.write_text(text)
    assert SharedClock(path).now() == pytest.approx(time.time(), abs=0.05)


@pytest.mark.parametrize("said", ["fast", "", "1,5", "0", "1e9"])
def test_what_is_typed_and_no_speed_is_said_in_one_line(said):
    with pytest.raises(Problem, match=r"0\.1 (to|and) 1000$"):
        clock.checked(said)
    assert clock.checked("2.5") == 2.5


def test_a_duration_may_lie_on_both_sides_of_a_change():
    segments = (Segment(0, 0, 1), Segment(10, 10, 5))
    assert clock.lasting(segments, 8, 1) == 1
    assert clock.lasting(segments, 8, 12) == 4
    assert clock.lasting(segments, 11, 10) == 2


def test_setting_the_same_speed_again_changes_nothing(path):
    set_speed(path, 1)
    assert not path.exists()
    set_speed(path, 4)
    time.sleep(0.01)
    written = set_speed(path, 4) and path.read_text()
    set_speed(path, 4)
    assert path.read_text() == written
    assert json.loads(written)[-1]["speed"] == 4


def test_the_hand_driven_clock_wakes_sleepers_in_order():
    async def played():
        hand, woken = HandClock(), []

        async def sleeper(seconds, then=0.0):
            await hand.sleep(seconds)
            woken.append((seconds, hand.now()))
            await hand.sleep(then)
            woken.append((seconds, hand.now()))

        tasks = [asyncio.create_task(sleeper(*each)) for each in ((5, 1), (2, 10), (30, 1))]
        began = hand.now()
        await hand.advance(12)
        assert hand.now() == began + 12
        assert [(which, moment - began) for which, moment in woken] == [(2, 2), (5, 5), (5, 6), (2, 12)]
        with pytest.raises(TimeoutError):
            await asyncio.gather(hand.wait_for(hand.sleep(9), 4), hand.advance(4))
        for task in tasks:
            task.cancel()

    asyncio.run(played())
