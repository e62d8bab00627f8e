"""The answer comes before the deadline, however slow each call is, as long as no call exceeds its time-out."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.adapters.retry import ATTEMPT
from lambdas.audit.sweeping import sweep
from lambdas.domain.errors import NoAnswer, Unavailable
from lambdas.domain.payment import LEASE, WORK_TIME
from tests.doubles.acquirer import Acquirer
from tests.doubles.payments import (
    CANARY,
    START,
    STOREFRONT,
    Bucket,
    ManualClock,
    Region,
    Secrets,
    Wire,
    refused,
    timed_out,
)

LIMIT = 9_500
"""What a request has of the function's 10 s (ms)."""

# (how long, whether its answer is heard, whether it has its effect); a call that nobody answers takes all of its time.
CALLS = st.tuples(st.floats(0, 1), st.booleans(), st.booleans())


@dataclass
class Slow:
    """How long the next calls take, as shares of their time-outs, and how they end; later ones are quick and good."""

    clock: ManualClock
    calls: list[tuple[float, bool, bool]]
    seen: list[tuple[str, int]] = field(default_factory=list)

    def call(self, what: str, timeout: int, effect: Any, silence: Exception) -> Any:
        self.seen.append((what, self.clock.now()))
        share, answered, applied = self.calls.pop(0) if self.calls else (0.0, True, True)
        self.clock.time += int(share * timeout) if answered else timeout
        if answered:
            return effect()
        if applied:
            effect()
        raise silence


class SlowWire(Wire):
    slow: Slow

    def call(self, what: str, effect: Any, *_: Any, **__: Any) -> Any:
        return self.slow.call(what, ATTEMPT, lambda: super(SlowWire, self).call(what, effect), timed_out())


@dataclass
class SlowBucket(Bucket):
    slow: Slow | None = None

    def put_object(self, **arguments: Any) -> Any:
        return self.slow.call("put", ATTEMPT, lambda: Bucket.put_object(self, **arguments), timed_out())


@dataclass
class SlowSecrets(Secrets):
    slow: Slow | None = None

    def get_secret_value(self, **arguments: Any) -> Any:
        return self.slow.call("secret", ATTEMPT, lambda: Secrets.get_secret_value(self, **arguments), timed_out())


class SlowAcquirer(Acquirer):
    slow: Slow

    def charge(self, key, amount, customer):
        return self._slowly("charge", lambda: Acquirer.charge(self, key, amount, customer))

    def find(self, key):
        return self._slowly("find", lambda: Acquirer.find(self, key))

    def cancel(self, key):
        return self._slowly("cancel", lambda: Acquirer.cancel(self, key))

    def _slowly(self, what, effect):
        return self.slow.call(what, self.timeout, effect, NoAnswer(what))


def slow_region(calls, processor=None, **arguments):
    clock = arguments.setdefault("clock", ManualClock())
    slow = Slow(clock, list(calls))
    wire = SlowWire()
    wire.slow = slow
    if isinstance(processor, SlowAcquirer):
        processor.slow = slow
    region = Region(wire=wire, bucket=SlowBucket(slow=slow), processor=processor, **arguments)
    region.secrets = region.keys.secrets = SlowSecrets(region.secrets.clients, slow=slow)
    return region, slow


