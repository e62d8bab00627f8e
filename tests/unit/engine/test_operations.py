"""How an operation ends, as far as the engine says why."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine import processes
from engine.cli import Cli
from engine.events import RuleBroken
from engine.operations import Operations, Starter
from shared.errors import Problem
from shared.stack import Stack

STACK = Stack("network", "payments-primary")
SAID = "echo 'Previewing update (payments-primary):'; "


@dataclass(frozen=True)
class Files:
    folder: Path

    def log(self, _: Stack) -> Path:
        return self.folder / "log"

    def events(self, _: Stack) -> Path:
        return self.folder / "events"

    def session(self, _: Stack) -> Path:
        return self.folder / "session"


@pytest.mark.parametrize(
    ("command", "judged"),
    [("up", True), ("preview", True), ("refresh", False), ("destroy", False)],
)
def test_whatever_would_make_something_is_judged_by_the_policies(tmp_path, command, judged):
    engine, files, projects = tmp_path / "pulumi", Files(tmp_path), tmp_path / "projects"
    engine.write_text('#!/bin/sh\necho "$@"\n')
    engine.chmod(0o755)
    (projects / STACK.layer).mkdir(parents=True)
    starter = Starter(Cli(engine, {}), files, projects, tmp_path / "policies")
    assert starter.start(STACK, [command, "--yes"], {}).wait() == 0
    words = files.log(STACK).read_text().split()
    assert words[:2] == [command, "--yes"]
    assert (f"--policy-pack {tmp_path / 'policies'}" in " ".join(words)) is judged


def test_a_rule_that_is_broken_is_told_before_what_the_engine_says_of_it(tmp_path):
    files = Files(tmp_path)
    event = {"policyEvent": {"policyName": "tags", "message": "demand\nwrong", "enforcementLevel": "mandatory"}}
    other = {"diagnosticEvent": {"severity": "error", "message": "resource is invalid"}}
    script = "\n".join(["cat >events <<'END'", json.dumps(other), json.dumps(event), "END", "exit 1"])

    def start(stack, _, variables):
        command = ["/bin/sh", "-c", script]
        variables = {**os.environ, **variables}
        session, log = files.session(stack), files.log(stack)
        return processes.start(command, record=session, log=log, folder=tmp_path, variables=variables)

    with pytest.raises(RuleBroken, match=r"^tags: wrong$"):
        Operations(start, files, lambda *_: None).run(STACK, "up")


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ("kill -KILL $$", "the engine was ended by SIGKILL; run the same command again"),
        ("kill -SEGV $$", "the engine was ended by SIGSEGV; run the same command again"),
        ("echo 'error: no space left'; exit 255", "no space left"),
        ("exit 1", "Previewing update"),
    ],
)
def test_an_engine_that_fails_is_one_line_that_says_how(tmp_path, ends, told):
    files = Files(tmp_path)

    def start(stack, _, variables):
        return processes.start(
            ["/bin/sh", "-c", SAID + ends],
            record=files.session(stack),
            log=files.log(stack),
            folder=tmp_path,
            variables={**os.environ, **variables},
        )

    with pytest.raises(Problem) as problem:
        Operations(start, files, lambda *_: None).run(STACK, "up")
    assert told in str(problem.value)
    assert "\n" not in str(problem.value)
