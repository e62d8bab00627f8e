from __future__ import annotations

from typing import Any

from tests.sandbox.provider_engine import Engine, Made
from tests.sandbox.provider_examples import Example, example
from tests.sandbox.provider_examples.apigateway import stage


def visible(name: str, **more: Any) -> dict[str, Any]:
    return {"cloudwatchMetricsEnabled": True, "metricName": name, "sampledRequestsEnabled": False, **more}


def rule(name: str, priority: int, statement: dict[str, Any], **action: Any) -> dict[str, Any]:
    return {
        "name": name,
        "priority": priority,
        "statement": statement,
        "visibilityConfig": visible(name),
        **{key: {act: {}} for key, act in action.items()},
    }


NO_CHANGE = [{"priority": 0, "type": "NONE"}]
HEALTH = {
    "byteMatchStatement": {
        "fieldToMatch": {"uriPath": {}},
        "positionalConstraint": "EXACTLY",
        "searchString": "/health",
        "textTransformations": NO_CHANGE,
    }
}


def refused(status: int, **headers: str) -> dict[str, Any]:
    told = [{"name": name, "value": value} for name, value in headers.items()]
    response = {"responseCode": status, "customResponseBodyKey": "refused", "responseHeaders": told}
    return {"block": {"customResponse": {name: each for name, each in response.items() if each}}}


def protected(action: str) -> dict[str, Any]:
    field = {"fieldType": "SINGLE_HEADER", "fieldKeys": ["x-api-key"]}
    return {"dataProtections": [{"action": action, "field": field}]}


def body(content: str) -> list[dict[str, str]]:
    return [{"key": "refused", "contentType": "APPLICATION_JSON", "content": content}]


def rules(addresses: str) -> list[dict[str, Any]]:
    inside = {"ipSetReferenceStatement": {"arn": addresses}}
    limit = {
        "aggregateKeyType": "CUSTOM_KEYS",
        "customKeys": [{"header": {"name": "x-api-key", "textTransformations": NO_CHANGE}}],
        "evaluationWindowSec": 60,
        "limit": 100,
    }
    common = {"name": "AWSManagedRulesCommonRuleSet", "vendorName": "AWS"}
    known = {
        "name": "AWSManagedRulesKnownBadInputsRuleSet",
        "vendorName": "AWS",
        "ruleActionOverrides": [
            {"name": "PROPFIND_METHOD", "actionToUse": {"count": {}}},
            {"name": "Log4JRCE_BODY", "actionToUse": refused(403)},
        ],
        "scopeDownStatement": {"notStatement": {"statement": HEALTH}},
    }
    return [
        rule("checkers", 0, {"andStatement": {"statements": [inside, HEALTH]}}, action="allow"),
        rule("common", 1, {"managedRuleGroupStatement": common}, overrideAction="count"),
        rule("known", 2, {"managedRuleGroupStatement": known}, overrideAction="none"),
        rule("rate", 3, {"rateBasedStatement": limit}, action="count"),
    ]


@example("aws:wafv2/webAcl:WebAcl")
def web_acl(engine: Engine) -> Example:
    addresses = engine.make(
        "aws:wafv2/ipSet:IpSet", addresses=["192.0.2.0/24"], ipAddressVersion="IPV4", scope="REGIONAL"
    )
    told = rules(addresses.arn)
    return Example(
        {
            "name": "example",
            "scope": "REGIONAL",
            "defaultAction": {"allow": {}},
            "rules": told,
            "customResponseBodies": body('{"status": 403}'),
            "dataProtectionConfig": protected("HASH"),
            "visibilityConfig": visible("example"),
        },
        update={
            "description": "Other",
            "defaultAction": {"block": {}},
            "rules": [told[0], {**told[3], "action": refused(429, Retry="60")}],
            "customResponseBodies": body('{"status": 429}'),
            "dataProtectionConfig": protected("SUBSTITUTION"),
            "visibilityConfig": visible("example", sampledRequestsEnabled=True),
            "tags": {"a": "b"},
        },
        replace={"name": "example-other", "scope": "CLOUDFRONT"},
        import_id="{id}/{name}/{scope}",
    )


@example("aws:wafv2/ipSet:IpSet")
def ip_set(engine: Engine) -> Example:
    return Example(
        {"name": "example", "scope": "REGIONAL", "ipAddressVersion": "IPV4", "addresses": ["192.0.2.0/24"]},
        update={"addresses": ["192.0.2.0/24", "198.51.100.7/32"], "description": "Those", "tags": {"a": "b"}},
        replace={"name": "example-other", "scope": "CLOUDFRONT", "ipAddressVersion": "IPV6"},
        import_id="{id}/{name}/{scope}",
    )


def acls(engine: Engine) -> list[Made]:
    return [
        engine.make(
            "aws:wafv2/webAcl:WebAcl",
            name=f"example-{each}",
            scope="REGIONAL",
            defaultAction={"allow": {}},
            visibilityConfig=visible("example"),
        )
        for each in ("one", "other")
    ]


def logged(*actions: str) -> dict[str, Any]:
    conditions = [{"actionCondition": {"action": action}} for action in actions]
    return {
        "defaultBehavior": "DROP",
        "filters": [{"behavior": "KEEP", "requirement": "MEETS_ANY", "conditions": conditions}],
    }


@example("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration")
def logging(engine: Engine) -> Example:
    groups = [engine.make("aws:cloudwatch/logGroup:LogGroup", name=f"aws-waf-logs-example-{each}").arn for each in "ab"]
    one, other = acls(engine)
    return Example(
        {"resourceArn": one.arn, "logDestinationConfigs": groups[:1], "loggingFilter": logged("BLOCK")},
        update={"loggingFilter": logged("BLOCK", "COUNT")},
        replace={"resourceArn": other.arn, "logDestinationConfigs": groups[1:]},
    )


@example("aws:wafv2/webAclAssociation:WebAclAssociation")
def association(engine: Engine) -> Example:
    place = stage(engine)
    arn = f"arn:aws:apigateway:{engine.region}::/restapis/{place['restApi']}/stages/{place['stageName']}"
    one, other = acls(engine)
    return Example(
        {"resourceArn": arn, "webAclArn": one.arn},
        replace={"resourceArn": f"{arn}-other", "webAclArn": other.arn},
    )
