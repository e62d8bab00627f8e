"""What the documents tell people to type, typed: all that needs no account and does not take long."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tools import checkout as checkouts
from tools import manual

if TYPE_CHECKING:
    from tests.e2e.conftest import Checkout

pytestmark = pytest.mark.prove

LAST = ("./invoke destroy-all", "./invoke sandbox.down --wipe")
TYPED = list(dict.fromkeys(each.text for each in manual.everything() if not each.why_not))
INCOMPLETE = {
    "./invoke deploy": "say which --layer",
    "./invoke bring-in": "--table",
    "./invoke rotate-key": "--client",
}
"""Named in a sentence, without what they need: they say so, and do nothing."""
CODES = {
    "./invoke pay --customer late-1 --key order-3": {1},
    "./invoke readiness": {0, 1},
    "./invoke readiness --drift": {0, 1},  # no drill is on record
    "./invoke situation": {0, 1},  # what has not answered within 5 s is unknown, on a busy machine too
}
"""Exit codes other than 0, as the document says where it names the command."""
LONGEST = 1500
"""Seconds; a bake of 15 virtual minutes is the longest."""


def ordered() -> list[str]:
    """As the documents have them; what leaves nothing comes last."""
    return sorted(TYPED, key=lambda text: LAST.index(text) if text in LAST else -1)


def typed(checkout: Checkout, text: str) -> subprocess.CompletedProcess[str]:
    """Run a block as a reader would paste it: each line whatever the one before has said."""
    inherited = checkouts.inherited()
    return subprocess.run(
        ["bash", "-c", text],
        cwd=checkout.root,
        env=inherited,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )


def lines(text: str) -> list[str]:
    """The commands of a block that stand for themselves; one piece where a shell's variables join them."""
    if "=$(" in text or "eval" in text:
        return [f"set -e\n{text}"]
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def bare(line: str) -> str:
    return line.partition(" #")[0].strip()


@pytest.mark.parametrize("text", ordered(), ids=lambda text: bare(text.splitlines()[0])[:70])
def test_it_does_what_it_is_told(drilled: Checkout, text: str) -> None:
    drilled.ok("deploy-all")
    if "restore" in text:
        drilled.ok("evacuate")
    if "rollback" in text:
        drilled.ok("deploy", "--layer", "compute", "--force")
    try:
        for line in lines(text):
            found = typed(drilled, line)
            if bare(line) in INCOMPLETE:
                assert found.returncode == 1
                assert INCOMPLETE[bare(line)] in found.stderr
            else:
                said = f"{line}\n{found.stdout[-2000:]}\n{found.stderr[-2000:]}"
                assert found.returncode in CODES.get(bare(line), {0}), said
            assert "Traceback" not in found.stderr
    finally:
        drilled.run("heal")
        drilled.run("restore", "--even-if-unhealthy")


def test_what_is_expected_of_a_command_is_of_one_that_is_there() -> None:
    there = {bare(line) for text in TYPED for line in lines(text)}
    assert {*INCOMPLETE, *CODES} <= there
