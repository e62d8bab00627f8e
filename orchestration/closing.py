"""The line under a run's table: what to type next, or where to look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from orchestration.aws import Aws
from orchestration.execute import StepStatus
from orchestration.holdings import Holder, going
from orchestration.operate import CHANGING, Result
from orchestration.plan import Operation
from shared.environment import Environment
from shared.root import ROOT

if TYPE_CHECKING:
    from orchestration.choice import Choice
    from orchestration.graph import Graph
    from orchestration.target import Target

PAY = "pay --amount 100 --currency USD --customer test-123"


def closing(result: Result, place: Target, graph: Graph, choice: Choice) -> str:
    """Return what to do after a run, in a line."""
    statuses = {outcome.status for outcome in result.outcomes}
    changing = result.plan.operation in CHANGING
    if StepStatus.INTERRUPTED in statuses:
        done = "what had begun is complete. The same command goes on from here" if changing else "nothing was changed"
        return f"Interrupted: {done}."
    bad = {status for status in statuses if not status.good}
    if bad == {StepStatus.UNCOMPARED}:
        return "Another run is changing what was not compared: run the same command again when it has ended."
    if bad:
        again = "run the same command again" + (": it goes on from here" if changing else "")
        return f"Logs: {result.folder}. Fix it and {again}."
    return AFTER[result.plan.operation](result, place, graph, choice)


def discarding(found: Iterable[Holder], choice: Choice) -> str:
    """Return what to type to let these go, or, of none, to go on without."""
    names = ",".join(sorted({holder.name for holder in found}))
    if not names:
        return f"Leave it out: {deploying(choice)}"
    return f"To let them go: {deploying(choice)} --discard-data {names}"


def _deployed(result: Result, place: Target, graph: Graph, choice: Choice) -> str:
    known = [place.backend.checkpoint(stack) for stack in graph.stacks]
    missing = not all(checkpoint and checkpoint.outputs for checkpoint in known)
    idle = all(outcome.status is StepStatus.FRESH for outcome in result.outcomes)
    return f"{'Nothing to do. ' * idle}Next: {_command('deploy-all' if missing else PAY, choice)}"


def _previewed(result: Result, _place: Target, _graph: Graph, choice: Choice) -> str:
    if all(outcome.status is StepStatus.FRESH for outcome in result.outcomes):
        return "Nothing would change."
    data = [holder for each in result.outcomes for holder in going(each.stack, each.resources)]
    if not data:
        return f"Next: {_command('deploy-all', choice)}"
    return (
        "deploy-all refuses this, as it would replace or delete what holds data; see how much with "
        f"{_command('deploy-all', choice)}. {discarding(data, choice)}"
    )


def _compared(result: Result, place: Target, _graph: Graph, choice: Choice) -> str:
    if result.code:
        return f"To repair it: {_command('deploy-all', choice)} --refresh"
    if all(place.backend.checkpoint(stack) is None for stack in result.plan.stacks):
        return f"Nothing is deployed in {place.where}. Next: {_command('deploy-all', choice)}"
    return "No drift."


def _destroyed(result: Result, place: Target, _graph: Graph, choice: Choice) -> str:
    from orchestration.remains import remains  # noqa: PLC0415 - the quick path does without the SDK

    following = place.after_destroy
    next_ = f"Next: ./invoke {following}" if "." in following else f"Next: {_command(following, choice)}"
    if not any(outcome.status is StepStatus.CHANGED for outcome in result.outcomes):
        return next_
    left = list(remains(Environment.load(choice.environment, ROOT), Aws(place.cli.variables)))
    groups = ["Log groups that AWS made remain:", *(f"  {line}" for line in left)] if left else []
    return "\n".join(filter(None, [*groups, place.keeps, next_]))


AFTER: Mapping[Operation, Callable[[Result, Target, Graph, Choice], str]] = {
    Operation.DEPLOY: _deployed,
    Operation.PREVIEW: _previewed,
    Operation.DRIFT: _compared,
    Operation.DESTROY: _destroyed,
}


def deploying(choice: Choice) -> str:
    """Return what to type to deploy the same stacks again."""
    if not choice.layer:
        return _command("deploy-all", choice)
    return _command(f"deploy --layer {choice.layer}" + (f" --region {choice.region}" if choice.region else ""), choice)


def _command(task: str, choice: Choice) -> str:
    """Return what to type for a task in the same environment and target."""
    return f"./invoke {task}{choice.options()}"
