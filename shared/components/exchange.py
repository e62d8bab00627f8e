"""How layers exchange outputs: one publishes its contract, others consume it through a StackReference.

A program that ends before it has published fails its update: else the engine would take all that it has not named for
gone, and delete it.

A program gets the fields that its `reads.json` declares, and no others: what a stack is made of, and what a producer
must keep, follow from that file (shared/reads.py).

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
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import pulumi
from pulumi.output import UNKNOWN
from pulumi.runtime import rpc
from pulumi.runtime.settings import get_root_resource

from shared import contracts
from shared.contracts import CONTRACT, PREVIEWED_OUTPUTS, layer_of
from shared.reads import FILE, broken, declared
from shared.roles import Role
from shared.root import ROOT
from shared.stack import Stack

UNKNOWN_VALUE = rpc.UNKNOWN
"""How the engine writes a value that only an update can know."""

READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"
"""The engine's own function behind a StackReference."""

T = TypeVar("T")
Read = Callable[[str], pulumi.Output[Any]]
Require = Callable[[str], None]
"""Is told the path of each field that a program takes. Raises RunError when it may not."""


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
    a field that is read.
    """
    contract = cast("Any", outputs_type)
    own = this_stack()
    regional = layer_of(contract.project).regional
    if regional and not (role or own.role):
        raise ValueError(f"{contract.project} has a stack for each region: say which role to read")
    stack = Stack(contract.project, own.environment, (role or own.role) if regional else None)

    said = _said(contract)
    names = _parts(contract) if said is None else {path.partition(".")[0] for path in said}

    def require(path: str) -> None:
        require_declared(own.layer, contract.project, path, said)

    previewed = _previewed(stack)
    if previewed is not None:
        _check(previewed, contract, stack, names)

        def read(name: str) -> pulumi.Output[Any]:
            return pulumi.Output.from_input(_with_unknowns(previewed[name]))

        return cast("T", _build(outputs_type, read, previewed, require))
    deployed = _deployed(stack)
    _check(deployed, contract, stack, names)
    return cast("T", _build(outputs_type, pulumi.StackReference(stack.reference).get_output, deployed, require))


def require_declared(layer: str, producer: str, path: str, said: Mapping[str, str] | None) -> None:
    """Raise RunError when a program reads a field that its layer does not declare in `said`, where it says anything."""
    if said is not None and path not in said:
        raise pulumi.RunError(
            f"projects/{layer} reads {path} of {producer}, which projects/{layer}/{FILE} does not say: add it there, "
            "with its type"
        )


def _said(contract: Any) -> Mapping[str, str] | None:
    """What the running program's layer declares to read of a contract; None where it declares nothing at all."""
    layer = pulumi.get_project()
    reads = declared(ROOT, layer)
    if reads is None:
        return None
    said = reads.get(contract.project, {})
    if missed := broken(said, contract):
        raise pulumi.RunError(
            f"projects/{layer} reads what the contract of {contract.project} does not have ({', '.join(missed)}): "
            f"put it back, or let {layer} stop reading it first (projects/{layer}/{FILE})"
        )
    return said


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


def _check(outputs: Mapping[str, Any], contract: Any, stack: Stack, names: Collection[str]) -> None:
    """Compare what a stack publishes with the contract that its reader knows, of which it reads fields by `names`."""
    where, remedy = f"stack {stack}", _remedy(stack)
    kept = outputs.get(CONTRACT)
    if not isinstance(kept, Mapping):
        raise pulumi.RunError(f"{where} publishes no contract, as it was never deployed to its end: {remedy} first")
    if (kept.get("name"), kept.get("version")) != (contract.project, contract.version):
        raise pulumi.RunError(
            f"{where} publishes {kept.get('name')} version {kept.get('version'):g}, and {pulumi.get_project()} reads "
            f"{contract.project} version {contract.version}: {remedy}"
        )
    kinds = {name: kind for name, kind in _parts(contract).items() if name in names}
    missing = [name for name, kind in kinds.items() if outputs.get(name) is None and not _may_be_none(kind)]
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


def _build(kind: type[Any], read: Read, known: Mapping[str, Any], require: Require, above: str = "") -> Any:
    """An instance of the contract `kind` from a reader of its fields, which tells `require` what is taken of it.

    known: the outputs, as far as they are. What may be missing, or is not read, is missing where its producer has none.
    """
    values: dict[str, Any] = {}
    for name, hint in _parts(kind).items():
        if known.get(name) is None and (not above or _may_be_none(hint)):
            values[name] = None
            continue
        given = (
            next(each for each in typing.get_args(hint) if each is not types.NoneType) if _may_be_none(hint) else hint
        )
        part = typing.get_origin(given) or given
        if dataclasses.is_dataclass(part):
            values[name] = _build(cast("Any", part), _inside(read(name)), {}, require, f"{above}{name}.")
        else:
            values[name] = read(name)
    return (_telling(kind, require, above) if kind.__module__ == contracts.__name__ else kind)(**values)


def _telling(kind: type[Any], require: Require, above: str) -> type[Any]:
    """A kind of contract, or of its part, whose instances tell which of their fields are taken."""
    names = {field.name for field in dataclasses.fields(kind)}

    def take(self: Any, name: str) -> Any:
        if name in names:
            require(above + name)
        return object.__getattribute__(self, name)

    return type(kind.__name__, (kind,), {"__getattribute__": take, "__module__": kind.__module__})


def _inside(outer: pulumi.Output[Any]) -> Read:
    return lambda name: outer.apply(lambda value: value[name])
