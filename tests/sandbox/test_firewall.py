"""AWS WAF before a stage: what its answers are, what is measured, and what its own API refuses."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.virtual_time import METRICS_ARRIVE, VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

REGION = "eu-north-1"
SCOPE = {"Scope": "REGIONAL"}


def visible(name: str) -> dict[str, Any]:
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": name}


BODIES = {"late": {"ContentType": "APPLICATION_JSON", "Content": '{"status": 429}'}}


def path(wanted: str) -> dict[str, Any]:
    told = {"FieldToMatch": {"UriPath": {}}, "TextTransformations": [{"Priority": 0, "Type": "NONE"}]}
    return {"ByteMatchStatement": {"SearchString": wanted, "PositionalConstraint": "EXACTLY", **told}}


def rule(name: str, priority: int, statement: dict[str, Any], action: str) -> dict[str, Any]:
    told = {"Name": name, "Priority": priority, "Statement": statement}
    return {**told, "Action": {action: {}}, "VisibilityConfig": visible(name)}


@dataclass
class Guarded:
    """A stage with GET /health and GET /payment, and a web ACL."""

    cloud: RunningCloud
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")

    def __post_init__(self) -> None:
        gateway, self.waf = (self.cloud.client(each, REGION) for each in ("apigateway", "wafv2"))
        self.api = gateway.create_rest_api(name=self.name)["id"]
        root = gateway.get_resources(restApiId=self.api)["items"][0]["id"]
        for part in ("health", "payment"):
            resource = gateway.create_resource(restApiId=self.api, parentId=root, pathPart=part)["id"]
            place = {"restApiId": self.api, "resourceId": resource, "httpMethod": "GET"}
            gateway.put_method(**place, authorizationType="NONE")
            gateway.put_integration(**place, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
            gateway.put_method_response(**place, statusCode="200")
            gateway.put_integration_response(**place, statusCode="200")
        gateway.put_gateway_response(
            restApiId=self.api,
            responseType="WAF_FILTERED",
            statusCode="403",
            responseTemplates={"application/json": '{"type": "filtered"}'},
        )
        deployment = gateway.create_deployment(restApiId=self.api)["id"]
        gateway.create_stage(restApiId=self.api, stageName="v1", deploymentId=deployment)
        self.stage = f"arn:aws:apigateway:{REGION}::/restapis/{self.api}/stages/v1"
        self.acl = self.waf.create_web_acl(
            **SCOPE, Name=self.name, DefaultAction={"Allow": {}}, VisibilityConfig=visible(self.name)
        )["Summary"]
        self.place = {**SCOPE, "Name": self.name, "Id": self.acl["Id"]}

    def rules(self, *rules: dict[str, Any], **more: Any) -> None:
        token = self.waf.get_web_acl(**self.place)["LockToken"]
        told = {"DefaultAction": {"Allow": {}}, "VisibilityConfig": visible(self.name), **more}
        self.waf.update_web_acl(**self.place, LockToken=token, Rules=rules, **told)

    def associate(self) -> None:
        self.waf.associate_web_acl(WebACLArn=self.acl["ARN"], ResourceArn=self.stage)

    def get(self, part: str) -> httpx.Response:
        host = f"{self.api}.execute-api.{REGION}.amazonaws.com"
        return httpx.get(f"{self.cloud.gateways[REGION]}/v1/{part}", headers={"Host": host})

    def measured(self, metric: str, namespace: str = "AWS/WAFV2", **dimensions: str) -> float:
        now = VirtualTime(self.cloud.sandbox).date()
        found = self.cloud.client("cloudwatch", REGION).get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - timedelta(minutes=9),
            EndTime=now,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(each["Sum"] for each in found))


@pytest.fixture
def guarded(cloud: RunningCloud) -> Guarded:
    return Guarded(cloud)


def test_a_stage_with_a_web_acl_is_filtered_and_measured(guarded: Guarded) -> None:
    both = {"OrStatement": {"Statements": [path("/v1/health"), path("/v1/payment")]}}
    counted, blocked = rule("counted", 0, both, "Count"), rule("blocked", 1, path("/v1/payment"), "Block")
    guarded.rules(counted, blocked)
    assert guarded.get("payment").status_code == 200, "nothing is associated"
    guarded.associate()
    assert guarded.get("health").status_code == 200
    answer = guarded.get("payment")
    assert (answer.status_code, answer.json()) == (403, {"type": "filtered"})
    VirtualTime(guarded.cloud.sandbox).pass_seconds(METRICS_ARRIVE)
    of = {"WebACL": guarded.name, "Region": REGION}
    told = {
        (metric, name): guarded.measured(metric, **of, Rule=name)
        for metric in ("AllowedRequests", "BlockedRequests", "CountedRequests")
        for name in ("ALL", "Default_Action", "counted", "blocked")
    }
    assert {key: value for key, value in told.items() if value} == {
        ("AllowedRequests", "ALL"): 1,
        ("AllowedRequests", "Default_Action"): 1,
        ("BlockedRequests", "ALL"): 1,
        ("BlockedRequests", "blocked"): 1,
        ("CountedRequests", "ALL"): 2,
        ("CountedRequests", "counted"): 2,
    }
    assert guarded.measured("4XXError", "AWS/ApiGateway", ApiName=guarded.name, Stage="v1") == 1
    guarded.waf.disassociate_web_acl(ResourceArn=guarded.stage)
    assert guarded.get("payment").status_code == 200


def test_an_ip_set_decides_by_the_address_that_asks_from_its_last_change_on(guarded: Guarded) -> None:
    place = {**SCOPE, "Name": guarded.name}
    made = guarded.waf.create_ip_set(**place, IPAddressVersion="IPV4", Addresses=["192.0.2.0/24"])["Summary"]
    inside = {"IPSetReferenceStatement": {"ARN": made["ARN"]}}
    allowed = {"AndStatement": {"Statements": [inside, path("/v1/health")]}}
    guarded.rules(rule("checkers", 0, allowed, "Allow"), DefaultAction={"Block": {}})
    guarded.associate()
    assert guarded.get("health").status_code == 403
    place["Id"] = made["Id"]
    guarded.waf.update_ip_set(**place, Addresses=["127.0.0.0/8"], LockToken=made["LockToken"])
    assert (guarded.get("health").status_code, guarded.get("payment").status_code) == (200, 403)


def test_a_rate_rule_blocks_a_key_by_the_sandboxs_clock(guarded: Guarded) -> None:
    limit = {"Limit": 10, "EvaluationWindowSec": 60, "AggregateKeyType": "IP"}
    guarded.rules(rule("rate", 0, {"RateBasedStatement": limit}, "Block"))
    guarded.associate()
    time = VirtualTime(guarded.cloud.sandbox)
    assert guarded.get("health").status_code == 200
    until(lambda: guarded.get("health").status_code == 403, 15)
    time.pass_seconds(95)
    assert guarded.get("health").status_code == 200


def test_each_change_needs_the_last_lock_token_and_tells_all_that_it_changed(guarded: Guarded) -> None:
    place = {**SCOPE, "Name": guarded.name}
    made = guarded.waf.create_ip_set(**place, IPAddressVersion="IPV4", Addresses=[])["Summary"]
    place["Id"], token = made["Id"], made["LockToken"]
    guarded.waf.update_ip_set(**place, Addresses=[], Description="Those", LockToken=token)
    assert guarded.waf.get_ip_set(**place)["IPSet"]["Description"] == "Those"
    with pytest.raises(ClientError, match="WAFOptimisticLockException"):
        guarded.waf.update_ip_set(**place, Addresses=["192.0.2.0/24"], LockToken=token)
    with pytest.raises(ClientError, match="WAFOptimisticLockException"):
        guarded.waf.delete_ip_set(**place, LockToken=token)
    guarded.waf.delete_ip_set(**place, LockToken=guarded.waf.get_ip_set(**place)["LockToken"])


PROTECTED = {"DataProtections": [{"Field": {"FieldType": "SINGLE_HEADER", "FieldKeys": ["k"]}, "Action": "HASH"}]}


def test_a_web_acl_tells_all_that_it_was_told(guarded: Guarded) -> None:
    told = {"Description": "Before the API", "CustomResponseBodies": BODIES, "DataProtectionConfig": PROTECTED}
    guarded.rules(**told)
    found = guarded.waf.get_web_acl(**guarded.place)["WebACL"]
    assert {name: found[name] for name in told} == told
    guarded.rules()
    found = guarded.waf.get_web_acl(**guarded.place)["WebACL"]
    assert not any(found.get(name) for name in told)
    made = {"DefaultAction": {"Allow": {}}, "VisibilityConfig": visible("x"), **told}
    place = {**SCOPE, "Name": f"{guarded.name}-2"}
    place["Id"] = guarded.waf.create_web_acl(**place, **made)["Summary"]["Id"]
    found = guarded.waf.get_web_acl(**place)
    assert {name: found["WebACL"][name] for name in told} == told
    guarded.waf.delete_web_acl(**place, LockToken=found["LockToken"])


def test_a_web_acl_is_told_where_to_log_and_tells_it(guarded: Guarded) -> None:
    place = {"ResourceArn": guarded.acl["ARN"]}
    groups = [f"arn:aws:logs:{REGION}:000000000000:log-group:{name}" for name in ("aws-waf-logs-t", "other")]
    with pytest.raises(ClientError, match="WAFNonexistentItemException"):
        guarded.waf.get_logging_configuration(**place)
    with pytest.raises(ClientError, match="WAFInvalidParameterException"):
        guarded.waf.put_logging_configuration(LoggingConfiguration={**place, "LogDestinationConfigs": groups[1:]})
    wanted = {**place, "LogDestinationConfigs": groups[:1]}
    guarded.waf.put_logging_configuration(LoggingConfiguration=wanted)
    guarded.rules()
    assert guarded.waf.get_logging_configuration(**place)["LoggingConfiguration"] == wanted
    guarded.waf.delete_logging_configuration(**place)
    with pytest.raises(ClientError, match="WAFNonexistentItemException"):
        guarded.waf.delete_logging_configuration(**place)


def test_a_response_of_the_web_acl_comes_before_the_gateways(guarded: Guarded) -> None:
    headers = [{"Name": "Retry-After", "Value": "60"}]
    response = {"ResponseCode": 429, "CustomResponseBodyKey": "late", "ResponseHeaders": headers}
    refused = {**rule("r", 0, path("/v1/payment"), "Block"), "Action": {"Block": {"CustomResponse": response}}}
    guarded.rules(refused, CustomResponseBodies=BODIES)
    guarded.associate()
    answer = guarded.get("payment")
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (429, {"status": 429}, "60")
    assert answer.headers["Content-Type"] == "application/json"
    assert guarded.get("health").status_code == 200


def test_what_is_in_use_is_not_deleted(guarded: Guarded) -> None:
    place = {**SCOPE, "Name": guarded.name}
    made = guarded.waf.create_ip_set(**place, IPAddressVersion="IPV4", Addresses=[])["Summary"]
    guarded.rules(rule("r", 0, {"IPSetReferenceStatement": {"ARN": made["ARN"]}}, "Block"))
    guarded.associate()
    token = guarded.waf.get_web_acl(**guarded.place)["LockToken"]
    with pytest.raises(ClientError, match="WAFAssociatedItemException"):
        guarded.waf.delete_web_acl(**guarded.place, LockToken=token)
    with pytest.raises(ClientError, match="WAFAssociatedItemException"):
        guarded.waf.delete_ip_set(**place, Id=made["Id"], LockToken=made["LockToken"])
    guarded.cloud.client("apigateway", REGION).delete_stage(restApiId=guarded.api, stageName="v1")
    guarded.waf.delete_web_acl(**guarded.place, LockToken=token)
    guarded.waf.delete_ip_set(**place, Id=made["Id"], LockToken=made["LockToken"])


def test_only_what_is_there_is_associated_and_what_is_without_a_web_acl_has_none(guarded: Guarded) -> None:
    assert "WebACL" not in guarded.waf.get_web_acl_for_resource(ResourceArn=guarded.stage)
    balancer = f"arn:aws:elasticloadbalancing:{REGION}:000000000000:loadbalancer/app/none/50dc6c495c0c9188"
    for missing in (f"{guarded.stage}-none", balancer):
        with pytest.raises(ClientError, match="WAFNonexistentItemException"):
            guarded.waf.associate_web_acl(WebACLArn=guarded.acl["ARN"], ResourceArn=missing)
    guarded.associate()
    assert guarded.waf.get_web_acl_for_resource(ResourceArn=guarded.stage)["WebACL"]["ARN"] == guarded.acl["ARN"]


def test_a_rule_that_is_not_judged_is_refused_by_its_name(guarded: Guarded) -> None:
    geo = rule("r", 0, {"GeoMatchStatement": {"CountryCodes": ["CH"]}}, "Block")
    with pytest.raises(ClientError, match="GeoMatchStatement is not judged"):
        guarded.rules(geo)
    told = {"DefaultAction": {"Allow": {}}, "VisibilityConfig": visible("x")}
    with pytest.raises(ClientError, match="GeoMatchStatement"):
        guarded.waf.create_web_acl(**SCOPE, Name=f"{guarded.name}-2", Rules=[geo], **told)
