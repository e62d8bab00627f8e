"""What the tasks call: each function does one thing to an environment's stacks and returns the exit code.

Progress goes to standard error, the result to standard output: a table, or JSON. What is heavy (the AWS SDK, rich) is
imported where it is needed, as a run that finds everything fresh should end at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from orchestration import report
from orchestration.choice import Choice
from orchestration.execute import StepStatus
from orchestration.graph import Graph
from orchestration.operate import CHANGING, Result, operate
from orchestration.plan import Operation
from orchestration.smoke import SmokeTest
from orchestration.target import Target, choose
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT
from shared.stack import Stack


def deploy(choice: Choice) -> int:
    """Bring the stacks up to date: all of them, or those of one layer (and role). `force` runs fresh ones too."""
    return _operate(Operation.DEPLOY, choice)


def preview(choice: Choice) -> int:
    """Show what `deploy` would change; the previewed outputs of a layer reach the layers behind it."""
    return _operate(Operation.PREVIEW, choice)


def drift(choice: Choice) -> int:
    """Compare all stacks with the cloud. Returns 1 when one differs."""
    return _operate(Operation.DRIFT, choice)


def destroy(choice: Choice) -> int:
    """Remove everything, and the stacks themselves."""
    return _operate(Operation.DESTROY, choice)


def outputs(choice: Choice) -> int:
    """Print what the stacks publish."""
    settings = Environment.load(choice.environment, ROOT)
    chosen = _chosen(Graph.of(settings.name), choice)
    place = choose(choice.target, settings, report.tell)
    found = {str(stack): checkpoint.outputs for stack in chosen if (checkpoint := place.backend.checkpoint(stack))}
    if not found:
        missing = ", ".join(str(stack) for stack in chosen)
        raise Problem(f"not deployed in {place.where}: {missing}; run ./invoke deploy-all")
    if choice.json:
        report.print_json(found)
    else:
        for stack, values in found.items():
            report.show_outputs(stack, values)
    return 0


def graph(choice: Choice) -> int:
    """Print which stack reads which, and what is released after what."""
    found = Graph.of(Environment.load(choice.environment, ROOT).name)
    if choice.json:
        report.print_json(report.graph_rows(found))
    else:
        print(report.picture(found))
    return 0


def check(choice: Choice) -> int:
    """Print what the environment promises and what its failures leave of that. Raises Problem when it cannot load."""
    from orchestration import promises  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    if choice.json:
        report.print_json(promises.values(settings))
    else:
        print("\n".join(promises.lines(settings)))
    return 0


def pay(choice: Choice, *, amount: str, currency: str, customer: str, key: str | None) -> int:
    """Make a payment as the storefront and print the answer and who served it. Returns 1 unless it is paid."""
    from orchestration import pay as payments  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    role = payments.chosen(choice.region or None)
    wish, sent = payments.wish(amount, currency, customer), payments.idempotency_key(key)
    place = choose(choice.target, settings, report.tell)
    try:
        receipt = payments.pay(place, settings, wish, sent, role)
    except Problem as problem:
        raise Problem(place.trouble([settings.region(role)]) or str(problem)) from problem
    if choice.json:
        report.print_json(receipt.to_json())
    else:
        report.show_receipt(receipt)
    return 0 if receipt.paid else 1


def _operate(operation: Operation, choice: Choice) -> int:
    """Make stacks and target ready, run the operation and show what came of it."""
    settings = Environment.load(choice.environment, ROOT)
    graph = Graph.of(settings.name)
    stacks = _chosen(graph, choice)
    place = choose(choice.target, settings, report.tell)
    if place.asks_first and not choice.yes:
        _confirm(operation, place, settings, stacks)
    check = SmokeTest(place, settings)
    try:
        result = operate(operation, place, settings, graph, stacks, root=ROOT, check=check, force=choice.force)
    except OSError as error:
        raise Problem(f"cannot use {error.filename}: {error.strerror}; fix it and run this again") from error
    if choice.json:
        report.print_json(result.record)
    else:
        report.show(result.plan, result.outcomes, _closing(result, place, graph))
    return result.code


def _chosen(graph: Graph, choice: Choice) -> tuple[Stack, ...]:
    return graph.select(choice.layer or None, choice.region or None)


def _confirm(operation: Operation, place: Target, settings: Environment, chosen: Sequence[Stack]) -> None:
    """Say what on AWS is about to be touched, and ask. Raises Problem when the answer is not yes."""
    regions = f"{settings.region('primary')} and {settings.region('secondary')}"
    report.tell(f"{operation.value} in {place.where}, regions {regions}:")
    for stack in chosen:
        report.tell(f"  {stack}")
    if operation in CHANGING:
        if not sys.stdin.isatty():
            raise Problem("this is no terminal, so nobody can confirm it: add --yes to go ahead")
        if input("Go ahead? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise Problem("not confirmed; nothing was changed")


def _closing(result: Result, place: Target, graph: Graph) -> str:
    """Return the line under the table: what to type next, or where to look."""
    statuses = {outcome.status for outcome in result.outcomes}
    if StepStatus.INTERRUPTED in statuses:
        return "Interrupted: what had begun is complete. The same command goes on from here."
    if not all(status.good for status in statuses):
        return f"Logs: {result.folder}. Fix it and run the same command again: it goes on from here."
    match result.plan.operation:
        case Operation.DEPLOY:
            deployed = [place.backend.checkpoint(stack) for stack in graph.stacks]
            missing = not all(checkpoint and checkpoint.outputs for checkpoint in deployed)
            following = "deploy-all" if missing else "pay --amount 100 --currency USD --customer test-123"
        case Operation.PREVIEW:
            following = "deploy-all"
        case Operation.DRIFT:
            following = f"deploy-all --force (what differs: {result.folder})" if result.code else "pay"
        case Operation.DESTROY:
            following = place.after_destroy
    return f"Next: ./invoke {following}"
