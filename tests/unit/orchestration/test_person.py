"""Whoever is at the machine is named, with or without a name, and is asked where that is the rule."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import pytest

from drill import session
from orchestration import consumers, operator, person, planning
from orchestration.choice import Choice
from orchestration.graph import Graph
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT


@pytest.fixture
def nameless(monkeypatch):
    """A user of a container: no variable says a name, and the system's list has none."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)


def test_a_user_without_a_name_has_a_number(nameless):
    assert person.user() == "user 54321"
    assert person.user_and_machine() == f"user 54321@{socket.gethostname()}"
    assert operator.session_name() == "user-54321"
    assert session.about(Environment.load("payments"))["who"] == "user 54321"


def test_a_user_without_a_name_may_plan(nameless, monkeypatch):
    result = SimpleNamespace(plan=SimpleNamespace(steps=[]), outcomes=[], folder=ROOT, code=0)
    monkeypatch.setattr(planning, "operate", lambda *_, **__: result)
    monkeypatch.setattr(planning, "Fingerprints", lambda *_, **__: None)
    monkeypatch.setattr(planning, "_moment", lambda *_: ("", ""))
    monkeypatch.setattr(consumers, "broken", lambda *_: [])
    settings, place = Environment.load("payments"), SimpleNamespace(name="aws", backend=None, generation=None)
    forecast, _ = planning.foresee(place, settings, Graph.of("payments"), Choice(), root=ROOT, check=None)
    assert forecast.to_json()["by"] == f"user 54321@{socket.gethostname()}"


@pytest.mark.parametrize(("asks_first", "yes", "asked"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_a_person_is_asked_where_that_is_the_rule_and_no_yes_was_said(monkeypatch, capsys, asks_first, yes, asked):
    questions = []
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda said: questions.append(said) or "y")
    person.go_ahead(SimpleNamespace(asks_first=asks_first), Choice(yes=yes), "this is done")
    assert len(questions) == asked
    assert ("this is done" in capsys.readouterr().err) is bool(asked)


def test_what_is_done_is_told_before_nobody_is_there_to_be_asked(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(Problem, match="add --yes to go ahead"):
        person.go_ahead(SimpleNamespace(asks_first=True), Choice(), "this is done")
    assert "this is done" in capsys.readouterr().err
