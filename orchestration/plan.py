"""A plan is data: which stacks get which operation, in which order, and why. One executor applies it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from orchestration.graph import Graph
from shared.stack import Stack


class Operation(Enum):
    """What a run does to its stacks."""

    DEPLOY = "deploy"
    PREVIEW = "preview"
    DRIFT = "drift"
    """Compare the state with the cloud; change neither."""
    DESTROY = "destroy"


class Freshness(Enum):
    """What is known about a stack before the run."""

    FRESH = "fresh"
    """Nothing that it is made of has changed since its last update."""
    STALE = "stale"
    FORCED = "forced"
    """Fresh, and runs all the same."""
    UNBAKED = "unbaked"
    """Fresh, and to be watched for longer before the next region gets the release."""
    FOLLOWS = "follows"
    """Fresh so far; whether it stays so depends on the outputs of a stack that runs before it."""


@dataclass(frozen=True)
class Judgement:
    """How fresh a stack is, and the reason in a few words, such as `new` or `projects/network/vpc.py changed`."""

    freshness: Freshness
    reason: str


@dataclass(frozen=True)
class Step:
    """One stack's turn."""

    stack: Stack
    after: frozenset[Stack]
    """Steps of the same plan that must have succeeded before."""
    judgement: Judgement

    @property
    def fresh(self) -> bool:
        return self.judgement.freshness is Freshness.FRESH


@dataclass(frozen=True)
class Plan:
    """What a run is going to do, first step first."""

    operation: Operation
    steps: tuple[Step, ...]

    @property
    def stacks(self) -> tuple[Stack, ...]:
        return tuple(step.stack for step in self.steps)


def make(
    operation: Operation,
    graph: Graph,
    stacks: Iterable[Stack],
    judge: Callable[[Stack], Judgement],
) -> Plan:
    """Plan one operation over some of a graph's stacks.

    `judge` says what is known about a stack by itself; a fresh stack behind one that is going to change becomes one
    that follows. Destroying goes against the arrows. Stacks outside the selection take no part: they must be there
    already. For a stack that stands aside nobody waits. What is forced changes nothing, so nothing waits for it.
    """
    chosen = frozenset(stacks)
    order = [stack for stack in graph.stacks if stack in chosen]
    before = {stack: graph.after[stack] & chosen for stack in order}
    if operation is Operation.DESTROY:
        order.reverse()
        before = {stack: needed - graph.aside for stack, needed in _reversed(before).items()}
    if operation is Operation.DRIFT:
        before = {stack: frozenset() for stack in order}
    steps: list[Step] = []
    changing: set[Stack] = set()
    forced: set[Stack] = set()
    for stack in order:
        judgement = judge(stack)
        upstream = graph.reads[stack] & changing
        if judgement.freshness is Freshness.FRESH and upstream:
            names = ", ".join(sorted({s.layer for s in upstream}))
            judgement = Judgement(Freshness.FOLLOWS, f"if outputs of {names} change")
        if judgement.freshness in {Freshness.STALE, Freshness.FOLLOWS} or upstream:
            changing.add(stack)
        elif judgement.freshness is Freshness.FORCED:
            forced.add(stack)
        steps.append(Step(stack, before[stack] - forced, judgement))
    return Plan(operation, tuple(steps))


def _reversed(before: Mapping[Stack, frozenset[Stack]]) -> dict[Stack, frozenset[Stack]]:
    return {stack: frozenset(s for s, needed in before.items() if stack in needed) for stack in before}
