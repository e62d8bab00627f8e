"""What only the past can tell: how stacks were updated, when they were last compared with the cloud, the last drill."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from orchestration.execute import StepStatus
from orchestration.graph import Graph
from orchestration.plan import Operation
from orchestration.readiness.facts import DAY, Examined, Fact, FactQuestion
from orchestration.runs import records
from orchestration.target import books
from shared.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_UNCOMPARED: Final = 1
"""Days: a day's changes by hand are what somebody still remembers."""
LONGEST_UNDRILLED: Final = 90
"""Days: a drill in each quarter, as Well-Architected's game days are regular (REL12-BP05)."""


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
    """All are deployed, and the newest update of each came to its end."""
    settings, backend = examined.settings, books(target).backend
    graph = Graph.of(settings.name, aside=settings.aside)
    newest = {stack: backend.newest_update(stack) for stack in graph.stacks}
    gone = [str(stack) for stack, update in newest.items() if update is None]
    failed = [str(stack) for stack, update in newest.items() if update and not update.succeeded]
    if gone or failed:
        told = [f"not deployed: {', '.join(gone)}"] if gone else []
        told += [f"its newest update failed: {', '.join(failed)}"] if failed else []
        return Fact("; ".join(told), "not fit", f"./invoke deploy-all{examined.options}")
    begun = [update.began for update in newest.values() if update and update.began]
    age = max(0.0, time.time() - max(begun).timestamp()) if begun else 0.0
    return Fact(f"{len(newest)} deployed to their end", age=age)


def _drift(examined: Examined, target: str, uncompared: str) -> Fact:
    """The newest comparison of all stacks with the cloud. It takes minutes on AWS, so it is not done for this row."""
    if uncompared:
        raise Problem(uncompared)
    name, todo = examined.settings.name, f"./invoke drift{examined.options}"
    ended = [
        each
        for each in records(examined.state)
        if each["environment"] == name and each["target"] == target and "ended" in each
    ]
    compared = [each for each in ended if each["operation"] == Operation.DRIFT.value and each["stacks"]]
    if not compared:
        return Fact("this checkout has never compared its stacks with the cloud", "unknown", todo)
    last = compared[-1]
    age, seen = max(0.0, time.time() - _moment(last["ended"])), _of(last)
    stacks = Graph.of(name, aside=examined.settings.aside).stacks
    if left := [str(stack) for stack in stacks if str(stack) not in seen]:
        return Fact(f"not compared: {', '.join(left)}", "unknown", todo, age)
    if found := {stack: status for stack, status in seen.items() if status != StepStatus.UNCHANGED.value}:
        said = ", ".join(
            f"{stack} {'differs' if status == StepStatus.CHANGED.value else status}" for stack, status in found.items()
        )
        return Fact(said, "not fit", f"{todo}, and what it recommends", age)
    changing = {Operation.DEPLOY.value, Operation.DESTROY.value}
    later = [each for each in ended if each["operation"] in changing and each["run"] > last["run"]]
    if any(status == StepStatus.CHANGED.value for each in later for status in _of(each).values()):
        return Fact("none then, and stacks were changed since", "attention", todo, age)
    if age > LONGEST_UNCOMPARED * DAY:
        return Fact("none then", "attention", todo, age)
    return Fact(f"none in {len(seen)} stacks", age=age)


def _of(record: Any) -> dict[str, str]:
    return {each["stack"]: each["status"] for each in record["stacks"]}


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
