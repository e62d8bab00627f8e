"""A payment as a DynamoDB item, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from lambdas.domain.errors import Unreadable
from lambdas.domain.money import DIGITS, MAX_MINOR_UNITS, Money
from lambdas.domain.payment import Lease, Payment, PaymentStatus, Response, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

Item = dict[str, dict[str, Any]]

PAYMENT: Final = "payment"
PARTITIONS: Final = {task: tuple(f"{task}-{number}" for number in range(8)) for task in Task}
"""Partitions of the index `unfinished`, by what is to be done. One for each task would be hot, as every payment passes
through them; and one for all tasks would have the sweep tidy up before it finishes what is fresh."""


def key(payment_id: str) -> Item:
    """The item's primary key."""
    return {"pk": {"S": payment_id}, "sk": {"S": PAYMENT}}


def partition(task: Task, payment_id: str) -> str:
    """Where the index has the payment."""
    names = PARTITIONS[task]
    return names[crc32(payment_id.encode()) % len(names)]


def to_item(payment: Payment) -> Item:
    """Every attribute that this version of the code knows; what is None or False is left out (sparse index)."""
    lease, response, task = payment.lease, payment.response, payment.task
    values: dict[str, str | int | None] = {
        "client": payment.client,
        "fingerprint": payment.fingerprint,
        "minor_units": payment.money.minor_units,
        "currency": payment.money.currency,
        "customer": payment.customer,
        "region": payment.region,
        "endpoint": payment.endpoint,
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
        "unfinished": partition(task, payment.id) if task is not None else None,
        "due": payment.due,
    }
    item: Item = {
        name: {"N": str(value)} if isinstance(value, int) else {"S": value}
        for name, value in values.items()
        if value is not None
    }
    item["steps"] = {"L": [{"S": f"{status} {at}"} for status, at in payment.steps]}
    if payment.audit_pending:
        item["audit_pending"] = {"BOOL": True}
    if payment.in_doubt:
        item["in_doubt"] = {"BOOL": True}
    return {**key(payment.id), **item}


def from_item(item: Mapping[str, Mapping[str, Any]]) -> Payment:
    """The payment; attributes that a newer version of the code has added are left alone.

    Raises Unreadable for what this version cannot understand, such as a status that it does not know. Steps of the past
    may have such a status: what a payment was does not matter to what happens next.
    """
    try:
        return _read(item)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise Unreadable(f"cannot be read: {type(error).__name__}: {error}") from error


def _read(item: Mapping[str, Mapping[str, Any]]) -> Payment:
    def text(name: str) -> str:
        return str(item[name]["S"])

    def number(name: str) -> int:
        return int(item[name]["N"])

    steps = tuple(_step(step["S"]) for step in item["steps"]["L"])
    if PaymentStatus(text("status")) is not PaymentStatus(steps[-1][0]):
        # A write would name the one and find the other: refused for ever, as if another had been first.
        raise ValueError(f"its status is {text('status')}, and its last step {steps[-1][0]}")
    money = Money(number("minor_units"), text("currency"))
    if money.currency not in DIGITS:
        raise ValueError(f"{money.currency!r} is not a known currency")
    if not 0 < money.minor_units <= MAX_MINOR_UNITS:
        raise ValueError(f"{money.minor_units} minor units are no amount")
    return Payment(
        id=text("pk"),
        client=text("client"),
        fingerprint=text("fingerprint"),
        money=money,
        customer=text("customer"),
        region=text("region"),
        created=number("created"),
        updated=number("updated"),
        steps=steps,
        endpoint=text("endpoint") if "endpoint" in item else None,
        version=number("version"),
        lease=Lease(text("lease_holder"), number("lease_until")) if "lease_holder" in item else None,
        attempts=number("attempts"),
        retry_at=number("retry_at") if "retry_at" in item else None,
        reference=text("reference") if "reference" in item else None,
        reason=text("reason") if "reason" in item else None,
        audit_pending="audit_pending" in item,
        in_doubt="in_doubt" in item,
        response=Response(number("response_status"), text("response_body")) if "response_status" in item else None,
    )


def _step(text: str) -> tuple[str, int]:
    status, at = text.split(" ")
    return status, int(at)
