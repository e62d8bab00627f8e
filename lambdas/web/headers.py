"""The headers of the payment API that are its own."""

from __future__ import annotations

from typing import Final

API_KEY: Final = "x-api-key"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
"""`true` in an answer that repeats an earlier one."""
SERVED_BY: Final = "Served-By"
"""The region and its role."""


def of_every_answer(place: str) -> dict[str, str]:
    """Say who answers, and that nobody keeps the answer."""
    return {SERVED_BY: place, "Cache-Control": "no-store"}
