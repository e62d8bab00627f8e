"""What an environment's programs declare, with the place of each resource: nothing is listed a second time by hand."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from engine.declared import DeclaredProgram, DeclaredResource, declared
from orchestration.graph import Graph
from shared.contracts import PREVIEWED_OUTPUTS
from shared.environment import Environment
from shared.roles import PRIMARY, SECONDARY
from shared.root import ROOT
from shared.stack import Stack

Place = Literal["primary", "secondary", "global"]
PLACES: tuple[Place, ...] = (PRIMARY, SECONDARY, "global")
EVERYWHERE = ("aws:route53/", "aws:iam/", "random:")
"""Types of services that are in no region."""

FUNCTIONS: Mapping[str, Mapping[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": "123456789012"},
    "aws:index/getIpRanges:getIpRanges": {"cidrBlocks": ["15.177.0.0/18"], "ipv6CidrBlocks": []},
    "aws:ssm/getParameter:getParameter": {"value": "https://pager.example.com"},
}
"""What the programs ask AWS for; no cost depends on the answers."""

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
PERIODS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Item:
    """A declared resource, its layer and its place."""

    layer: str
    place: Place
    resource: DeclaredResource

    @property
    def type(self) -> str:
        return self.resource.type

    def __getitem__(self, key: str) -> Any:
        return self.resource.inputs[key]

    def get(self, key: str, default: Any = None) -> Any:
        """An input; one that is null counts as not given."""
        found = self.resource.inputs.get(key)
        return default if found is None else found

    def given(self, **inputs: Any) -> Item:
        """The same resource, given something else."""
        resource = dataclasses.replace(self.resource, inputs={**self.resource.inputs, **inputs})
        return dataclasses.replace(self, resource=resource)


@dataclass(frozen=True)
class Inventory:
    """All that an environment's programs declare: `programs` by stack, and the resources of all, with their places."""

    environment: Environment
    programs: Mapping[Stack, DeclaredProgram]
    items: tuple[Item, ...]

    def of(self, kind: str, place: Place | None = None) -> Iterator[Item]:
        """Those of a type (`aws:ec2/vpc:Vpc`), in a place or in all."""
        return (each for each in self._by_type.get(kind, ()) if place in {None, each.place})

    @functools.cached_property
    def _by_type(self) -> Mapping[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for each in self.items:
            found.setdefault(each.type, []).append(each)
        return found

    def changed(self, change: Callable[[Item], Item | None]) -> Inventory:
        """The same, with what `change` makes of each; what it makes None of is left out."""
        return dataclasses.replace(self, items=tuple(made for each in self.items if (made := change(each)) is not None))

    def with_more(self, more: Iterable[Item]) -> Inventory:
        """The same, and more."""
        return dataclasses.replace(self, items=(*self.items, *more))


def inventory(environment: Environment, like: Inventory | None = None) -> Inventory:
    """Run the programs of an environment, which may be in no file, each with what those before it would publish.

    A program that is given the same as in `like` is not run again.
    """
    graph = Graph.of(environment.name, aside=environment.aside)
    programs: dict[Stack, DeclaredProgram] = {}
    with tempfile.TemporaryDirectory() as folder, _given(environment, folder):
        for stack in graph.stacks:
            if like and _is_given_the_same(stack, environment, like, graph, programs):
                program = like.programs[stack]
            else:
                main = ROOT / "projects" / stack.layer / "__main__.py"
                program = declared(main, stack.layer, stack.name, FUNCTIONS)
            programs[stack] = program
            (Path(folder) / f"{stack.label}.json").write_text(json.dumps(dict(program.outputs)), encoding="utf-8")
    items = (
        Item(stack.layer, _place(environment, each), each)
        for stack, program in programs.items()
        for each in program.resources
    )
    return Inventory(environment, programs, tuple(items))


def _is_given_the_same(
    stack: Stack, environment: Environment, like: Inventory, graph: Graph, programs: Mapping[Stack, DeclaredProgram]
) -> bool:
    """Whether a program has the settings and the upstream outputs that it had."""
    same = environment.layer_settings(stack.layer) == like.environment.layer_settings(stack.layer)
    return same and all(programs[each].outputs == like.programs[each].outputs for each in graph.reads[stack])


@contextmanager
def _given(environment: Environment, previewed: str) -> Iterator[None]:
    """A program loads its environment by name: it gets this one, and the outputs in the folder `previewed`."""
    with (
        mock.patch.object(Environment, "load", return_value=environment),
        mock.patch.dict(os.environ, {PREVIEWED_OUTPUTS: previewed}),
    ):
        yield


def _place(environment: Environment, resource: DeclaredResource) -> Place:
    if resource.type.startswith(EVERYWHERE):
        return "global"
    regions: Mapping[str, Place] = {environment.regions.primary: PRIMARY, environment.regions.secondary: SECONDARY}
    return regions.get(str(resource.provider.get("region")), "global")


def times_a_second(expression: str) -> float:
    """How often a schedule such as `rate(5 minutes)` comes. Raises ValueError for one of another kind."""
    found = RATE.fullmatch(expression)
    if not found:
        raise ValueError(f"{expression} is no rate")
    return 1 / (int(found[1]) * PERIODS[found[2]])
