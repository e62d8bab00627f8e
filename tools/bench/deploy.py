"""`./invoke bench.deploy`: the release beside what its user would type instead, measured in the same run.

Both sides deploy the same projects with the same engine into an empty sandbox that has started, and then again with
nothing changed. One is `./invoke deploy-all`, the smoke test included. The other is `pulumi stack init` and `pulumi up
--yes` in one project after another, with plain plugin processes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from engine import find as engine
from orchestration.graph import Graph
from sandbox import Sandbox
from sandbox.environment import PLUGINS, REMOVED
from sandbox.plugins.install import install
from shared.errors import Problem
from shared.root import ROOT
from shared.stack import Stack
from tools import checkout

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
ROUNDS = {
    "first deployment": ("deploy-all",),
    "nothing changed, all run": ("deploy-all", "--force"),
    "nothing changed": ("deploy-all",),
}
REPEATED = 3
"""Copies in which the shorter side is measured; what counts is the median."""
SETTLE = 3
"""Seconds that a sandbox which has just started gets to finish what it does behind its first answers."""


@dataclass(frozen=True)
class Comparison:
    """Seconds of wall time for the eight stacks, both ways."""

    what: str
    ours: float
    one_by_one: float

    @property
    def ratio(self) -> float:
        return self.one_by_one / self.ours


def deploy(environment: str = "payments", progress: Callable[[str], None] = print) -> list[Comparison]:
    """Deploy an environment both ways, each in a copy of this checkout that is thrown away afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        ours = []
        for number in range(REPEATED):
            taken = _in_copy(Path(folder, f"ours-{number}"), _deploy_all)
            progress(f"./invoke deploy-all: {', '.join(f'{seconds:.1f} s' for seconds in taken)}")
            ours.append(taken)
        medians = [statistics.median(each) for each in zip(*ours, strict=True)]
        first, again = _in_copy(Path(folder, "theirs"), lambda copy: _one_by_one(copy, environment, progress))
    return [Comparison(*row) for row in zip(ROUNDS, medians, (first, again, again), strict=True)]


def _deploy_all(copy: checkout.Checkout) -> list[float]:
    return [_timed(_invoke, copy, *words) for words in ROUNDS.values()]


def _in_copy(folder: Path, measure: Callable[[checkout.Checkout], T]) -> T:
    copy = checkout.copy(ROOT, folder)
    try:
        _invoke(copy, "sandbox.up")
        time.sleep(SETTLE)
        return measure(copy)
    finally:
        _invoke(copy, "sandbox.down")


def _timed(act: Callable[..., None], *arguments: object) -> float:
    began = time.monotonic()
    act(*arguments)
    return time.monotonic() - began


def _one_by_one(copy: checkout.Checkout, environment: str, progress: Callable[[str], None]) -> list[float]:
    box = Sandbox(copy.root)
    install(box.layout, engine.find(progress).executable)
    variables = {name: value for name, value in os.environ.items() if name not in REMOVED}
    variables |= box.environment() | {PLUGINS: "plain"}
    del variables["PULUMI_OPTION_CONFIG_FILE"]  # each stack has a file of its own, as by default
    stacks = Graph.of(environment).stacks
    rounds = []
    for steps in ((_init, _up), (_up,)):
        taken = [sum(_timed(step, copy.root, stack, variables) for step in steps) for stack in stacks]
        progress(f"pulumi up: {', '.join(f'{seconds:.1f} s' for seconds in taken)}")
        rounds.append(sum(taken))
    return rounds


def _init(root: Path, stack: Stack, variables: dict[str, str]) -> None:
    _run(["pulumi", "stack", "init", stack.reference, "--non-interactive"], root, stack, variables)


def _up(root: Path, stack: Stack, variables: dict[str, str]) -> None:
    _run(["pulumi", "up", "--yes", "--stack", stack.reference, "--non-interactive"], root, stack, variables)


def _invoke(copy: checkout.Checkout, *arguments: str) -> None:
    with copy.start(*arguments) as process:
        out, err = process.communicate()
    _check(["./invoke", *arguments], process.returncode, out + err)


def _run(command: list[str], root: Path, stack: Stack, variables: dict[str, str]) -> None:
    project = root / "projects" / stack.layer
    done = subprocess.run(
        command, cwd=project, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    _check(command, done.returncode, done.stdout)


def _check(command: list[str], code: int, said: str) -> None:
    if code:
        last = (said.strip() or "nothing").splitlines()[-1]
        raise Problem(f"bench: `{' '.join(command)}` exited {code} and said: {last}")
