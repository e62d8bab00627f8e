"""Load balancers of the running cloud: names, rules, what functions get and clients hear, permissions and metrics."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sandbox import addresses, control, ports
from sandbox.cloud.balancers.client_request import LARGEST
from sandbox.faults.fault import InjectedFault
from shared.errors import Problem
from tests.sandbox import test_firewall as firewall
from tests.sandbox.test_cloud_functions import Function
from tests.sandbox.test_gateway import make_api
from tests.sandbox.virtual_time import METRICS_ARRIVE, VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.conftest import RunningCloud

REGION, OTHER = "ap-northeast-1", "ap-northeast-2"
"""Regions of their own: what a region has alone is part of what is tested."""
FUNCTION = """
import json, sys, time

def handler(event, context):
    multi = "multiValueHeaders" in event
    told = json.loads(event["body"] or "{}") if not event["isBase64Encoded"] else {}
    kind = told.get("do")
    if kind == "raise":
        raise ValueError("a secret of the function's")
    if kind == "exit":
        sys.exit(3)
    if kind == "sleep":
        time.sleep(told["seconds"])
    if kind == "return":
        return told["answer"]
    if kind == "much":
        return {"statusCode": 200, "body": "x" * told["size"]}
    headers = {"Content-Type": "application/json", "Called-By": context.invoked_function_arn}
    fields = {"multiValueHeaders": {k: [v] for k, v in headers.items()}} if multi else {"headers": headers}
    short = {**event, "body": event["body"][:100]}
    return {"statusCode": told.get("status", 200), "body": json.dumps(short), **fields}
"""
NOT_FOUND = {"title": "Not Found", "status": 404}


@dataclass
class Balanced:
    """A load balancer with POST /payment and GET or HEAD /health, each a function's alias."""

    cloud: RunningCloud
    region: str
    zone: str
    web: httpx.Client
    arn: str = ""
    name: str = ""
    listener: str = ""
    certificate: str = ""

    def __post_init__(self) -> None:
        self.groups: dict[str, str] = {}
        self.functions: dict[str, Function] = {}
        self.elb = self.cloud.client("elbv2", self.region)

    def ask(self, method: str = "GET", path: str = "/health", host: str = "", **more: Any) -> httpx.Response:
        headers = httpx.Headers(more.pop("headers", None))
        headers["Host"] = host or f"api.{self.zone}"
        return self.web.request(method, self.cloud.gateways[self.region] + path, headers=headers, **more)

    def pay(self, **event: Any) -> httpx.Response:
        return self.ask("POST", "/payment", json=event)

    def sum(self, metric: str, namespace: str = "AWS/ApplicationELB", **dimensions: str) -> float:
        now = VirtualTime(self.cloud.sandbox).date()
        found = self.cloud.client("cloudwatch", self.region).get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(hours=2),
            EndTime=now + timedelta(minutes=1),
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(each["Sum"] for each in found))

    def delete(self) -> None:
        self.elb.delete_listener(ListenerArn=self.listener)
        self.elb.delete_load_balancer(LoadBalancerArn=self.arn)


def fixed(status: str, kind: str, body: str) -> dict[str, Any]:
    return {
        "Type": "fixed-response",
        "FixedResponseConfig": {"StatusCode": status, "ContentType": kind, "MessageBody": body},
    }


def make_group(made: Balanced, path: str, *, multi_value: bool = True) -> str:
    """A target group with a function's alias, that may be invoked for it."""
    function = made.functions[path] = Function(made.cloud, FUNCTION, made.region)
    version = function.client.publish_version(FunctionName=function.name)["Version"]
    alias = function.client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)["AliasArn"]
    group: str = made.elb.create_target_group(Name=function.name, TargetType="lambda")["TargetGroups"][0][
        "TargetGroupArn"
    ]
    attribute = {"Key": "lambda.multi_value_headers.enabled", "Value": str(multi_value).lower()}
    made.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[attribute])
    allow(function, group)
    made.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": alias}])
    made.groups[path] = group
    return group


def allow(function: Function, group: str) -> None:
    function.client.add_permission(
        FunctionName=function.name,
        Qualifier="live",
        StatementId="balancer",
        Action="lambda:InvokeFunction",
        Principal="elasticloadbalancing.amazonaws.com",
        SourceArn=group,
    )


