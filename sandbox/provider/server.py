"""The plugin protocol: a gRPC service whose calls become operations on declared types."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from engine.plugins.listening import listen
from sandbox.provider import Package, configuration, functions, lifecycle
from sandbox.provider.claims import Claims
from sandbox.provider.errors import Incomplete, one_line
from sandbox.provider.resource import Resource, Surroundings, observe
from sandbox.provider.wire import decode, encode
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.provider.schema import Difference

    Method = TypeVar("Method", bound=Callable[..., Any])


_THREADS = 16
_claims = Claims()


def serve(
    package: Package, directory: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[grpc.Server, int]:
    """Start a fresh provider instance on a free loopback port; returns its server and the port.

    directory: the engine's working directory, where relative paths of assets and archives start.
    environment: where endpoint, credentials and region come from. Both are this process's own when not given.
    """
    importlib.import_module(f"sandbox.provider.{package}")
    provider = Provider(package, directory or Path.cwd(), os.environ if environment is None else environment)
    return listen(_THREADS, lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server))


def settle(seconds: float = 10) -> None:
    """Let creates that outlived their engine be undone, before this process ends."""
    _claims.settle(seconds)


def _answered(method: Method) -> Method:
    """Failures become the one line that a user sees."""

    @functools.wraps(method)
    def answer(self: Provider, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except Incomplete as incomplete:
            _abort_incomplete(context, incomplete, f"{_subject(request)}{incomplete}")
        except Problem as problem:
            context.abort(grpc.StatusCode.UNKNOWN, one_line(f"{_subject(request)}{problem}"))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            context.abort(grpc.StatusCode.INTERNAL, one_line(f"{_subject(request)}{type(error).__name__}: {error}"))
            raise

    return answer  # type: ignore[return-value]


def _subject(request: Any) -> str:
    urn, token = getattr(request, "urn", ""), getattr(request, "tok", "")
    return f"{_type(urn)} {_name(urn)}: " if urn else f"{token}: " if token else ""


def _type(urn: str) -> str:
    return urn.split("::")[-2].rsplit("$", maxsplit=1)[-1]


def _name(urn: str) -> str:
    return urn.split("::", 3)[-1]


def _abort_incomplete(context: grpc.ServicerContext, incomplete: Incomplete, reason: str) -> None:
    """How the engine hears that a resource exists but is unfinished: it records the id, and goes on next time."""
    details = provider_pb2.ErrorResourceInitFailed(
        id=incomplete.id, properties=encode(incomplete.outputs), reasons=[one_line(reason)]
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=one_line(reason))
    status.details.add().Pack(details)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, one_line(reason))


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider instance: an `aws.Provider` resource of a program, or the default one."""

    def __init__(self, package: Package, directory: Path, environment: Mapping[str, str]) -> None:
        self._package = package
        self._directory = directory
        self._environment = environment
        self._surroundings = Surroundings()

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802 - the protocol's names, here and below
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=False)  # the engine re-marks secrets itself

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return plugin_pb2.PluginInfo(version=metadata.version(f"pulumi-{self._package}"))

    @_answered
    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        _, problems = configuration.check(self._package, decode(request.news))
        return _checked(request.news, problems)

    @_answered
    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """No change takes a new provider: each resource knows its own region and tags."""
        olds, news = decode(request.old_inputs), decode(request.news)
        changed = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
        return provider_pb2.DiffResponse(changes=_some(changed), diffs=changed)

    @_answered
    def Configure(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        self._surroundings = configuration.surroundings(
            self._package, decode(request.args), self._environment, self._directory
        )
        return provider_pb2.ConfigureResponse(supportsPreview=True, acceptSecrets=False)

    @_answered
    def Check(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        kind = lifecycle.declared(_type(request.urn))
        inputs, problems = lifecycle.check(
            kind,
            _name(request.urn),
            decode(request.news),
            olds=decode(request.olds),
            seed=request.randomSeed,
            surroundings=self._surroundings,
        )
        return _checked(encode(inputs), problems)

    @_answered
    def Diff(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        self._known(request)
        kind = lifecycle.declared(_type(request.urn))
        change = lifecycle.change(kind, decode(request.old_inputs), decode(request.news))
        return provider_pb2.DiffResponse(
            changes=_some(change.differences),
            diffs=change.names,
            replaces=change.replaced,
            deleteBeforeReplace=bool(change.replaced) and change.delete_first,
            hasDetailedDiff=True,
            detailedDiff={
                each.path: provider_pb2.PropertyDiff(kind=_diff_kind(each), inputDiff=True)
                for each in change.differences
            },
        )

    @_answered
    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind = lifecycle.declared(_type(request.urn))
        inputs = decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(lifecycle.foresee_create(kind, inputs)))
        resource = kind(self._surroundings, inputs)
        place = self._place(request)
        with _claims.creating(place):
            try:
                outputs = self._left_behind(place, resource) or lifecycle.create(resource)
            finally:
                if resource.id and kind.service:
                    self._hand_over(place, resource, context)
        return provider_pb2.CreateResponse(id=resource.id, properties=encode(outputs))

    @_answered
    def Read(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        self._known(request)
        kind = lifecycle.declared(_type(request.urn))
        inputs, state, identifier = decode(request.inputs), decode(request.properties), request.id
        if not inputs and "@" in identifier and "region" in kind.properties:  # an import names its region so
            identifier, _, inputs["region"] = identifier.rpartition("@")
        resource = kind(self._surroundings, inputs, id=identifier, state=state)
        found = lifecycle.read(resource)
        if found is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=resource.id, inputs=encode(found[0]), properties=encode(found[1]))

    @_answered
    def Update(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        self._known(request)
        kind = lifecycle.declared(_type(request.urn))
        state, olds, news = decode(request.olds), decode(request.old_inputs), decode(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(lifecycle.foresee_update(kind, state, olds, news)))
        resource = kind(self._surroundings, news, id=request.id, state=state, previous=olds)
        return provider_pb2.UpdateResponse(properties=encode(lifecycle.update(resource)))

    @_answered
    def Delete(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        self._known(request)
        kind = lifecycle.declared(_type(request.urn))
        state = decode(request.properties)
        inputs = decode(request.old_inputs) or {key: value for key, value in state.items() if key in kind.properties}
        lifecycle.delete(kind(self._surroundings, inputs, id=request.id, state=state))
        return empty_pb2.Empty()

    @_answered
    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        answer = functions.invoke(request.tok, decode(request.args), self._surroundings)
        return provider_pb2.InvokeResponse(**{"return": encode(answer)})

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """Operations are short: the one that runs ends by itself, and the engine starts no other."""
        return empty_pb2.Empty()

    def _place(self, request: Any) -> tuple[str, str]:
        access = self._surroundings.access
        return access.endpoint if access else "", request.urn

    def _known(self, request: Any) -> None:
        _claims.known(self._place(request), request.id)

    def _left_behind(self, place: tuple[str, str], resource: Resource) -> dict[str, Any] | None:
        """Take over what a killed run made and did not record, or remove it where it is not what is wanted now."""
        left = _claims.left(place)
        if left is None:
            return None
        earlier = type(resource)(self._surroundings, left.inputs, id=left.id)
        has = observe(earlier)
        if has is None:
            return None
        if lifecycle.change(type(resource), left.inputs, resource.inputs).replaced:
            lifecycle.delete(earlier)
            return None
        resource.id, resource.previous = left.id, lifecycle.restore(earlier, left.inputs, has)
        return lifecycle.update(resource)

    def _hand_over(self, place: tuple[str, str], resource: Resource, context: grpc.ServicerContext) -> None:
        """Nobody is left to record it: remove it at once, as this process may end too. Else it awaits its claim."""
        if context.is_active():
            _claims.made(place, resource.id, resource.inputs)
        else:
            lifecycle.delete(resource)


def _checked(inputs: Any, problems: list[str]) -> Any:
    """Findings name their property in the text: a `property` of their own would make the engine print its value."""
    return provider_pb2.CheckResponse(
        inputs=inputs, failures=[provider_pb2.CheckFailure(reason=one_line(each)) for each in problems]
    )


def _diff_kind(difference: Difference) -> Any:
    name = f"{difference.kind}_REPLACE" if difference.replaces else difference.kind
    return provider_pb2.PropertyDiff.Kind.Value(name)


def _some(changes: Any) -> Any:
    return provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE
