"""The stop switch as an object in the secondary: where it is, and what it says.

Functions say the same in `lambdas/failover_control/switch.py`, as they import nothing from here: a test compares the
two.
"""

from __future__ import annotations

from typing import Final

KEY: Final = "stop-switch"
RUN: Final = "primary: run"
DEPLOYED: Final = "primary: run, as deployed"
"""What it says before anybody has moved it: the latch waits for clients to go back after a restoration alone."""
STOPPED: Final = "primary: stop"
"""What Route 53's checkers look for. Whatever does not contain it leaves the primary where it is."""

READERS: Final = "CheckersRead"
"""The statement of the bucket's policy that says from where it may be read."""

CONTENT_TYPE: Final = "text/plain"
ENCRYPTION: Final = "AES256"
"""SSE-S3: the checkers sign nothing, and S3 refuses unsigned reads of what a KMS key encrypts."""

SEARCHED_BYTES: Final = 5_120
"""The part of an answer that a checker searches (Route 53 API Reference, HealthCheckConfig, SearchString)."""


def host(bucket: str, region: str) -> str:
    """The bucket's own name in its region: neither S3's global name nor another region is on the way."""
    return f"{bucket}.s3.{region}.amazonaws.com"
