"""How an operation ends, as far as the engine says why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine import processes
from engine.operations import Operations
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
