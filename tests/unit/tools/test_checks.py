"""`./invoke test` names the tests, says how long they take, and leaves no process when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.waiting import until
from tools import checks

RUN = """
import sys
from pathlib import Path
from tools import checks
checks.ROOT = Path(sys.argv[1])
checks.TAKEN = checks.ROOT / "took.json"
checks.static = lambda: []
try:
    code = checks.run()
except KeyboardInterrupt:
    code = 130
sys.exit(code)
"""
TESTS = """
import os, subprocess, time
from pathlib import Path

def test_that_is_quick():
    pass

def test_that_waits(tmp_path):
    command = f"sleep 301 & cd {tmp_path}; exec sleep 300"
    started = subprocess.Popen(["sh", "-c", command], start_new_session=True, env=%s)
    Path(%r).write_text(str(started.pid))
    time.sleep(%s)
"""


@pytest.fixture
def project(tmp_path):
    """A project with a quick test, and one whose daemon outlives it."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -q -p no:cacheprovider\nmarkers = prove\n")

    def make(seconds, environment="{'PATH': os.environ['PATH'], 'TMPDIR': str(tmp_path)}", **variables):
        (tmp_path / "test_it.py").write_text(TESTS % (environment, str(tmp_path / "pid"), seconds))
        return subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path)],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return make


def sleepers(tmp_path):
    """The daemon and its child."""
    return [process for process in psutil.process_iter() if str(tmp_path) in _words(process)]


def _words(process):
    try:
        return " ".join([*process.cmdline(), *process.environ().values(), process.cwd()])
    except psutil.Error:
        return ""


@pytest.mark.parametrize(
    ("number", "code", "everybody"),
    [
        (signal.SIGTERM, 143, True),
        pytest.param(signal.SIGINT, 130, True, marks=pytest.mark.prove),
        pytest.param(signal.SIGTERM, 143, False, marks=pytest.mark.prove),
        pytest.param(signal.SIGHUP, 129, True, marks=pytest.mark.prove),
    ],
)
def test_stopped_it_leaves_no_process(project, tmp_path, number, code, everybody):
    running = project(300)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), seconds=60)
    daemon = int((tmp_path / "pid").read_text())
    assert psutil.pid_exists(daemon)
    (os.killpg if everybody else os.kill)(running.pid, number)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == code, said
    assert "Traceback" not in said
    assert not psutil.pid_exists(daemon) or psutil.Process(daemon).status() == psutil.STATUS_ZOMBIE
    assert sleepers(tmp_path) == []


def test_every_test_is_named_and_the_next_estimate_is_what_it_took(project, tmp_path):
    running = project(0)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 0, said
    assert "test: about 16 minutes\n" in said
    assert "test_it.py::test_that_is_quick" in said
    assert "2 passed" in said.splitlines()[-1]
    took = json.loads((tmp_path / "took.json").read_text())
    assert 0 <= took["test"] < 60
    assert sleepers(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("PYTEST_ADDOPTS", "--collect-only"), ("PYTEST_PLUGINS", "none.such"), ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")],
)
def test_how_the_user_has_set_up_pytest_changes_nothing(project, name, value):
    said, _ = project(0, **{name: value}).communicate(timeout=120)
    assert "2 passed" in said.splitlines()[-1], said


@pytest.mark.parametrize("name", ["MYPYPATH", "MYPY_CACHE_DIR", "RUFF_CONFIG", "RUFF_EXCLUDE", "COVERAGE_RCFILE"])
def test_how_the_user_has_set_up_a_checker_changes_nothing(monkeypatch, capsys, name):
    monkeypatch.setenv(name, "/nowhere")
    says = f"import os; os._exit({name!r} in os.environ)"
    monkeypatch.setattr(checks, "STATIC", {"it": ("timeit", "-n1", "-r1", says)})
    assert checks.static() == [], capsys.readouterr().out


def test_a_group_of_tests_stays_with_one_worker(project, tmp_path):
    group = "import pytest\n\npytestmark = pytest.mark.xdist_group('one')\n"
    tests = "@pytest.mark.parametrize('number', range(4))\ndef test_it(number, worker_id):\n    print(worker_id)\n"
    for name in ("test_a.py", "test_b.py"):
        (tmp_path / name).write_text(f"{group}\n\n{tests}")
    said, _ = project(0).communicate(timeout=120)
    workers = {line.split()[0] for line in said.splitlines() if "PASSED" in line and "test_it[" in line}
    assert len(workers) == 1, said


@pytest.mark.parametrize(
    ("taken", "said"), [("{", 960), ("[]", 960), ('{"test": "x"}', 960), ('{"test": 42}', 42), ('{"prove": 4}', 960)]
)
def test_a_record_that_cannot_be_read_is_none(tmp_path, monkeypatch, taken, said):
    monkeypatch.setattr(checks, "TAKEN", tmp_path / "took.json")
    checks.TAKEN.write_text(taken)
    assert checks._estimate("test") == said
