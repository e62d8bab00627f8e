"""What a program declares, found out without an engine, a provider or a cloud: it runs as in a preview.

Pulumi's mocks stand where the engine would. A resource answers with its inputs, an id and an ARN that are made up; all
else is unknown, as in the preview of what is not there yet.
"""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pulumi
from google.protobuf import empty_pb2, json_format
from pulumi.output import Unknown
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.rpc import is_rpc_secret
from pulumi.runtime.settings import SETTINGS, set_root_resource
from pulumi.runtime.stack import run_in_stack

from shared.errors import Problem

READ_STACK = "pulumi:pulumi:readStackOutputs"
PROVIDER = "pulumi:providers:"
STACK = "pulumi:pulumi:Stack"
_NO_STACK_OF_THE_MOCKS = cast("Any", object())
"""Mocks that find no root make a stack, and the outputs of that one, none, may come after those of the program."""
LAST_WORDS = 10.0
"""Seconds: they are on their way within this process."""


@dataclass(frozen=True)
class DeclaredResource:
    """A resource that a program asks for."""

    type: str
    name: str
    """Its logical name."""
    inputs: Mapping[str, Any]
    """As the engine would get them, without secrets and what only an update can know (None inside a list)."""
    provider: Mapping[str, Any]
    """The inputs of its provider."""

    @property
    def id(self) -> str:
        """What others get for its id."""
        return f"{self.name}-id"

    @property
    def arn(self) -> str:
        """What others get for its ARN."""
        return f"arn:{self.type}:{self.name}"


@dataclass(frozen=True)
class DeclaredProgram:
    """All that a program asks for, without components and providers, and its outputs as the engine writes them.

    Registrations come in any order, so the resources are sorted.
    """

    resources: tuple[DeclaredResource, ...]
    outputs: Mapping[str, Any]


def declared(main: Path, project: str, stack: str, functions: Mapping[str, Mapping[str, Any]]) -> DeclaredProgram:
    """Run the program `main` as that of a stack that is not there yet, to its end.

    `functions` are the answers of the providers' functions, by token. Raises Problem for a program that fails.
    """
    recorder = _Recorder(functions)
    with mocked(recorder, _Monitor(recorder), project=project, stack=stack, preview=True) as loop:
        try:
            loop.run_until_complete(run_in_stack(lambda: cast("None", runpy.run_path(str(main), run_name="__main__"))))
        except pulumi.RunError as error:
            raise Problem(f"{project}/{stack}: {error}") from error
    resources = sorted(recorder.resources, key=lambda each: (each.type, each.name))
    return DeclaredProgram(tuple(resources), recorder.outputs)


@contextmanager
def mocked(
    mocks: Mocks, monitor: MockMonitor, *, project: str, stack: str, preview: bool
) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in which a program runs by `mocks`; nothing of it is left for the next."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        set_root_resource(_NO_STACK_OF_THE_MOCKS)
        set_mocks(mocks, project=project, stack=stack, preview=preview, monitor=monitor)
        _forget_root()  # the program makes its own
        yield loop
        loop.run_until_complete(_all_told())
    finally:
        _forget_root()
        SETTINGS.rpc_manager.clear()
        SETTINGS.outputs.clear()
        loop.close()
        asyncio.set_event_loop(None)


async def _all_told() -> None:
    """Pulumi waits for what a program's resources ask, and may leave a stack's outputs on their way."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=LAST_WORDS)


def _forget_root() -> None:
    set_root_resource(cast("Any", None))


def _is_known(value: Any) -> bool:
    return not is_rpc_secret(value) and not isinstance(value, Unknown)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _known(each) for name, each in value.items() if _is_known(each)}
    if isinstance(value, list):
        return [_known(each) if _is_known(each) else None for each in value]
    return value


class _Recorder(Mocks):
    def __init__(self, functions: Mapping[str, Mapping[str, Any]]) -> None:
        self._functions = functions
        self._providers: dict[str, Mapping[str, Any]] = {}
        self.resources: list[DeclaredResource] = []
        self.outputs: Mapping[str, Any] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = {name: _known(value) for name, value in args.inputs.items() if _is_known(value)}
        provider = (args.provider or "").rpartition("::")[0].rpartition("::")[2]  # <URN that ends in the name>::<id>
        made = DeclaredResource(args.typ, args.name, inputs, self._providers.get(provider, {}))
        if args.typ.startswith(PROVIDER):
            self._providers[args.name] = inputs
        elif args.custom:
            self.resources.append(made)
        return made.id, {**args.inputs, "arn": made.arn}

    def call(self, args: MockCallArgs) -> Any:
        if args.token == READ_STACK:
            return {}, [("name", f'unknown stack "{args.args["name"]}"')]
        if args.token in self._functions:
            return {**args.args, **self._functions[args.token]}
        raise Problem(f"nothing is known of {args.token}, which a program calls: say what it answers")


class _Monitor(MockMonitor):
    """Pulumi's, which does not tell its mocks what a program exports."""

    mocks: _Recorder

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 - the name in the engine's protocol
        if request.urn.split("::")[2].rpartition("$")[2] == STACK:
            self.mocks.outputs = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()
