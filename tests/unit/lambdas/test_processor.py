"""The protocol's two sides: what the adapter asks, what the sandbox's processor answers, and what is no answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdas.adapters.https import HttpsReply, NoReply
from lambdas.adapters.processor import TIMEOUT, HttpsProcessor
from lambdas.domain.errors import NoAnswer
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved, Declined
from sandbox.processor.ledger import LATE
from tests.doubles.payments import Region

USD = Money(100, "USD")
EAST, WEST = "east.processor.example", "west.processor.example"


class World:
    """Endpoints of the sandbox's processor, and every call that was made to them."""

    def __init__(self) -> None:
        self.region = Region()
        self.calls = []

    def at(self, endpoint):
        def send(call, within):
            self.calls.append((call, within))
            return self.region._send(call, within)

        return HttpsProcessor(endpoint, send)


@pytest.fixture
def world():
    return World()


def answering(status=200, body=b"", error=None):
    def send(_, __):
        if error is not None:
            raise error
        return HttpsReply(status, body)

    return HttpsProcessor(EAST, send)


CALLS = {
    "charge": lambda processor: processor.charge("pay_1", USD, "test-1"),
    "find": lambda processor: processor.find("pay_1"),
    "cancel": lambda processor: processor.cancel("pay_1"),
}


def test_a_charge_is_asked_for_like_this(world):
    world.at(EAST).charge("pay_1", USD, "test-1")
    (call, within), *_ = world.calls
    assert (call.method, call.host, call.path, within) == ("POST", EAST, "/charges", TIMEOUT)
    assert call.headers["Idempotency-Key"] == "pay_1"
    assert json.loads(call.body) == {"amount": {"value": 100, "currency": "USD"}, "customer": "test-1"}


def test_approves_once_at_an_endpoint(world):
    processor = world.at(EAST)
    assert processor.find("pay_1") is None
    first = processor.charge("pay_1", USD, "test-1")
    assert isinstance(first, Approved)
    assert [processor.charge("pay_1", USD, "test-1"), processor.find("pay_1"), processor.cancel("pay_1")] == [first] * 3
    assert len(world.region.charges()) == 1


def test_an_endpoint_knows_nothing_of_another_s_keys(world):
    first = world.at(EAST).charge("pay_1", USD, "test-1")
    assert world.at(WEST).find("pay_1") is None
    assert world.at(WEST).charge("pay_1", USD, "test-1") != first
    assert len(world.region.charges()) == 2


def test_declines_for_ever(world):
    processor = world.at(EAST)
    for _ in range(2):
        assert processor.charge("pay_1", USD, "decline-1") == Declined("card_declined")
        assert processor.find("pay_1") == Declined("card_declined")


def test_a_key_that_was_used_for_another_charge_gets_no_outcome(world):
    processor = world.at(EAST)
    processor.charge("pay_1", USD, "test-1")
    with pytest.raises(NoAnswer, match="422"):
        processor.charge("pay_1", Money(5, "EUR"), "test-1")


def test_a_lost_request_charges_nothing_until_it_is_repeated(world):
    processor = world.at(EAST)
    with pytest.raises(NoAnswer):
        processor.charge("pay_1", USD, "timeout-1")
    assert processor.find("pay_1") is None
    assert world.region.charges() == []
    assert isinstance(processor.charge("pay_1", USD, "timeout-1"), Approved)


def test_a_lost_request_can_be_cancelled_and_a_cancelled_key_is_never_charged(world):
    processor = world.at(EAST)
    with pytest.raises(NoAnswer):
        processor.charge("pay_1", USD, "timeout-1")
    assert processor.cancel("pay_1") == processor.charge("pay_1", USD, "timeout-1") == Declined("abandoned")
    assert processor.cancel("pay_2") == processor.charge("pay_2", USD, "test-1") == Declined("abandoned")


def test_a_late_answer_comes(world):
    processor = world.at(EAST)
    for ask in (CALLS["find"], CALLS["cancel"]):
        with pytest.raises(NoAnswer):
            processor.charge("pay_1", USD, "late-1")
        with pytest.raises(NoAnswer):
            ask(processor)
    world.region.clock.time += LATE
    assert isinstance(processor.find("pay_1"), Approved)


def test_a_request_that_comes_twice_is_one_charge(world):
    world.at(EAST).charge("pay_1", USD, "twice-1")
    assert [line["what"] for line in world.region.ledger.lines] == ["charge", "charge", "approved"]


WRONG = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"<html>404</html>",
    b"[" * 9999,
    {"status": "approved", "reference": "ch_1"},
    {"key": "pay_2", "status": "approved", "reference": "ch_1"},
    {"key": "pay_1"},
    {"key": "pay_1", "status": "approved"},
    {"key": "pay_1", "status": "approved", "reference": ""},
    {"key": "pay_1", "status": "approved", "reference": 1},
    {"key": "pay_1", "status": "approved", "reference": "x" * 256},
    {"key": "pay_1", "status": "declined"},
    {"key": "pay_1", "status": "declined", "reason": None},
    {"key": "pay_1", "status": "pending"},
    {"key": "pay_1", "status": "refunded"},
    {"key": "pay_1", "status": ["approved"]},
]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("body", WRONG, ids=lambda body: str(body)[:60])
def test_what_is_not_the_protocol_s_is_no_answer(call, body):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(NoAnswer):
        call(answering(body=content))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@example(status=404)
@example(status=410)
@example(status=204)
@given(status=st.integers(100, 599).filter(lambda status: status != 200))
def test_another_status_is_no_answer_whatever_its_body_says(call, status):
    """A wrong server's 404 least of all: it would read as a key that nobody has heard of."""
    for told in ("unknown", "approved", "declined"):
        body = {"key": "pay_1", "status": told, "reference": "ch_1", "reason": "no"}
        with pytest.raises(NoAnswer):
            call(answering(status, json.dumps(body).encode()))


@pytest.mark.parametrize("call", [CALLS["charge"], CALLS["cancel"]])
def test_unknown_is_an_answer_to_a_question_only(call):
    body = json.dumps({"key": "pay_1", "status": "unknown"}).encode()
    assert answering(body=body).find("pay_1") is None
    with pytest.raises(NoAnswer):
        call(answering(body=body))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_silence_is_no_answer(call):
    with pytest.raises(NoAnswer, match="gone"):
        call(answering(error=NoReply("gone")))


@given(st.binary(max_size=200))
def test_no_body_breaks_it(body):
    for call in CALLS.values():
        with pytest.raises(NoAnswer):
            call(answering(body=body))
