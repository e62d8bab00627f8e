"""`./invoke bench.deploy`: the release beside what its user would type instead, measured in the same run.

Both sides deploy the same projects into an empty sandbox with the same engine. One is `./invoke deploy-all`, the
sandbox's start included. The other is `pulumi up` in one project after another with plain plugin processes, without a
preview, into a sandbox that has started already.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from orchestration import checkout
from orchestration.graph import Graph, Stack
from sandbox import Sandbox
from sandbox.environment import REMOVED
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Comparison:
    """Seconds of wall time of the two ways to deploy the eight stacks."""

    ours: float
    one_by_one: dict[str, float]

    @property
    def ratio(self) -> float:
        return sum(self.one_by_one.values()) / self.ours


def deploy(environment: str = "payments", progress: Callable[[str], None] = print) -> Comparison:
    """Deploy an environment both ways, each in a copy of this checkout that is thrown away afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        ours = _in_copy(Path(folder, "ours"), lambda copy: _timed(_invoke, copy, "deploy-all"))
        progress(f"./invoke deploy-all: {ours:.1f} s")
        theirs = _in_copy(Path(folder, "theirs"), lambda copy: _one_by_one(copy, environment, progress))
    return Comparison(ours, theirs)


def _in_copy(folder: Path, measure: Callable[[checkout.Checkout], T]) -> T:
    copy = checkout.copy(ROOT, folder)
    try:
        return measure(copy)
    finally:
        _invoke(copy, "sandbox.down")


def _timed(act: Callable[..., None], *arguments: object) -> float:
    began = time.monotonic()
    act(*arguments)
    return time.monotonic() - began


def _one_by_one(copy: checkout.Checkout, environment: str, progress: Callable[[str], None]) -> dict[str, float]:
    _invoke(copy, "sandbox.up")
    variables = {name: value for name, value in os.environ.items() if name not in REMOVED}
    variables |= Sandbox(copy.root).environment() | {"SANDBOX_PLUGINS": "plain"}
    taken = {}
    for stack in Graph.of(environment).stacks:
        taken[str(stack)] = _timed(_up, copy.root / "projects" / stack.layer, stack, variables)
        progress(f"pulumi up in {stack}: {taken[str(stack)]:.1f} s")
    return taken


def _up(project: Path, stack: Stack, variables: dict[str, str]) -> None:
    for words in (("stack", "init", stack.reference), ("up", "--yes", "--skip-preview", "--stack", stack.reference)):
        _run(["pulumi", *words, "--non-interactive"], cwd=project, env=variables)


def _invoke(copy: checkout.Checkout, *arguments: str) -> None:
    with copy.start(*arguments) as process:
        out, err = process.communicate()
    _check(["./invoke", *arguments], process.returncode, out + err)


def _run(command: list[str], cwd: Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    _check(command, done.returncode, done.stdout)


def _check(command: list[str], code: int, said: str) -> None:
    if code:
        last = (said.strip() or "nothing").splitlines()[-1]
        raise Problem(f"bench: `{' '.join(command)}` exited {code} and said: {last}")
