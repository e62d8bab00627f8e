"""Preparing early leaves nothing when it fails: what holds a program back is let go."""

from __future__ import annotations

import fcntl
from types import SimpleNamespace

import pytest

from orchestration.ahead import HeldEngines
from orchestration.plan import Freshness, Judgement, Step
from shared.stack import Stack

STEP = Step(Stack("data", "payments"), frozenset(), Judgement(Freshness.STALE, "new"))


def test_an_engine_that_does_not_start_leaves_no_program_held(tmp_path):
    def start(_stack, _arguments, variables):
        held.extend(variables.values())
        raise OSError("no process is left")

    held = []
    engines = HeldEngines(
        start,
        tmp_path,
        workspace=SimpleNamespace(ensure=lambda _: None),
        fingerprints=SimpleNamespace(doubtful=lambda _: False, parts=lambda _: {}),
        backend=SimpleNamespace(checkpoint=lambda _: None),
        arguments=lambda _: ("up",),
        started=lambda _: None,
    )
    with pytest.raises(OSError, match="no process is left"):
        engines.prepare(STEP)
    (path,) = held
    with open(path) as file:  # noqa: PTH123 - a string
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    engines.cancel(STEP)
