"""The simulated processor keeps a processor's promises: one outcome a key, whatever is asked, however often."""

from __future__ import annotations

import pytest

from lambdas.adapters.processor import LATE, SimulatedProcessor
from lambdas.adapters.retry import Retry
from lambdas.domain.errors import NoAnswer
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved, Declined
from tests.doubles.payments import ManualClock, PlainTable, Wire, client, timed_out

USD = Money(100, "USD")


@pytest.fixture
def world():
    table, wire, clock = PlainTable(), Wire(), ManualClock()
    return SimulatedProcessor(client(table, wire), "payments", Retry(clock)), table, wire, clock


def test_approves_once(world):
    processor, table, _, _ = world
    assert processor.find("pay_1") is None
    first = processor.charge("pay_1", USD, "test-1")
    assert first == Approved("ch_1")
    assert processor.charge("pay_1", Money(5, "EUR"), "decline-1") == first
    assert processor.find("pay_1") == first
    assert processor.cancel("pay_1") == first
    assert list(table.items) == [("charge#pay_1", "charge")]


def test_declines_for_ever(world):
    processor, _, _, _ = world
    assert processor.charge("pay_1", USD, "decline-1") == Declined("card_declined")
    assert processor.charge("pay_1", USD, "test-1") == Declined("card_declined")
    assert processor.find("pay_1") == Declined("card_declined")


def test_a_lost_request_charges_nothing_until_it_is_repeated(world):
    processor, _, _, _ = world
    with pytest.raises(NoAnswer):
        processor.charge("pay_1", USD, "timeout-1")
    assert processor.find("pay_1") is None
    assert processor.charge("pay_1", USD, "timeout-1") == Approved("ch_1")
    assert processor.find("pay_1") == Approved("ch_1")


def test_a_lost_request_can_be_cancelled(world):
    processor, _, _, _ = world
    with pytest.raises(NoAnswer):
        processor.charge("pay_1", USD, "timeout-1")
    assert processor.cancel("pay_1") == Declined("abandoned")
    assert processor.charge("pay_1", USD, "timeout-1") == Declined("abandoned")


def test_a_late_answer_comes(world):
    processor, _, _, clock = world
    for ask in (lambda: processor.charge("pay_1", USD, "late-1"), lambda: processor.find("pay_1")):
        with pytest.raises(NoAnswer):
            ask()
    clock.time += LATE - 1
    with pytest.raises(NoAnswer):
        processor.cancel("pay_1")
    clock.time += 1
    assert processor.find("pay_1") == Approved("ch_1")


def test_a_request_that_comes_twice_is_one_charge(world):
    processor, table, wire, _ = world
    assert processor.charge("pay_1", USD, "twice-1") == Approved("ch_1")
    assert wire.calls == ["PutItem", "PutItem"]
    assert len(table.items) == 1


def test_a_cancelled_key_is_never_charged(world):
    processor, _, _, _ = world
    assert processor.cancel("pay_1") == Declined("abandoned")
    assert processor.charge("pay_1", USD, "test-1") == Declined("abandoned")


def test_the_table_s_silence_is_the_processor_s(world):
    processor, _, wire, _ = world
    wire.fail("PutItem", timed_out(), times=4)
    with pytest.raises(NoAnswer):
        processor.charge("pay_1", USD, "test-1")


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
def test_an_answer_that_the_table_lost_is_found_again(world, operation):
    processor, _, wire, _ = world
    if operation == "UpdateItem":
        with pytest.raises(NoAnswer):
            processor.charge("pay_1", USD, "timeout-1")
    wire.fail(operation, timed_out(), applied=True)
    assert processor.charge("pay_1", USD, "timeout-1" if operation == "UpdateItem" else "test-1") == Approved("ch_1")


def test_a_canary_s_charge_can_be_forgotten(world):
    processor, table, _, _ = world
    processor.charge("pay_1", USD, "test-1")
    processor.forget("pay_1")
    processor.forget("pay_1")
    assert table.items == {}
