"""A release killed with SIGKILL at any moment: the next finishes it, nothing is there twice, no process is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections import Counter

import pytest

from tests.e2e.inventory import everything

REGIONS = ["us-east-1", "us-east-2"]
WHOLE_RELEASE = 10  # seconds; a kill comes somewhere in it
SEED = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1_000_000)))


def kinds(checkout):
    """How many there are of everything, whatever their generated names."""
    cloud = checkout.ok("sandbox.status", "--json").json["endpoint"]
    return Counter(name.rsplit(" ", 1)[0] for name in everything(cloud, REGIONS))


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.prove)])
def test_a_killed_release_is_finished_by_the_next(checkout, kills):
    print(f"KILL_SEED={SEED} repeats this")
    moments = random.Random(SEED)
    checkout.ok("deploy-all")
    whole = kinds(checkout)
    for _ in range(kills):
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
        left = [p for p in checkout.processes() if not sandbox & {p.pid, *(a.pid for a in p.parents())}]
        assert not left, f"{told}: {[process.cmdline() for process in left]}"
