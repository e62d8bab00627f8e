"""Names of the business metrics that more than one function counts."""

from __future__ import annotations

from typing import Final

from lambdas.domain.payment import PaymentStatus

FINISHED: Final = {PaymentStatus.CAPTURED: "PaymentsPaid", PaymentStatus.DECLINED: "PaymentsDeclined"}
"""A final status -> the metric of payments that came to it. Whoever writes the outcome down counts it."""
UNKNOWN: Final = "PaymentsUnknown"
"""Requests that were told to wait."""
