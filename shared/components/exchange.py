"""How layers exchange outputs: one publishes its contract, others consume it through a StackReference.

A program that ends before it has published fails its update: else the engine would take all that it has not named for
gone, and delete it.

While several layers are previewed together, a consumer sees what its upstream *would* publish: the previews leave
their outputs in the folder that `PREVIEWED_OUTPUTS` names. An update never looks there.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import pulumi
from pulumi.output import UNKNOWN
from pulumi.runtime import rpc
from pulumi.runtime.settings import get_root_resource

from shared.contracts import CONTRACT, PREVIEWED_OUTPUTS, layer_of
from shared.roles import Role
from shared.stack import Stack

UNKNOWN_VALUE = rpc.UNKNOWN
"""How the engine writes a value that only an update can know."""

READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"
"""The engine's own function behind a StackReference."""

T = TypeVar("T")
Read = Callable[[str], pulumi.Output[Any]]


def this_stack() -> Stack:
    """The stack that the running program makes."""
    return Stack.parse(pulumi.get_project(), pulumi.get_stack())


def expect_publication() -> None:
    """Fail the update of the running program unless it comes to `publish`, in whatever way it ends.

    A program that ends without an error is complete to the engine, which then deletes what it has not named. So an
    early `sys.exit(0)`, or an error that is swallowed, must be one. What failed leaves the last outputs in the state.
    """
    root: Any = get_root_resource()
    register = root.register_outputs

    def finish(outputs: pulumi.Inputs) -> None:
        """The SDK's own last step of a program; it comes here while an error is on its way, too."""
        error = sys.exc_info()[1]
        quiet = error is None or (isinstance(error, SystemExit) and not error.code)
        if quiet and CONTRACT not in root.outputs:
            raise pulumi.RunError(
                f"projects/{pulumi.get_project()} ended before it published its outputs: the update fails, and "
                "nothing is deleted"
            )
        if quiet:
            register(outputs)

    root.register_outputs = finish


def publish(outputs: Any) -> None:
    """Export every field of a layer's contract, and which contract that is."""
    for field in dataclasses.fields(outputs):
        pulumi.export(field.name, _exported(getattr(outputs, field.name)))
    pulumi.export(CONTRACT, {"name": outputs.project, "version": outputs.version})


def consume(outputs_type: type[T], role: Role | None = None) -> T:
    """The outputs of another layer in this environment, as its contract with `Output` fields.

    `role` says which region's stack of a regional layer to read: by default the reader's own. Ends the program before
    it makes anything, with one line, when the stack is not deployed, keeps another version of the contract or lacks
    a field.
    """
    contract = cast("Any", outputs_type)
    own = this_stack()
    regional = layer_of(contract.project).regional
    if regional and not (role or own.role):
        raise ValueError(f"{contract.project} has a stack for each region: say which role to read")
    stack = Stack(contract.project, own.environment, (role or own.role) if regional else None)

    previewed = _previewed(stack)
    if previewed is not None:
        _check(previewed, contract, stack)

        def read(name: str) -> pulumi.Output[Any]:
            return pulumi.Output.from_input(_with_unknowns(previewed[name]))

        return cast("T", _build(outputs_type, read, previewed))
    deployed = _deployed(stack)
    _check(deployed, contract, stack)
    return cast("T", _build(outputs_type, pulumi.StackReference(stack.reference).get_output, deployed))


def last_outputs(stack: Stack) -> Mapping[str, Any] | None:
    """What the stack published last, or None when there is no such stack.

    A StackReference would tell too late, by a traceback, or not at all.
    """
    try:
        answer = pulumi.runtime.invoke(READ_OUTPUTS, {"name": stack.reference}).value
    except Exception as error:
        if "unknown stack" not in str(error):
            raise
        return None
    return cast("Mapping[str, Any]", cast("Any", answer)["outputs"])


def _deployed(stack: Stack) -> Mapping[str, Any]:
    outputs = last_outputs(stack)
    if outputs is None:
        raise pulumi.RunError(f"stack {stack} is not deployed: {_remedy(stack)} first")
    return outputs


def _previewed(stack: Stack) -> Mapping[str, Any] | None:
    """What the stack would publish, if a preview of it left that behind and this is a preview too."""
    folder = os.environ.get(PREVIEWED_OUTPUTS)
    path = Path(folder or "") / f"{stack.label}.json"
    if not (folder and pulumi.runtime.is_dry_run() and path.exists()):
        return None
    return cast("Mapping[str, Any]", json.loads(path.read_text(encoding="utf-8")))


def _check(outputs: Mapping[str, Any], contract: Any, stack: Stack) -> None:
    """Compare what a stack publishes with the contract that its reader knows."""
    where, remedy = f"stack {stack}", _remedy(stack)
    kept = outputs.get(CONTRACT)
    if not isinstance(kept, Mapping):
        raise pulumi.RunError(f"{where} publishes no contract, as it was never deployed to its end: {remedy} first")
    if (kept.get("name"), kept.get("version")) != (contract.project, contract.version):
        raise pulumi.RunError(
            f"{where} publishes {kept.get('name')} version {kept.get('version'):g}, and {pulumi.get_project()} reads "
            f"{contract.project} version {contract.version}: {remedy}"
        )
    missing = [name for name, kind in _parts(contract).items() if outputs.get(name) is None and not _may_be_none(kind)]
    if missing:
        raise pulumi.RunError(f"{where} has no output {', '.join(missing)}: {remedy}")


def _remedy(stack: Stack) -> str:
    return f"run `./invoke deploy --layer {stack.layer}`"


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


def _parts(kind: type[Any]) -> Mapping[str, Any]:
    """The fields of a contract, or of a part of it, with their types."""
    module = vars(sys.modules[kind.__module__])
    hints = typing.get_type_hints(kind, globalns={**module, "Output": pulumi.Output})
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _may_be_none(kind: Any) -> bool:
    return types.NoneType in typing.get_args(kind)


def _build(kind: type[Any], read: Read, known: Mapping[str, Any]) -> Any:
    """An instance of the contract `kind` from a reader of its fields. `known`: the outputs, as far as they are.

    A part that may be missing is missing where its producer published none.
    """
    values: dict[str, Any] = {}
    for name, hint in _parts(kind).items():
        if _may_be_none(hint) and known.get(name) is None:
            values[name] = None
            continue
        given = (
            next(each for each in typing.get_args(hint) if each is not types.NoneType) if _may_be_none(hint) else hint
        )
        part = typing.get_origin(given) or given
        nested = dataclasses.is_dataclass(part)
        values[name] = _build(cast("Any", part), _inside(read(name)), {}) if nested else read(name)
    return kind(**values)


def _inside(outer: pulumi.Output[Any]) -> Read:
    return lambda name: outer.apply(lambda value: value[name])
