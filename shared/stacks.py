"""How layers exchange outputs: one publishes its contract, others consume it through a StackReference.

While several layers are previewed together, a consumer sees what its upstream *would* publish: the previews leave
their outputs in the folder that `PREVIEWED_OUTPUTS` names. An update never looks there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import pulumi
from pulumi.output import UNKNOWN

from shared.contracts import LAYERS
from shared.naming import parse_stack_name, stack_name
from shared.roles import Role

PREVIEWED_OUTPUTS = "PREVIEWED_OUTPUTS"
"""Environment variable: a folder of `<project>.<stack>.json`, each the outputs of one previewed stack."""

UNKNOWN_VALUE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that only an update can know."""

CONTRACT = "contract"
"""The output that says which contract a stack keeps: its name and version."""

T = TypeVar("T")
Read = Callable[[str], pulumi.Output[Any]]


def publish(outputs: Any) -> None:
    """Export every field of a layer's contract, and which contract that is."""
    for field in dataclasses.fields(outputs):
        pulumi.export(field.name, _exported(getattr(outputs, field.name)))
    pulumi.export(CONTRACT, {"name": outputs.project, "version": outputs.version})


def consume(outputs_type: type[T], role: Role | None = None) -> T:
    """The outputs of another layer in this environment, as its contract with `Output` fields.

    `role` says which region's stack of a regional layer to read: by default the reader's own. Fails the program with
    one line when the stack is not deployed, keeps another version of the contract or lacks a field.
    """
    contract = cast("Any", outputs_type)
    environment, own_role = parse_stack_name(pulumi.get_stack())
    regional = LAYERS[contract.project].regional
    if regional and not (role or own_role):
        raise ValueError(f"{contract.project} has a stack for each region: say which role to read")
    stack = stack_name(environment, (role or own_role) if regional else None)
    read = _previewed(contract.project, stack) or _deployed(contract.project, stack)
    kept = read(CONTRACT).apply(lambda value: _check_contract(value, contract, stack))

    def field(name: str) -> pulumi.Output[Any]:
        return pulumi.Output.all(kept, read(name)).apply(lambda both: _check_field(both[1], name, contract, stack))

    return cast("T", _build(outputs_type, field))


def _deployed(project: str, stack: str) -> Read:
    return pulumi.StackReference(f"organization/{project}/{stack}").get_output


def _previewed(project: str, stack: str) -> Read | None:
    folder = os.environ.get(PREVIEWED_OUTPUTS)
    path = Path(folder or "") / f"{project}.{stack}.json"
    if not (folder and pulumi.runtime.is_dry_run() and path.exists()):
        return None
    outputs = json.loads(path.read_text(encoding="utf-8"))
    return lambda name: pulumi.Output.from_input(_with_unknowns(outputs.get(name)))


def _with_unknowns(value: Any) -> Any:
    if value == UNKNOWN_VALUE:
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _with_unknowns(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_unknowns(inner) for inner in value]
    return value


def _exported(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _exported(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def _build(kind: type[Any], read: Read) -> Any:
    """An instance of the contract `kind` (or of a part of it) from a reader of its fields."""
    module = vars(sys.modules[kind.__module__])
    hints = typing.get_type_hints(kind, globalns={**module, "Output": pulumi.Output})
    values = {}
    for field in dataclasses.fields(kind):
        value = read(field.name)
        part = typing.get_origin(hints[field.name]) or hints[field.name]
        nested = dataclasses.is_dataclass(part)
        values[field.name] = _build(cast("Any", part), _inside(value)) if nested else value
    return kind(**values)


def _inside(outer: pulumi.Output[Any]) -> Read:
    return lambda name: outer.apply(lambda value: value[name])


def _check_contract(value: Any, contract: Any, stack: str) -> Mapping[str, Any]:
    where = f"stack {contract.project}/{stack}"
    if not isinstance(value, Mapping):
        raise pulumi.RunError(
            f"{where} publishes no contract: run `./invoke deploy --layer {contract.project}` to bring it up to date"
        )
    if value.get("name") != contract.project or value.get("version") != contract.version:
        raise pulumi.RunError(
            f"{where} publishes {value.get('name')} version {value.get('version'):g}, and this program reads "
            f"{contract.project} version {contract.version}: run `./invoke deploy --layer {contract.project}`"
        )
    return value


def _check_field(value: Any, name: str, contract: Any, stack: str) -> Any:
    if value is None:
        raise pulumi.RunError(
            f"stack {contract.project}/{stack} has no output {name}: "
            f"run `./invoke deploy --layer {contract.project}` to bring it up to date"
        )
    return value
