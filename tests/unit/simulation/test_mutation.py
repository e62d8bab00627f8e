"""The verdict of the mutation test: what counts, what is excused, and for how long."""

from __future__ import annotations

import inspect
import json
import shutil
import subprocess
import sys
import tomllib
from pkgutil import resolve_name

import pytest

from shared.root import ROOT
from simulation import mutation
from simulation.mutation import Mutant, mutate
from tools import checkout

KILLED = [Mutant("lambdas.domain.money.Money.of", "killed")] * 18


@pytest.fixture
def world(monkeypatch, tmp_path):
    """mutmut's results as they are given, and the list of excuses."""
    listed = tmp_path / "equivalent.toml"
    listed.write_text("mutant = []\n")
    results: list[Mutant] = []
    monkeypatch.setattr(mutation, "_run", lambda: None)
    monkeypatch.setattr(mutation, "_results", lambda: iter(results))
    monkeypatch.setattr(mutation, "EQUIVALENT", listed)
    return results, listed


def excuse(listed, now: str) -> None:
    listed.write_text(f'[[mutant]]\nfunction = "f"\nwas = "a < b"\nnow = "{now}"\nreason = "the same"\n')


def test_ninety_per_cent_are_enough_and_a_timeout_counts(world, capsys):
    results, _ = world
    results += [*KILLED[:8], Mutant("f", "timeout"), Mutant("f", "survived", "a < b", "a <= b")]
    assert mutate() == 0
    out = capsys.readouterr().out
    assert "9 of 10 mutants noticed (90.0 %, 90 wanted), 0 change nothing, 1 survived" in out
    assert "survived: f\n  - a < b\n  + a <= b" in out


@pytest.mark.parametrize("status", ["survived", "no tests", "suspicious"])
def test_less_is_not_enough_and_an_excuse_does_not_count_as_noticed(world, capsys, status):
    results, listed = world
    results += [*KILLED[:8], Mutant("f", status, "a < b", "a <= b"), Mutant("f", status, "a < b", "a > b")]
    excuse(listed, "a <= b")
    assert mutate(as_json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["percent"] == 80.0
    assert [entry["reason"] for entry in report["equivalent"]] == ["the same"]
    assert [entry["now"] for entry in report["survived"]] == ["a > b"]


def test_an_excuse_holds_for_one_mutant_and_only_while_it_survives(world, capsys):
    results, listed = world
    results += [*KILLED, *[Mutant("f", "survived", "a < b", "a <= b")] * 2]
    excuse(listed, "a <= b")
    assert mutate(as_json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert (len(report["equivalent"]), len(report["survived"])) == (1, 1)
    excuse(listed, "a >= b")
    assert mutate() == 1
    assert "outdated, take it out of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("lambdas.domain.money.xǁMoneyǁof__mutmut_3", "lambdas.domain.money.Money.of"),
        ("lambdas.domain.instruction.x__digest__mutmut_12", "lambdas.domain.instruction._digest"),
        ("lambdas.domain.ports.xǁLostǁ__init____mutmut_1", "lambdas.domain.ports.Lost.__init__"),
    ],
)
def test_functions_are_named_as_in_the_code(name, function):
    assert mutation._function(name) == function


def test_a_change_is_what_was_and_what_became_of_it():
    diff = "--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n def f():\n-    return a < b\n+    return a <= b"
    assert mutation._change(diff) == ("return a < b", "return a <= b")


COLLECT_TWICE = """
import sys
sys.path.remove(sys.argv.pop(1))
import pytest
sys.exit(pytest.main(sys.argv[1:]) or pytest.main(sys.argv[1:]))
"""


def test_mutmut_has_all_that_the_tests_need_and_finds_each_by_its_name(tmp_path):
    """A line that imports another folder ends the whole mutation test.

    A test that has another name when it is collected again in one process counts as one that has failed: pytest escapes
    a backslash in what a function gives as `ids` again each time.
    """
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    for name in (*configured["source_paths"], *configured["also_copy"], "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    options = ["-o", "addopts=", "--import-mode=importlib", "--rootdir=.", "--collect-only", "-q"]
    collected = subprocess.run(
        [sys.executable, "-c", COLLECT_TWICE, ROOT, *options, *configured["pytest_add_cli_args_test_selection"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert collected.returncode == 0, collected.stdout + collected.stderr
    names = [line for line in collected.stdout.splitlines() if "::" in line]
    half = len(names) // 2
    assert half > 500
    assert names[:half] == names[half:]


@pytest.mark.prove
def test_nine_of_ten_changes_of_the_payment_code_are_noticed_and_no_excuse_is_outdated(tmp_path):
    """The whole mutation test: half an hour on two slow cores."""
    mutating = checkout.copy(ROOT, tmp_path / "checkout").start("mutate", "--json")
    told = mutating.communicate()
    assert mutating.returncode == 0, "".join(told)


def test_each_excuse_is_about_a_line_of_its_function():
    """What the code has no more is outdated, which the mutation test itself says half an hour later."""
    for entry in tomllib.loads(mutation.EQUIVALENT.read_text())["mutant"]:
        code = inspect.getsource(resolve_name(entry["function"]))
        assert " ".join(entry["was"].split()) in " ".join(code.split()), entry["function"]
