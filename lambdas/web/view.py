"""A payment as its client sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from lambdas.domain.payment import SECOND, Payment, PaymentStatus, Response
from lambdas.web.answer import PROBLEM, Answer, problem, to_json
from lambdas.web.headers import REPLAYED

if TYPE_CHECKING:
    from lambdas.domain.service import Paid

SHOWN: Final = {
    PaymentStatus.AUTHORIZING: "pending",
    PaymentStatus.UNKNOWN: "pending",
    PaymentStatus.AUTHORIZED: "pending",
    PaymentStatus.CAPTURED: "paid",
    PaymentStatus.DECLINED: "declined",
}

EXAMINED_FOR: Final = 300 * SECOND
"""After so long a client may ask again what people have decided (ms); they take hours."""


def document(payment: Payment) -> dict[str, Any]:
    """The payment's representation."""
    shown: dict[str, Any] = {
        "paymentId": payment.id,
        "status": "pending" if payment.in_doubt else SHOWN[payment.status],
        "amount": payment.money.number,
        "currency": payment.money.currency,
        "customerId": payment.customer,
        "createdAt": datetime.fromtimestamp(payment.created / 1000, UTC).isoformat(timespec="milliseconds"),
    }
    if payment.reason is not None and not payment.in_doubt:
        shown["reason"] = payment.reason
    return shown


def location(payment: Payment) -> str:
    """Where to ask about the payment."""
    return f"/payment/{payment.id}"


def render(payment: Payment) -> Response:
    """The answer to a final payment, to be stored with it."""
    if payment.status is PaymentStatus.CAPTURED:
        return Response(201, to_json(document(payment)))
    refusal = problem(
        "declined",
        "The processor refused the payment; another attempt needs a new Idempotency-Key.",
        paymentId=payment.id,
        reason=payment.reason,
    )
    return Response(refusal.status, refusal.body)


def in_doubt() -> Answer:
    """The answer to who hears the processor's second outcome first: from now on a person has to decide which holds."""
    return problem(
        "internal",
        "The card processor has contradicted itself, and people are examining the payment. Repeat the request later, "
        "with the same Idempotency-Key; do not pay with another one.",
        retry_after=EXAMINED_FOR // SECOND,
    )


def posted(paid: Paid, now: int) -> Answer:
    """The answer to POST: 201, 402, or 202 while the outcome is unknown, with the time until it is asked for again.

    In doubt it is unknown, too, and nobody has failed: as 5XX, each repetition would count for a failing region.
    """
    payment = paid.payment
    headers = {"Location": location(payment)}
    if paid.replayed:
        headers[REPLAYED] = "true"
    if payment.in_doubt or not payment.is_final:
        wait = EXAMINED_FOR if payment.in_doubt else max((payment.retry_at or now) - now, 1)
        headers |= {"Content-Type": "application/json", "Retry-After": str(-(-wait // SECOND))}
        return Answer(202, to_json(document(payment)), headers)
    response = payment.response or render(payment)
    headers["Content-Type"] = "application/json" if response.status == 201 else PROBLEM
    return Answer(response.status, response.body, headers)
