from __future__ import annotations

import pytest

from shared.columns import columns


@pytest.mark.parametrize(
    ("right", "lines"),
    [
        ((), ["a    1", "bcd  23"]),
        ((1,), ["a     1", "bcd  23"]),
        ((0, 1), ["  a   1", "bcd  23"]),
    ],
)
def test_each_column_is_as_wide_as_its_widest_cell(right, lines):
    assert list(columns([("a", "1"), ("bcd", "23")], right)) == lines


def test_no_line_ends_in_blanks_and_no_row_is_no_line():
    assert list(columns([("a", ""), ("bcd", "2")])) == ["a", "bcd  2"]
    assert list(columns([])) == []
