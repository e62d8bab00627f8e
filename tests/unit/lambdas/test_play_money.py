"""The canaries' processor keeps a processor's promises: one outcome a key, whatever is asked, however often."""

from __future__ import annotations

import pytest

from lambdas.adapters.play_money import PlayMoney
from lambdas.adapters.retry import Retry
from lambdas.domain.errors import NoAnswer
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved, Declined
from tests.doubles.payments import ManualClock, PlainTable, Wire, client, timed_out

USD = Money(100, "USD")


@pytest.fixture
def world():
    table, wire = PlainTable(), Wire()
    return PlayMoney(client(table, wire), "payments", Retry(ManualClock())), table, wire


def test_approves_once(world):
    processor, table, _ = world
    assert processor.find("pay_1") is None
    first = processor.charge("pay_1", USD, "canary")
    assert first == Approved("ch_1")
    assert processor.charge("pay_1", Money(5, "EUR"), "canary") == first
    assert processor.find("pay_1") == first
    assert processor.cancel("pay_1") == first
    assert list(table.items) == [("canary-charge#pay_1", "charge")]


def test_a_cancelled_key_is_never_charged(world):
    processor, _, _ = world
    for _ in range(2):
        assert processor.cancel("pay_1") == Declined("abandoned")
        assert processor.charge("pay_1", USD, "canary") == Declined("abandoned")
        assert processor.find("pay_1") == Declined("abandoned")


@pytest.mark.parametrize("call", ["charge", "find", "cancel"])
def test_the_table_s_silence_is_the_processor_s(world, call):
    processor, _, wire = world
    wire.fail("GetItem" if call == "find" else "PutItem", timed_out(), times=4)
    with pytest.raises(NoAnswer):
        getattr(processor, call)(*(("pay_1", USD, "canary") if call == "charge" else ("pay_1",)))


def test_an_answer_that_the_table_lost_is_found_again(world):
    processor, _, wire = world
    wire.fail("PutItem", timed_out(), applied=True)
    assert processor.charge("pay_1", USD, "canary") == Approved("ch_1")


def test_a_charge_can_be_forgotten(world):
    processor, table, _ = world
    processor.charge("pay_1", USD, "canary")
    processor.forget("pay_1")
    processor.forget("pay_1")
    assert table.items == {}
