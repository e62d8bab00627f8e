"""What the tasks call: each function does one thing to an environment's stacks and returns the exit code.

Progress goes to standard error, the result to standard output: a table, or JSON. What is heavy (the AWS SDK, rich) is
imported where it is needed, as a run that finds everything fresh should end at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration import door, report
from orchestration.aws import Aws
from orchestration.choice import Choice
from orchestration.closing import closing, deploying, discarding
from orchestration.graph import Graph
from orchestration.guard import DataWouldGo
from orchestration.holdings import holders, in_the_cloud, told
from orchestration.operate import CHANGING, elsewhere, operate
from orchestration.person import go_ahead, require_somebody
from orchestration.plan import Operation
from orchestration.smoke import SmokeTest
from orchestration.target import Target, choose
from shared.contracts import ASIDE
from shared.deployed_as import described
from shared.deployed_as import place as deployed_as
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import ROLES
from shared.root import ROOT
from shared.stack import Stack

if TYPE_CHECKING:
    from orchestration.operate import Result
    from orchestration.promise import Promise

MAKING = frozenset({Operation.DEPLOY, Operation.PREVIEW})
"""Operations that look at what the environment asks for."""


def deploy(choice: Choice) -> int:
    """Bring the stacks up to date: all of them, or those of one layer (and role). `force` runs fresh ones too."""
    return _operate(Operation.DEPLOY, choice)


def preview(choice: Choice, *, details: bool = False) -> int:
    """Show what `deploy` would change; the previewed outputs of a layer reach the layers behind it.

    It names what would be replaced or deleted; with `details` everything.
    """
    return _operate(Operation.PREVIEW, choice, details=details)


def drift(choice: Choice) -> int:
    """Compare all stacks with the cloud, and name what differs. Returns 1 when something does.

    Returns 75 when nothing does as far as could be compared, while another run was changing some stack.
    """
    return _operate(Operation.DRIFT, choice, details=True)


def compare(choice: Choice) -> int:
    """Compare all stacks with the cloud, for the record: nothing is shown but how far it is. Returns the run's code."""
    run = _Ready.of(Operation.DRIFT, choice).runner()
    with _files_usable():
        return run(Operation.DRIFT).code


def destroy(choice: Choice) -> int:
    """Remove everything, and the stacks themselves."""
    return _operate(Operation.DESTROY, choice)


def outputs(choice: Choice) -> int:
    """Print what the stacks publish."""
    settings = Environment.load(choice.environment, ROOT)
    chosen = _chosen(Graph.of(settings.name, aside=ASIDE), choice)
    place = choose(choice.target, settings, report.tell)
    chosen = _there(chosen, place, settings)
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
    settings = Environment.load(choice.environment, ROOT)
    found = Graph.of(settings.name, aside=settings.aside)
    if choice.json:
        report.print_json(report.graph_rows(found))
    else:
        print(report.picture(found))
    return 0


def check(choice: Choice) -> int:
    """Print what the environment promises and what its failures leave of that. Raises Problem when it cannot load."""
    from orchestration import promises  # noqa: PLC0415

    settings = Environment.load(choice.environment, ROOT)
    settings.require_own_processor(ROOT)
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
        raise Problem(place.trouble([settings.region(role)], str(problem)) or str(problem)) from problem
    if choice.json:
        report.print_json(receipt.to_json())
    else:
        report.show_receipt(receipt)
    return 0 if receipt.paid else 1


@dataclass(frozen=True)
class _Ready:
    """The chosen stacks, and the target that an operation finds them in."""

    settings: Environment
    graph: Graph
    place: Target
    stacks: tuple[Stack, ...]

    @staticmethod
    def of(operation: Operation, choice: Choice, promise: Promise | None = None) -> _Ready:
        """Make the target ready. Raises Problem."""
        settings = Environment.load(choice.environment, ROOT)
        # What stands aside and is asked for no more is still compared and destroyed, and never made again.
        graph = Graph.of(settings.name, aside=settings.aside if operation in MAKING else ASIDE)
        stacks = promise.chosen(choice, graph) if promise else _chosen(graph, choice)
        place = choose(choice.target, settings, report.tell)
        return _Ready(settings, graph, place, _there(stacks, place, settings))

    def runner(self) -> Callable[..., Result]:
        """What runs an operation over these stacks, as `operate` does."""
        check = SmokeTest(self.place, self.settings)
        return functools.partial(
            operate,
            target=self.place,
            environment=self.settings,
            graph=self.graph,
            stacks=self.stacks,
            root=ROOT,
            check=check,
        )


@contextmanager
def _files_usable() -> Iterator[None]:
    """Raise Problem for a file of this machine that cannot be used."""
    try:
        yield
    except OSError as error:
        raise Problem(f"cannot use {error.filename}: {error.strerror}; fix it and run this again") from error


