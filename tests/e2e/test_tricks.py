"""What a deployment writes is the same with all of the sandbox's tricks and without any (docs/speed.md)."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from sandbox.tricks import OFF, VARIABLE
from sandbox.variables import PLUGINS
from tests.e2e import states
from tests.e2e.conftest import Checkout, new_checkout
from tests.e2e.states import differences

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "us-east-1"
OTHER_REGION = "us-east-9"


@contextmanager
def deployed(folder: Path, *words: str) -> Iterator[tuple[Checkout, Checkout]]:
    """Two checkouts with the same stacks deployed: with all tricks, and without any."""
    with ExitStack() as stack:
        quick, plain = (stack.enter_context(new_checkout(folder / name)) for name in ("quick", "plain"))
        for each, tricks in ((quick, ""), (plain, OFF)):
            each.ok(*words, **{VARIABLE: tricks, PLUGINS: ""})
        yield quick, plain


def written(checkout: Checkout) -> dict[str, str]:
    return states.states(checkout) | states.history(checkout) | states.tags(checkout)


def test_a_layers_state_is_the_same_without_tricks(tmp_path: Path) -> None:
    with deployed(tmp_path, "deploy", "--layer", "data") as (quick, plain):
        found = written(quick)
        assert len(found) == 3
        assert differences(found, written(plain)) == []
        assert has_traces(plain) and not has_traces(quick)  # noqa: PT018 - the tricks were on, and off

        (state,) = plain.root.glob(".sandbox/backend/.pulumi/stacks/data/*.json")
        text = state.read_text()
        state.write_text(text.replace(f'"region": "{REGION}"', f'"region": "{OTHER_REGION}"', 1))
        assert len(differences(found, written(plain))) == 5  # two lines, and three that say where they are


@pytest.mark.prove
def test_all_states_are_the_same_without_tricks(tmp_path: Path) -> None:
    with deployed(tmp_path, "deploy-all") as (quick, plain):
        found = written(quick)
        assert len(found) == 3 * 8
        assert differences(found, written(plain)) == []
        secrets = states.decrypted(quick)
        assert sum(text.count('"plaintext"') for text in secrets.values()) > 10
        assert differences(secrets, states.decrypted(plain, **{VARIABLE: OFF})) == []


def has_traces(checkout: Checkout) -> bool:
    return any("stackTrace" in text for _, text in states.files(checkout, "stacks/*/*.json"))
