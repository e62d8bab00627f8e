"""What a load balancer makes of requests, rules and functions' answers, without a cloud."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from sandbox.cloud.balancers import serving
from sandbox.cloud.balancers.answers import FunctionFailedError, of_function, page
from sandbox.cloud.balancers.client_request import LARGEST, ClientRequest
from sandbox.cloud.balancers.conditions import condition
from sandbox.cloud.balancers.events import event
from sandbox.cloud.balancers.metrics import Served, measured
from sandbox.cloud.balancers.table import LoadBalancer, TargetGroup

ACCOUNT = "arn:aws:elasticloadbalancing:us-east-1:000000000000"
BALANCER = LoadBalancer(f"{ACCOUNT}:loadbalancer/app/pay/50dc6c495c0c9188", "pay-1.elb", (), "HTTPS", 443, ())
GROUP = TargetGroup(f"{ACCOUNT}:targetgroup/pay/73e2d6bc24d8a067", "arn:aws:lambda:us-east-1:0:function:f", True)


def request(method="GET", path="/", query="", body=b"", client="192.0.2.7", **headers):
    lines = [("host", b"api.example.org:8443")]
    for name, values in headers.items():
        lines += [
            (name.replace("_", "-"), value.encode()) for value in ([values] if isinstance(values, str) else values)
        ]
    return ClientRequest(method, path, query, tuple(lines), client, body)


def given(asked, *, multi_value=True, balancer=BALANCER, now=1_600_000_000.0):
    return event(asked, balancer, replace(GROUP, multi_value=multi_value), now)


def header(asked, name, **more):
    return given(asked, **more)["multiValueHeaders"].get(name)


def test_every_value_is_told_and_nothing_is_decoded():
    found = given(request("POST", "/a%2Fb", "a=1&a=%20x&b&=", idempotency_key=["one", "two"], client="192.0.2.7"))
    assert found["requestContext"] == {"elb": {"targetGroupArn": GROUP.arn}}
    assert (found["httpMethod"], found["path"]) == ("POST", "/a%2Fb")
    assert found["multiValueQueryStringParameters"] == {"a": ["1", "%20x"], "b": [""], "": [""]}
    headers = found["multiValueHeaders"]
    assert headers["idempotency-key"] == ["one", "two"]
    assert headers["host"] == ["api.example.org:8443"]
    assert headers["x-forwarded-for"] == ["192.0.2.7"]
    assert (headers["x-forwarded-port"], headers["x-forwarded-proto"]) == (["443"], ["https"])
    assert not {"headers", "queryStringParameters"} & set(found)


def test_the_last_value_alone_is_told_where_there_is_place_for_one():
    found = given(request(query="a=1&a=2", twice=["one", "two"]), multi_value=False)
    assert (found["queryStringParameters"], found["headers"]["twice"]) == ({"a": "2"}, "two")
    assert not {"multiValueHeaders", "multiValueQueryStringParameters"} & set(found)


@pytest.mark.parametrize(
    ("mode", "client", "sent", "told"),
    [
        ("append", "192.0.2.7", "198.51.100.1", ["198.51.100.1, 192.0.2.7"]),
        ("append", "192.0.2.7", ["a", "b"], ["a, b, 192.0.2.7"]),
        ("append", "2001:db8::1", "198.51.100.1", ["198.51.100.1, [2001:db8::1]"]),
        ("preserve", "192.0.2.7", "198.51.100.1", ["198.51.100.1"]),
        ("remove", "192.0.2.7", "198.51.100.1", None),
    ],
)
def test_the_clients_address_comes_last(mode, client, sent, told):
    balancer = replace(BALANCER, forwarded_for=mode)
    assert header(request(client=client, x_forwarded_for=sent), "x-forwarded-for", balancer=balancer) == told


def test_a_client_does_not_say_how_it_has_come():
    asked = request(x_forwarded_proto="gopher", x_forwarded_port="70")
    assert (header(asked, "x-forwarded-proto"), header(asked, "x-forwarded-port")) == (["https"], ["443"])


@pytest.mark.parametrize(
    ("sent", "begins", "ends"),
    [
        ([], "Root=1-5f5e1000-", ""),
        (["Root=1-a-b"], "Self=1-5f5e1000-", ";Root=1-a-b"),
        (["Self=1-c-d;Root=1-a-b;of=client"], "Self=1-5f5e1000-", ";Root=1-a-b;of=client"),
        (["of=client"], "Root=1-5f5e1000-", ";of=client"),
    ],
)
def test_a_trace_begins_here_or_goes_on(sent, begins, ends):
    (told,) = header(request(x_amzn_trace_id=sent), "x-amzn-trace-id")
    assert told.startswith(begins)
    assert told.endswith(ends)
    assert len(told) == len(begins) + 24 + len(ends)


@pytest.mark.parametrize(
    ("kind", "encoding", "is_text"),
    [
        ("application/json", "", True),
        ("Application/JSON; charset=utf-8", "", True),
        ("text/anything", "", True),
        ("application/xml", "", True),
        ("application/javascript", "", True),
        ("application/problem+json", "", False),
        ("application/octet-stream", "", False),
        ("", "", False),
        ("application/json", "gzip", False),
    ],
)
def test_the_type_decides_what_is_text(kind, encoding, is_text):
    headers = {"content_type": kind, "content_encoding": encoding}
    found = given(request("POST", body=b"{}", **{name: value for name, value in headers.items() if value}))
    assert (found["body"], found["isBase64Encoded"]) == (("{}", False) if is_text else ("e30=", True))


def test_no_body_is_an_empty_text():
    assert (given(request())["body"], given(request())["isBase64Encoded"]) == ("", False)


@pytest.mark.parametrize("asked", [request(body=b"\xff", content_type="text/plain"), request(body=b"x")])
def test_what_is_no_utf8_reaches_no_function_as_text(asked):
    wrong = asked._replace(headers=(*asked.headers, ("x-name", b"\xff")))
    with pytest.raises(FunctionFailedError, match="LambdaBadRequest"):
        given(wrong)


def met(field, values=(), asked=None, **config):
    return condition({"Field": field, "Values": list(values), **config})(asked or request())


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("/payment", "/payment", True),
        ("/payment", "/Payment", False),
        ("/payment", "/payment/1", False),
        ("/payment/*", "/payment/1/2", True),
        ("/payment/*", "/payment", False),
        ("/p?y", "/pay", True),
        ("/p?y", "/py", False),
        ("/[a]", "/a", False),
        ("/a.c", "/abc", False),
        ("/a|/b", "/a", False),
    ],
)
def test_a_path_meets_a_pattern_as_it_is_written(pattern, path, found):
    assert met("path-pattern", [pattern], request(path=path)) is found
    assert met("path-pattern", ["/elsewhere", pattern], request(path=path)) is found


def test_conditions_see_method_host_headers_query_and_source():
    assert met("http-request-method", ["GET", "HEAD"])
    assert not met("http-request-method", ["get"])
    assert met("host-header", ["*.EXAMPLE.org"])
    assert not met("host-header", ["example.org"])
    assert met("source-ip", ["198.51.100.0/24", "192.0.2.0/24"])
    assert not met("source-ip", ["198.51.100.0/24"])
    asked = request(query="version=V2&b=x", x_kind=["a", "Canary-1"])
    assert met("http-header", asked=asked, HttpHeaderConfig={"HttpHeaderName": "X-Kind", "Values": ["canary-*"]})
    assert not met("http-header", asked=asked, HttpHeaderConfig={"HttpHeaderName": "X-Other", "Values": ["*"]})
    assert met("query-string", asked=asked, QueryStringConfig={"Values": [{"Key": "version", "Value": "v?"}]})
    assert met("query-string", asked=asked, QueryStringConfig={"Values": [{"Value": "x"}]})
    for key, value in (("b", "y"), ("version", "x")):
        assert not met("query-string", asked=asked, QueryStringConfig={"Values": [{"Key": key, "Value": value}]})


def test_a_condition_that_is_not_imitated_is_never_met():
    assert not met("query-string", ["a=1"], request(query="a=1"))
    assert not met("path-pattern", RegexValues=[".*"])


PLAIN = {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": "ok"}


def test_an_answer_has_status_headers_and_body():
    found = of_function({**PLAIN, "statusDescription": "200 OK", "isBase64Encoded": False}, multi_value=False)
    assert found == (200, (("Content-Type", "text/plain"),), b"ok")
    several = {"Set-Cookie": ["a=1", "b=2"], "content-type": ["text/plain"], "Connection": ["close"]}
    found = of_function(
        {"statusCode": 201, "multiValueHeaders": several, "body": "e30=", "isBase64Encoded": True}, multi_value=True
    )
    assert found == (201, (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("content-type", "text/plain")), b"{}")


def test_headers_of_the_other_mode_count_for_nothing():
    unknown = (("Content-Type", "application/octet-stream"),)
    assert of_function(PLAIN, multi_value=True).headers == unknown
    assert of_function({"statusCode": 200, "multiValueHeaders": {"A": ["b"]}}, multi_value=False).headers == unknown
    assert of_function({"statusCode": 200, "multiValueHeaders": None}, multi_value=False).headers == unknown


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "hello",
        [],
        {},
        {"statusCode": "200"},
        {"statusCode": 200.0},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200, "body": None},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "isBase64Encoded": "false"},
        {"statusCode": 200, "isBase64Encoded": True, "body": "no base64"},
        {"statusCode": 200, "statusDescription": None},
        {"statusCode": 200, "headers": None},
        {"statusCode": 200, "headers": {"Retry-After": 5}},
        {"statusCode": 200, "headers": {"Bad Name": "a"}},
        {"statusCode": 200, "headers": {"A": "b\r\nC: d"}},
        {"statusCode": 200, "headers": {"A": "\u2603"}},
        {"statusCode": 200, "headers": {"A": ["b"]}},
    ],
)
def test_what_is_no_answer_is_invalid(wrong):
    with pytest.raises(FunctionFailedError, match="LambdaInvalidResponse") as raised:
        of_function(wrong, multi_value=False)
    assert raised.value.status == 502


@pytest.mark.parametrize("headers", [{"A": "b"}, {"A": [1]}, []])
def test_headers_with_several_values_are_lists_of_texts(headers):
    with pytest.raises(FunctionFailedError, match="LambdaInvalidResponse"):
        of_function({"statusCode": 200, "multiValueHeaders": headers}, multi_value=True)


def test_an_answer_has_its_limit():
    frame = len(json.dumps({**PLAIN, "body": ""}))
    assert len(of_function({**PLAIN, "body": "x" * (LARGEST - frame)}, multi_value=False).body) == LARGEST - frame
    with pytest.raises(FunctionFailedError, match="LambdaResponseTooLarge"):
        of_function({**PLAIN, "body": "x" * (LARGEST - frame + 1)}, multi_value=False)


def test_a_page_of_its_own_is_html():
    found = page(502)
    assert (found.status, dict(found.headers)) == (502, {"Content-Type": "text/html"})
    assert found.body.startswith(b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n")


LB, TG = "app/pay/50dc6c495c0c9188", "targetgroup/pay/73e2d6bc24d8a067"
BOTH = {"LoadBalancer": LB, "TargetGroup": TG}


def counted(outcome):
    """What is measured of a request: values by metric and dimensions."""
    return {(name.metric, frozenset(name.dimensions)): value for name, value, _ in measured(BALANCER, outcome)}


def sets(metric, value, *dimensions):
    return {(metric, frozenset(each.items())): value for each in dimensions}


def test_an_answer_of_a_function_is_its_targets():
    answer = of_function(PLAIN, multi_value=False)
    assert counted(Served(answer, GROUP, seconds=0.25)) == {
        **sets("RequestCount", 1, {"LoadBalancer": LB}, BOTH),
        **sets("HTTPCode_Target_2XX_Count", 1, {"LoadBalancer": LB}, BOTH),
        **sets("TargetResponseTime", 0.25, {"LoadBalancer": LB}, BOTH),
    }
    failed = answer._replace(status=503)
    assert ("HTTPCode_Target_5XX_Count", frozenset(BOTH.items())) in counted(Served(failed, GROUP, seconds=0.25))


def test_a_functions_failure_is_the_load_balancers_and_the_users():
    assert counted(Served(page(502), GROUP, "LambdaThrottling")) == {
        **sets("RequestCount", 1, {"LoadBalancer": LB}, BOTH),
        **sets("LambdaUserError", 1, {"TargetGroup": TG}, BOTH),
        **sets("HTTPCode_ELB_5XX_Count", 1, {"LoadBalancer": LB}),
        **sets("HTTPCode_ELB_502_Count", 1, {"LoadBalancer": LB}),
    }
    assert counted(Served(page(413), GROUP, "LambdaRequestTooLarge")) == {
        **sets("RequestCount", 1, {"LoadBalancer": LB}, BOTH),
        **sets("LambdaUserError", 1, {"TargetGroup": TG}, BOTH),
        **sets("HTTPCode_ELB_4XX_Count", 1, {"LoadBalancer": LB}),
    }


@pytest.mark.parametrize("reason", ["LambdaServiceException", "LambdaConnectionError", "LambdaConnectionTimeout"])
def test_a_failure_of_lambdas_own_is_an_internal_error_and_no_users(reason):
    assert counted(Served(page(502), GROUP, reason)) == {
        **sets("RequestCount", 1, {"LoadBalancer": LB}, BOTH),
        **sets("LambdaInternalError", 1, {"TargetGroup": TG}, BOTH),
        **sets("HTTPCode_ELB_5XX_Count", 1, {"LoadBalancer": LB}),
        **sets("HTTPCode_ELB_502_Count", 1, {"LoadBalancer": LB}),
    }


def test_what_reaches_no_target_is_no_request_of_one():
    fixed = of_function({**PLAIN, "statusCode": 404}, multi_value=False)
    assert counted(Served(fixed, fixed=True)) == {
        **sets("HTTP_Fixed_Response_Count", 1, {"LoadBalancer": LB}),
        **sets("HTTPCode_ELB_4XX_Count", 1, {"LoadBalancer": LB}),
    }
    assert counted(Served(page(503))) == {
        **sets("HTTPCode_ELB_5XX_Count", 1, {"LoadBalancer": LB}),
        **sets("HTTPCode_ELB_503_Count", 1, {"LoadBalancer": LB}),
    }


def test_lambda_that_fails_itself_is_an_internal_error(monkeypatch):
    async def failing(*_, **__):
        raise OSError("no more threads")

    monkeypatch.setattr(serving, "_asked", lambda *_: ({}, {}))
    monkeypatch.setattr(serving, "run_reentrant", failing)
    outcome = asyncio.run(serving._forwarded(BALANCER, GROUP, None))
    assert (outcome.answer.status, outcome.failure) == (502, "LambdaServiceException")
    assert ("LambdaInternalError", frozenset(BOTH.items())) in counted(outcome)
