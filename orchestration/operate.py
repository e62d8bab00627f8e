"""One run over an environment's stacks: recover, plan, execute, record."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli import Cli, WrongPassphrase
from engine.events import RuleBroken
from engine.operations import Files, Interrupted, Operations, Starter
from engine.workspace import Workspace
from orchestration import consumers, recovery, report, runs
from orchestration.ahead import Ahead, HeldEngines
from orchestration.driver import DRIVERS, Blaming, ReleaseCheck, RunContext, comparison, deployment
from orchestration.execute import Executor, Outcome, StepStatus, on_signals
from orchestration.fingerprint import Fingerprints
from orchestration.guard import DataWouldGo, Guard
from orchestration.plan import Freshness, Judgement, Operation, Plan, make
from orchestration.release_rules import admitted, will_bake
from orchestration.serving import OnlyServingRegion
from shared.contracts import DEPLOYED_AS, MAY_MOVE
from shared.deployed_as import Differences, described, moved, place
from shared.errors import Problem

if TYPE_CHECKING:
    from engine.events import Events
    from orchestration.graph import Graph
    from orchestration.promise import Promise
    from orchestration.target import Target
    from shared.environment import Environment
    from shared.stack import Stack

CHANGING = frozenset({Operation.DEPLOY, Operation.DESTROY})
JUDGED = frozenset({Operation.DEPLOY, Operation.PREVIEW})
"""Operations that leave out what is fresh."""
INTERRUPTED = 130
UNCOMPARED = 75
"""Nothing differs, as far as could be compared: another run was changing some stack. EX_TEMPFAIL of sysexits.h."""


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
    refresh: bool = False,
    discard: Collection[str] = (),
    bake: float | None = None,
    promise: Promise | None = None,
) -> Result:
    """Run one operation over some of an environment's stacks, whose programs are below `root`.

    `check` decides whether a release that one region has got may go on to the next. Before it changes anything, a
    deployment raises DataWouldGo when something that holds data would go and `discard` does not name it; RuleBroken
    when a stack that is there would break a rule of the policies below `root`; and, without `force`, OnlyServingRegion
    when it would change the only region that serves, or NoRoom when a quota or the account's role for access logs is
    missing. With a `promise` it does nothing beyond that plan: a stack that would do more ends before it changes.
    With `refresh` it first compares every stack with the cloud, fresh ones too. A release is watched for
    `bake` minutes before the next region gets it (RunContext.bake).
    """
    changing = operation in CHANGING
    _same_account(target, stacks)
    with runs.begin(
        target.state, operation.value, environment.name, target.name, changing=stacks if changing else ()
    ) as run:
        workspace = Workspace(target.cli, target.backend, target.configuration, graph.stacks)
        workspace.require_one_provider()
        if changing:
            recovery.clear(target, stacks, report.tell)
        workspace.adopt_salt()  # who only looks would else make another data key, on a machine that has none
        fingerprints = Fingerprints(root, environment, graph, target.backend, generation=target.generation)
        plan = _plan(operation, graph, stacks, fingerprints, target.destroying, force=force, refresh=refresh)
        plan = admitted(plan, fingerprints, check.covers, graph, force=force, bake=bake)
        _require_what_was_promised(plan, fingerprints, promise)
        if not report.all_fresh(plan):
            _verify_passphrase(workspace, target)
        lines = report.Lines(plan)
        looked: dict[str, Any] = {}
        if operation is not Operation.DEPLOY:
            _look_for_room(plan, target, environment, run)
        else:
            released = () if force else _released(plan, fingerprints, refresh=refresh)
            _require_another_region(released, target, environment, graph, run)
            looks = runs.Looks(run)
            looking = Operations(_starter(_moving(target.cli), looks, root).start, looks, lambda *_: None)
            context = RunContext(target, graph, run, looking, workspace, fingerprints, check, refresh=refresh)
            looked["guard"] = _guarded(plan, context, discard, judged=_policies(root) is not None).require
            _look_for_room(plan, target, environment, run)  # after the guard: data that would go is the worse news
            looked["promised"] = promise and promise.kept_by(context)
            target = _in_place(target, graph, environment, plan)

        def started(stack: Stack) -> None:
            if ahead:
                ahead.started(stack)

        def progress(stack: Stack, resources: int) -> None:
            lines.progress(stack, resources)
            started(stack)

        start = _starter(target.cli, run, root).start
        may_hold = target.holds_programs and not refresh and not promise and not will_bake(plan, fingerprints, bake)
        holding = HeldEngines(
            start,
            run.held,
            workspace=workspace,
            fingerprints=fingerprints,
            backend=target.backend,
            arguments=functools.partial(deployment, run),
            started=started,
        )
        held = holding if operation is Operation.DEPLOY and may_hold else None
        operations = Operations(held.start if held else start, run, progress)
        context = RunContext(
            target, graph, run, operations, workspace, fingerprints, check, refresh=refresh, bake=bake, **looked
        )
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


def _starter(cli: Cli, files: Files, root: Path) -> Starter:
    """Start engines on the programs below `root`, judged by the policies there if it has any."""
    return Starter(cli, files, root / "projects", _policies(root))


def _policies(root: Path) -> Path | None:
    return found if (found := root / "policies").is_dir() else None


def _require_what_was_promised(plan: Plan, fingerprints: Fingerprints, promise: Promise | None) -> None:
    """Raise Problem when a saved plan is out of date, or when a deployment would break a contract.

    That is when a stack would no longer publish what a consumer reads, in the sources or as it is deployed.
    """
    if promise:
        promise.require_unmoved(fingerprints)
    if plan.operation is not Operation.DEPLOY:
        return
    changing = [step.stack for step in plan.steps if not step.fresh]
    if changing and (found := consumers.broken(fingerprints, changing)):
        raise Problem(f"{found[0]}" + (f"; {len(found) - 1} more" if found[1:] else "") + "; nothing was changed")


def _released(plan: Plan, fingerprints: Fingerprints, *, refresh: bool) -> list[Stack]:
    """The stacks that may become something else; not those that are only put back to what they are declared to be."""
    may_change = [step.stack for step in plan.steps if not step.fresh]
    if not refresh:
        return may_change
    return [stack for stack in may_change if fingerprints.judge(stack).freshness is not Freshness.FRESH]


def _require_another_region(
    released: Sequence[Stack], target: Target, environment: Environment, graph: Graph, run: runs.Run
) -> None:
    """Raise OnlyServingRegion, once it is in the run's record. Where nothing is released, nothing is asked."""
    if not released:
        return
    from orchestration import serving_now  # noqa: PLC0415 - the quick path does without

    try:
        serving_now.require_another_region(released, target, environment, graph, report.tell)
    except OnlyServingRegion as refusal:
        run.finish([{"refused": "the only serving region", "stack": str(stack)} for stack in refusal.stacks], 1)
        raise


