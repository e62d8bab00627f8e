"""Which stacks an environment has, and which must be there before which: derived from the contracts alone.

Pure: no pulumi, no boto3, no files. A stack *reads* the stacks whose outputs its program consumes. A primary also
comes *after* its layer's secondary, so that a bad release meets the standby first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from shared.contracts import ASIDE, LAYERS, Layer
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, SECONDARY
from shared.stack import Stack


@dataclass(frozen=True)
class Graph:
    """Stacks in an order in which each comes after all that it needs."""

    stacks: tuple[Stack, ...]
    reads: Mapping[Stack, frozenset[Stack]]
    """Whose outputs a stack's program consumes."""
    after: Mapping[Stack, frozenset[Stack]]
    """What must be done before a stack is: what it reads, and its layer's secondary if it is a primary."""
    aside: frozenset[Stack] = frozenset()
    """Those for which nobody waits, whatever is done."""

    @staticmethod
    def of(environment: str, layers: Mapping[str, Layer] = LAYERS, aside: Iterable[str] = ()) -> Graph:
        """Build an environment's graph from what the layers consume; `aside` names those of `ASIDE` that it has, too.

        Raises Problem when the layers consume each other in a circle or name a contract that no layer publishes.
        """
        layers = {**layers, **{name: ASIDE[name] for name in aside}}
        producers = {layer.outputs: layer for layer in layers.values()}
        members = {layer.name: _members(layer, environment) for layer in layers.values()}
        reads: dict[Stack, frozenset[Stack]] = {}
        for layer in layers.values():
            for stack in members[layer.name]:
                upstream: set[Stack] = set()
                for contract in layer.consumes:
                    if contract not in producers:
                        raise Problem(f"layer {layer.name} consumes {contract.__name__}, which no layer publishes")
                    upstream.update(s for s in members[producers[contract].name] if _serves(s, stack))
                reads[stack] = frozenset(upstream)
        after = {stack: upstream | _secondary_of(stack) for stack, upstream in reads.items()}
        alone = frozenset(stack for stack in reads if stack.layer in ASIDE)
        if waiting := next((stack for stack, needed in after.items() if needed & alone), None):
            raise Problem(f"layer {waiting.layer} waits for a layer that stands aside: let it read something else")
        return Graph(_ordered(reads, after), reads, after, alone)

    def select(self, layer: str | None = None, role: str | None = None) -> tuple[Stack, ...]:
        """Return the stacks of one layer (and role), or all of them; Problem when there is no such layer or role."""
        if role is not None and role not in ROLES:
            raise Problem(f"unknown region {role!r}: choose primary or secondary")
        if layer is None:
            return tuple(s for s in self.stacks if role is None or s.role == role)
        chosen = tuple(s for s in self.stacks if s.layer == layer)
        if not chosen:
            if layer in ASIDE:
                raise Problem(
                    f"there is no {layer}: it is made with production: true and {layer}.region in the environment file"
                )
            names = ", ".join(dict.fromkeys(s.layer for s in self.stacks))
            raise Problem(f"unknown layer {layer!r}: choose one of {names}")
        if role is None:
            return chosen
        if chosen[0].role is None:
            raise Problem(f"layer {layer} is global: its one stack spans both regions, so leave out --region")
        return tuple(s for s in chosen if s.role == role)


def _members(layer: Layer, environment: str) -> tuple[Stack, ...]:
    if not layer.regional:
        return (Stack(layer.name, environment),)
    return tuple(Stack(layer.name, environment, role) for role in (SECONDARY, PRIMARY))


def _serves(producer: Stack, consumer: Stack) -> bool:
    """Regional reads its own role; global reads both."""
    return producer.role is None or consumer.role is None or producer.role == consumer.role


def _secondary_of(stack: Stack) -> frozenset[Stack]:
    if stack.role != PRIMARY:
        return frozenset()
    return frozenset({Stack(stack.layer, stack.environment, SECONDARY)})


def _ordered(stacks: Iterable[Stack], after: Mapping[Stack, frozenset[Stack]]) -> tuple[Stack, ...]:
    """Topological order; stacks that are ready at once keep the order of the layers."""
    position = {stack: place for place, stack in enumerate(stacks)}
    sorter = TopologicalSorter({stack: after[stack] for stack in position})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " -> ".join(str(stack) for stack in error.args[1])
        raise Problem(f"layers consume each other in a circle: {circle}") from error
    ordered: list[Stack] = []
    ready: list[Stack] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=position.__getitem__)
        ordered.append(ready.pop(0))
        sorter.done(ordered[-1])
    return tuple(ordered)
