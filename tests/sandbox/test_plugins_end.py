"""Plugins under the real engine: nothing stays behind, however anybody ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.plugins.client import HostStatus
from engine.plugins.hold import Hold
from sandbox.plugins import client
from shared.root import ROOT
from tests.sandbox.place import RESOURCES, STARTS, Place
from tests.waiting import until


def held(place: Place, tmp_path: Path) -> tuple[Hold, subprocess.Popen[str]]:
    """An `up` whose program is held after its imports."""
    place.write(f"import pathlib\npathlib.Path('{STARTS}').write_text('0')\n", "prelude.py")
    place.write("from prelude import pathlib\n" + RESOURCES)
    hold = Hold(tmp_path / "held")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in hold.variables.items():
            monkeypatch.setitem(place.settings, name, value)
        process = place.start("up", "--yes", "--skip-preview")
    until((place.project / STARTS).exists)
    return hold, process


def made(place: Place) -> list[Any]:
    return list(json.loads(place.run("stack", "export")[1])["deployment"].get("resources", []))


def test_a_held_program_waits_after_its_imports_until_it_is_released(either: Place, tmp_path: Path):
    hold, process = held(either, tmp_path)
    with process:
        time.sleep(0.3)
        assert process.poll() is None
        assert made(either) == []
        hold.release()
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert len(either.outputs()["name"]) == 6


def test_a_program_whose_holder_has_gone_ends_before_it_makes_anything(own: Place, tmp_path: Path):
    hold, process = held(own, tmp_path)
    with process:
        hold.cancel()
        output = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "error: the update was cancelled before it began" in output
    assert made(own) == []


def test_an_engine_killed_while_its_program_is_held_leaves_nothing(either: Place, tmp_path: Path):
    hold, process = held(either, tmp_path)
    with process:
        process.kill()
    hold.cancel()
    until(lambda: not either.left())
    assert made(either) == []


def test_a_killed_engine_leaves_nothing(either: Place):
    engine = either.start_waiting()
    assert either.left()
    engine.kill()
    engine.wait()
    until(lambda: not either.left(), 5)
    if either.host:
        until(lambda: either.lent() == 0)
        assert either.host.poll() is None


def test_an_interrupted_engine_ends_its_program(either: Place):
    engine = either.start_waiting()
    for _ in range(2):  # the first asks the engine to finish what it has begun, the second to end
        os.killpg(engine.pid, signal.SIGINT)
        time.sleep(0.2)
    assert engine.wait(20) != 0
    until(lambda: not either.left(), 5)


def test_a_programs_processor_time_counts_as_its_fork_servers(warm: Place):
    assert warm.host is not None
    (fork_server,) = psutil.Process(warm.host.pid).children()

    def counted() -> float:
        times = fork_server.cpu_times()
        return float(times.children_user + times.children_system)

    before = counted()
    warm.write("import time\nwhile time.process_time() < 0.3: pass\n")
    code, output = warm.up()
    assert code == 0, output
    until(lambda: counted() >= before + 0.25)


def test_a_killed_host_fails_the_run_and_the_next_one_works(own: Place):
    engine = own.start_waiting()
    assert own.host is not None
    own.host.kill()
    output = engine.communicate(timeout=30)[0]
    assert engine.returncode != 0, output
    until(lambda: not own.left(), 5)
    (own.project / STARTS).unlink()
    own.write(RESOURCES)
    own.run("cancel", "--yes")
    code, output = own.up()
    assert code == 0, output
    own.start_host()
    code, output = own.up()
    assert code == 0, output


def test_a_stopped_host_takes_everything_along(own: Place):
    engine = own.start_waiting()
    own.stop_host()
    engine.communicate(timeout=30)
    assert engine.returncode != 0
    until(lambda: not own.left(), 5)
    assert client.status(own.root) is None


def test_a_second_host_is_refused(warm: Place):
    command = [sys.executable, "-m", "sandbox.plugins", str(warm.root)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "another plugin host serves" in second.stderr
    assert "Traceback" not in second.stderr
    assert client.status(warm.root) is not None


def test_a_host_tells_who_it_is_and_whether_it_is_current(warm: Place):
    status = client.status(warm.root)
    assert status is not None
    assert warm.host is not None
    assert status.pid == warm.host.pid
    assert client.is_current(status)
    assert not client.is_current(HostStatus(status.pid, "other sources"))
