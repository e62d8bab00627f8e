"""The deployed system while its regions do not hear each other, or have lost one that they need not."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import httpx
import pytest

from sandbox import Sandbox
from sandbox.clock import SharedClock, set_speed
from sandbox.faults.fault import ANY, InjectedFault
from sandbox.faults.network import cuts
from sandbox.layout import Layout
from sandbox.processor.ledger import read
from tests.e2e.test_payment_api import REGIONS, deployed  # noqa: F401 - a fixture
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("running")

LONGEST = 11.0
"""Seconds: the payment function's time-out, and a second for the way."""
KEYS = 4
SPEED = 10.0


@contextmanager
def broken(running, *words):
    """What `./invoke fault` begins, until the block ends."""
    running.ok("fault", *words)
    try:
        yield
    finally:
        running.ok("heal")


@contextmanager
def partition(running, *others):
    """The primary does not hear others, from this moment on."""
    box, primary = Sandbox(running.root), REGIONS["primary"]
    box.begin_fault(InjectedFault("partition", primary, cut=cuts(primary, others, "both")))
    try:
        yield
    finally:
        box.heal()


def timed(deployed, role, key):  # noqa: F811 - the fixture
    began = time.monotonic()
    answer = deployed.post(role, key)
    return answer, time.monotonic() - began


def in_both_regions(deployed, keys):  # noqa: F811
    """Each key in both regions at once: the answers and how long they took, by role."""
    with ThreadPoolExecutor(2 * len(keys)) as threads:
        asked = {role: [threads.submit(timed, deployed, role, key) for key in keys] for role in REGIONS}
        return {role: [each.result() for each in found] for role, found in asked.items()}


def is_paid(deployed, key):  # noqa: F811
    return deployed.post("primary", key).status_code == 201


def health(deployed, role):  # noqa: F811
    return httpx.get(f"{deployed.gateways[REGIONS[role]]}/health", timeout=5).status_code


@pytest.mark.parametrize("cut_off", [ANY, REGIONS["secondary"]], ids=["isolated", "from-its-peer"])
@pytest.mark.parametrize("after", [0.0, pytest.param(0.05, marks=pytest.mark.prove)])
def test_a_partition_doubles_no_payment_and_both_sides_answer_in_time(running, deployed, cut_off, after):  # noqa: F811
    """Begun before the payments, and in their middle."""
    in_both_regions(deployed, [uuid.uuid4().hex for _ in range(KEYS)])  # starting processes is no part of a deadline
    keys = [uuid.uuid4().hex for _ in range(KEYS)]
    with ThreadPoolExecutor(1) as thread:
        if after:
            asked = thread.submit(in_both_regions, deployed, keys)
            time.sleep(after)
        with partition(running, cut_off):
            answers = asked.result() if after else in_both_regions(deployed, keys)
            again = in_both_regions(deployed, keys)["secondary"]
    found = [each for of_role in answers.values() for each in of_role]
    assert max(seconds for _, seconds in found) < LONGEST
    assert {answer.status_code for answer, _ in found} <= {201, 202, 409, 503}
    if cut_off == ANY and not after:
        assert {answer.status_code for answer, _ in answers["primary"]} == {503}
    assert {answer.status_code for answer, _ in again} <= {201, 202, 409}

    paid = {}
    for key in keys:
        until(partial(is_paid, deployed, key), 90)  # what was unknown is resolved
        both = [deployed.post(role, key).json() for role in REGIONS]
        assert both[0] == both[1]
        paid[key] = both[0]["paymentId"]
    approved = Counter(line["key"] for line in read(deployed.ledger) if line["what"] == "approved")
    assert {id_: approved[id_] for id_ in paid.values()} == dict.fromkeys(paid.values(), 1)


def test_payments_fail_while_health_answers(running, deployed):  # noqa: F811
    with broken(running, "--region", "primary", "--kind", "grey"):
        assert deployed.post("primary", uuid.uuid4().hex).status_code == 502
        assert health(deployed, "primary") == 200
        assert deployed.post("secondary", uuid.uuid4().hex).status_code == 201
    assert deployed.post("primary", uuid.uuid4().hex).status_code == 201


@pytest.mark.prove
def test_an_isolated_region_says_so_and_comes_back_by_itself(running, deployed):  # noqa: F811
    """Whatever its eventually consistent reads answer; the last good read counts for ten seconds."""
    with broken(running, "--region", "primary", "--kind", "partition"):
        until(lambda: health(deployed, "primary") == 503, 15)
        assert health(deployed, "secondary") == 200
    until(lambda: health(deployed, "primary") == 200, 5)


@pytest.mark.prove
@pytest.mark.parametrize("region", ["secondary", "witness"])
@pytest.mark.parametrize("kind", ["refuse", "hang"])
def test_a_lost_secondary_or_witness_fails_nothing_over(running, deployed, region, kind):  # noqa: F811
    """Ten virtual minutes, with all checkers asking: health answers always, and DNS leads to the primary."""
    layout = Layout(running.root)
    events = layout.state / "traffic" / "events.jsonl"
    clock, told = SharedClock(layout.clock), Counter()
    ended = threading.Event()

    def ask():
        while not ended.wait(0.05):
            told[health(deployed, "primary")] += 1

    before = len(events.read_text().splitlines()) if events.exists() else 0
    set_speed(layout.clock, SPEED)
    try:
        with broken(running, "--region", region, "--kind", kind), ThreadPoolExecutor(1) as thread:
            asking, end = thread.submit(ask), clock.now() + 600
            while clock.now() < end:
                time.sleep(0.5)
            assert deployed.post("primary", uuid.uuid4().hex).status_code == 201
            ended.set()
            asking.result()
    finally:
        set_speed(layout.clock, 1)
    assert len(running.ok("health", "--json").json["checks"]) >= 4
    assert set(told) == {200}
    assert told[200] > 300
    since = [json.loads(line) for line in events.read_text().splitlines()[before:]]
    assert [each for each in since if each["what"] == "answer"] == []
