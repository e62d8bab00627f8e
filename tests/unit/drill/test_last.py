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


@pytest.fixture
def played(tmp_path):
    """Leaves a drill of a day in November beside the runs; returns what is asked for."""
    runs = tmp_path / "orchestration"

    def leave(day, outcome, **change):
        plan = replace(PLAN, id=f"202611{day:02}T080000Z-7", **change)
        folder = tmp_path / "drills" / plan.id
        folder.mkdir(parents=True)
        records.write(folder / records.PLAN, plan.to_json())
        records.write(folder / records.OUTCOME, outcome.to_json())

    leave.newest = lambda choice=HERE: last.of(choice)(runs)
    return leave


def test_without_any_there_is_none(played):
    assert played.newest() is None


def test_the_newest_counts_with_its_day(played):
    played(3, MISSED, fault="hang")
    played(9, PASSED, fault="refuse")
    found = played.newest()
    assert (found.what, found.passed, found.verdict) == ("refuse", True, "passed")
    assert found.at == datetime(2026, 11, 9, 8, tzinfo=UTC).timestamp()


def test_a_missed_one_is_told_with_why(played):
    played(9, MISSED, fault="refuse")
    found = played.newest()
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
def test_what_says_nothing_of_this_system_does_not_count(played, outcome, change):
    played(3, MISSED, fault="hang")
    played(9, outcome, **{"fault": "hang", **change})
    assert played.newest().verdict.startswith("missed")