@given(st.lists(CALLS, max_size=30), st.booleans(), st.booleans(), st.booleans())
def test_a_request_is_answered_before_its_deadline(calls, outside, left, silent):
    """A new payment or one that somebody left, with a processor outside or in the table."""
    region, slow = slow_region([], SlowAcquirer(timeout=3_000, silent=["charge"] * silent))
    client = STOREFRONT if outside else CANARY
    wish = {"amount": 1, "currency": "USD", "customerId": "test-1"}
    if left:
        region.wire.fail("UpdateItem", KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            region.post("k", wish, client)
        region.clock.time += LEASE
        region.keys._read_at = None
    slow.calls = list(calls)
    began = region.clock.now()
    region.limit = LIMIT
    answer = region.post("k", wish, client)
    assert region.clock.now() - began <= LIMIT
    assert answer["statusCode"] in {201, 202, 503}
    assert answer["statusCode"] == 201 or "Retry-After" in answer["headers"]
    region.limit = None
    region.clock.time += 60_000
    slow.calls.clear()
    region.post("k", wish, client)
    for _ in range(3):
        region.sweep()
        region.clock.time += 60_000
    assert region.post("k", wish, client)["statusCode"] == 201


@given(st.lists(CALLS, max_size=120), st.integers(1, 8), st.integers(WORK_TIME, 60_000))
def test_a_sweep_is_over_in_the_functions_time(calls, payments, left):
    acquirer = SlowAcquirer(silent=["charge"] * payments, timeout=3_000)
    region, slow = slow_region([], acquirer)
    for number in range(payments):
        region.post(f"k{number}")
    region.clock.time += 5_000
    slow.calls = list(calls)
    began = region.clock.now()
    try:
        sweep(region.service, left)
    except Unavailable:
        assert region.journal.lines[-1]["SweepFailed"] == 1
    assert region.clock.now() - began <= left


def test_a_first_attempt_of_each_call_that_times_out_leaves_time_for_the_others():
    """Two attempts of each call, 1.5 s, then 0.9 s; a canary charges in the table. All would take more than 10 s."""
    calls = [(1.0, False, False), (0.6, True, True)] * 20
    region, _ = slow_region([])
    region.post("warm")
    region, slow = slow_region(calls, clock=region.clock)
    began = region.clock.now()
    region.limit = LIMIT
    answer = region.post("k", api_key=CANARY)
    assert region.clock.now() - began <= LIMIT
    assert answer["statusCode"] in {202, 503}
    assert int(answer["headers"]["Retry-After"]) >= 1
    slow.calls.clear()


def test_the_processor_is_not_asked_when_its_answer_could_not_be_written_down():
    """Secret, fence and first write have taken the time: the client is told to wait, and the sweep goes on."""
    region, slow = slow_region([(1.0, True, True)] * 3, SlowAcquirer(timeout=3_000))
    region.limit = 3 * ATTEMPT + 3_000 + ATTEMPT - 1
    answer = region.post("k")
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (202, "5")
    asked = ["secret", "dynamodb GetItem", "dynamodb PutItem"]
    assert [what for what, _ in slow.seen] == [*asked, "dynamodb UpdateItem"]
    region, slow = slow_region([(1.0, True, True)] * 5, SlowAcquirer(timeout=3_000))
    region.limit = 3 * ATTEMPT + 3_000 + ATTEMPT
    assert region.post("k")["statusCode"] == 201
    assert [what for what, _ in slow.seen] == [*asked, "charge", "dynamodb UpdateItem"]
    assert region.payment()["audit_pending"] == {"BOOL": True}


def test_a_slow_bucket_holds_up_nobody():
    region, slow = slow_region([(0, True, True)] * 5 + [(1.0, False, False)] * 20, SlowAcquirer())
    region.limit = LIMIT
    assert region.post("k")["statusCode"] == 201
    assert region.clock.now() - START <= LIMIT
    assert [what for what, _ in slow.seen][-1] == "put"


def test_nothing_is_begun_when_no_time_is_left():
    region, slow = slow_region([], SlowAcquirer())
    region.limit = ATTEMPT - 1
    for answer, kind in ((region.post("k"), "late"), (region.get("/payment/pay_x"), "unavailable")):
        assert (answer["statusCode"], slow.seen) == (503, [])
        assert json.loads(answer["body"])["type"] == f"/problems/{kind}"


def test_what_a_block_keeps_back_is_there_after_it_whatever_happens():
    deadline = Region().service.deadline
    deadline.begin(100)
    until = deadline.until
    with deadline.keeping(30), deadline.keeping(10):
        assert (deadline.allows(60), deadline.allows(61)) == (True, False)
    with contextlib.suppress(KeyError), deadline.keeping(30):
        raise KeyError
    assert (deadline.until, deadline.allows(100)) == (until, True)
    deadline.until = None
    with deadline.keeping(30):
        assert deadline.allows(10**9)


def test_refusals_take_no_time():
    region = Region()
    region.limit = LIMIT
    region.wire.fail("PutItem", refused("AccessDeniedException"))
    answer = region.post("k")
    assert (answer["statusCode"], region.clock.now()) == (503, START)
