"""A plan's file: where it cannot be written, and what it names that is not there; told in a line, before anything."""

from __future__ import annotations

import pytest

from orchestration import planning
from orchestration.choice import Choice
from orchestration.foreseen import Forecast, ForeseenStack
from orchestration.graph import Graph
from orchestration.promise import Promise
from shared.errors import Problem


@pytest.fixture
def nothing_asked(monkeypatch):
    monkeypatch.setattr(planning, "choose", lambda *_: pytest.fail("a target was chosen"))


@pytest.mark.usefixtures("nothing_asked")
@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("", r"folder: name a file"),
        ("file/plan.json", r"nothing can be written in .*file: name another place"),
        ("closed/plan.json", r"nothing can be written in .*closed: name another place"),
        ("closed/deeper/plan.json", r"nothing can be written in .*closed: name another place"),
    ],
)
def test_a_place_that_cannot_take_the_plan_is_told_before_an_hour_of_previews(tmp_path, monkeypatch, out, said):
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr("os.access", lambda path, _: path != tmp_path / "closed")  # root may write all
    with pytest.raises(Problem, match=said):
        planning.plan(Choice(), out=str(tmp_path / out), details=False)


def test_a_plan_with_a_stack_that_the_environment_has_not_is_refused():
    """Of another branch, or made while a vault was asked for."""
    names = ("data/payments", "vault/payments")
    stacks = [ForeseenStack(name, name.partition("/")[0], planned=True, state="changes", why="") for name in names]
    promise = Promise(Forecast("payments", "sandbox", "", "", "ana", "now", stacks), "plan.json")
    with pytest.raises(Problem, match="has vault/payments, which payments has not; nothing was changed"):
        promise.chosen(Choice(), Graph.of("payments"))
