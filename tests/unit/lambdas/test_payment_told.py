"""What the payment code tells people, when no request says which payment it is about."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lambdas.adapters.retry import ATTEMPTS, BUDGET, FIRST_PAUSE, Retry
from lambdas.domain.errors import Contradiction, InProgress, InvalidField, Unavailable
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.payment import LEASE
from lambdas.domain.ports import Lost
from tests.doubles.acquirer import Acquirer
from tests.doubles.payments import START, ManualClock, Region, refused, timed_out


def instruction() -> Instruction:
    return Instruction("storefront", "k", Money.of(Decimal(100), "USD"), "test-123")


def test_who_makes_a_payment_is_told_that_it_is_new():
    payments = Region().service.payments
    assert payments.pay(instruction()).replayed is False
    assert payments.pay(instruction()).replayed is True


def test_a_deferred_audit_names_its_payment_without_a_request():
    region = Region()
    region.bucket.error = refused("SlowDown", 503)
    payment = region.service.payments.pay(instruction()).payment
    (line,) = region.journal.lines
    assert (line["event"], line["payment_id"]) == ("audit_deferred", payment.id)
    later = Region(clock=region.clock, table=region.table, bucket=region.bucket)
    later.clock.time += 10 * LEASE
    assert later.sweep() == {"deferred": 1}
    (line,) = later.journal.lines
    assert (line["event"], line["payment_id"]) == ("sweep_deferred", payment.id)


def test_a_contradiction_names_the_payment_and_both_sides():
    region = Region(processor=(acquirer := Acquirer()))
    other = Region("us-east-2", region.clock, region.table, processor=Acquirer(refuse=True))
    charge = acquirer.charge

    def stall(*arguments):
        region.clock.time += LEASE
        other.sweep()
        return charge(*arguments)

    acquirer.charge = stall
    wish = instruction()
    with pytest.raises(Contradiction, match=f"{wish.payment_id} is DECLINED, the processor now says CAPTURED"):
        region.service.payments.pay(wish)
    assert (
        next(line for line in region.journal.lines if line["event"] == "contradiction")["payment_id"] == wish.payment_id
    )


def test_a_payment_that_is_gone_is_told_so():
    region = Region(processor=Acquirer())
    region.wire.before("UpdateItem", region.table.items.clear)
    with pytest.raises(Unavailable, match=r"^the payment is gone$"):
        region.service.payments.pay(instruction())


def test_errors_say_what_happened():
    assert str(Lost(None)) == "another writer was first"
    assert str(InProgress(1)) == "the payment is being worked on"


@pytest.mark.parametrize("amount", ["1e13", "1.001", "12345678901.23", "0.001"])
def test_an_amount_that_cannot_be_is_told_what_can(amount):
    with pytest.raises(InvalidField) as error:
        Money.of(Decimal(amount), "USD")
    assert error.value.reason == "must have at most 2 decimals and be at most 9999999999.99 in this currency"


@pytest.mark.parametrize("status", [500, 501])
def test_every_failure_of_a_server_is_worth_another_attempt(status):
    calls = []

    def failing(**_):
        calls.append(status)
        raise refused("SomethingNew", status)

    with pytest.raises(Unavailable):
        Retry(ManualClock())(failing)
    assert len(calls) == ATTEMPTS


def test_an_attempt_that_would_start_after_the_budget_is_not_waited_for():
    clock, calls = ManualClock(), []

    def slow(**_):
        calls.append(clock.now())
        clock.time += BUDGET - FIRST_PAUSE + 1
        raise timed_out()

    with pytest.raises(Unavailable):
        Retry(clock)(slow)
    assert calls == [START]
    assert clock.slept == []
