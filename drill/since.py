"""Moments as people write them: `30m` ago, or `2026-11-26T10:00Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from shared.errors import Problem

_AGO: Final = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(text: str, now: float) -> float:
    """Seconds since 1970. Raises Problem for what is neither, and for what is still to come."""
    if ago := _AGO.fullmatch(text):
        return max(0.0, now - int(ago[1]) * _SECONDS[ago[2]])
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(f"--since {text!r} is no time: write 30m, 2h or 1d, or 2026-11-26T10:00Z") from None
    at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    if at > now:
        raise Problem(f"--since {text} is still to come")
    return at