def make_balancer(cloud: RunningCloud, region: str, web: httpx.Client, *names: str) -> Balanced:
    label = f"t{uuid.uuid4().hex[:8]}"
    made = Balanced(cloud, region, f"{label}.example.org", web)
    names = names or (f"api.{made.zone}", f"use1-api.{made.zone}")
    made.certificate = cloud.client("acm", region).request_certificate(
        DomainName=names[0], ValidationMethod="DNS", SubjectAlternativeNames=list(names)
    )["CertificateArn"]
    found = made.elb.create_load_balancer(Name=label, Type="application")["LoadBalancers"][0]
    made.arn, made.name = found["LoadBalancerArn"], found["DNSName"]
    made.listener = made.elb.create_listener(
        LoadBalancerArn=made.arn,
        Protocol="HTTPS",
        Port=443,
        Certificates=[{"CertificateArn": made.certificate}],
        DefaultActions=[fixed("404", "application/json", json.dumps(NOT_FOUND))],
    )["Listeners"][0]["ListenerArn"]
    return made


def add_rules(made: Balanced, *, multi_value: bool = True) -> None:
    for number, (path, methods) in enumerate((("/payment", ["POST"]), ("/health", ["GET", "HEAD"])), 1):
        group = make_group(made, path, multi_value=multi_value)
        made.elb.create_rule(
            ListenerArn=made.listener,
            Priority=number,
            Conditions=[
                {"Field": "path-pattern", "Values": [path]},
                {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": methods}},
            ],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )


@pytest.fixture(scope="module")
def web(cloud: RunningCloud) -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10) as client:
        client.get(cloud.endpoint + "/_ministack/health").raise_for_status()
        yield client


@pytest.fixture(scope="module")
def balanced(cloud: RunningCloud, web: httpx.Client) -> Iterator[Balanced]:
    made = make_balancer(cloud, REGION, web)
    add_rules(made)
    yield made
    cloud.sandbox.heal()
    made.delete()


@pytest.fixture
def own(cloud: RunningCloud, web: httpx.Client) -> Iterator[Balanced]:
    """One for a test that changes it, in the other region."""
    made = make_balancer(cloud, OTHER, web)
    add_rules(made)
    yield made
    cloud.sandbox.heal()
    made.delete()


def is_page(answer: httpx.Response, status: int, title: str) -> bool:
    """Whether an answer is the load balancer's own, and tells nothing of the function."""
    assert (answer.status_code, answer.headers["Server"]) == (status, "awselb/2.0")
    assert answer.headers["Content-Type"] == "text/html"
    return f"<head><title>{status} {title}</title></head>" in answer.text


def test_a_rule_leads_to_its_functions_alias(balanced: Balanced) -> None:
    answer = balanced.ask()
    assert answer.status_code == 200, answer.text
    assert answer.headers["Called-By"].endswith(f":{balanced.functions['/health'].name}:live")
    assert answer.headers["Server"] == "awselb/2.0"
    assert answer.json()["requestContext"] == {"elb": {"targetGroupArn": balanced.groups["/health"]}}
    assert balanced.pay().json()["requestContext"] == {"elb": {"targetGroupArn": balanced.groups["/payment"]}}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/payment"), ("POST", "/health"), ("GET", "/"), ("GET", "/Health")]
)
def test_what_no_rule_is_for_has_the_fixed_response(balanced: Balanced, method: str, path: str) -> None:
    answer = balanced.ask(method, path)
    assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert (answer.headers["Content-Type"], answer.headers["Server"]) == ("application/json", "awselb/2.0")


def test_a_request_reaches_its_function_as_it_was_sent(balanced: Balanced) -> None:
    lines = [("Idempotency-Key", "one"), ("idempotency-key", "two"), ("X-Forwarded-For", "198.51.100.1")]
    url = balanced.cloud.gateways[REGION] + "/health?a=1&a=%20x"
    told = balanced.web.get(url, headers=[("Host", f"api.{balanced.zone}:8443"), *lines]).json()
    headers = told["multiValueHeaders"]
    assert headers["idempotency-key"] == ["one", "two"]
    assert headers["host"] == [f"api.{balanced.zone}:8443"]
    assert headers["x-forwarded-for"] == ["198.51.100.1, 127.0.0.1"]
    assert (headers["x-forwarded-port"], headers["x-forwarded-proto"]) == (["443"], ["https"])
    assert headers["x-amzn-trace-id"][0].startswith("Root=1-")
    assert told["multiValueQueryStringParameters"] == {"a": ["1", "%20x"]}
    assert (told["body"], told["isBase64Encoded"]) == ("", False)
    assert not {"headers", "queryStringParameters"} & set(told)


