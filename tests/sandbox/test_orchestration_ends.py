"""The orchestration with the real engine, when a run is interrupted or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from orchestration.execute import StepStatus
from shared.root import ROOT as CHECKOUT
from tests.sandbox.house import DATA, PROGRAM
from tests.waiting import until

SLOW = """
import pathlib, time, pulumi
pathlib.Path("begun").touch()
time.sleep(60)
pulumi.export("some", 1)
"""

ALONE = """
import sys
from pathlib import Path
from orchestration.plan import Operation
from tests.sandbox.house import DATA, House
outcomes, result = House.reopened(Path(sys.argv[1])).run(Operation.DEPLOY, [DATA])
sys.exit(result.code)
"""


@pytest.fixture
def begun(house):
    """A run in a process of its own, in the middle of a program."""
    house.deploy(DATA)
    house.write("projects/data/__main__.py", SLOW)
    process = subprocess.Popen(
        [sys.executable, "-c", ALONE, str(house.root)], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True
    )
    until((house.root / "projects/data/begun").exists, 20)
    house.write("projects/data/__main__.py", PROGRAM.format(layer="data", field="some"))
    yield process
    process.kill()
    process.wait()


def leftovers(house):
    listed = subprocess.run(["ps", "-axww", "-o", "pid=,stat=,command="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(house.root) in line and " Z" not in line]


def test_ctrl_c_ends_the_engine_in_order(house, begun):
    begun.send_signal(signal.SIGINT)
    said = begun.communicate(timeout=20)[1]
    assert begun.returncode == 130
    assert "interrupted" in said
    assert list(house.target.backend.locks(DATA)) == []
    assert leftovers(house) == []
    assert house.deploy(DATA)[DATA].status in {StepStatus.CHANGED, StepStatus.UNCHANGED}


@pytest.mark.prove
def test_a_killed_run_is_recovered_by_the_next(house, begun):
    begun.kill()
    begun.wait()
    assert leftovers(house) != []  # the engine works on
    assert house.deploy(DATA)[DATA].status in {StepStatus.CHANGED, StepStatus.UNCHANGED}
    assert leftovers(house) == []
    assert list(house.target.backend.locks(DATA)) == []


def test_a_killed_run_with_killed_engines_is_recovered_by_the_next(house, begun):
    begun.kill()
    begun.wait()
    for record in house.target.state.glob("runs/*/sessions/*"):
        os.kill(int(record.read_text()), signal.SIGKILL)
    assert [lock.pid for lock in house.target.backend.locks(DATA)] != []
    assert house.deploy(DATA)[DATA].status in {StepStatus.CHANGED, StepStatus.UNCHANGED}
    assert leftovers(house) == []
    assert list(house.target.backend.locks(DATA)) == []
