"""What waits for its way to another region: kept, and saved, with the bucket or topic that it comes from."""

from __future__ import annotations

from typing import Any, Final

WAITING: Final = "_waiting"
"""Under which key."""


def region_of(bucket: dict[str, Any]) -> str:
    """Where a bucket of the emulator is."""
    return bucket.get("region") or "us-east-1"
