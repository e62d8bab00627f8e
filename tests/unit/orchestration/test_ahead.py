"""Preparing early leaves nothing when it fails, and what was prepared of other files is not made use of."""

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
        fingerprints=SimpleNamespace(doubtful=lambda _: False, parts=lambda _: {}, require_as_begun=lambda _: {}),
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


@pytest.mark.parametrize("edited", [False, True])
def test_a_program_that_is_held_goes_on_only_of_the_files_that_it_was_started_with(tmp_path, edited):
    """It has imported its modules: an edit that is put back by its turn is in none of the later looks."""
    started, ended = [], []

    def start(*what):
        started.append(what)
        return SimpleNamespace(kill=lambda: ended.append(len(started)))

    files = {"a.py": (1,)}
    engines = HeldEngines(
        start,
        tmp_path,
        workspace=SimpleNamespace(ensure=lambda _: None),
        fingerprints=SimpleNamespace(
            doubtful=lambda _: False,
            parts=lambda _: {},
            require_as_begun=lambda _: files,
            touched=lambda _, since: ["a.py"] if edited and since is files else [],
        ),
        backend=SimpleNamespace(checkpoint=lambda _: None, unlock=lambda _: None),
        arguments=lambda _: ("up",),
        started=lambda _: None,
    )
    engines.prepare(STEP)
    engines.start(STEP.stack, ("up",), {})
    assert (len(started), ended) == ((2, [1]) if edited else (1, []))
