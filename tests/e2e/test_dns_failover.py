"""The deployed stacks fail over in DNS: their own records and health checks, sixteen checkers, virtual time."""

from __future__ import annotations

import time

import pytest
from dnslib import DNSRecord

from sandbox import addresses, control
from sandbox.clock import SharedClock, set_speed
from sandbox.layout import Layout
from sandbox.traffic.health import LONGEST_PROPAGATION
from shared.environment import Environment
from shared.failover_time import DnsTiming, Fault
from shared.failover_time import bound as fastest

pytestmark = pytest.mark.xdist_group("running")

SPEED = 10
CAREFUL = 5
"""The speed where a check that becomes unhealthy as the machine is busy would spoil the test."""
LATE = 20
"""Virtual seconds that a command takes to do what it says, and a machine with two cores to notice."""
SETTLED = 1200
"""Virtual seconds until all checks are well at once: while another worker deploys, an answer is late now and then."""
ENVIRONMENT = Environment.load("payments")
NAME = ENVIRONMENT.foundation().failover_name
CHECKS = ENVIRONMENT.edge.checks.of_the_entry_point
GATEWAYS = {addresses.endpoints(20000)[region][0]: role for role, region in ENVIRONMENT.regions}


class Clients:
    """What clients of the shared name are answered."""

    def __init__(self, layout):
        self._socket = layout.traffic_socket
        self._clock = SharedClock(layout.clock)
        told = control.ask(self._socket, 2, "status")["dns"]
        self._server = (told.rpartition(":")[0], int(told.rpartition(":")[2]))

    def region(self):
        """The role of the region to which the name leads."""
        answer = DNSRecord.parse(DNSRecord.question(NAME, "A").send(*self._server, timeout=2)).rr
        return GATEWAYS[str(answer[-1].rdata)]

    def until(self, role, seconds):
        """Virtual seconds until the name leads there; None when it does not in time."""
        began = self._clock.now()
        while (passed := self._clock.now() - began) < seconds:
            if self.region() == role:
                return passed
            time.sleep(0.02)
        return None

    def settle(self):
        """Wait until the primary is answered, and every checker has asked since it was told to."""
        began = self._clock.now()
        while self._clock.now() - began < SETTLED:
            checks = [each for each in self.health() if each["observations"]]
            asked = all(sum(seen["at"] > began for seen in each["observations"]) == 16 for each in checks)
            if checks and asked and all(each["healthy"] for each in checks) and self.region() == "primary":
                return
            time.sleep(0.1)
        raise AssertionError(self.health())

    def health(self):
        return control.ask(self._socket, 10, "health")["checks"]


@pytest.fixture
def clients(running, request):
    layout = Layout(running.root)
    set_speed(layout.clock, CAREFUL if request.node.get_closest_marker("prove") else SPEED)
    made = Clients(layout)
    made.settle()
    yield made
    running.ok("heal")
    running.ok("restore", "--even-if-unhealthy")
    made.settle()
    set_speed(layout.clock, 1)


def bound(fault):
    """Virtual seconds until DNS answers the secondary, at most."""
    return fastest(CHECKS, DnsTiming(0, 0), fault).detection + LONGEST_PROPAGATION + LATE


def test_a_primary_that_refuses_moves_the_name_and_one_that_serves_moves_it_back(running, clients):
    """Nothing latches: no client pays on the shared name."""
    running.ok("fault", "--region", "primary", "--kind", "refuse")
    assert clients.until("secondary", bound(Fault.REFUSED))
    running.ok("heal")
    assert clients.until("primary", SETTLED)


@pytest.mark.prove
def test_a_primary_that_hangs_moves_the_name(running, clients):
    running.ok("fault", "--region", "primary", "--kind", "hang")
    assert clients.until("secondary", bound(Fault.HANG))


@pytest.mark.prove
def test_an_evacuation_moves_the_name_until_it_is_restored(running, clients):
    running.ok("evacuate")
    assert clients.until("secondary", bound(Fault.ERROR))
    assert clients.until("primary", 120) is None
    running.ok("restore")
    assert clients.until("primary", bound(Fault.ERROR))


@pytest.mark.prove
@pytest.mark.parametrize("kind", ["refuse", "hang"])
def test_a_secondary_that_is_lost_moves_nothing(running, clients, kind):
    running.ok("fault", "--region", "secondary", "--kind", kind)
    assert clients.until("secondary", 600) is None


@pytest.mark.prove
def test_with_both_lost_the_secondary_is_answered(running, clients):
    running.ok("fault", "--region", "secondary", "--kind", "hang")
    running.ok("fault", "--region", "primary", "--kind", "refuse")
    assert clients.until("secondary", bound(Fault.REFUSED))
    assert clients.until("primary", 300) is None
