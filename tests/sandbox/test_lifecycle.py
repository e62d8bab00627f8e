"""Up, down, twice, at once, after accidents: `sandbox.lifecycle`."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from sandbox import Sandbox
from sandbox.clock import SharedClock, set_speed
from sandbox.tricks import OFF, VARIABLE
from shared.errors import Problem


def test_is_up_once_and_found_without_a_start(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not sandbox.status().running
    first = sandbox.up()
    assert first.running
    assert set(first.pids) == {"cloud", "processor", "traffic", "plugins"}
    monkeypatch.setattr(sandbox, "_start", lambda _: pytest.fail("it runs, and was started again"))
    assert sandbox.up() == first


def test_two_at_once_make_one_sandbox(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: Sandbox(sandbox.layout.root).up(), range(4)))
    assert len({(status.generation, *status.pids.values()) for status in statuses}) == 1


def test_turning_tricks_off_and_on_starts_daemons_again_and_keeps_the_cloud(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    quick = sandbox.up()
    monkeypatch.setenv(VARIABLE, OFF)
    assert not sandbox.status().running
    plain = sandbox.up()
    assert plain.running
    assert set(plain.pids) == {"cloud", "processor", "traffic"}  # nothing lends plugins
    assert plain.pids["cloud"] != quick.pids["cloud"]
    assert psutil.Process(plain.pids["cloud"]).environ()[VARIABLE] == OFF
    assert sandbox.variables()[VARIABLE] == OFF
    assert sandbox.up() == plain
    monkeypatch.delenv(VARIABLE)
    again = sandbox.up()
    assert set(again.pids) == {"cloud", "processor", "traffic", "plugins"}
    assert VARIABLE not in sandbox.variables()
    assert (again.generation, again.recoveries) == (quick.generation, 0)


def test_down_leaves_no_process(sandbox: Sandbox) -> None:
    pids = sandbox.up().pids
    processes = [psutil.Process(pid) for pid in pids.values()]
    family = [*processes, *(child for process in processes for child in process.children(recursive=True))]
    assert sandbox.down()
    _, alive = psutil.wait_procs(family, timeout=3)
    assert alive == []
    assert not sandbox.status().running
    assert not sandbox.down()


def test_stale_record_of_another_process_is_no_obstacle(sandbox: Sandbox) -> None:
    sandbox.up()
    sandbox.down()
    record = sandbox.layout.run / "cloud.json"
    record.write_text('{"pid": 1, "started": "0"}')
    assert sandbox.up().running
    assert psutil.pid_exists(1)


def test_says_where_when_it_was_never_started(sandbox: Sandbox) -> None:
    with pytest.raises(Problem, match=r"run \./invoke sandbox\.up"):
        sandbox.variables()


def test_virtual_time_passes_as_the_machines_again_when_the_sandbox_was_down(sandbox: Sandbox) -> None:
    sandbox.up()
    set_speed(sandbox.layout.clock, 100)
    before = SharedClock(sandbox.layout.clock).now()
    sandbox.down()
    after = SharedClock(sandbox.layout.clock)
    assert after.speed == 1
    assert after.now() > before
    sandbox.wipe()
    assert SharedClock(sandbox.layout.clock).now() <= time.time()
