"""An example of every declared type, for the round trip that each of them must survive: declare a type, add one here.

An example makes what its type needs and returns the inputs of one resource, those that an update changes, and those
that a replacement changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.provider_engine import Engine


@dataclass(frozen=True)
class Example:
    """inputs: of the resource. update, replace: what changes then (None removes an input).

    unset: outputs that it lacks. outlives: the cloud keeps it after its end.
    import_id: where that is not its id ({...}: an output). unseen: inputs that an import cannot tell in full.
    """

    inputs: Mapping[str, Any]
    update: Mapping[str, Any] = field(default_factory=dict)
    replace: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    import_id: str = ""
    outlives: bool = False
    unseen: tuple[str, ...] = ()


EXAMPLES: dict[str, list[Callable[[Engine], Example]]] = {}
"""The examples, by resource type."""

Maker = Callable[[Engine], Example]


def example(resource_type: str) -> Callable[[Maker], Maker]:
    """Registers an example of a type; a type may have several."""

    def register(maker: Maker) -> Maker:
        EXAMPLES.setdefault(resource_type, []).append(maker)
        return maker

    return register
