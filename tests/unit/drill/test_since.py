"""Moments as people write them."""

from __future__ import annotations

import pytest

from drill.since import moment
from shared.errors import Problem

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30m", NOW - 1800),
        ("2h", NOW - 7200),
        ("1d", NOW - 86400),
        ("45s", NOW - 45),
        ("2026-11-26T10:00Z", 1795687200.0),
        ("2026-11-26T10:00", 1795687200.0),
        ("2026-11-26T11:00+01:00", 1795687200.0),
        ("400d", NOW - 400 * 86400),
    ],
)
def test_a_moment(text, at):
    assert moment(text, NOW) == at


NONE = ("", "yesterday", "0m", "-5m", "5", "5w", "2099-01-01T00:00Z", "٥m")
TOO_FAR = ("401d", "99999d", "0001-01-01", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59")


@pytest.mark.parametrize("text", [*NONE, *TOO_FAR])
def test_what_is_none_is_one_line(text):
    with pytest.raises(Problem) as caught:
        moment(text, NOW)
    assert "\n" not in str(caught.value)