def test_a_group_may_tell_single_values(own: Balanced) -> None:
    attribute = {"Key": "lambda.multi_value_headers.enabled", "Value": "false"}
    own.elb.modify_target_group_attributes(TargetGroupArn=own.groups["/health"], Attributes=[attribute])
    told = own.ask(path="/health?a=1&a=2", headers=[("X-Twice", "a"), ("X-Twice", "b")]).json()
    assert (told["headers"]["x-twice"], told["queryStringParameters"]) == ("b", {"a": "2"})
    assert "multiValueHeaders" not in told


def test_a_head_has_no_body_and_its_length(balanced: Balanced) -> None:
    answer = balanced.ask("HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 100
    assert balanced.ask("HEAD", "/nowhere").status_code == 404


FAILURES: dict[str, dict[str, Any]] = {
    "raised": {"do": "raise"},
    "exited": {"do": "exit"},
    "timed out": {"do": "sleep", "seconds": 1.5},  # the function's own time-out is 1 s
    "answered nothing": {"do": "return", "answer": None},
    "answered a text": {"do": "return", "answer": "hello"},
    "answered a number for a header": {
        "do": "return",
        "answer": {"statusCode": 200, "multiValueHeaders": {"Retry-After": [5]}},
    },
    "answered too much": {"do": "much", "size": LARGEST},
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_function_without_an_answer_is_502(balanced: Balanced, failure: str) -> None:
    assert is_page(balanced.pay(**FAILURES[failure]), 502, "Bad Gateway")
    assert balanced.pay().status_code == 200


def test_a_functions_own_status_is_its_answer(balanced: Balanced) -> None:
    for status in (201, 204, 302, 304, 409, 503):
        answer = balanced.pay(status=status)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")


def test_a_body_has_its_limit(balanced: Balanced) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    assert balanced.ask("POST", "/payment", content=b"x" * LARGEST, headers=kind).status_code == 200
    refused = balanced.ask("POST", "/payment", content=b"x" * (LARGEST + 1), headers=kind)
    assert is_page(refused, 413, "Request Entity Too Large")
    assert balanced.ask("POST", "/nowhere", content=b"x" * (2 * LARGEST), headers=kind).status_code == 404


def test_a_websocket_is_refused(balanced: Balanced) -> None:
    assert is_page(balanced.ask(headers={"Upgrade": "websocket", "Connection": "Upgrade"}), 400, "Bad Request")


def test_a_load_balancer_needs_the_functions_permission(own: Balanced) -> None:
    function = own.functions["/payment"]
    function.client.remove_permission(FunctionName=function.name, Qualifier="live", StatementId="balancer")
    assert is_page(own.pay(), 502, "Bad Gateway")
    allow(function, own.groups["/health"])
    assert own.pay().status_code == 502, "another group's"
    function.client.remove_permission(FunctionName=function.name, Qualifier="live", StatementId="balancer")
    allow(function, own.groups["/payment"])
    assert own.pay().status_code == 200


def test_a_group_without_a_target_is_503(own: Balanced) -> None:
    (target,) = own.elb.describe_target_health(TargetGroupArn=own.groups["/health"])["TargetHealthDescriptions"]
    targets = [{"Id": target["Target"]["Id"]}]
    own.elb.deregister_targets(TargetGroupArn=own.groups["/health"], Targets=targets)
    assert is_page(own.ask(), 503, "Service Temporarily Unavailable")
    own.elb.register_targets(TargetGroupArn=own.groups["/health"], Targets=targets)
    assert own.ask().status_code == 200
    own.functions["/health"].client.delete_function(FunctionName=own.functions["/health"].name)
    assert is_page(own.ask(), 502, "Bad Gateway")


def test_a_change_of_rules_holds_at_once(own: Balanced) -> None:
    own.elb.create_rule(
        ListenerArn=own.listener,
        Priority=3,
        Conditions=[{"Field": "path-pattern", "Values": ["/new/*"]}],
        Actions=[fixed("410", "text/plain", "gone")],
    )
    assert (own.ask(path="/new/x").status_code, own.ask(path="/new/x").text) == (410, "gone")
    own.elb.modify_listener(ListenerArn=own.listener, DefaultActions=[fixed("418", "text/plain", "no")])
    assert own.ask(path="/nowhere").status_code == 418


def test_names_lead_to_the_load_balancer_of_the_region(cloud: RunningCloud, balanced: Balanced, own: Balanced) -> None:
    """Its own, and those on its certificate; two environments, and an API beside them, are kept apart."""
    for host in (f"use1-api.{balanced.zone}", f"API.{balanced.zone}.", balanced.name, f"{balanced.name.upper()}:443"):
        assert balanced.ask(host=host).headers["Called-By"] == balanced.ask().headers["Called-By"]
    assert balanced.ask(host=own.name).status_code == 404, "the other region's"
    second = make_balancer(cloud, OTHER, own.web, f"*.{own.zone}")
    api = make_api(cloud, OTHER)
    try:
        answers = {host: own.ask(host=host).text for host in (f"api.{own.zone}", f"any.{own.zone}", second.name)}
        assert (
            json.loads(answers[f"api.{own.zone}"])["requestContext"]["elb"]["targetGroupArn"] == own.groups["/health"]
        )
        assert json.loads(answers[f"any.{own.zone}"]) == json.loads(answers[second.name]) == NOT_FOUND
        execute_api = f"{api.identity}.execute-api.{OTHER}.amazonaws.com"
        assert own.ask(path="/v1/health", host=execute_api).json()["region"] == OTHER
        several = own.ask(host="nobody.example.com")
        assert several.status_code == 404
        names = {execute_api, own.name, f"api.{own.zone}", f"use1-api.{own.zone}", second.name, f"*.{own.zone}"}
        assert names <= set(several.json()["hosts"])
    finally:
        second.delete()
        cloud.client("apigateway", OTHER).delete_rest_api(restApiId=api.identity)


def test_an_address_means_the_only_load_balancer_and_one_without_a_listener_is_none(balanced: Balanced) -> None:
    assert balanced.ask(host="nobody.example.com").status_code == 200
    address = balanced.web.get(balanced.cloud.gateways[REGION] + "/health")
    assert address.status_code == 200
    found = balanced.elb.create_load_balancer(Name=f"t{uuid.uuid4().hex[:8]}")["LoadBalancers"][0]
    try:
        silent = balanced.ask(host=found["DNSName"])
        assert (silent.status_code, found["DNSName"] in silent.json()["hosts"]) == (404, False)
        assert balanced.ask(host="nobody.example.com").status_code == 200
    finally:
        balanced.elb.delete_load_balancer(LoadBalancerArn=found["LoadBalancerArn"])


def test_a_load_balancer_throttles_nobody(cloud: RunningCloud, balanced: Balanced) -> None:
    with pytest.raises(Problem, match=f"no REST API in {REGION}, and a load balancer throttles nobody"):
        cloud.sandbox.begin_fault(InjectedFault("throttle", REGION, part="api"))


def test_functions_find_a_load_balancer_by_its_name(cloud: RunningCloud, balanced: Balanced) -> None:
    route53 = cloud.client("route53")
    zone = route53.create_hosted_zone(Name=balanced.zone, CallerReference=balanced.zone)["HostedZone"]["Id"]
    record = {"Name": f"api.{balanced.zone}", "Type": "CNAME", "TTL": 60}
    change = {"Action": "CREATE", "ResourceRecordSet": {**record, "ResourceRecords": [{"Value": balanced.name}]}}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [change]})
    gateway = addresses.https_endpoints(ports.remembered(cloud.sandbox.layout) or 0)[REGION]
    for name in (f"api.{balanced.zone}", balanced.name):
        told = control.ask(cloud.sandbox.layout.cloud_socket, 5, "name", name=name)
        assert told["endpoint"] == list(gateway)


