"""The verdict in evidence is that of its figures, and each of them is judged by what was promised."""

from __future__ import annotations

import json

import pytest

from drill import records
from drill.evidence import gather
from drill.figures import measure
from drill.reconcile import examine
from drill.records import Attempt
from shared.roles import PerRole
from tests.unit.drill.left_by_a_drill import (
    LONGEST,
    MISSED,
    ONE_CLIENT,
    PAYMENTS,
    RETURNED,
    a_charge,
    books_of,
    keeping_quiet,
    left,
    lie_in_figures,
    telling,
    the,
    verify,
)
from tests.unit.drill.test_figures import EVENTS, FAULT, PLAN


def test_objective_and_verdict_are_told_as_they_are_recomputed(tmp_path):
    for name, attempts, said in (("in-time", ONE_CLIENT, "passed"), ("late", MISSED, "missed")):
        folder = left(tmp_path / name, attempts, events=RETURNED)
        told = verify(tmp_path / f"{name}-out", gather(folder, tmp_path / f"{name}-out"))
        ends = f"objective 120 s; figures: {said}; verdict: {said}"
        assert told.stdout.rstrip().endswith(ends), told.stdout + told.stderr
        records.write(folder / records.OUTCOME, {"status": "inconclusive", "code": 3, "why": "slow"})
        told = verify(tmp_path / f"{name}-no", gather(folder, tmp_path / f"{name}-no"))
        assert told.stdout.rstrip().endswith(f"figures: {said}; verdict: inconclusive"), told.stderr


@pytest.mark.parametrize("status", ["passed", "aborted", "", "Missed"])
def test_a_verdict_that_is_not_that_of_the_figures_is_refused(tmp_path, status):
    folder = left(tmp_path / "drill", MISSED)
    records.write(folder / records.OUTCOME, {"status": status, "code": 0, "why": "every objective held"})
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert f"verdict: {status} was told, and it is missed" in found.stderr


def held(told):
    for each in told["figures"]:
        each["held"] = True


def unbounded(told):
    for each in told["figures"]:
        each["bound"] = 9999.0 if each["bound"] is not None else None


def unpromised(name):
    return telling(name, objective=None, bound=None, held=None)


JUDGED = [
    each["name"]
    for each in measure(PLAN, ONE_CLIENT, EVENTS, examine(books_of(ONE_CLIENT))).to_json()["figures"]
    if (each["objective"], each["bound"], each["held"]) != (None, None, None)
]
"""Every figure that decides a drill of a broken primary, whatever figures there are."""
AS_TOLD = ("clients stayed away until restored", "clients are served there again")

LENIENT = {
    "all held": held,
    "wide bounds": unbounded,
    "no held is false but 0": lambda told: [e.update(held=0) for e in told["figures"] if e["held"] is False],
    **{f"nothing promised of {name}": unpromised(name) for name in JUDGED if name not in AS_TOLD},
    **{f"no {name}": keeping_quiet(name) for name in JUDGED},
    **{f"other {name}": telling(name, measured=7) for name in JUDGED if name not in AS_TOLD},
    "another judged": lambda told: told["figures"].append({**the(told, LONGEST), "name": "another", "held": True}),
    "another held": lambda told: told["figures"].append({**the(told, "RTO, p50"), "name": "another", "held": True}),
}


@pytest.mark.parametrize("lie", LENIENT)
def test_figures_that_are_judged_otherwise_than_they_must_be_are_refused(tmp_path, lie):
    one = PAYMENTS["one"]
    books = books_of(MISSED, charges=[a_charge(one)], payments=PerRole({one.id: one}, {one.id: one}))
    folder = left(tmp_path / "drill", MISSED, books=books)
    lie_in_figures(folder, LENIENT[lie])
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    if lie == "no held is false but 0":
        assert "missed" in found.stdout + found.stderr
    else:
        assert (found.returncode, "REFUSED" in found.stderr) == (1, True), found.stdout


def out_again():
    """A drill whose only client came back in time, and was then out for far too long."""
    again = [Attempt("a", "fresh", "third", 1, FAULT + 60, FAULT + 60, FAULT + 65, "failed")]
    late = FAULT + 390
    again.append(Attempt("a", "fresh", "third", 2, FAULT + 60, late, late + 1, "created", 201, PAYMENTS["third"].id))
    return [*ONE_CLIENT, *again]


AGAIN = {
    "shorter": telling(LONGEST, measured=9.0, held=True),
    "left out": keeping_quiet(LONGEST),
    "promised later": telling(LONGEST, objective=999.0, held=True),
    "not promised": unpromised(LONGEST),
    "held all the same": telling(LONGEST, held=True),
}


@pytest.mark.parametrize("lie", AGAIN)
def test_a_drill_that_missed_by_a_second_outage_alone_passes_nowhere(tmp_path, lie):
    """Whatever decides a verdict is worked out again: a figure that is only copied lets a missed drill pass."""
    folder = left(tmp_path / "drill", out_again(), events=RETURNED)
    figures = json.loads((folder / records.FIGURES).read_text())
    assert [each["name"] for each in figures["figures"] if each["held"] is False] == [LONGEST]
    assert verify(tmp_path / "h", gather(folder, tmp_path / "h")).stdout.rstrip().endswith("verdict: missed")
    lie_in_figures(folder, AGAIN[lie])
    records.write(folder / records.OUTCOME, {"status": "passed", "code": 0, "why": "every objective held"})
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert (found.returncode, LONGEST in found.stderr) == (1, True), found.stdout
