"""The protocol over real gRPC, with a type and a cloud that hold in memory."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.provider import configuration, server
from sandbox.provider.claims import Claims
from sandbox.provider.errors import Refused
from sandbox.provider.wire import UNKNOWN, decode, encode
from shared.errors import Problem
from tests.unit.sandbox.provider_fakes import NAMED, NAMELESS, Cloud, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "us-east-1"}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud()
    monkeypatch.setattr(configuration, "surroundings", lambda *_: surroundings(cloud))
    monkeypatch.setattr(server, "_claims", Claims())
    return cloud


@pytest.fixture
def stub(cloud: Cloud) -> Iterator[Any]:
    running, port = server.serve("random", environment=ENVIRONMENT)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(provider_pb2.ConfigureRequest())
        yield stub
    running.stop(0)


def urn(kind: str, name: str = "it") -> str:
    return f"urn:pulumi:dev::project::my:component:Part${kind}::{name}"


def create(stub: Any, kind: str, *, preview: bool = False, **inputs: Any) -> Any:
    properties = encode({"region": "us-east-1", "tagsAll": {}, **inputs})
    return stub.Create(provider_pb2.CreateRequest(urn=urn(kind), properties=properties, preview=preview))


def failure(call: Any, *arguments: Any, **more: Any) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        call(*arguments, **more)
    return raised.value


def test_what_is_not_declared_fails_by_name(stub: Any):
    error = failure(stub.Check, provider_pb2.CheckRequest(urn=urn("aws:ec2/toaster:Toaster")))
    assert error.details() == ("aws:ec2/toaster:Toaster it: the sandbox's provider does not declare this resource type")
    answer = stub.Check(provider_pb2.CheckRequest(urn=urn(NAMELESS), news=encode({"place": "p", "colour": "s3cret"})))
    assert [(each.property, each.reason) for each in answer.failures] == [
        ("", "colour: the sandbox's provider does not declare this property")
    ]
    error = failure(stub.Invoke, provider_pb2.InvokeRequest(tok="aws:ec2/getToaster:getToaster"))
    assert error.details() == "aws:ec2/getToaster:getToaster: the sandbox's provider does not declare this function"


def test_a_refusal_is_one_line(stub: Any, cloud: Cloud):
    def refuse(_operation: str) -> None:
        raise Refused("Denied", "first line\n  second line")

    cloud.before = refuse
    error = failure(create, stub, NAMED, name="n")
    assert error.code() == grpc.StatusCode.UNKNOWN
    assert error.details() == f"{NAMED} it: Denied: first line second line"


def test_a_bug_is_one_line_too(stub: Any, cloud: Cloud):
    def crash(_operation: str) -> None:
        raise ZeroDivisionError("oops\noops")

    cloud.before = crash
    assert failure(create, stub, NAMED, name="n").details() == f"{NAMED} it: ZeroDivisionError: oops oops"


def test_what_was_made_but_not_finished_is_told_with_its_id(stub: Any, cloud: Cloud):
    def refuse(operation: str) -> None:
        if operation == "resize":
            raise Refused("Throttled", "slowly")

    cloud.before = refuse
    error = failure(create, stub, NAMED, name="n", size=3)
    details = next(value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin")
    told = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(details).details[0].Unpack(told)
    assert told.id == "n"
    assert decode(told.properties)["size"] == 3
    assert list(told.reasons) == [f"{NAMED} it: Throttled: slowly"]


def test_a_preview_touches_nothing(stub: Any, cloud: Cloud):
    answer = create(stub, NAMED, preview=True, name=UNKNOWN)
    assert not answer.id
    assert decode(answer.properties)["madeIn"] == UNKNOWN
    assert not cloud.calls


def test_a_diff_names_paths_and_replacements(stub: Any):
    olds = {"name": "n", "size": 1, "rules": [{"port": 1}], "tagsAll": {"a b": "c"}}
    news = {"name": "m", "size": 2, "rules": [{"port": 2}], "tagsAll": {}}
    answer = stub.Diff(provider_pb2.DiffRequest(urn=urn(NAMED), id="n", old_inputs=encode(olds), news=encode(news)))
    kinds = {path: provider_pb2.PropertyDiff.Kind.Name(each.kind) for path, each in answer.detailedDiff.items()}
    assert kinds == {
        "name": "UPDATE_REPLACE",
        "size": "UPDATE",
        "rules[0].port": "UPDATE",
        'tagsAll["a b"]': "DELETE",
    }
    assert list(answer.replaces) == ["name"]
    assert not answer.deleteBeforeReplace


def test_what_the_engine_did_not_record_is_taken_over(stub: Any, cloud: Cloud):
    """A nameless thing, made, its engine killed before it wrote the id down: the next run creates it again."""
    first = create(stub, NAMELESS, place="p", size=2)
    again = create(stub, NAMELESS, place="p", size=3)
    assert again.id == first.id
    assert cloud.things[first.id]["size"] == 3
    assert len(cloud.things) == 1


def test_what_is_no_longer_wanted_is_removed(stub: Any, cloud: Cloud):
    first = create(stub, NAMELESS, place="p")
    other = create(stub, NAMELESS, place="q")
    assert list(cloud.things) == [other.id]
    assert other.id != first.id


def test_what_the_engine_knows_is_left_alone(stub: Any, cloud: Cloud):
    """A replacement: the engine spoke of the old one, so that a create means a second."""
    first = create(stub, NAMELESS, place="p")
    stub.Diff(provider_pb2.DiffRequest(urn=urn(NAMELESS), id=first.id))
    second = create(stub, NAMELESS, place="p")
    assert sorted(cloud.things) == sorted([first.id, second.id])


def test_a_create_that_outlives_its_engine_is_undone(cloud: Cloud):
    running, port = server.serve("random", environment=ENVIRONMENT)
    begun, go_on = threading.Event(), threading.Event()

    def wait(operation: str) -> None:
        if operation == "make":
            begun.set()
            assert go_on.wait(5)

    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    stub = provider_pb2_grpc.ResourceProviderStub(channel)
    stub.Configure(provider_pb2.ConfigureRequest())
    cloud.before = wait
    pending = stub.Create.future(provider_pb2.CreateRequest(urn=urn(NAMELESS), properties=encode({"place": "p"})))
    assert begun.wait(5)
    pending.cancel()
    channel.close()
    time.sleep(0.05)  # until the server has heard of it
    server.settle(0.01)
    assert "remove" not in [operation for operation, _ in cloud.calls]
    go_on.set()
    server.settle()
    assert "remove" in [operation for operation, _ in cloud.calls]
    assert not cloud.things
    running.stop(0)


def test_an_unknown_region_is_one_line():
    with pytest.raises(Problem, match="no region"):
        configuration.surroundings("aws", {}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, Path())


def test_without_an_endpoint_nothing_is_called():
    with pytest.raises(Problem, match="AWS_ENDPOINT_URL is not set"):
        configuration.surroundings("aws", {"region": "us-east-1"}, {}, Path())


def test_configuration_that_would_be_ignored_is_refused_by_name():
    _, problems = configuration.check("aws", {"region": "us-east-1", "endpoints": '[{"s3": "http://x"}]'})
    assert problems == ["endpoints: the sandbox's provider does not declare this property"]


def test_default_tags_arrive_as_text():
    around = configuration.surroundings("aws", {"defaultTags": '{"tags": {"a": "b"}}'}, ENVIRONMENT, Path())
    assert around.default_tags == {"a": "b"}
