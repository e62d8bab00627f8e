"""GitHub Actions' part of a workflow: which paths start it, and a step in the surroundings that it gets.

From GitHub's documentation: "Workflow syntax" (paths, shell), "Variables", "Workflow commands" (outputs, variables).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.root import ROOT
from tools import checkout as checkouts
from tools.workflows import WORKFLOWS

EXPRESSION = "${{"
SHELLS = {
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
    None: ("bash", "-e"),
}
with_jq = pytest.mark.skipif(not shutil.which("jq"), reason="no jq to choose with")
"""For tests in which jq chooses from answers what a step tells `gh` to choose, as the one that `gh` has in it."""


def documents() -> dict[str, Any]:
    """Every workflow and action, by its file's path from the root."""
    files = [*(ROOT / WORKFLOWS).glob("*.yml"), *(ROOT / ".github" / "actions").glob("*/action.yml")]
    return {path.relative_to(ROOT).as_posix(): yaml.safe_load(path.read_text(encoding="utf-8")) for path in files}


def events(workflow: Mapping[Any, Any]) -> Mapping[str, Any]:
    """What starts it: YAML 1.1 reads the key `on` as true."""
    found = workflow[True]
    return found if isinstance(found, dict) else {found: None}


def started_by(path: Path, patterns: Sequence[str]) -> bool:
    """Whether a change of a file starts a workflow with these path filters; the last pattern that matches decides."""
    answer = False
    for pattern in patterns:
        if re.fullmatch(_expression(pattern.removeprefix("!")), path.as_posix()):
            answer = not pattern.startswith("!")
    return answer


def _expression(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    return "".join({"**/": "(.*/)?", "**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)


@dataclass(frozen=True)
class Step:
    """A step of a job or of an action, with the name of its job."""

    job: str
    content: Mapping[str, Any]
    defaults: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.job}: {self.content.get('name') or self.content.get('uses')}"

    @property
    def script(self) -> str:
        return str(self.content.get("run", ""))


def steps() -> Iterator[Step]:
    """All of them."""
    for path, document in documents().items():
        if "runs" in document:
            for content in document["runs"]["steps"]:
                yield Step(Path(path).parent.name, content, {})
        for job, described in document.get("jobs", {}).items():
            for content in described.get("steps", ()):
                shell = document.get("defaults", {}).get("run", {})
                yield Step(f"{document['name']}.{job}", content, shell)


def step(name: str) -> Step:
    (found,) = [each for each in steps() if each.name == name]
    return found


@dataclass(frozen=True)
class Ran:
    """What came of a step."""

    code: int
    said: str
    outputs: Mapping[str, str]
    variables: Mapping[str, str]
    summary: str


@dataclass
class Runner:
    """A machine of GitHub's: a checkout, a folder of its own, and programs that answer as others do with an account."""

    checkout: Path
    temporary: Path
    answers: dict[str, str] = field(default_factory=dict)
    """Shell scripts by the name of the program in whose place they run."""

    def run(self, chosen: Step, seconds: float = 600, **given: str) -> Ran:
        """Run a step; `given` are the variables that its expressions would give, and those that a test sets anew."""
        programs = self.temporary / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name, answer in self.answers.items():
            (programs / name).write_text(f"#!/usr/bin/env bash\n{answer}\n")
            (programs / name).chmod(stat.S_IRWXU)
        files = {name: self.temporary / name for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        script = self.temporary / "script.sh"
        script.write_text(chosen.script)
        written = {name: str(value) for name, value in chosen.content.get("env", {}).items()}
        missing = {name for name, value in written.items() if EXPRESSION in value} - given.keys()
        assert not missing, f"{chosen.name}: give a value for {missing}"
        inherited = checkouts.inherited()
        answered = subprocess.run(
            [*SHELLS[chosen.content.get("shell", chosen.defaults.get("shell"))], script],
            cwd=self.checkout,
            env={
                **inherited,
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_REPOSITORY": "payments-org/payments",
                "GITHUB_RUN_ID": "17",
                "GITHUB_RUN_NUMBER": "7",
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_SHA": "0123456789012345678901234567890123456789",
                "GITHUB_WORKSPACE": str(self.checkout),
                "RUNNER_TEMP": str(self.temporary),
                **{name: str(file) for name, file in files.items()},
                **written,
                **given,
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Ran(
            answered.returncode,
            answered.stdout,
            _values(files["GITHUB_OUTPUT"].read_text()),
            _values(files["GITHUB_ENV"].read_text()),
            files["GITHUB_STEP_SUMMARY"].read_text(),
        )


def _values(text: str) -> dict[str, str]:
    """Values as GITHUB_OUTPUT and GITHUB_ENV take them: `name=value`, or `name<<end`, lines, and `end`."""
    values: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, separator, rest = re.match(r"(\w+)(=|<<)(.*)", line).groups()
        if separator == "=":
            values[name] = rest
            continue
        told = []
        for each in lines:
            if each == rest:
                break
            told.append(each)
        else:
            raise AssertionError(f"{name} has no end")
        values[name] = "\n".join(told)
    return values
