"""What only the past can tell: how stacks were updated, when they were last compared with the cloud, the last drill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from engine.cli import ANSWERS_WITHIN
from orchestration.execute import StepStatus
from orchestration.fingerprint import Fingerprints
from orchestration.graph import Graph
from orchestration.plan import Operation
from orchestration.questions import Unanswered, at_once
from orchestration.readiness.facts import DAY, Examined, Fact, FactQuestion
from orchestration.releases import begun
from orchestration.runs import records
from orchestration.target import books
from shared.errors import Problem
from shared.root import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from engine.backend import Backend, Update
    from shared.stack import Stack

LONGEST_UNCOMPARED: Final = 1
"""Days: a day's changes by hand are what somebody still remembers."""
LONGEST_UNDRILLED: Final = 90
"""Days: a drill in each quarter, as Well-Architected's game days are regular (REL12-BP05)."""

CHANGING: Final = frozenset({Operation.DEPLOY.value, Operation.DESTROY.value})
MOVED: Final = frozenset(each.value for each in (StepStatus.CHANGED, StepStatus.FAILED, StepStatus.INTERRUPTED))


@dataclass(frozen=True)
class LastDrill:
    """The newest drill that came to a verdict."""

    what: str
    passed: bool
    verdict: str
    at: float
    """When it was planned, in seconds since 1970."""


def questions(
    examined: Examined, drilled: Callable[[Path], LastDrill | None], target: str, uncompared: str
) -> Iterator[FactQuestion]:
    """`uncompared`: why the stacks could not be compared just now."""
    options = examined.options
    yield FactQuestion("stacks", "backend", lambda: _stacks(examined, target), f"./invoke status{options}")
    drift, drill = f"./invoke drift{options}", f"./invoke drill{options}"
    yield FactQuestion("drift", "this checkout's runs", lambda: _drift(examined, target, uncompared), drift)
    yield FactQuestion("last drill", "this checkout's drills", lambda: _drill(examined, drilled(examined.state)), drill)


def _stacks(examined: Examined, target: str) -> Fact:
    """All are deployed, and the newest release of each came to its end."""
    settings, backend = examined.settings, _read_once(books(target).backend)
    graph = Graph.of(settings.name, aside=settings.aside)
    fingerprints = Fingerprints(ROOT, settings, graph, backend, generation=None)
    # One answer of the CLI takes as long as the next, and one row has to answer for all stacks.
    told = at_once([partial(_standing, fingerprints, stack) for stack in graph.stacks], ANSWERS_WITHIN)
    standings = dict(zip(graph.stacks, map(_known, told), strict=True))
    newest = {stack: update for stack, (update, _) in standings.items()}
    gone = [str(stack) for stack, update in newest.items() if update is None]
    failed = [str(stack) for stack, update in newest.items() if update and not update.succeeded]
    unfinished = _by_reason({stack: why for stack, (_, why) in standings.items() if why})
    if gone or failed or unfinished:
        said = [f"not deployed: {', '.join(gone)}"] if gone else []
        said += [f"its newest update failed: {', '.join(failed)}"] if failed else []
        return Fact("; ".join([*said, *unfinished]), "not fit", f"./invoke deploy-all{examined.options}")
    times = [update.began for update in newest.values() if update and update.began]
    age = max(0.0, time.time() - max(times).timestamp()) if times else 0.0
    return Fact(f"{len(newest)} deployed to their end", age=age)


def _read_once(backend: Backend) -> Any:
    """A backend of which each thing is read once for each stack: through the CLI it is a process each time."""
    reads = ("newest_update", "checkpoint", "tags", "locks")
    return SimpleNamespace(**{name: cache(getattr(backend, name)) for name in reads})


def _standing(fingerprints: Fingerprints, stack: Stack) -> tuple[Update | None, str]:
    """A stack's newest update, and why it has something else than a whole release where that has succeeded.

    The engine's history alone does not tell: an engine that is killed writes none, and one that has done its part
    knows nothing of a smoke test or a bake.
    """
    newest = fingerprints.backend.newest_update(stack)
    if newest is None or not newest.succeeded:
        return newest, ""
    why = fingerprints.judge(stack, sources=False).reason
    if not why and begun(fingerprints.backend, stack):
        why = "its last update did not come to its end"
    return newest, why


