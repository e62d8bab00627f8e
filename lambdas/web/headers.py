"""The headers of the payment API that are its own."""

from __future__ import annotations

from typing import Final

API_KEY: Final = "x-api-key"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
"""`true` in an answer that repeats an earlier one."""
SERVED_BY: Final = "Served-By"
"""The region and its role."""
