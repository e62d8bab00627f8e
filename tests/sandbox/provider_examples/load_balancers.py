from __future__ import annotations

import json
from typing import Any

from tests.sandbox.provider_engine import Engine, Made
from tests.sandbox.provider_examples import Example, example
from tests.sandbox.provider_examples.ec2 import a_group, a_subnet, a_vpc
from tests.sandbox.provider_examples.lambda_ import function
from tests.sandbox.provider_examples.storage import a_bucket

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
GROUP = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"


def refusal(body: str = '{"status": 404}') -> dict[str, Any]:
    told = {"contentType": "application/json", "messageBody": body, "statusCode": "404"}
    return {"type": "fixed-response", "fixedResponse": told}


def a_balancer(engine: Engine, name: str) -> Made:
    vpc = a_vpc(engine)
    return engine.make(BALANCER, name=name, subnets=[a_subnet(engine, vpc).id, a_subnet(engine, vpc, 1).id])


def a_log_bucket(engine: Engine, name: str) -> str:
    """A bucket where load balancers may write."""
    bucket = a_bucket(engine, name)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{bucket.arn}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    engine.make("aws:s3/bucketPolicy:BucketPolicy", bucket=bucket.id, policy=policy)
    return bucket.id


def a_targets(engine: Engine, name: str) -> Made:
    return engine.make(GROUP, name=name, targetType="lambda")


@example(BALANCER)
def load_balancer(engine: Engine) -> Example:
    vpc = a_vpc(engine)
    subnets = [a_subnet(engine, vpc, number).id for number in range(3)]
    groups = [a_group(engine, vpc).id for _ in range(2)]
    return Example(
        {
            "name": "example",
            "subnets": subnets[:2],
            "securityGroups": groups[:1],
            "idleTimeout": 30,
            "dropInvalidHeaderFields": True,
            "accessLogs": {"bucket": a_log_bucket(engine, "example-logs"), "enabled": True},
            "tags": {"a": "b"},
        },
        update={
            "subnets": subnets[1:],
            "securityGroups": groups[1:],
            "idleTimeout": 90,
            "dropInvalidHeaderFields": None,
            "desyncMitigationMode": "strictest",
            "enableDeletionProtection": True,
            "accessLogs": {"bucket": a_log_bucket(engine, "other-logs"), "prefix": "a", "enabled": True},
            "tags": {"a": "c"},
        },
        replace={"name": "other", "internal": True},
    )


@example(GROUP)
def target_group(engine: Engine) -> Example:
    return Example(
        {"name": "example", "targetType": "lambda", "lambdaMultiValueHeadersEnabled": True, "tags": {"a": "b"}},
        update={"lambdaMultiValueHeadersEnabled": None, "tags": {"a": "c"}},
        replace={"name": "other"},
    )


@example("aws:lb/targetGroupAttachment:TargetGroupAttachment")
def target_group_attachment(engine: Engine) -> Example:
    group = a_targets(engine, "attached")
    called = function(engine, "attached")
    engine.make(
        "aws:lambda/permission:Permission",
        statementId="load-balancer",
        action="lambda:InvokeFunction",
        function="attached",
        principal="elasticloadbalancing.amazonaws.com",
        sourceArn=group.arn,
    )
    return Example({"targetGroupArn": group.arn, "targetId": called.arn}, replace={"targetId": "other"})


@example(LISTENER)
def listener(engine: Engine) -> Example:
    balancer = a_balancer(engine, "listening")
    certificate = engine.make("aws:acm/certificate:Certificate", domainName="api.example.com", validationMethod="DNS")
    return Example(
        {
            "loadBalancerArn": balancer.arn,
            "port": 443,
            "protocol": "HTTPS",
            "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
            "certificateArn": certificate.arn,
            "defaultActions": [refusal(json.dumps({"detail": "a & b < c"}))],
            "tags": {"a": "b"},
        },
        update={"sslPolicy": "ELBSecurityPolicy-2016-08", "defaultActions": [refusal()], "tags": {"a": "c"}},
        replace={"loadBalancerArn": "arn:other"},
    )


@example("aws:lb/listenerRule:ListenerRule")
def listener_rule(engine: Engine) -> Example:
    balancer = a_balancer(engine, "ruling")
    ruled = engine.make(LISTENER, loadBalancerArn=balancer.arn, port=80, defaultActions=[refusal()])
    groups = [a_targets(engine, f"ruled-{number}") for number in range(2)]
    return Example(
        {
            "listenerArn": ruled.arn,
            "priority": 10,
            "conditions": [{"pathPattern": {"values": ["/payment", "/payment/*"]}}],
            "actions": [{"type": "forward", "targetGroupArn": groups[0].arn}],
            "tags": {"a": "b"},
        },
        update={
            "priority": 20,
            "conditions": [
                {"pathPattern": {"values": ["/health"]}},
                {"httpRequestMethod": {"values": ["GET", "HEAD"]}},
                {"hostHeader": {"values": ["api.example.com"]}},
            ],
            "actions": [{"type": "forward", "targetGroupArn": groups[1].arn}],
            "tags": {"a": "c"},
        },
        replace={"listenerArn": "arn:other"},
    )
