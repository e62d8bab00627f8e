"""From a request's body to an instruction: what the API accepts, field by field."""

from __future__ import annotations

import codecs
import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from lambdas.domain.errors import InvalidField
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money

FIELDS: Final = frozenset({"amount", "currency", "customerId"})
CUSTOMER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CARD_NUMBER: Final = re.compile(r"\d{13,19}")


class MalformedBody(ValueError):
    """The body is not one JSON object."""


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body, numbers as exact decimals. Raises MalformedBody, which says what is wrong."""
    if body.startswith(codecs.BOM_UTF8):
        raise MalformedBody("The body begins with a byte order mark: send UTF-8 without one (RFC 8259, 8.1).")
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_float=_number,
            parse_int=_number,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8, whatever its charset says: see byte {error.start + 1}.") from error
    except json.JSONDecodeError as error:
        raise MalformedBody(f"The body is not JSON: see line {error.lineno}, column {error.colno}.") from error
    except RecursionError as error:
        raise MalformedBody("The body is nested too deep.") from error
    if not isinstance(value, dict):
        raise MalformedBody("The body is JSON, but no object.")
    return value


def to_instruction(client: str, key: str, fields: dict[str, Any]) -> Instruction:
    """The validated instruction. Raises InvalidField for the first field that is wrong."""
    for name in sorted(FIELDS - fields.keys()):
        raise InvalidField(name, "is missing")
    for name in sorted(fields.keys() - FIELDS):
        raise InvalidField(name[:64], "is not a field of a payment")
    amount, currency, customer = fields["amount"], fields["currency"], fields["customerId"]
    if not isinstance(amount, Decimal):
        raise InvalidField("amount", "must be a number")
    if not isinstance(currency, str):
        raise InvalidField("currency", "must be a string")
    if not isinstance(customer, str) or not CUSTOMER.fullmatch(customer):
        raise InvalidField("customerId", "must be 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first")
    if is_card_like(customer):
        raise InvalidField("customerId", "looks like a card number: send your own name of the customer")
    return Instruction(client, key, Money.of(amount, currency), customer)


def is_card_like(text: str) -> bool:
    """Whether the text is a number of a card's length whose check digit is right (ISO/IEC 7812, Luhn's sum)."""
    digits = re.sub(r"[._-]", "", text)
    if not _CARD_NUMBER.fullmatch(digits):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("Infinity")  # an exponent beyond all machines: as an amount it is refused


def _refuse(constant: str) -> None:
    raise MalformedBody(f"The body has {constant}, which is no JSON number.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name in fields:
            raise MalformedBody(f"The body has a member twice: {name[:64]}.")
        fields[name] = value
    return fields
