"""A payment as a DynamoDB item, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from lambdas.domain.money import Money
from lambdas.domain.payment import Lease, Payment, PaymentStatus, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = dict[str, dict[str, Any]]

PAYMENT: Final = "payment"
SHARDS: Final = tuple(f"payment-{number}" for number in range(8))
"""Partitions of the index `unfinished`: one would be hot, as every payment passes through it."""


def key(payment_id: str) -> Item:
    """The item's primary key."""
    return {"pk": {"S": payment_id}, "sk": {"S": PAYMENT}}


def shard(payment_id: str) -> str:
    """The payment's partition of the index."""
    return SHARDS[crc32(payment_id.encode()) % len(SHARDS)]


def to_item(payment: Payment) -> Item:
    """Every attribute that this version of the code knows; what is None or False is left out (sparse index)."""
    lease, response, due = payment.lease, payment.response, payment.due
    values: dict[str, str | int | None] = {
        "client": payment.client,
        "fingerprint": payment.fingerprint,
        "minor_units": payment.money.minor_units,
        "currency": payment.money.currency,
        "customer": payment.customer,
        "region": payment.region,
        "created": payment.created,
        "updated": payment.updated,
        "status": payment.status.value,
        "version": payment.version,
        "lease_holder": lease.holder if lease else None,
        "lease_until": lease.until if lease else None,
        "attempts": payment.attempts,
        "retry_at": payment.retry_at,
        "reference": payment.reference,
        "reason": payment.reason,
        "response_status": response.status if response else None,
        "response_body": response.body if response else None,
        "unfinished": shard(payment.id) if due is not None else None,
        "due": due,
    }
    item: Item = {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in values.items()
        if value is not None
    }
    item["steps"] = {"L": [{"S": f"{status.value} {at}"} for status, at in payment.steps]}
    if payment.audit_pending:
        item["audit_pending"] = {"BOOL": True}
    return {**key(payment.id), **item}


def from_item(item: Mapping[str, Mapping[str, Any]]) -> Payment:
    """The payment; attributes that a newer version of the code has added are left alone."""

    def text(name: str) -> str:
        return str(item[name]["S"])

    def number(name: str) -> int:
        return int(item[name]["N"])

    return Payment(
        id=text("pk"),
        client=text("client"),
        fingerprint=text("fingerprint"),
        money=Money(number("minor_units"), text("currency")),
        customer=text("customer"),
        region=text("region"),
        created=number("created"),
        updated=number("updated"),
        steps=tuple(_step(step["S"]) for step in item["steps"]["L"]),
        version=number("version"),
        lease=Lease(text("lease_holder"), number("lease_until")) if "lease_holder" in item else None,
        attempts=number("attempts"),
        retry_at=number("retry_at") if "retry_at" in item else None,
        reference=text("reference") if "reference" in item else None,
        reason=text("reason") if "reason" in item else None,
        audit_pending="audit_pending" in item,
        response=Response(number("response_status"), text("response_body")) if "response_status" in item else None,
    )


def _step(text: str) -> tuple[PaymentStatus, int]:
    status, at = text.split(" ")
    return PaymentStatus(status), int(at)