def _operate(operation: Operation, choice: Choice, *, details: bool = False) -> int:
    """Make stacks and target ready, run the operation and show what came of it."""
    promise, minutes = _promise(choice), choice.bake_minutes
    ready = _Ready.of(operation, choice, promise)
    settings, graph, place, stacks = ready.settings, ready.graph, ready.place, ready.stacks
    if operation is Operation.DEPLOY:
        settings.require_own_processor(ROOT)
        door.require_a_name(place.backend, settings, stacks, choice.production, again=deploying(choice))
    if operation is Operation.DESTROY:
        door.require_open(place.backend, settings, stacks, options=choice.options())
    if place.asks_first and not choice.yes:
        announce(operation, place, settings, stacks)
    held = _tell_what_goes(place, stacks) if operation is Operation.DESTROY else []
    if operation in CHANGING:
        go_ahead(place, choice)
    run = ready.runner()
    try:
        with _files_usable():
            new = place.previews_new and any(place.backend.checkpoint(stack) is None for stack in stacks)
            result = run(Operation.PREVIEW) if operation is Operation.DEPLOY and new else None
            if result is None or not result.code:
                result = run(
                    operation,
                    force=choice.force,
                    refresh=choice.refresh,
                    discard=choice.discarded,
                    bake=minutes,
                    promise=promise,
                )
    except DataWouldGo as refused:
        raise _explained(refused, place, settings, choice) from refused
    if choice.json:
        report.print_json({**result.record, **({"data": held} if held else {})})
    else:
        report.show(result.plan, result.outcomes, closing(result, place, graph, choice), details=details)
    return result.code


def _promise(choice: Choice) -> Promise | None:
    """The saved plan that a deployment is to keep to. Raises Problem for one that cannot be kept."""
    if not choice.plan:
        return None
    from orchestration.promise import Promise  # noqa: PLC0415 - the quick path does without

    if choice.force or choice.refresh:
        raise Problem("--force and --refresh do more than a plan says: leave them out, or deploy without --plan")
    return Promise.load(choice.plan)


def _tell_what_goes(place: Target, stacks: Sequence[Stack]) -> list[dict[str, str]]:
    """Say what destroying removes, and how much data is in it. Returns the latter as JSON values."""
    found = {stack: checkpoint for stack in stacks if (checkpoint := place.backend.checkpoint(stack))}
    count = sum(1 for each in found.values() for resource in each.resources if in_the_cloud(resource["type"]))
    if not count:
        return []
    amounts = told((each for stack, state in found.items() for each in holders(stack, state)), Aws(place.cli.variables))
    report.tell(f"destroying {count} resources of {len(found)} stacks in {place.where}; of these hold data:")
    for line in report.holder_lines(amounts):
        report.tell(line)
    return report.holder_rows(amounts)


def _explained(refused: DataWouldGo, place: Target, settings: Environment, choice: Choice) -> Problem:
    """List what would go with how much is in it; return the error that says why, and the command that would do it."""
    amounts = told(refused.holders, Aws(place.cli.variables))
    if choice.json:
        report.print_json({"refused": report.holder_rows(amounts)})
    for line in report.holder_lines(amounts):
        report.tell(line)
    if choice.discarded:
        return Problem(f"{refused}. {discarding(refused.holders, choice)}")
    for stack in dict.fromkeys(holder.stack for holder in refused.holders):
        if differences := elsewhere(place, stack, deployed_as(settings.foundation(), stack.role)):
            return Problem(f"{refused}. {described(stack, differences)}. {discarding(refused.holders, choice)}")
    return Problem(f"{refused}. {discarding(refused.holders, choice)}")


def _there(stacks: Sequence[Stack], place: Target, settings: Environment) -> tuple[Stack, ...]:
    """Leave out what stands aside, is not asked for, and is not deployed. Raises Problem when nothing is left."""
    left = tuple(
        stack
        for stack in stacks
        if stack.layer not in ASIDE or stack.layer in settings.aside or place.backend.checkpoint(stack) is not None
    )
    if not left:
        raise Problem(f"not deployed in {place.where}, and not asked for: {', '.join(map(str, stacks))}")
    return left


def _chosen(graph: Graph, choice: Choice) -> tuple[Stack, ...]:
    return graph.select(choice.layer or None, choice.region or None)


def announce(operation: Operation, place: Target, settings: Environment, chosen: Sequence[Stack]) -> None:
    """Say what on AWS is about to be touched, or looked at.

    Raises Problem when somebody has to confirm it, and nobody can.
    """
    aside = (region for stack in chosen if stack.layer in ASIDE for region in settings.regions_of(stack))
    named = list(dict.fromkeys([*map(settings.region, ROLES), *aside]))
    report.tell(f"{operation.value} in {place.where}, regions {', '.join(named[:-1])} and {named[-1]}:")
    for stack in chosen:
        report.tell(f"  {stack}")
    if operation in CHANGING:
        require_somebody()
