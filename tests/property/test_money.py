from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import InvalidField
from lambdas.domain.money import DIGITS, MAX_MINOR_UNITS, Money

currencies = st.sampled_from(sorted(DIGITS))
minor_units = st.integers(1, MAX_MINOR_UNITS)


@given(minor_units, currencies, st.integers(0, 30))
def test_every_amount_of_a_currency_is_kept_exactly(units, currency, zeros):
    amount = Decimal(units).scaleb(-DIGITS[currency])
    padded = Decimal(f"{amount:f}" + ("" if "." in f"{amount:f}" else ".") + "0" * zeros)
    money = Money.of(padded, currency)
    assert money == Money(units, currency)
    assert money.amount == amount
    assert Decimal(repr(money.number)) == amount


@given(minor_units, currencies, st.integers(1, 40))
def test_a_digit_too_many_is_refused(units, currency, places):
    smaller = Decimal(f"{Decimal(units).scaleb(-DIGITS[currency]):f}") + Decimal(1).scaleb(-DIGITS[currency] - places)
    exact = (
        Decimal(str(smaller)) if len(smaller.as_tuple().digits) < 28 else Decimal(1).scaleb(-DIGITS[currency] - places)
    )
    with pytest.raises(InvalidField, match="at most"):
        Money.of(exact, currency)


@given(st.decimals(allow_nan=True, allow_infinity=True), currencies)
def test_any_decimal_is_either_kept_or_refused_with_its_field(amount, currency):
    try:
        money = Money.of(amount, currency)
    except InvalidField:
        return
    assert money.amount == amount
    assert 0 < money.minor_units <= MAX_MINOR_UNITS


@pytest.mark.parametrize("amount", ["1e999999", "-1", "0", "-0", "NaN", "sNaN", "Infinity", "1e-999999", "10000000000"])
def test_what_is_no_amount_is_refused_at_once(amount):
    with pytest.raises(InvalidField) as caught:
        Money.of(Decimal(amount), "USD")
    assert caught.value.field == "amount"


def test_the_refusal_says_what_is_accepted():
    with pytest.raises(InvalidField) as caught:
        Money.of(Decimal("1.005"), "USD")
    assert str(caught.value) == "amount: must have at most 2 decimals and be at most 9999999999.99 in this currency"
    with pytest.raises(InvalidField, match="amount: must be a number above 0"):
        Money.of(Decimal(0), "USD")


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("9999999999.99", "USD", MAX_MINOR_UNITS),
        ("999999999999", "JPY", MAX_MINOR_UNITS),
        ("999999999.999", "KWD", MAX_MINOR_UNITS),
    ],
)
def test_the_largest_amount_is_accepted_and_the_next_is_not(amount, currency, units):
    assert Money.of(Decimal(amount), currency).minor_units == units
    with pytest.raises(InvalidField):
        Money.of(Decimal(amount) + Decimal(1).scaleb(-DIGITS[currency]), currency)


@given(st.text(max_size=4).filter(lambda text: text not in DIGITS))
def test_other_currencies_are_refused(currency):
    with pytest.raises(InvalidField) as caught:
        Money.of(Decimal(1), currency)
    assert caught.value.field == "currency"
    assert caught.value.reason == "must be an ISO 4217 code in capitals, such as USD"


def test_a_whole_amount_is_a_whole_number():
    assert repr(Money(10000, "USD").number) == "100"
    assert repr(Money(10050, "USD").number) == "100.5"


@pytest.mark.parametrize(("currency", "digits"), [("USD", 2), ("JPY", 0), ("KWD", 3), ("EUR", 2), ("KRW", 0)])
def test_digits_are_those_of_iso_4217(currency, digits):
    assert DIGITS[currency] == digits


def test_the_table_has_each_code_once():
    assert len(DIGITS) == 155
    assert all(len(code) == 3 and code.isupper() for code in DIGITS)