def test_requests_are_counted_by_load_balancer_and_group(own: Balanced) -> None:
    balancer = {"LoadBalancer": own.arn.rpartition(":loadbalancer/")[2]}
    group = {"TargetGroup": own.groups["/payment"].rpartition(":")[2]}
    both = balancer | group
    own.pay()
    own.pay(status=409)
    own.pay(status=503)
    own.pay(do="raise")
    own.ask(path="/nowhere")
    assert own.sum("RequestCount", **both) == 0, "what was measured comes late"
    VirtualTime(own.cloud.sandbox).pass_seconds(METRICS_ARRIVE)
    assert own.sum("RequestCount", **both) == own.sum("RequestCount", **balancer) == 4
    assert [own.sum(f"HTTPCode_Target_{kind}XX_Count", **both) for kind in "2345"] == [1, 0, 1, 1]
    assert own.sum("HTTPCode_ELB_5XX_Count", **balancer) == own.sum("HTTPCode_ELB_502_Count", **balancer) == 1
    assert own.sum("HTTPCode_ELB_4XX_Count", **balancer) == own.sum("HTTP_Fixed_Response_Count", **balancer) == 1
    assert own.sum("LambdaUserError", **group) == own.sum("LambdaUserError", **both) == 1
    assert 0 < own.sum("TargetResponseTime", **both) < 20


