"""A forced update whose preview found no difference is over with that; any other one is the engine's to do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.backend import Checkpoint
from engine.events import Events
from orchestration.driver import Deploy, RunContext
from orchestration.fingerprint import MADE_OF, TAG, MadeOf
from orchestration.plan import Freshness, Judgement, Step
from shared.stack import Stack

NETWORK = Stack("network", "payments", "secondary")


def updates(freshness, *, nothing):
    """The operations that the engine was asked for, and the stack tags that were set."""
    asked, tagged = [], []
    state = Checkpoint([{"type": "pulumi:pulumi:Stack", "urn": "urn::stack", "outputs": {"vpc": "vpc-1"}}])
    backend = SimpleNamespace(checkpoint=lambda _: state, tag=lambda *tag: tagged.append(tag))
    context: Any = SimpleNamespace(
        graph=SimpleNamespace(reads={NETWORK: ()}),
        target=SimpleNamespace(backend=backend, now=lambda: 0.0),
        workspace=SimpleNamespace(ensure=lambda _: None),
        fingerprints=SimpleNamespace(
            backend=backend,
            made_of=lambda _, update: MadeOf(update),
            verified=lambda _: True,
            doubtful=lambda _: False,
            known=lambda _: None,
        ),
        check=SimpleNamespace(covers=lambda _: False),
        guard=lambda _: nothing,
        promised=None,
        run=SimpleNamespace(update=lambda _: "1", message=lambda *_: "{}"),
        operations=SimpleNamespace(run=lambda _, operation, *__: asked.append(operation) or Events()),
        refresh=False,
    )
    ran: RunContext = context
    Deploy(ran).run(Step(NETWORK, frozenset(), Judgement(freshness, "")))
    return asked, tagged


def test_a_forced_update_that_would_change_nothing_is_none():
    assert updates(Freshness.FORCED, nothing=True) == ([], [])


@pytest.mark.parametrize(
    ("freshness", "nothing"), [(Freshness.FORCED, False), (Freshness.STALE, True), (Freshness.STALE, False)]
)
def test_any_other_update_is_made_and_recorded(freshness, nothing):
    asked, tagged = updates(freshness, nothing=nothing)
    assert asked == ["up"]
    assert [name for _, name, _ in tagged] == [MADE_OF, TAG]
