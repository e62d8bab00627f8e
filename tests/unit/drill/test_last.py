"""The drill that counts for readiness is the newest that broke something and came to a verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drill import last, records
from drill.records import NOTHING, DrillOutcome
from orchestration.choice import Choice
from tests.unit.drill.test_figures import PLAN

HERE = Choice(PLAN.environment, PLAN.target)
PASSED, MISSED = DrillOutcome("passed", 0), DrillOutcome("missed", 2, "an objective")


class Drills:
    """Those of a checkout, in its folder."""

    def __init__(self, folder):
        self.folder = folder

    def play(self, day, outcome, **change):
        """Leave a drill of a day in November."""
        plan = replace(PLAN, id=f"202611{day:02}T080000Z-7", **change)
        folder = self.folder / "drills" / plan.id
        folder.mkdir(parents=True)
        records.write(folder / records.PLAN, plan.to_json())
        records.write(folder / records.OUTCOME, outcome.to_json())

    def newest(self):
        return last.of(HERE)(self.folder / "orchestration")


@pytest.fixture
def drills(tmp_path):
    return Drills(tmp_path)


def test_without_any_there_is_none(drills):
    assert drills.newest() is None


def test_the_newest_counts_with_its_day(drills):
    drills.play(3, MISSED, fault="hang")
    drills.play(9, PASSED, fault="refuse")
    found = drills.newest()
    assert (found.what, found.passed, found.verdict) == ("refuse", True, "passed")
    assert found.at == datetime(2026, 11, 9, 8, tzinfo=UTC).timestamp()


def test_a_missed_one_is_told_with_why(drills):
    drills.play(9, MISSED, fault="refuse")
    found = drills.newest()
    assert (found.passed, found.verdict) == (False, "missed (an objective)")


@pytest.mark.parametrize(
    ("outcome", "change"),
    [
        (DrillOutcome("inconclusive", 3), {}),
        (DrillOutcome("aborted", 130), {}),
        (PASSED, {"fault": NOTHING}),
        (PASSED, {"environment": "another"}),
        (PASSED, {"target": "aws"}),
    ],
)
def test_what_says_nothing_of_this_system_does_not_count(drills, outcome, change):
    drills.play(3, MISSED, fault="hang")
    drills.play(9, outcome, **{"fault": "hang", **change})
    assert drills.newest().verdict.startswith("missed")
