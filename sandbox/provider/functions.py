"""Functions that programs invoke (`aws.get_region()`), declared by name like resource types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.provider.schema import InvalidInput, Property, Text, unmet
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.provider.resource import Surroundings

FUNCTIONS: dict[str, Function] = {}
"""The declared functions, by token."""


@dataclass(frozen=True)
class Call:
    """One invocation: `self[name]` is an argument (or None), `self.call` an API call."""

    surroundings: Surroundings
    given: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.given.get(name)

    @property
    def region(self) -> str:
        return str(self["region"] or self.surroundings.region)

    def call(self, service: str, operation: str, **values: Any) -> dict[str, Any]:
        """The answer of an API call; arguments that are None are left out. Raises Refused, Problem."""
        return self.surroundings.cloud().call(service, self.region, operation, values)


@dataclass(frozen=True)
class Function:
    """A declared function: its arguments, and what answers."""

    token: str
    answer: Callable[[Call], Mapping[str, Any]]
    properties: Mapping[str, Property] = field(default_factory=dict)


def function(
    token: str, **properties: Property
) -> Callable[[Callable[[Call], Mapping[str, Any]]], Callable[[Call], Mapping[str, Any]]]:
    """Declares a function by its token and arguments; `region` is always one."""

    def declare(answer: Callable[[Call], Mapping[str, Any]]) -> Callable[[Call], Mapping[str, Any]]:
        FUNCTIONS[token] = Function(token, answer, {"region": Text(), **properties})
        return answer

    return declare


def invoke(token: str, values: Mapping[str, Any], surroundings: Surroundings) -> dict[str, Any]:
    """A function's answer. Raises Problem, naming what is not declared."""
    if token not in FUNCTIONS:
        raise Problem("the sandbox's provider does not declare this function")
    declared = FUNCTIONS[token]
    problems: list[InvalidInput] = list(unmet(declared.properties, values))
    if problems:
        raise Problem("; ".join(str(each) for each in problems))
    try:
        given = {key: declared.properties[key].coerce(value, key) for key, value in values.items()}
    except InvalidInput as error:
        raise Problem(str(error)) from None
    call = Call(surroundings, given)
    return {**given, "region": call.region, **declared.answer(call)}
