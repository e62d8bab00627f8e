"""Amounts as exact decimals, checked against their currency (ISO 4217)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from lambdas.domain.errors import InvalidField

# ISO 4217, codes in use for payments as of 2026-01 (no metals, fund codes, testing codes), by the minor unit's digits.
_DIGITS_0: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_DIGITS_2: Final = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK
DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD
KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP
PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
_DIGITS_3: Final = "BHD IQD JOD KWD LYD OMR TND"

DIGITS: Final = {
    code: digits for digits, codes in ((0, _DIGITS_0), (2, _DIGITS_2), (3, _DIGITS_3)) for code in codes.split()
}
"""Currency code -> digits after the decimal point."""

MAX_MINOR_UNITS: Final = 10**12 - 1
"""ISO 8583 gives an amount twelve digits, in minor units (data element 4)."""

_LONGEST: Final = 13  # digits before the point that an amount within the limit can have, for any currency


@dataclass(frozen=True, slots=True)
class Money:
    """A positive amount in a currency's minor units: exact, comparable, one representation per value."""

    minor_units: int
    currency: str

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Money:
        """The amount in major units. Raises InvalidField (`amount` or `currency`)."""
        digits = DIGITS.get(currency)
        if digits is None:
            raise InvalidField("currency", "must be an ISO 4217 code in capitals, such as USD")
        if not amount.is_finite() or amount <= 0:
            raise InvalidField("amount", "must be a number above 0")
        # First the size: scaling 1e999999 would fill the memory.
        if amount.adjusted() >= _LONGEST or amount.adjusted() < -digits:
            raise InvalidField("amount", cls._accepted(digits))
        _, figures, exponent = amount.as_tuple()
        written = "".join(map(str, figures))
        figure = written.rstrip("0")  # Decimal.normalize() would round to its context's 28 places
        shift = int(exponent) + len(written) - len(figure) + digits
        if shift < 0:
            raise InvalidField("amount", cls._accepted(digits))
        minor_units = int(figure) * 10**shift
        if minor_units > MAX_MINOR_UNITS:
            raise InvalidField("amount", cls._accepted(digits))
        return cls(minor_units, currency)

    @staticmethod
    def _accepted(digits: int) -> str:
        largest = Decimal(MAX_MINOR_UNITS).scaleb(-digits)
        return f"must have at most {digits} decimals and be at most {largest:f} in this currency"

    @property
    def amount(self) -> Decimal:
        """Major units, with exactly the currency's digits: 100 USD is 100.00."""
        return Decimal(self.minor_units).scaleb(-DIGITS[self.currency])

    @property
    def number(self) -> int | float:
        """The amount for JSON. Exact: at most twelve digits, and a double keeps fifteen."""
        amount = self.amount
        whole = int(amount)
        return whole if whole == amount else float(amount)
