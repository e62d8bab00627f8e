from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from engine import processes, sessions
from tests.waiting import until

SLEEP = "import time; time.sleep(60)"
WITH_PLUGIN = f"""
import subprocess, sys
plugin = subprocess.Popen([sys.executable, "-c", {SLEEP!r}], process_group=0)
print(plugin.pid, flush=True)
plugin.wait()
"""

FINISHING = """
import pathlib, signal, time
signal.signal(signal.SIGINT, lambda *_: None)
print("up", flush=True)
signal.pause()
time.sleep(0.3)
pathlib.Path("finished").touch()
"""


@pytest.fixture
def engine(tmp_path):
    started = []

    def start(code):
        log = tmp_path / "log"
        process = processes.start(
            [sys.executable, "-c", code, str(tmp_path)],
            record=tmp_path / "sessions" / "engine",
            log=log,
            folder=tmp_path,
            variables=os.environ,
        )
        started.append(process._popen)
        return process, log

    yield start
    for popen in started:
        sessions.end(popen.pid)
        popen.wait()


def text(path):
    return until(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text()).strip()


def running(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_an_engine_is_on_record_while_it_runs(engine, tmp_path):
    process, log = engine("print('hello', flush=True)")
    assert process.wait() == 0
    assert not (tmp_path / "sessions" / "engine").exists()
    assert log.read_text() == "hello\n"


def test_the_engine_records_itself(engine, tmp_path):
    process, _ = engine(SLEEP)
    assert text(tmp_path / "sessions" / "engine") == str(process._popen.pid)


def test_an_engine_that_did_not_end_in_order_stays_known_by_its_process_and_time(engine, tmp_path):
    process, _ = engine(SLEEP)
    text(tmp_path / "sessions" / "engine")
    process.kill()
    (record,) = (tmp_path / processes.ENDED).iterdir()
    known = processes.Recorded.read(record)
    assert known.took(process._popen.pid, time.time())
    assert not known.took(process._popen.pid + 1, time.time())
    assert not known.took(process._popen.pid, known.began - 60)
    assert not known.took(process._popen.pid, known.until + 60)


def test_an_interrupt_reaches_the_engine_and_not_us(engine):
    process, log = engine("import signal, time; print('up', flush=True); time.sleep(60)")
    text(log)
    process.interrupt()
    assert process.wait() != 0


def test_plugins_of_a_killed_engine_end_with_its_session(engine):
    process, log = engine(WITH_PLUGIN)
    plugin = int(text(log))
    process._popen.kill()
    assert process.wait() == -signal.SIGKILL
    assert not running(plugin)


def test_what_a_dead_run_left_is_ended(engine, tmp_path):
    process, log = engine(WITH_PLUGIN)
    plugin = int(text(log))
    process._popen.kill()
    process._popen.wait()
    assert running(plugin)
    processes.end_leftovers(tmp_path / "sessions", str(tmp_path), lambda _: None)
    assert not running(plugin)
    assert list((tmp_path / "sessions").iterdir()) == []


def test_an_engine_that_still_works_is_interrupted_and_waited_for(engine, tmp_path):
    _, log = engine(FINISHING)
    text(log)
    told = []
    processes.end_leftovers(tmp_path / "sessions", str(tmp_path), told.append)
    assert (tmp_path / "finished").exists()
    assert "waiting for it to end" in told[0]


def test_another_process_with_the_same_id_is_left_alone(tmp_path):
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    try:
        (tmp_path / "sessions").mkdir()
        (tmp_path / "sessions" / "engine").write_text(f"{stranger.pid}\n")
        processes.end_leftovers(tmp_path / "sessions", str(tmp_path / "marker"), lambda _: None)
        assert running(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()