def test_of_a_functions_own_failures_alone_lambda_tells_an_error(own: Balanced) -> None:
    """What is refused before it, by the load balancer or by Lambda, is none: a flood of that says nothing of it."""
    name = own.functions["/payment"].name
    live = {"FunctionName": name, "Resource": f"{name}:live"}
    own.pay(do="raise")
    assert own.ask("POST", "/payment", content=b"x" * (LARGEST + 1)).status_code == 413
    own.cloud.sandbox.begin_fault(InjectedFault("throttle", OTHER, part="functions"))
    assert own.pay().status_code == 502
    own.cloud.sandbox.heal()
    VirtualTime(own.cloud.sandbox).pass_seconds(METRICS_ARRIVE)
    assert own.sum("Errors", namespace="AWS/Lambda", **live) == 1
    group = own.groups["/payment"].rpartition(":")[2]
    assert own.sum("LambdaUserError", TargetGroup=group) == 3


def test_a_load_balancer_with_a_web_acl_is_filtered(own: Balanced) -> None:
    """By the page of its own or the web ACL's answer, before any rule is asked; both count as its own 4XX."""
    waf = own.cloud.client("wafv2", OTHER)
    headers = [{"Name": "Retry-After", "Value": "60"}]
    response = {"ResponseCode": 429, "CustomResponseBodyKey": "late", "ResponseHeaders": headers}
    rules = [
        firewall.rule("plain", 0, firewall.path("/nowhere"), "Block"),
        {
            **firewall.rule("late", 1, firewall.path("/payment"), "Block"),
            "Action": {"Block": {"CustomResponse": response}},
        },
    ]
    made = waf.create_web_acl(
        **firewall.SCOPE,
        Name=f"t{uuid.uuid4().hex[:8]}",
        DefaultAction={"Allow": {}},
        Rules=rules,
        CustomResponseBodies=firewall.BODIES,
        VisibilityConfig=firewall.visible("t"),
    )["Summary"]
    assert own.ask(path="/nowhere").status_code == 404, "nothing is associated"
    waf.associate_web_acl(WebACLArn=made["ARN"], ResourceArn=own.arn)
    assert is_page(own.ask(path="/nowhere"), 403, "Forbidden")
    answer = own.pay()
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (429, {"status": 429}, "60")
    assert own.ask().status_code == 200
    VirtualTime(own.cloud.sandbox).pass_seconds(METRICS_ARRIVE)
    assert own.sum("HTTPCode_ELB_4XX_Count", LoadBalancer=own.arn.rpartition(":loadbalancer/")[2]) == 3
    waf.disassociate_web_acl(ResourceArn=own.arn)
    assert own.pay().status_code == 200
    waf.delete_web_acl(**firewall.SCOPE, Name=made["Name"], Id=made["Id"], LockToken=made["LockToken"])


def test_a_gateways_faults_are_those_of_its_load_balancers(own: Balanced) -> None:
    def begin(kind: str, **said: Any) -> None:
        own.cloud.sandbox.begin_fault(InjectedFault(kind, OTHER, **said))

    def answered() -> tuple[int, int]:
        return own.pay().status_code, own.ask().status_code

    begin("refuse", part="gateway")
    with pytest.raises((httpx.ConnectError, httpx.ReadError)):  # refused, or cut off where it was there already
        own.ask()
    own.cloud.sandbox.heal()
    begin("hang")
    with pytest.raises(httpx.ReadTimeout):
        own.ask(timeout=0.5)
    own.cloud.sandbox.heal()
    begin("5xx")
    assert answered() == (503, 503)
    own.cloud.sandbox.heal()
    begin("grey", part=own.functions["/payment"].name, how="error")
    assert answered() == (502, 200)
    own.cloud.sandbox.heal()
    begin("throttle", part="functions")
    assert answered() == (502, 502)
    own.cloud.sandbox.heal()
    until(lambda: answered() == (200, 200), 5)