def _look_for_room(plan: Plan, target: Target, environment: Environment, run: runs.Run) -> None:
    """Raise NoRoom, once it is in the run's record, before a deployment; say the same before a preview."""
    if plan.operation not in JUDGED or report.all_fresh(plan):
        return
    from orchestration import preflight  # noqa: PLC0415 - the quick path does without

    refused = preflight.refusals(plan, target, environment, report.tell)
    if plan.operation is Operation.PREVIEW:
        for line in refused:
            report.tell(f"a deployment would be refused: {line}")
    elif refused:
        run.finish([{"refused": line} for line in refused], 1)
        raise preflight.NoRoom(f"{'; '.join(refused)}; nothing was changed")


def _verify_passphrase(workspace: Workspace, target: Target) -> None:
    try:
        workspace.verify_passphrase()
    except WrongPassphrase as wrong:
        raise Problem(target.lost_passphrase or str(wrong)) from wrong


def _guarded(plan: Plan, context: RunContext, discard: Collection[str], *, judged: bool) -> Guard:
    """Look at what a deployment would do. Raises DataWouldGo or RuleBroken, and then nothing has been changed."""
    c = context

    def preview(stack: Stack) -> Events:
        return c.operations.run(stack, "preview", *comparison(c.fingerprints, stack, always=c.refresh))

    guard = Guard(
        preview,
        c.target.backend,
        made_of=c.fingerprints.moment,
        differences=c.fingerprints.differences,
        discard=discard,
        programs_may_end_early=c.target.programs_may_end_early,
        judged=judged,
    )
    try:
        with on_signals(c.operations.interrupt):
            guard.look(plan)
    except Interrupted:
        raise KeyboardInterrupt from None
    except RuleBroken as refusal:
        c.run.finish([{"refused": str(refusal)}], 1)
        raise
    except DataWouldGo as refusal:
        c.run.finish([{"refused": holder.name, "stack": str(holder.stack)} for holder in refusal.holders], 1)
        raise
    return guard


