"""The cloud's repairs, each with what is wrong without it and the tests that prove it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sandbox.cloud import repairs
from shared.errors import Problem
from tests.sandbox.proofs import PROOFS, WITHOUT

ROOT = Path(__file__).parents[3]


def functions(file: Path) -> list[ast.FunctionDef]:
    return [each for each in ast.parse(file.read_text()).body if isinstance(each, ast.FunctionDef)]


def test_each_repair_has_its_tests():
    assert set(PROOFS) == set(repairs.REPAIRS)
    assert all(PROOFS.values())


def test_each_of_these_tests_is_there():
    named = {test.partition("[")[0] for tests in PROOFS.values() for test in tests}
    there = {
        f"{file}::{each.name}"
        for file in {test.partition("::")[0] for test in named}
        for each in functions(ROOT / file)
    }
    assert named - there == set()


def test_no_repair_is_forgotten_and_each_names_its_defect():
    found = {
        f"{file.stem}.{each.name}": ast.get_docstring(each)
        for file in Path(repairs.__file__).parent.glob("*.py")
        for each in functions(file)
        if file.stem != "__init__" and not each.name.startswith("_") and not ast.unparse(each.args)
    }
    assert set(found) == set(repairs.REPAIRS)
    assert all(found.values())


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    doubles = {name: lambda name=name: done.append(name) for name in ("a.one", "a.two", "b.three")}
    monkeypatch.setattr(repairs, "REPAIRS", doubles)
    return done


def test_all_are_applied(applied: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(repairs.WITHOUT, raising=False)
    repairs.apply()
    assert applied == ["a.one", "a.two", "b.three"]


def test_a_test_leaves_one_out(applied: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(WITHOUT, "a.two")
    repairs.apply()
    assert applied == ["a.one", "b.three"]


def test_one_that_is_not_there_is_not_left_out_in_silence(applied: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(WITHOUT, "a.tow")
    with pytest.raises(Problem, match=r"^SANDBOX_WITHOUT_REPAIR=a\.tow is no repair; there are a\.one, a\.two, b\.thr"):
        repairs.apply()
    assert applied == []
