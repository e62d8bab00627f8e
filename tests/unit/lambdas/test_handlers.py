"""The functions' entries: what they make of Lambda's context, before the parts that other tests look at."""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from lambdas.adapters.aws import EndingClient, client
from lambdas.adapters.retry import ATTEMPT
from lambdas.domain.payment import WORK_TIME
from lambdas.web.answer import Answer

VARIABLES = {
    "ENVIRONMENT": "payments",
    "SUFFIX": "x7k2",
    "ROLE": "primary",
    "RELEASE": "1",
    "CONSISTENCY": "MRSC",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_EC2_METADATA_DISABLED": "true",
    "TABLE_NAME": "payments",
    "AUDIT_BUCKET": "audit",
    "PROCESSOR": "processor.example",
    "API_KEYS_SECRET_ARN": "arn",
    "FAILOVER_NAME": "API.Payments.example",
}
LONG = SimpleNamespace(get_remaining_time_in_millis=lambda: 28_000)
LEFT = SimpleNamespace(get_remaining_time_in_millis=lambda: 10_000)


@pytest.fixture
def load(monkeypatch):
    """A function's main module, started as Lambda does; what it loads is forgotten afterwards."""
    before = dict(sys.modules)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)

    def load(function):
        return importlib.import_module(f"lambdas.{function}.main")

    yield load
    for name in sys.modules.keys() - before.keys():
        if name.endswith(".main"):
            del sys.modules[name]


def left(service):
    return service.deadline.until - service.payments.clock.now()


def test_a_request_has_the_function_s_time_but_for_a_margin(load, monkeypatch):
    main, seen = load("payment"), []

    def answer(request):
        seen.append((request.path, left(main._service)))
        return Answer(200, "{}")

    monkeypatch.setattr(main, "_api", SimpleNamespace(answer=answer))
    event = {"httpMethod": "GET", "path": "/payment/pay_x", "headers": {}, "requestContext": {"requestId": "r"}}
    assert main.handler(event, LEFT)["statusCode"] == 200
    main.handler(event, LONG)
    main.handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: 4_000))
    assert [path for path, _ in seen] == ["/payment/pay_x"] * 3
    assert 9_300 < seen[0][1] <= 9_500
    assert seen[1][1] <= WORK_TIME, "less than a lease, however long the function may run"
    assert 3_300 < seen[2][1] <= 3_500


@pytest.mark.parametrize(("waited", "gone"), [(0, 0), (400, 0), (2_500, 2_000), (8_000, 7_500), (90_000, 0)])
def test_what_a_request_waited_for_a_cold_start_is_no_longer_there(load, monkeypatch, waited, gone):
    main, seen = load("payment"), []

    def answer(_):
        seen.append(left(main._service))
        return Answer(200, "{}")

    monkeypatch.setattr(main, "_api", SimpleNamespace(answer=answer))
    arrived = main._service.payments.clock.now() - waited
    context = {"requestId": "r", "requestTimeEpoch": arrived}
    main.handler({"httpMethod": "POST", "path": "/payment", "headers": {}, "requestContext": context}, LEFT)
    assert 9_300 - gone < seen[0] <= 9_500 - gone


def test_health_reads_the_table_strongly(load, monkeypatch):
    """By the function as it is started: what its entry hands to the health is what decides."""
    asked = []
    monkeypatch.setattr(
        "lambdas.adapters.aws.client",
        lambda *_, **__: SimpleNamespace(get_item=lambda **arguments: asked.append(arguments)),
    )
    main = load("health")
    event = {"httpMethod": "GET", "path": "/health", "headers": {}, "requestContext": {"requestId": "r"}}
    assert main.handler(event, LEFT)["statusCode"] == 200
    assert {(one["TableName"], one["ConsistentRead"]) for one in asked} == {("payments", True)}


UNREADABLE = {
    "no method": {"path": "/payment", "headers": {}},
    "a header without a value": {"httpMethod": "GET", "path": "/", "headers": {"a": None}},
    "headers that are none": {"httpMethod": "GET", "path": "/", "headers": "x"},
    "values that are none": {"httpMethod": "GET", "path": "/", "headers": {}, "multiValueHeaders": {"a": None}},
    "a path that is none": {"httpMethod": "GET", "path": None, "headers": {}},
    "a context that is none": {"httpMethod": "GET", "path": "/", "headers": {}, "requestContext": "x"},
}


@pytest.mark.parametrize("function", ["payment", "health"])
@pytest.mark.parametrize("event", UNREADABLE.values(), ids=UNREADABLE)
def test_an_event_that_is_no_request_is_refused_and_no_error_of_the_function(load, monkeypatch, function, event):
    monkeypatch.setattr(
        "lambdas.adapters.aws.client", lambda *_, **__: SimpleNamespace(get_item=lambda **_: {}, meta=None)
    )
    answer = load(function).handler(event, LEFT)
    assert answer["statusCode"] == 400
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(answer["body"])["type"] == "/problems/malformed-request"


def test_an_event_that_is_no_request_is_refused_as_its_load_balancer_wants_it(load):
    answer = load("payment").handler({"path": "/payment", "multiValueHeaders": {}}, LEFT)
    assert answer["statusCode"] == 400
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/problem+json"]


def test_a_body_that_is_no_base64_is_refused_and_no_error_of_the_function(load, monkeypatch):
    monkeypatch.setattr("lambdas.adapters.keys.ApiKeys.client_of", lambda *_: "storefront")
    main = load("payment")
    headers = {"x-api-key": "k", "content-type": "application/json", "idempotency-key": "k"}
    event = {"httpMethod": "POST", "path": "/payment", "headers": headers, "body": "é", "isBase64Encoded": True}
    assert main.handler(event, LEFT)["statusCode"] == 400


