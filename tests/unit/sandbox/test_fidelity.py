"""docs/fidelity.md against the repairs and their tests: it cannot name what is not there, nor leave out what is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from sandbox.cloud.repairs import REPAIRS
from tests.sandbox.proofs import PROOFS

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs/fidelity.md").read_text()
PAGES = re.compile(r"\[[^]]+\]\((https://(?:docs\.aws\.amazon\.com|smithy\.io)/[^)]+)\)")


class Row(NamedTuple):
    """One point in which the sandbox is as AWS."""

    aws: str
    repair: str
    pages: list[str]
    tests: set[str]


def tables(heading: str) -> list[list[list[str]]]:
    """The tables between a heading and the next of its rank: rows of cells, the heading's row first."""
    text = DOCUMENT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split("|")] for line in each.splitlines()] for each in found]


ROWS = [
    Row(cells[0], cells[1].strip("`"), PAGES.findall(cells[2]), set(re.findall(r"`(\w+)`", cells[3])))
    for table in tables("As AWS")
    for cells in table[2:]
]


def named(repair: str) -> set[str]:
    """The tests that prove a repair, as the document names them."""
    return {test.rpartition("::")[2].partition("[")[0] for test in PROOFS[repair]}


def test_each_repair_has_one_row_and_each_row_a_repair():
    assert sorted(row.repair for row in ROWS) == sorted(REPAIRS)


@pytest.mark.parametrize("row", ROWS, ids=[row.repair for row in ROWS])
def test_a_row_says_what_aws_does_where_it_says_so_and_what_proves_it(row: Row):
    assert row.aws
    assert row.pages, "no page of AWS's"
    assert row.tests == named(row.repair)


@pytest.mark.parametrize("heading", ["Between regions", "Load balancers"])
def test_what_is_ours_has_aws_pages_and_tests(heading: str):
    (table,) = tables(heading)
    assert table[0] == ["AWS", "page", "tests"]
    for row in table[2:]:
        assert PAGES.search(row[1]), row[0]
        assert re.search(r"`test_\w+`", row[2]), row[0]


def test_every_table_has_the_same_columns():
    assert {tuple(table[0]) for table in tables("As AWS")} == {("AWS", "repair", "page", "tests")}
    (left,) = tables("Not as AWS")
    assert left[0] == ["service", "AWS", "here"]
    assert all(len(cells) == 3 and all(cells) for cells in left[2:])


def test_each_test_that_is_named_is_there():
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    missing = {name for name in re.findall(r"`(test_\w+)`", DOCUMENT) if f"def {name}(" not in sources}
    assert not missing