def _known(answer: tuple[Update | None, str] | Unanswered) -> tuple[Update | None, str]:
    if isinstance(answer, Unanswered):
        raise Problem(answer.why)
    return answer


def _by_reason(why: Mapping[Stack, str]) -> list[str]:
    found: dict[str, list[str]] = {}
    for stack, reason in why.items():
        found.setdefault(reason, []).append(str(stack))
    return [f"{reason}: {', '.join(names)}" for reason, names in found.items()]


def _drift(examined: Examined, target: str, uncompared: str) -> Fact:
    """The newest comparison of all stacks with the cloud. It takes minutes on AWS, so it is not done for this row."""
    if uncompared:
        raise Problem(uncompared)
    name, todo = examined.settings.name, f"./invoke drift{examined.options}"
    runs = [each for each in records(examined.state) if each["environment"] == name and each["target"] == target]
    compared = [
        each for each in runs if each["operation"] == Operation.DRIFT.value and "ended" in each and each["stacks"]
    ]
    if not compared:
        return Fact("this checkout has never compared its stacks with the cloud", "unknown", todo)
    last = compared[-1]
    age, seen = max(0.0, time.time() - _moment(last["ended"])), _of(last)
    stacks = Graph.of(name, aside=examined.settings.aside).stacks
    if differs := _differing(seen, [str(stack) for stack in stacks], todo, age):
        return differs
    if any(_may_have_changed(each) for each in runs if each["run"] > last["run"]):
        return Fact("none then, and stacks were changed since", "attention", todo, age)
    if age > LONGEST_UNCOMPARED * DAY:
        return Fact("none then", "attention", todo, age)
    return Fact(f"none in {len(seen)} stacks", age=age)


def _differing(seen: Mapping[str, str], stacks: Sequence[str], todo: str, age: float) -> Fact | None:
    """What a comparison has found, and what it has not seen; None where all stacks are as they are declared."""
    if left := [stack for stack in stacks if stack not in seen]:
        return Fact(f"not compared: {', '.join(left)}", "unknown", todo, age)
    locked = [stack for stack, status in seen.items() if status == StepStatus.UNCOMPARED.value]
    found = {stack: status for stack, status in seen.items() if status != StepStatus.UNCHANGED.value}
    if told := {stack: status for stack, status in found.items() if stack not in locked}:
        said = ", ".join(
            f"{stack} {'differs' if status == StepStatus.CHANGED.value else status}" for stack, status in told.items()
        )
        return Fact(said, "not fit", f"{todo}, and what it recommends", age)
    if locked:
        return Fact(f"not compared, as another run was changing it: {', '.join(locked)}", "unknown", todo, age)
    return None


def _may_have_changed(run: Mapping[str, Any]) -> bool:
    """Whether a run may have changed a stack: one that was killed says nothing, one that failed was in the middle."""
    if run["operation"] not in CHANGING:
        return False
    return "ended" not in run or not MOVED.isdisjoint(_of(run).values())


def _of(record: Any) -> dict[str, str]:
    """By stack how it ended; nothing of a run that was refused."""
    return {each["stack"]: each["status"] for each in record["stacks"] if "status" in each}


def _moment(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def _drill(examined: Examined, last: LastDrill | None) -> Fact:
    """What was never tried does not work. It is to be no older than a quarter at the end of the days asked about."""
    todo = f"./invoke drill{examined.options}"
    if last is None:
        return Fact("none with a verdict", "unknown", todo)
    age = max(0.0, time.time() - last.at)
    said = f"{last.what}: {last.verdict}"
    if not last.passed:
        return Fact(said, "not fit", todo, age)
    old = age / DAY + examined.days > LONGEST_UNDRILLED
    return Fact(said, "attention" if old else "ok", todo if old else "", age)
