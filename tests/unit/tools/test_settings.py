"""Nothing in pyproject.toml is there twice or without a use."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import metadata

import pytest

from shared.root import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, TOOL = SETTINGS["project"], SETTINGS["tool"]
LINT = TOOL["ruff"]["lint"]

IMPORT = re.compile(r"^ *(?:from|import) ([\w.]+)", re.MULTILINE)
RUN = {"mypy", "pyrefly", "pytest-xdist", "ruff", "uv"}
"""Packages that are run, and not imported."""
LOADED = {
    "aws-lambda-powertools": "bench.payment imports it in a process of its own",
}
"""Packages that something else imports."""


@pytest.fixture(scope="module")
def imported():
    """What our files import, as dotted names."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, text=True)
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in listed.splitlines() if (ROOT / name).is_file()]
    return {name for text in texts for name in IMPORT.findall(text)}


@pytest.fixture(scope="module")
def packages(imported):
    """The packages that these are from."""
    found = metadata.packages_distributions()
    names = {name for each in imported for name in found.get(each.partition(".")[0], ())}
    return {name.lower().replace("_", "-") for name in names}


@pytest.fixture(scope="module")
def findings():
    """What ruff would find without any exception: (file, rule)."""
    ignored = {*LINT["ignore"], *(rule for rules in LINT["per-file-ignores"].values() for rule in rules)}
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero"]
    command += ["--line-length", str(TOOL["ruff"]["line-length"]), "--target-version", TOOL["ruff"]["target-version"]]
    command += ["--config", f"lint.pydocstyle.convention='{LINT['pydocstyle']['convention']}'"]
    command += ["--select", ",".join(sorted(ignored)), "--output-format", "concise", "."]
    lines = subprocess.check_output(command, cwd=ROOT, text=True).splitlines()
    split = (line.split(":", 3) for line in lines if line.count(":") > 2)
    return {(file, said.split()[0]) for file, _, _, said in split}


def test_no_rule_is_ignored_twice_or_for_nothing(findings):
    ignored = LINT["ignore"]
    assert len(ignored) == len(set(ignored))
    assert [rule for rule in ignored if not any(found.startswith(rule) for _, found in findings)] == []


def test_no_file_has_an_exception_that_it_does_not_need(findings):
    exceptions = [(pattern, rule) for pattern, rules in LINT["per-file-ignores"].items() for rule in rules]
    assert len(exceptions) == len(set(exceptions))
    needless = [
        (pattern, rule)
        for pattern, rule in exceptions
        if not any(fnmatch(file, pattern) and found.startswith(rule) for file, found in findings)
    ]
    assert needless == []


def test_mypy_has_exceptions_only_for_what_is_imported(imported):
    overrides = [pattern for override in TOOL["mypy"]["overrides"] for pattern in override["module"]]
    assert len(overrides) == len(set(overrides))
    assert "tests.*" in overrides
    used = {*imported, *(f"{name}." for name in imported)}
    assert [pattern for pattern in overrides if not any(fnmatch(name, pattern) for name in used)] == []


def test_every_dependency_is_used(packages):
    """A package of types is used when what it describes is."""
    required = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    names = [re.split("[=<>]", name)[0] for name in required]
    assert len(names) == len(set(names))
    used = packages | {f"types-{name}" for name in packages} | RUN | set(LOADED)
    assert [name for name in names if name.lower() not in used] == []


def test_what_others_use_is_not_imported_by_us(packages):
    assert (RUN | set(LOADED)) & packages == set()
