"""A release killed with SIGKILL at any moment: the next finishes it, nothing is there twice, no process is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections import Counter

import psutil
import pytest

from tests.e2e.inventory import everything

REGIONS = ["us-east-1", "us-east-2"]
KILLS = 10
WHOLE_RELEASE = 10  # seconds; a kill comes somewhere in it
SEED = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1_000_000)))


def kinds(checkout):
    """How many there are of everything, whatever their generated names."""
    cloud = checkout.ok("sandbox.status", "--json").json["endpoint"]
    return Counter(name.rsplit(" ", 1)[0] for name in everything(cloud, REGIONS))


def lineage(process):
    """A process and those that it comes from; one that has just ended comes from nobody."""
    try:
        return {process.pid, *(each.pid for each in process.parents())}
    except psutil.NoSuchProcess:
        return {process.pid}


@pytest.mark.prove
def test_a_killed_release_is_finished_by_the_next(checkout):
    print(f"KILL_SEED={SEED} repeats this")
    moments = random.Random(SEED)
    checkout.ok("deploy-all")
    whole = kinds(checkout)
    for _ in range(KILLS):
        checkout.ok("sandbox.down", "--wipe")
        after, everybody = moments.uniform(0.2, WHOLE_RELEASE), moments.random() < 0.5
        victim = checkout.start("deploy-all")
        try:
            victim.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            if everybody:  # a closed terminal takes the whole group, an out-of-memory killer one process
                os.killpg(victim.pid, signal.SIGKILL)
            else:
                victim.kill()
            victim.communicate()
        told = f"killed {'with its group' if everybody else 'alone'} after {after:.2f} s"
        print(told)
        checkout.ok("deploy-all")
        assert kinds(checkout) == whole, told
        assert set(checkout.ok("drift", "--json").statuses.values()) == {"unchanged"}, told
        sandbox = set(checkout.ok("sandbox.status", "--json").json["pids"].values())
        left = [each for each in checkout.processes() if not sandbox & lineage(each) and each.is_running()]
        assert not left, f"{told}: {[process.cmdline() for process in left]}"
