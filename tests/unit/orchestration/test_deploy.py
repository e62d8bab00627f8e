"""A forced update whose preview found no difference is over with that; any other one is the engine's to do.

And an update is of the files that the run began with: of others it is refused, or is none that counts.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.backend import Checkpoint
from engine.events import Events
from orchestration.driver import Deploy, RunContext
from orchestration.fingerprint import MADE_OF, TAG, Fingerprint, MadeOf
from orchestration.plan import Freshness, Judgement, Step
from orchestration.releases import Serving
from shared.errors import Problem
from shared.stack import Stack

NETWORK = Stack("network", "payments", "secondary")


OWN = {"type": "pulumi:pulumi:Stack", "urn": "urn::stack", "outputs": {"vpc": "vpc-1"}}


def updates(freshness, *, nothing=False, edited=(), covered=False):
    """The operations that the engine was asked for, the stack tags that were set, and what the run failed with.

    edited: when the stack's files are, of `before`, `looking` and `updating`.
    """
    asked, tagged, moments = [], [], ["before"]

    def require(_):
        if moments[-1] in edited:
            raise Problem("the checkout was changed during the run")
        return moments[-1]

    def guard(_):
        moments.append("looking")
        return nothing

    def run(_, operation, *__):
        asked.append(operation)
        moments.append("updating")
        return Events(changes={"update": 1})

    def touched(_, since):
        assert since == "looking", "known by then, and no earlier"
        return ["projects/network/vpc.py"] if moments[-1] in edited else []

    def after(*_):
        asked.append("smoke test")
        state.append({**OWN, "urn": "by hand"})
        return "smoke test passed"

    def bake(*_):
        asked.append("bake")
        return "baked"

    state = [OWN]
    backend = SimpleNamespace(
        checkpoint=lambda _: Checkpoint(tuple(state)), tag=lambda *tag: tagged.append(tag), tags=lambda _: {}
    )
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
            baking=lambda _: None,
            require_as_begun=require,
            touched=touched,
        ),
        check=SimpleNamespace(
            covers=lambda _: covered, before=lambda _, verified: Serving({}, {}), after=after, bake=bake
        ),
        guard=guard,
        promised=None,
        run=SimpleNamespace(update=lambda _: "1", message=lambda *_: "{}"),
        operations=SimpleNamespace(run=run),
        refresh=False,
        bake=5.0 if covered else None,
    )
    ran: RunContext = context
    said = ""
    try:
        Deploy(ran).run(Step(NETWORK, frozenset(), Judgement(freshness, "")))
    except Problem as problem:
        said = str(problem)
    return asked, tagged, said


def test_a_forced_update_that_would_change_nothing_is_none():
    assert updates(Freshness.FORCED, nothing=True) == ([], [], "")


@pytest.mark.parametrize(
    ("freshness", "nothing"), [(Freshness.FORCED, False), (Freshness.STALE, True), (Freshness.STALE, False)]
)
def test_any_other_update_is_made_and_recorded(freshness, nothing):
    asked, tagged, _ = updates(freshness, nothing=nothing)
    assert asked == ["up"]
    assert [name for _, name, _ in tagged] == [MADE_OF, TAG]


@pytest.mark.parametrize("moment", ["before", "looking"])
def test_an_update_of_other_files_than_the_run_began_with_is_refused(moment):
    asked, tagged, said = updates(Freshness.STALE, edited=[moment])
    assert (asked, tagged) == ([], [])
    assert "changed during the run" in said


def test_one_whose_files_were_written_meanwhile_leaves_no_fingerprint():
    asked, tagged, said = updates(Freshness.STALE, edited=["updating"])
    assert (asked, tagged) == (["up"], [])
    assert "projects/network/vpc.py was written while network/payments-secondary was updated" in said


def test_nor_does_the_next_region_get_it_and_it_must_serve_all_the_same():
    asked, tagged, said = updates(Freshness.STALE, edited=["updating"], covered=True)
    assert (asked, tagged) == (["up", "smoke test"], []), "and nobody waits for its bake"
    assert "was written while" in said


def test_a_fingerprint_says_which_state_its_update_has_left():
    """Not what it had become by the end of a smoke test or a bake, which take their time."""
    asked, tagged, _ = updates(Freshness.STALE, covered=True)
    assert asked == ["up", "smoke test", "bake"]
    known = Fingerprint.from_tag(tagged[-1][2])
    assert known
    assert known.state == Checkpoint([OWN]).digest
