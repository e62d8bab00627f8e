"""`./invoke bench.deploy`: the release beside what its user would type instead, measured in the same run.

Both sides deploy the same projects with the same engine into an empty sandbox that has started, and then again with
nothing changed. One is `./invoke deploy-all`, the smoke test included, with the sandbox's tricks and without any of
them (docs/speed.md). The other is `pulumi stack init` and `pulumi up --yes` in one project after another, with plain
plugin processes.
"""

from __future__ import annotations

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
from sandbox.plugins.install import install
from sandbox.tricks import OFF, VARIABLE
from sandbox.variables import PLUGINS, inherited
from shared.environment import Environment
from shared.root import ROOT
from shared.stack import Stack
from tools import checkout
from tools.bench.run import check, invoke

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
ROUNDS = {
    "first deployment": ("deploy-all",),
    "nothing changed, all run": ("deploy-all", "--force"),
    "nothing changed": ("deploy-all",),
}
REPEATED = 3
"""Copies in which the shorter sides are measured; what counts is the median."""
SETTLE = 3
"""Seconds that a sandbox which has just started gets to finish what it does behind its first answers."""


@dataclass(frozen=True)
class Comparison:
    """Seconds of wall time for the eight stacks, both ways."""

    what: str
    ours: float
    without_tricks: float
    one_by_one: float

    @property
    def ratio(self) -> float:
        return self.one_by_one / self.ours


def deploy(environment: str = "payments", progress: Callable[[str], None] = print) -> list[Comparison]:
    """Deploy an environment both ways, each in a copy of this checkout that is thrown away afterwards."""
    Environment.load(environment)  # or a Problem, before anything is copied
    with tempfile.TemporaryDirectory() as folder:
        ours: dict[str, list[list[float]]] = {"": [], OFF: []}
        for number in range(REPEATED):
            for tricks, taken in ours.items():
                taken.append(_in_copy(Path(folder, f"ours{tricks}-{number}"), _deploy_all, **{VARIABLE: tricks}))
                told = ", ".join(f"{seconds:.1f} s" for seconds in taken[-1])
                progress(f"./invoke deploy-all{' without tricks' if tricks else ''}: {told}")
        medians = [[statistics.median(each) for each in zip(*taken, strict=True)] for taken in ours.values()]
        first, again = _in_copy(Path(folder, "theirs"), lambda copy: _one_by_one(copy, environment, progress))
    return [Comparison(*row) for row in zip(ROUNDS, *medians, (first, again, again), strict=True)]


def _deploy_all(copy: checkout.Checkout, **switch: str) -> list[float]:
    return [_timed(invoke, copy, *words, **switch) for words in ROUNDS.values()]


def _in_copy(folder: Path, measure: Callable[..., T], **switch: str) -> T:
    copy = checkout.copy(ROOT, folder)
    try:
        invoke(copy, "sandbox.up", **switch)
        time.sleep(SETTLE)
        return measure(copy, **switch)
    finally:
        invoke(copy, "sandbox.down", **switch)


def _timed(act: Callable[..., None], *arguments: object, **variables: str) -> float:
    began = time.monotonic()
    act(*arguments, **variables)
    return time.monotonic() - began


def _one_by_one(copy: checkout.Checkout, environment: str, progress: Callable[[str], None]) -> list[float]:
    box = Sandbox(copy.root)
    install(box.layout, engine.find(progress).executable)
    variables = inherited() | box.variables() | {PLUGINS: "plain"}
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


def _run(command: list[str], root: Path, stack: Stack, variables: dict[str, str]) -> None:
    project = root / "projects" / stack.layer
    done = subprocess.run(
        command, cwd=project, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    check(command, done.returncode, done.stdout)
