"""One run over an environment's stacks: recover, plan, execute, record."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli import WrongPassphrase
from engine.operations import Operations, Starter
from engine.workspace import Workspace
from orchestration import recovery, report, runs
from orchestration.ahead import Ahead, HeldEngines
from orchestration.driver import DRIVERS, Blaming, ReleaseCheck, RunContext, deployment
from orchestration.execute import Executor, Outcome, StepStatus, on_signals
from orchestration.fingerprint import Fingerprints
from orchestration.plan import Freshness, Judgement, Operation, Plan, make
from shared.errors import Problem

if TYPE_CHECKING:
    from orchestration.graph import Graph
    from orchestration.target import Target
    from shared.environment import Environment
    from shared.stack import Stack

CHANGING = frozenset({Operation.DEPLOY, Operation.DESTROY})
JUDGED = frozenset({Operation.DEPLOY, Operation.PREVIEW})
"""Operations that leave out what is fresh."""
INTERRUPTED = 130


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    plan: Plan
    outcomes: Sequence[Outcome]
    code: int
    folder: Path
    record: dict[str, Any]


def operate(
    operation: Operation,
    target: Target,
    environment: Environment,
    graph: Graph,
    stacks: Sequence[Stack],
    *,
    root: Path,
    check: ReleaseCheck,
    force: bool = False,
) -> Result:
    """Run one operation over some of an environment's stacks, whose programs are below `root`.

    `check` decides whether a release that one region has got may go on to the next.
    """
    changing = operation in CHANGING
    with runs.begin(target.state, operation.value, environment.name, target.name, changing=changing) as run:
        workspace = Workspace(target.cli, target.backend, target.configuration, graph.stacks)
        if changing:
            recovery.clear(target, graph.stacks, report.tell)
            workspace.adopt_salt()
        fingerprints = Fingerprints(root, environment, graph, target.backend, generation=target.generation)
        plan = _plan(operation, graph, stacks, fingerprints, target.destroying, force=force)
        if not report.all_fresh(plan):
            try:
                workspace.verify_passphrase()
            except WrongPassphrase as wrong:
                raise Problem(target.lost_passphrase or str(wrong)) from wrong
        lines = report.Lines(plan)

        def started(stack: Stack) -> None:
            if ahead:
                ahead.started(stack)

        def progress(stack: Stack, resources: int) -> None:
            lines.progress(stack, resources)
            started(stack)

        start = Starter(target.cli, run, root / "projects").start
        held = None
        if operation is Operation.DEPLOY and target.holds_programs:
            held = HeldEngines(
                start,
                run.held,
                workspace=workspace,
                fingerprints=fingerprints,
                backend=target.backend,
                arguments=functools.partial(deployment, run),
                started=started,
            )
        operations = Operations(held.start if held else start, run, progress)
        context = RunContext(target, graph, run, operations, workspace, fingerprints, check)
        driver = Blaming(DRIVERS[operation](context), target, environment)
        ahead = Ahead(driver, held, plan) if held else None
        executor = Executor(ahead or driver, lines)
        with on_signals(executor.interrupt), closing(ahead) if ahead else nullcontext():
            outcomes = executor.run(plan)
        if operation is Operation.DEPLOY and target.selects_stacks:
            workspace.select_by_default(root)
        code = _exit_code(operation, outcomes)
        record = run.finish(report.rows(outcomes), code)
    return Result(plan, outcomes, code, run.folder, record)


def _plan(
    operation: Operation,
    graph: Graph,
    stacks: Sequence[Stack],
    fingerprints: Fingerprints,
    destroying: Mapping[str, str],
    *,
    force: bool,
) -> Plan:
    def judge(stack: Stack) -> Judgement:
        if operation is Operation.DESTROY:
            return Judgement(Freshness.STALE, destroying.get(stack.layer, ""))
        if operation not in JUDGED:
            return Judgement(Freshness.STALE, "")
        judgement = fingerprints.judge(stack)
        forced = force and judgement.freshness is Freshness.FRESH
        return Judgement(Freshness.FORCED, "forced") if forced else judgement

    return make(operation, graph, stacks, judge)


def _exit_code(operation: Operation, outcomes: Sequence[Outcome]) -> int:
    if any(outcome.status is StepStatus.INTERRUPTED for outcome in outcomes):
        return INTERRUPTED
    drifted = operation is Operation.DRIFT and any(outcome.changes for outcome in outcomes)
    return int(drifted or not all(outcome.status.good for outcome in outcomes))