def _in_place(target: Target, graph: Graph, environment: Environment, plan: Plan) -> Target:
    """Return the target with programs that may move, once the guard has looked at all that is deployed.

    A run of some stacks must leave them where the others are. Raises Problem before it changes anything.
    """
    deployed = {stack for stack in graph.stacks if (found := target.backend.checkpoint(stack)) and not found.empty}
    if set(plan.stacks) >= deployed:
        return dataclasses.replace(target, cli=_moving(target.cli))
    for step in plan.steps:
        if not step.fresh:
            _stay(target, step.stack, place(environment.foundation(), step.stack.role))
    return target


def _moving(cli: Cli) -> Cli:
    """The CLI with programs that go on where their stack is somewhere else: the guard has looked at what would go."""
    return Cli(cli.executable, {**cli.variables, MAY_MOVE: "guarded"})


def _same_account(target: Target, stacks: Sequence[Stack]) -> None:
    """Raise Problem when a stack is in another AWS account: compared with this one, all of it would seem gone."""
    for stack in stacks if target.account else ():
        _stay(target, stack, {"account": target.account})


def elsewhere(target: Target, stack: Stack, here: Mapping[str, Any]) -> Differences:
    """How the place where a stack is deployed differs from `here` (shared/deployed_as.py)."""
    checkpoint = target.backend.checkpoint(stack)
    return moved(checkpoint.outputs.get(DEPLOYED_AS) if checkpoint else None, here)


def _stay(target: Target, stack: Stack, here: Mapping[str, Any]) -> None:
    if differences := elsewhere(target, stack, here):
        raise Problem(f"{described(stack, differences)}; nothing was changed")


def _plan(
    operation: Operation,
    graph: Graph,
    stacks: Sequence[Stack],
    fingerprints: Fingerprints,
    destroying: Mapping[str, str],
    *,
    force: bool,
    refresh: bool,
) -> Plan:
    def judge(stack: Stack) -> Judgement:
        if operation is Operation.DESTROY:
            return Judgement(Freshness.STALE, destroying.get(stack.layer, ""))
        if operation not in JUDGED:
            return Judgement(Freshness.STALE, "")
        judgement = fingerprints.judge(stack)
        if refresh and judgement.freshness is Freshness.FRESH:
            return Judgement(Freshness.STALE, "to compare it with the cloud")
        forced = force and judgement.freshness is Freshness.FRESH
        return Judgement(Freshness.FORCED, "forced") if forced else judgement

    return make(operation, graph, stacks, judge)


def _exit_code(operation: Operation, outcomes: Sequence[Outcome]) -> int:
    if any(outcome.status is StepStatus.INTERRUPTED for outcome in outcomes):
        return INTERRUPTED
    drifted = operation is Operation.DRIFT and any(outcome.changes for outcome in outcomes)
    bad = {outcome.status for outcome in outcomes if not outcome.status.good}
    if bad == {StepStatus.UNCOMPARED} and not drifted:
        return UNCOMPARED
    return int(drifted or not all(outcome.status.good for outcome in outcomes))
