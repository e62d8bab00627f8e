"""What the engine does with a provider, without the engine: the protocol's calls, in its order, over real gRPC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sandbox.provider.server import serve
from sandbox.provider.wire import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

SEED = b"0123456789abcdef"
TAGS = {"Environment": "examples"}
"""What every resource of the examples is tagged with, as by a provider of a stack."""


class Failed(Exception):
    """What the provider answered instead of doing it."""


@dataclass
class Made:
    """A resource as the engine's state has it."""

    urn: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.outputs[name]


@dataclass
class Engine:
    """One provider instance, and what was made through it."""

    endpoint: str = ""
    package: str = "aws"
    region: str = "us-east-1"
    default_tags: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)

    def __post_init__(self) -> None:
        environment = {"AWS_ENDPOINT_URL": self.endpoint, **self.credentials}
        self._server, port = serve(self.package, environment=environment)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self.configure()

    def configure(self, **more: Any) -> None:
        values: dict[str, Any] = more
        if self.package == "aws":
            values = {"region": self.region, "defaultTags": {"tags": dict(self.default_tags)}, **more}
        self._call("Configure", provider_pb2.ConfigureRequest(args=encode(values)))

    def close(self) -> None:
        self._channel.close()
        self._server.stop(0)

    def check(
        self, kind: str, name: str, news: Mapping[str, Any], olds: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        request = provider_pb2.CheckRequest(urn=_urn(kind, name), news=encode(news), randomSeed=SEED)
        if olds is not None:
            request.olds.CopyFrom(encode(olds))
        answer = self._call("Check", request)
        if answer.failures:
            raise Failed("; ".join(each.reason for each in answer.failures))
        return decode(answer.inputs)

    def preview_create(self, kind: str, urn_name: str, /, **news: Any) -> dict[str, Any]:
        inputs = self.check(kind, urn_name, news)
        request = provider_pb2.CreateRequest(urn=_urn(kind, urn_name), properties=encode(inputs), preview=True)
        return decode(self._call("Create", request).properties)

    def make(self, kind: str, urn_name: str = "", /, **news: Any) -> Made:
        urn_name = urn_name or f"{kind.rsplit(':', maxsplit=1)[-1].lower()}{len(self.made)}"
        inputs = self.check(kind, urn_name, news)
        urn = _urn(kind, urn_name)
        answer = self._call("Create", provider_pb2.CreateRequest(urn=urn, properties=encode(inputs)))
        made = Made(urn, answer.id, inputs, decode(answer.properties))
        self.made.append(made)
        return made

    def diff(self, made: Made, news: Mapping[str, Any], *, olds: Mapping[str, Any] | None = None) -> Any:
        request = provider_pb2.DiffRequest(
            urn=made.urn,
            id=made.id,
            old_inputs=encode(made.inputs if olds is None else olds),
            olds=encode(made.outputs),
            news=encode(news),
        )
        return self._call("Diff", request)

    def recheck(self, made: Made, news: Mapping[str, Any]) -> dict[str, Any]:
        return self.check(kind_of(made), made.urn.rsplit("::", maxsplit=1)[-1], news, made.inputs)

    def update(self, made: Made, inputs: Mapping[str, Any], *, preview: bool = False) -> dict[str, Any]:
        request = provider_pb2.UpdateRequest(
            urn=made.urn,
            id=made.id,
            old_inputs=encode(made.inputs),
            olds=encode(made.outputs),
            news=encode(inputs),
            preview=preview,
        )
        outputs = decode(self._call("Update", request).properties)
        if not preview:
            made.inputs, made.outputs = dict(inputs), outputs
        return outputs

    def read(self, made: Made, *, import_id: str = "") -> Made | None:
        request = provider_pb2.ReadRequest(urn=made.urn, id=import_id or made.id)
        if not import_id:
            request.inputs.CopyFrom(encode(made.inputs))
            request.properties.CopyFrom(encode(made.outputs))
        answer = self._call("Read", request)
        return Made(made.urn, answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    def delete(self, made: Made) -> None:
        request = provider_pb2.DeleteRequest(
            urn=made.urn, id=made.id, old_inputs=encode(made.inputs), properties=encode(made.outputs)
        )
        self._call("Delete", request)

    def destroy(self) -> None:
        while self.made:
            self.delete(self.made.pop())

    def invoke(self, token: str, **arguments: Any) -> dict[str, Any]:
        answer = self._call("Invoke", provider_pb2.InvokeRequest(tok=token, args=encode(arguments)))
        return decode(getattr(answer, "return"))

    def _call(self, name: str, request: Any) -> Any:
        try:
            return getattr(self.stub, name)(request, timeout=60)
        except grpc.RpcError as error:
            raise Failed(error.details()) from None


def kind_of(made: Made) -> str:
    return made.urn.split("::")[-2]


def _urn(kind: str, name: str) -> str:
    return f"urn:pulumi:test::examples::{kind}::{name}"
