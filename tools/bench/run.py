"""Runs the commands that benchmarks measure, and stops at the first that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.checkout import Checkout


def invoke(copy: Checkout, *arguments: str, **environment: str) -> None:
    """Run `./invoke ARGUMENTS` in a copy, with these variables. Raises Problem when it fails."""
    with copy.start(*arguments, **environment) as process:
        out, err = process.communicate()
    check(["./invoke", *arguments], process.returncode, out + err)


def check(command: Sequence[str], code: int, said: str) -> None:
    """Raise Problem with a command's last line when it has failed."""
    if code:
        last = (said.strip() or "nothing").splitlines()[-1]
        raise Problem(f"bench: `{' '.join(command)}` exited {code} and said: {last}")
