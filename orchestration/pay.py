"""A payment by the storefront, as a client of the system makes one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
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
    from orchestration.target import Target
    from shared.environment import Environment


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


def pay(
    target: Target,
    environment: Environment,
    *,
    amount: str,
    currency: str,
    customer: str,
    role: str | None = None,
    key: str = "",
) -> Receipt:
    """Post a payment to a region's own name, the primary's by default; a new idempotency key unless one is given.

    Raises Problem when nothing is deployed, the region does not answer or there is no key for the client.
    """
    if role is not None and role not in ROLES:
        raise Problem(f"unknown region {role!r}: choose primary or secondary")
    storefront = merchant(target, environment, STOREFRONT, PRIMARY if role is None else role)
    idempotency_key = key or secrets.token_urlsafe(16)
    payment = {"amount": _number(amount), "currency": currency, "customerId": customer}
    return Receipt(idempotency_key, storefront.pay(payment, idempotency_key))


def _number(amount: str) -> float | int | str:
    """Return the amount as a JSON number; what is none goes as it is, for the API to refuse."""
    for kind in (int, float):
        try:
            return kind(amount)
        except ValueError:
            continue
    return amount
