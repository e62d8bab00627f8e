"""Moments as people write them: `30m` ago, or `2026-11-26T10:00Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from shared.errors import Problem

_AGO: Final = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
LONGEST_AGO: Final = 400
"""Days: audit records are listed day by day."""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(text: str, now: float, option: str = "--since") -> float:
    """Seconds since 1970. Raises Problem, with the option, for what is neither, and for what is still to come."""
    if ago := _AGO.fullmatch(text):
        at = now - int(ago[1]) * _SECONDS[ago[2]]
    else:
        try:
            found = datetime.fromisoformat(text)
            at = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise Problem(f"{option} {text!r} is no time: write 30m, 2h or 1d, or 2026-11-26T10:00Z") from None
    if at > now:
        raise Problem(f"{option} {text} is still to come")
    if at < now - LONGEST_AGO * _SECONDS["d"]:
        raise Problem(f"{option} {text} is too long ago: {LONGEST_AGO} days at most, as each is listed")
    return at
