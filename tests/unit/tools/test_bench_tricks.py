"""What the benchmark of the sandbox's tricks makes of its measurements, and how it counts processor time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shared.root import ROOT
from tools.bench.tricks import MEASURED, Gain, Used, gains


def runs(*each: float) -> list[list[Used]]:
    """Rounds, in each of which every command takes so long."""
    return [[Used(seconds, 2 * seconds)] * len(MEASURED) for seconds in each]


def test_a_gain_is_the_median_of_the_differences_within_a_round():
    found = gains("off", runs(3, 14, 7), runs(1, 10, 6))  # 2, 4 and 1 more
    assert found == [Gain("off", what, 2, 4, 3) for what in MEASURED]


def test_beside_nothing_it_is_the_time_itself():
    assert gains("", runs(3, 14, 7)) == [Gain("", what, 7, 14, 3) for what in MEASURED]


COUNTED = '''
import subprocess, sys, time
from tools.bench import processor
processor.adopt()
WORK = """
import time
while time.process_time() < 0.5: pass
print("done", flush=True)
time.sleep(%s)
"""
PARENT = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"  # ends at once, as a daemon's
def start(sleep):
    with subprocess.Popen([sys.executable, "-c", PARENT, WORK % sleep], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
before = processor.seconds()
start(60)
running = processor.seconds()
start(0)
time.sleep(0.2)
print(running - before, processor.seconds() - running)
import psutil
[child.kill() for child in psutil.Process().children(recursive=True)]
'''


@pytest.mark.skipif(sys.platform != "linux", reason="needs a parent of one's choice")
def test_processes_count_whose_parent_has_ended_and_those_that_have_ended_themselves():
    answer = subprocess.run([sys.executable, "-c", COUNTED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(0.5 <= float(seconds) < 2 for seconds in answer.stdout.split()), answer.stdout
    assert len(answer.stdout.split()) == 2
