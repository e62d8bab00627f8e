"""`./invoke plan`: the engine's own previews, carried through the layers.

What a layer would publish reaches the previews of those behind it, and never an update. promise.py deploys by a plan.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.events import Events
from orchestration import consumers, report
from orchestration.commands import announce
from orchestration.execute import StepStatus
from orchestration.fingerprint import Fingerprints
from orchestration.foreseen import (
    Forecast,
    ForeseenResource,
    ForeseenStack,
    changed_outputs,
    danger,
    published_ids,
    readers_of,
    resources,
    share_unknown,
)
from orchestration.graph import Graph
from orchestration.operate import INTERRUPTED, Result, operate
from orchestration.person import user_and_machine
from orchestration.plan import Operation
from orchestration.promise import newest
from orchestration.smoke import SmokeTest
from orchestration.target import Target, choose
from shared import files, reads
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from orchestration.choice import Choice
    from orchestration.driver import ReleaseCheck
    from orchestration.execute import Outcome
    from shared.stack import Stack

STATES = {
    StepStatus.CHANGED: "changes",
    StepStatus.UNCHANGED: "unchanged",
    StepStatus.FRESH: "fresh",
    StepStatus.FAILED: "refused",
    StepStatus.SKIPPED: "refused",
    StepStatus.INTERRUPTED: "refused",
    StepStatus.UNCOMPARED: "refused",
}
COLOURS = {"changes": "yellow", "unchanged": "green", "fresh": "dim", "refused": "bold red"}


def plan(choice: Choice, *, out: str, details: bool) -> int:
    """Print what a deployment would do, and save it in `out`. Returns 1 when it would be refused."""
    settings = Environment.load(choice.environment, ROOT)
    graph = Graph.of(settings.name, aside=settings.aside)
    if out:
        _require_a_place(Path(out))
    place = choose(choice.target, settings, report.tell)
    if place.asks_first and not choice.yes:
        announce(Operation.PREVIEW, place, settings, graph.select(choice.layer or None, choice.region or None))
    forecast, result = foresee(place, settings, graph, choice, root=ROOT, check=SmokeTest(place, settings))
    if result.code == INTERRUPTED:
        return INTERRUPTED
    if out and forecast.good:
        _save(forecast, Path(out))
    elif out:
        report.tell(f"{out} was not written: this plan would be refused")
    if choice.json:
        report.print_json(forecast.to_json())
    else:
        _show(forecast, details=details)
        if out and forecast.good:
            task = f"deploy --plan {out}" if choice.layer else f"deploy-all --plan {out}"
            print(f"\nNext: ./invoke {task}{choice.options()}")
    return int(not forecast.good)


def _require_a_place(out: Path) -> None:
    """Raise Problem, before anything is asked, for a file that could not be written."""
    folder = next(each for each in out.absolute().parents if each.exists())
    if out.is_dir():
        raise Problem(f"--out {out} is a folder: name a file")
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise Problem(f"--out {out}: nothing can be written in {folder}: name another place")


def _save(forecast: Forecast, out: Path) -> None:
    try:
        files.replace(out, json.dumps(forecast.to_json(), indent=1) + "\n")
    except OSError as error:
        raise Problem(f"--out {out}: {error.strerror}: the plan was not saved") from error


def foresee(
    place: Target, settings: Environment, graph: Graph, choice: Choice, *, root: Path, check: ReleaseCheck
) -> tuple[Forecast, Result]:
    """Preview the chosen stacks of a graph, and those that read of them; return what that says, and the run.

    Raises Problem when one of them is changed meanwhile: the plan would be of neither.
    """
    chosen = graph.select(choice.layer or None, choice.region or None)
    behind = _behind(graph, chosen)
    shown = [stack for stack in graph.stacks if stack in chosen or stack in behind]
    fingerprints = Fingerprints(root, settings, graph, place.backend, generation=place.generation)
    moments = {stack: _moment(fingerprints, stack) for stack in shown}
    result = operate(Operation.PREVIEW, place, settings, graph, shown, root=root, check=check)
    read = {name: reads.of(root, name) for name in {stack.layer for stack in graph.stacks}}
    reasons = {step.stack: step.judgement.reason for step in result.plan.steps}
    afterwards = Fingerprints(root, settings, graph, place.backend, generation=place.generation)
    for stack in shown:
        if _moment(afterwards, stack) != moments[stack]:
            raise Problem(f"{stack} was changed while it was planned: make the plan anew; nothing was changed by it")
    stacks = [
        _foreseen(
            each,
            result.folder,
            fingerprints,
            read,
            planned=each.stack in chosen,
            why=reasons[each.stack],
            moment=moments[each.stack],
        )
        for each in result.outcomes
    ]
    forecast = Forecast(
        settings.name,
        place.name,
        choice.layer,
        choice.region,
        user_and_machine(),
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        stacks,
        consumers.broken(fingerprints, chosen),
    )
    return forecast, result


def _behind(graph: Graph, chosen: Sequence[Stack]) -> set[Stack]:
    """All that reads of these stacks, or of what reads of them, and is none of them."""
    found: set[Stack] = set()
    for stack in graph.stacks:
        if graph.reads[stack] & ({*chosen} | found):
            found.add(stack)
    return found - {*chosen}


def _foreseen(
    outcome: Outcome,
    folder: Path,
    fingerprints: Fingerprints,
    read: Mapping[str, reads.Reads],
    *,
    planned: bool,
    why: str,
    moment: tuple[str, str],
) -> ForeseenStack:
    stack, backend = outcome.stack, fingerprints.backend
    checkpoint = backend.checkpoint(stack)
    before, published = dict(checkpoint.outputs) if checkpoint else {}, published_ids(checkpoint)
    log = folder / f"{stack.label}.events"
    events = Events()
    if outcome.status is not StepStatus.FRESH and log.exists():
        events.read(line for line in log.read_text(encoding="utf-8").splitlines() if line)
    outputs = changed_outputs(before, dict(events.outputs)) if events.outputs is not None else {}
    values, unknown = share_unknown(events)
    refused = STATES[outcome.status] == "refused"
    return ForeseenStack(
        str(stack),
        stack.layer,
        planned,
        "changes" if outputs and outcome.status is StepStatus.UNCHANGED else STATES[outcome.status],
        why,
        [ForeseenResource.of(change, danger(stack, change, published, read)) for change in resources(events)],
        outputs,
        readers_of(stack.layer, outputs, read),
        (events.violations or [outcome.message]) if refused else (),
        values,
        unknown,
        *moment,
    )


def _moment(fingerprints: Fingerprints, stack: Stack) -> tuple[str, str]:
    """Return what a stack is made of now, and what tells its newest update."""
    return fingerprints.made_of(stack, "").to_tag(), newest(fingerprints.backend, stack)


def _show(forecast: Forecast, *, details: bool) -> None:
    rows = []
    for each in forecast.stacks:
        counted = report.describe(each.counts)
        word = each.state if each.planned or each.state == "fresh" else f"stale ({each.state})"
        rows.append(((each.stack, word, counted, each.why), COLOURS[each.state]))
    report.show_rows(("stack", "plan", "changes", "why"), rows)
    for each in forecast.stacks:
        lines = [f"  {_line(of)}" for of in each.resources if details or of.danger]
        if details or each.update:  # all outputs of a new stack are new
            lines += [f"  output {name} {what}: {_readers(each, name)}" for name, what in each.outputs.items()]
        lines += [f"  refused: {rule}" for rule in each.refused]
        if lines:
            print("\n".join(["", each.stack, *lines]))
    for line in forecast.broken:
        print(f"\nrefused: {line}")
    print(f"\n{forecast.summary()}")


def _line(of: ForeseenResource) -> str:
    properties = ", ".join(of.forced_by if of.operation == "replace" else of.properties)
    symbol = report.SYMBOLS.get(of.operation, of.operation)
    return ": ".join(filter(None, [f"{symbol} {of.type} {of.name}", "; ".join(filter(None, [properties, of.danger]))]))


def _readers(each: ForeseenStack, name: str) -> str:
    who = each.who_reads(name)
    return f"{', '.join(who)} {'read' if len(who) > 1 else 'reads'} it" if who else "nobody reads it"
