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
        ("99999d", 0.0),
    ],
)
def test_a_moment(text, at):
    assert moment(text, NOW) == at


@pytest.mark.parametrize("text", ["", "yesterday", "0m", "-5m", "5", "5w", "2099-01-01T00:00Z", "٥m"])
def test_what_is_none_is_one_line(text):
    with pytest.raises(Problem) as caught:
        moment(text, NOW)
    assert "\n" not in str(caught.value)
