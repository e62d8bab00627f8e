"""A payment by the storefront, as a client of the system makes one."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orchestration import api
from orchestration.api import ApiResponse, Merchant
from orchestration.aws import Aws
from orchestration.target import published
from shared.clients import REPLAYED, SERVED_BY, STOREFRONT
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, Role
from shared.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.target import Target
    from shared.environment import Environment


JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")
"""As RFC 8259 has it; an exponent of more than four digits is no amount of money."""
LONGEST = 4000
"""Digits that Python reads as an integer."""
LATE = "/problems/late"
"""What a region answers that is starting up: nothing was begun (docs/overload.md)."""
STARTS = 5
"""Times that it may say so."""


@dataclass(frozen=True)
class Receipt:
    """What came back for a payment, and from where."""

    key: str
    """The Idempotency-Key: send it again, to either region, and the same payment is answered."""
    answer: ApiResponse

    @property
    def served_by(self) -> str:
        """The region and its role, in the function's own words."""
        return self.answer.headers.get(SERVED_BY.lower(), "an unknown region")

    @property
    def replayed(self) -> bool:
        return self.answer.headers.get(REPLAYED.lower()) == "true"

    @property
    def paid(self) -> bool:
        return self.answer.status == 201

    def to_json(self) -> dict[str, Any]:
        return {
            "status": self.answer.status,
            "served_by": self.served_by,
            "replayed": self.replayed,
            "idempotency_key": self.key,
            "answer": self.answer.body,
        }


def merchant(target: Target, environment: Environment, client: str, role: Role) -> Merchant:
    """Return a client of the API at a region's own name. Raises Problem when nothing is deployed or it has no key."""
    region = environment.region(role)
    names = published(target, Stack("edge", environment.name), "region_names")
    arns = published(target, Stack("data", environment.name), "api_keys_secret_arns")
    secret = Aws(target.cli.variables).secret(arns[role], region)
    return api.merchant(client, api.entry(target.gateways, region, names[role]), secret)


def wish(amount: str, currency: str, customer: str) -> dict[str, Any]:
    """Return the body of a payment as a person has typed it. Raises Problem for an amount that is no JSON number.

    An amount is sent as it is written, or not at all: `1_000` and `1e-400` are numbers to Python, and other ones.
    """
    if not JSON_NUMBER.fullmatch(amount):
        raise Problem(
            f"--amount {amount!r} is no JSON number: write digits, and a point before decimals, as in 1000.50"
        )
    number = int(amount) if amount.lstrip("-").isdigit() and len(amount) < LONGEST else float(amount)
    if Decimal(repr(number)) != Decimal(amount):
        raise Problem(f"--amount {amount!r} has more digits than a JSON number keeps: it would be rounded")
    return {"amount": number, "currency": currency, "customerId": customer}


def idempotency_key(given: str | None) -> str:
    """Return the key as it is sent; a new one for None. Raises Problem for one that a header would change."""
    if given is None:
        return secrets.token_urlsafe(16)
    if not api.is_header_value(given):
        raise Problem(
            f"--key {given!r} is no header's value: use printable ASCII characters, without blanks around them"
        )
    return given


def pay(
    target: Target, environment: Environment, payment: Mapping[str, Any], key: str, role: Role = PRIMARY
) -> Receipt:
    """Post a payment to a region's own name, the primary's by default.

    A region that says that it is starting up is asked again with the same key, as clients do. Raises Problem when
    nothing is deployed, the region does not answer or there is no key for the client.
    """
    storefront = merchant(target, environment, STOREFRONT, role)
    for _ in range(STARTS):
        answer = storefront.pay(payment, key)
        if not isinstance(answer.body, dict) or answer.body.get("type") != LATE:
            break
        time.sleep(float(answer.headers.get("retry-after", 1)))
    return Receipt(key, answer)


def chosen(role: str | None) -> Role:
    """Return a role that a person has typed, the primary by default. Raises Problem."""
    for known in ROLES:
        if role == known:
            return known
    if role is None:
        return PRIMARY
    raise Problem(f"unknown region {role!r}: choose primary or secondary")