def test_an_unhealthy_region_says_when_to_ask_again(load, monkeypatch):
    """By the function as it is started; health checkers do not care, and whoever else asks is no checker."""
    monkeypatch.setattr("lambdas.adapters.aws.client", lambda *_, **__: SimpleNamespace(get_item=lambda **_: 1 / 0))
    main = load("health")
    event = {"httpMethod": "GET", "path": "/health", "headers": {}, "requestContext": {"requestId": "r"}}
    answer = main.handler(event, LEFT)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (503, "application/problem+json")
    assert int(answer["headers"]["Retry-After"]) > 0


def test_whatever_a_request_asks_of_aws_is_over_by_its_deadline(load):
    """The clients' keys too: their secret is read within the request."""
    main = load("payment")
    payments = main._service.payments
    asking = (main._keys, payments.store, payments.audits, payments.play_money)
    assert {id(each.retry.deadline) for each in asking} == {id(main._service.deadline)}


@pytest.mark.parametrize("event", [{}, {"Records": []}])
def test_a_sweep_and_a_batch_of_notifications_have_it_too(load, monkeypatch, event):
    main, seen = load("audit"), []
    monkeypatch.setattr(main, "sweep", lambda service, time_left: seen.append((left(service), time_left)))
    monkeypatch.setattr(main, "file_all", lambda *_: seen.append((left(main._service), None)))
    main.handler(event, LEFT)
    ((until, time_left),) = seen
    assert 9_300 < until <= 9_500
    assert time_left in {None, 9_500}


OF_OTHERS = {
    "PARAMETERS": "/payments",
    "PEER_REGION": "us-east-2",
    "TABLE_NAME": "payments",
    "WITNESS_REGION": "us-west-2",
    "STOP_SWITCH_BUCKET": "switch",
    "STOP_SWITCH_KEY": "stop-switch",
    "PRIMARY_URL": "https://primary.example",
    "LATCH": "null",
}


@pytest.mark.parametrize("function", ["payment", "health", "audit", "canary", "failover_control"])
def test_a_function_with_an_alias_can_be_rehearsed(load, monkeypatch, function):
    """Where it gets no event it has started, and does nothing: no payment, no sweep, no stop switch."""
    for name, value in OF_OTHERS.items():
        monkeypatch.setenv(name, value)
    assert load(function).handler({"rehearsal": []}, LEFT) == {"answers": []}


def test_a_rehearsed_payment_is_the_canary_s_and_has_time_for_its_key(load, monkeypatch):
    main, asked_for, sent = load("payment"), [], []

    def key_of(client):
        asked_for.append((client, left(main._service)))
        return "key-of-the-canary"

    def answer(request):
        sent.append(request.one("x-api-key"))
        return Answer(201, "{}")

    main._service.deadline.begin(-5_000)  # of the invocation before
    monkeypatch.setattr(main, "_keys", SimpleNamespace(key_of=key_of))
    monkeypatch.setattr(main, "_api", SimpleNamespace(answer=answer))
    asked = {"httpMethod": "POST", "path": "/payment", "headers": {"x-api-key": "{api-key}"}}
    told = main.handler({"rehearsal": [{"event": asked, "status": 201}]}, LEFT)
    assert [each["statusCode"] for each in told["answers"]] == [201]
    ((client, time_left),) = asked_for
    assert (client, sent) == ("canary", ["key-of-the-canary"])
    assert 9_300 < time_left <= 9_500


def test_a_rehearsed_batch_is_filed_as_the_queue_s_would_be(load):
    assert load("audit").handler({"rehearsal": [{"event": {"Records": []}}]}, LEFT) == {
        "answers": [{"batchItemFailures": []}]
    }


def test_a_call_of_the_sdk_ends_however_it_hangs():
    """A socket's time-outs do not bound it: names with many addresses, TLS, answers that come in drops."""
    released = threading.Event()
    sdk = SimpleNamespace(
        hangs=lambda **_: released.wait(10), echoes=lambda **arguments: arguments, fails=lambda: 1 / 0
    )
    ending = EndingClient(sdk, 0.05, ThreadPoolExecutor(2))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        ending.hangs()
    assert time.monotonic() - began < 1
    assert ending.echoes(Key="k") == {"Key": "k"}
    with pytest.raises(ZeroDivisionError):
        ending.fails()
    released.set()


def test_a_call_that_was_given_up_before_it_began_is_never_made():
    """All threads hang: what waits behind them would be written when nobody expects it any more."""
    released, made = threading.Event(), []
    sdk = SimpleNamespace(hangs=lambda **_: released.wait(10), writes=lambda **arguments: made.append(arguments))
    threads = ThreadPoolExecutor(1)
    ending = EndingClient(sdk, 0.05, threads)
    for operation in (ending.hangs, ending.writes):
        with pytest.raises(TimeoutError):
            operation(Key="k")
    released.set()
    threads.shutdown(wait=True)
    assert made == []


def test_every_client_ends_its_calls_when_the_retries_expect_it(monkeypatch):
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, VARIABLES[name])
    found = client("secretsmanager")
    assert isinstance(found, EndingClient)
    assert found.limit == ATTEMPT / 1_000
    config = found.client.meta.config
    assert config.connect_timeout <= found.limit
    assert config.read_timeout <= found.limit
    assert config.retries["total_max_attempts"] == 1
