"""The audit record of a final payment: the same bytes under the same key, whoever writes it and however often."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.domain.payment import Payment


def key(payment: Payment) -> str:
    """`payments/2026/11/21/<id>.json`, by the day it was created; canaries' under `canary/`."""
    day = datetime.fromtimestamp(payment.created / 1000, UTC)
    prefix = "canary" if payment.is_canary else "payments"
    return f"{prefix}/{day:%Y/%m/%d}/{payment.id}.json"


def record(payment: Payment) -> bytes:
    """Canonical JSON of what is final about the payment: no version, no lease, nothing that a later write changes."""
    return json.dumps(
        {
            "paymentId": payment.id,
            "client": payment.client,
            "customerId": payment.customer,
            "amount": str(payment.money.amount),
            "currency": payment.money.currency,
            "status": payment.status,
            "reference": payment.reference,
            "reason": payment.reason,
            "region": payment.region,
            "fingerprint": payment.fingerprint,
            "steps": [[status, at] for status, at in payment.steps],
            # Only where there is one: records of canaries, and of payments of earlier releases, keep their bytes.
            **({"endpoint": payment.endpoint} if payment.endpoint is not None else {}),
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
