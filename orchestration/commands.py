"""What the tasks call: each function does one thing to an environment's stacks and returns the exit code.

Progress goes to standard error, the result to standard output: a table, or JSON. What is heavy (boto3, rich) is
imported where it is needed, as a run that finds everything fresh should end at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestration import recovery, report, runs
from orchestration.cli import Workspace
from orchestration.driver import DRIVERS, Context
from orchestration.engines import Engines
from orchestration.execute import Executor, Outcome, Status, on_signals
from orchestration.fingerprint import Fingerprints
from orchestration.graph import Graph, Stack
from orchestration.plan import Judgement, Operation, Plan, Verdict, make
from orchestration.smoke import SmokeTest
from orchestration.target import ROOT, Target, choose
from shared.environment import Environment
from shared.errors import Problem

INTERRUPTED = 130
CHANGING = frozenset({Operation.DEPLOY, Operation.DESTROY})


def deploy(
    environment: str,
    *,
    target: str = "sandbox",
    layer: str | None = None,
    region: str | None = None,
    force: bool = False,
    as_json: bool = False,
    yes: bool = False,
) -> int:
    """Bring the stacks up to date: all of them, or those of one layer (and role). `force` runs fresh ones too."""
    return _operate(Operation.DEPLOY, environment, target, layer, region, force=force, as_json=as_json, yes=yes)


def preview(
    environment: str,
    *,
    target: str = "sandbox",
    layer: str | None = None,
    region: str | None = None,
    force: bool = False,
    as_json: bool = False,
) -> int:
    """Show what `deploy` would change; the previewed outputs of a layer reach the layers behind it."""
    return _operate(Operation.PREVIEW, environment, target, layer, region, force=force, as_json=as_json)


def drift(environment: str, *, target: str = "sandbox", as_json: bool = False) -> int:
    """Compare all stacks with the cloud. Returns 1 when one differs."""
    return _operate(Operation.DRIFT, environment, target, as_json=as_json)


def destroy(environment: str, *, target: str = "sandbox", as_json: bool = False, yes: bool = False) -> int:
    """Remove everything, and the stacks themselves."""
    return _operate(Operation.DESTROY, environment, target, as_json=as_json, yes=yes)


def outputs(
    environment: str,
    *,
    target: str = "sandbox",
    layer: str | None = None,
    region: str | None = None,
    as_json: bool = False,
) -> int:
    """Print what the stacks publish."""
    settings = Environment.load(environment, ROOT)
    chosen = Graph.of(settings.name).select(layer, region)
    place = choose(target, settings, report.tell)
    found = {str(stack): checkpoint.outputs for stack in chosen if (checkpoint := place.backend.checkpoint(stack))}
    if not found:
        raise Problem(f"nothing is deployed in {place.where}: run ./invoke deploy-all")
    if as_json:
        report.print_json(found)
    else:
        for stack, values in found.items():
            report.show_outputs(stack, values)
    return 0


def graph(environment: str, *, as_json: bool = False) -> int:
    """Print which stack reads which, and what is released after what."""
    found = Graph.of(Environment.load(environment, ROOT).name)
    if as_json:
        report.print_json(report.graph_rows(found))
    else:
        print(report.picture(found))
    return 0


def pay(
    environment: str,
    *,
    target: str = "sandbox",
    amount: str,
    currency: str,
    customer: str,
    region: str | None = None,
    key: str | None = None,
    as_json: bool = False,
) -> int:
    """Make a payment as the storefront and print the answer and who served it. Returns 1 unless it is paid."""
    from orchestration import pay as payments  # noqa: PLC0415

    settings = Environment.load(environment, ROOT)
    place = choose(target, settings, report.tell)
    receipt = payments.pay(place, settings, amount=amount, currency=currency, customer=customer, role=region, key=key)
    if as_json:
        report.print_json(receipt.to_json())
    else:
        report.show_receipt(receipt)
    return 0 if receipt.paid else 1


def _operate(
    operation: Operation,
    environment: str,
    target: str,
    layer: str | None = None,
    region: str | None = None,
    *,
    force: bool = False,
    as_json: bool = False,
    yes: bool = False,
) -> int:
    """Plan one operation and execute it."""
    settings = Environment.load(environment, ROOT)
    stacks = Graph.of(settings.name)
    chosen = stacks.select(layer, region)
    place = choose(target, settings, report.tell)
    if target == "aws" and not yes:
        _confirm(operation, place, settings, chosen)
    changing = operation in CHANGING
    with runs.begin(place.state, operation.value, settings.name, target, changing=changing) as run:
        if changing:
            recovery.clear(place, stacks.stacks, report.tell)
        fingerprints = Fingerprints(ROOT, settings, stacks, place.backend, cloud=place.cloud)
        plan = _plan(operation, stacks, chosen, fingerprints, force=force)
        lines = report.Lines(plan)
        workspace = Workspace(place.cli, place.backend, place.configuration)
        engines = Engines(place.cli, run, ROOT / "projects", lines.progress)
        check = SmokeTest(place, settings)
        driver = DRIVERS[operation](Context(place, stacks, run, engines, workspace, fingerprints, check))
        executor = Executor(driver, lines)
        if changing:
            workspace.adopt_salt(stacks.stacks)
        with on_signals(executor.interrupt):
            outcomes = executor.run(plan)
        if operation is Operation.DEPLOY and target == "sandbox":
            workspace.select_by_default(stacks.stacks, ROOT)
        code = _exit_code(operation, outcomes)
        run.finish(report.rows(outcomes), code)
    if as_json:
        report.print_json({**run.record, "exit_code": code, "stacks": report.rows(outcomes)})
    else:
        report.show(plan, outcomes, _closing(operation, plan, outcomes, run.folder))
    return code


def _plan(
    operation: Operation, stacks: Graph, chosen: Sequence[Stack], fingerprints: Fingerprints, *, force: bool
) -> Plan:
    def judge(stack: Stack) -> Judgement:
        if operation not in {Operation.DEPLOY, Operation.PREVIEW}:
            return Judgement(Verdict.STALE, "")
        judgement = fingerprints.judge(stack)
        forced = force and judgement.verdict is Verdict.FRESH
        return Judgement(Verdict.STALE, "forced") if forced else judgement

    return make(operation, stacks, chosen, judge)


def _confirm(operation: Operation, place: Target, settings: Environment, chosen: Sequence[Stack]) -> None:
    """Say what on AWS is about to be touched, and ask. Raises Problem when the answer is not yes."""
    regions = f"{settings.region('primary')} and {settings.region('secondary')}"
    report.tell(f"{operation.value} in {place.where}, regions {regions}:")
    for stack in chosen:
        report.tell(f"  {stack}")
    if operation in CHANGING:
        if not sys.stdin.isatty():
            raise Problem("nobody is there to confirm it: add --yes to go ahead")
        if input("Go ahead? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise Problem("not confirmed; nothing was changed")


def _exit_code(operation: Operation, outcomes: Sequence[Outcome]) -> int:
    if any(outcome.status is Status.INTERRUPTED for outcome in outcomes):
        return INTERRUPTED
    drifted = operation is Operation.DRIFT and any(outcome.changes for outcome in outcomes)
    return int(drifted or not all(outcome.status.good for outcome in outcomes))


def _closing(operation: Operation, plan: Plan, outcomes: Sequence[Outcome], folder: Path) -> str:
    """Return the line under the table: what to type next, or where to look."""
    statuses = {outcome.status for outcome in outcomes}
    if Status.INTERRUPTED in statuses:
        return "Interrupted: what had begun is complete. The same command goes on from here."
    if not all(status.good for status in statuses):
        return f"Logs: {folder}. Mend it and run the same command again: it goes on from here."
    match operation:
        case Operation.DEPLOY:
            return "Next: ./invoke pay --amount 100 --currency USD --customer test-123"
        case Operation.PREVIEW:
            return "Nothing to deploy." if report.all_fresh(plan) else "Next: ./invoke deploy-all"
        case Operation.DRIFT:
            differs = any(outcome.changes for outcome in outcomes)
            return "Next: ./invoke deploy-all --force, or look in the logs: " + str(folder) if differs else "No drift."
        case Operation.DESTROY:
            return "Nothing is left. Next: ./invoke sandbox.down"
