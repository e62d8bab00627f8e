"""Who is let in is of an account, or a service that acts for one; ways in and out are as narrow as they can be."""

from __future__ import annotations

import json

import pytest

from policies import access
from policies.asked import UNKNOWN, AskedResource
from policies.facts import Facts

FACTS = Facts("x7k2", {"primary": "us-east-1", "secondary": "us-east-2"}, {})
ACCOUNT = "123456789012"
QUEUE = "aws:sqs/queuePolicy:QueuePolicy"
ROLE = "aws:iam/role:Role"
ALARMS = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:*"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
OLD_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
ACL_RULE = "aws:ec2/networkAclRule:NetworkAclRule"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
NOT_YET = min(UNKNOWN)


def said(kind, name="example", **properties):
    return list(access.public(AskedResource(kind, name, properties), FACTS))


def queue_policy(principal, condition=None, kind=QUEUE, action="sqs:SendMessage"):
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "arn:aws:sqs:a:b:c"}
    return said(
        kind, policy=json.dumps({"Statement": [{**statement, **({"Condition": condition} if condition else {})}]})
    )


SERVICE = {"Service": "events.amazonaws.com"}


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"StringEquals": {"AWS:sourceaccount": [ACCOUNT]}},
        {"ArnLike": {"aws:SourceArn": ALARMS}},
        {"ArnEquals": {"aws:SourceArn": ["arn:aws:s3:::bucket-x7k2"]}},
        {"StringLike": {"aws:SourceArn": f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/app/a/*"}},
        {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}},
        {"ForAnyValue:ArnLike": {"aws:SourceArn": ALARMS}},
    ],
)
def test_a_service_that_acts_for_an_account_or_a_resource_is_right(condition):
    assert queue_policy(SERVICE, condition) == []


@pytest.mark.parametrize(
    "condition",
    [
        None,
        {"Bool": {"aws:SecureTransport": "true"}},
        {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}},
        {"ArnNotLike": {"aws:SourceArn": ALARMS}},
        {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}},
        {"ArnLikeIfExists": {"aws:SourceArn": ALARMS}},
        {"ForAllValues:StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"Null": {"aws:SourceAccount": "false"}},
        {"StringLike": {"aws:SourceAccount": "*"}},
        {"StringLike": {"aws:SourceAccount": [ACCOUNT, "1234*"]}},
        {"StringEquals": {"aws:SourceAccount": "${aws:SourceAccount}"}},
        {"StringEquals": {"aws:SourceAccount": []}},
        {"ArnLike": {"aws:SourceArn": "*"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:*:alarm:*"}},
        {"ArnLike": {"aws:SourceArn": [ALARMS, "arn:aws:cloudwatch:us-east-1:????????????:alarm:*"]}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:${aws:SourceAccount}:alarm:*"}},
        {"StringEquals": {"aws:SourceOrgID": "o-1234567890"}},
    ],
)
def test_a_service_that_may_act_for_anybody_is_found(condition):
    for kind in (QUEUE, "aws:sns/topicPolicy:TopicPolicy", "aws:kms/key:Key", ROLE):
        assert any(
            "events.amazonaws.com acts for anybody" in each for each in queue_policy(SERVICE, condition, kind)
        ), kind
    both = {"Service": ["events.amazonaws.com"], "AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert any("acts for anybody" in each for each in queue_policy(both, condition))


def test_a_service_is_exempt_for_what_its_documents_say_alone():
    assumed = said(ROLE, assumeRolePolicy=json.dumps({"Statement": trust("lambda.amazonaws.com")}))
    assert assumed == []
    assert queue_policy({"Service": "lambda.amazonaws.com"}, action=["sqs:SendMessage", "sts:AssumeRole"])
    assert said(ROLE, assumeRolePolicy=json.dumps({"Statement": trust("ec2.amazonaws.com")}))


def trust(service):
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    "principal",
    [
        {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
        {"Federated": "accounts.google.com"},
        {"Federated": "cognito-identity.amazonaws.com"},
        {"AWS": "AIDACKCEVSQ6C2EXAMPLE"},
        {"AWS": [f"arn:aws:iam::{ACCOUNT}:root", "AROACKCEVSQ6C2EXAMPLE"]},
    ],
)
def test_a_principal_that_says_no_account_is_found(principal):
    assert any("says no account" in each for each in queue_policy(principal))


PERMISSION = {"principal": "events.amazonaws.com", "sourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/a"}


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, True),
        ({"sourceArn": None, "sourceAccount": ACCOUNT}, True),
        ({"sourceArn": NOT_YET}, True),
        ({"principal": NOT_YET}, True),
        ({"sourceArn": None}, False),
        ({"sourceArn": "arn:aws:s3:::*"}, False),
        ({"sourceArn": "arn:aws:events:us-east-1:*:rule/a"}, False),
        ({"principal": "*"}, False),
        ({"principal": "999999999999"}, False),
        ({"principal": "arn:aws:iam::999999999999:root"}, False),
        ({"principal": "arn:aws:iam::999999999999:role/events.amazonaws.com"}, False),
        ({"principal": None}, False),
    ],
)
def test_a_function_is_called_by_a_service_for_a_known_source_alone(change, right):
    properties = {key: value for key, value in {**PERMISSION, **change}.items() if value is not None}
    assert (said("aws:lambda/permission:Permission", **properties) == []) is right


SSH = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22}
WEB = {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443}


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "128.0.0.0/1", "8.8.0.0/16", "8.8.8.8/32", "0.0.0.0/8", "9.0.0.0/7"])
def test_a_range_of_the_internet_is_found_whatever_its_width_and_way(cidr):
    for found in (
        said(INGRESS, cidrIpv4=cidr, **SSH),
        said(INGRESS, "public-clients", cidrIpv4=cidr, **SSH),
        said(EGRESS, cidrIpv4=cidr, **WEB),
        said(GROUP, ingress=[{"cidrBlocks": [cidr], "protocol": "tcp", "fromPort": 22, "toPort": 22}]),
        said(GROUP, egress=[{"cidrBlocks": [cidr], "protocol": "tcp", "fromPort": 443, "toPort": 443}]),
        said(OLD_RULE, type="egress", cidrBlocks=[cidr], protocol="tcp", fromPort=443, toPort=443),
        said(OLD_RULE, type="ingress", cidrBlocks=[cidr], protocol="tcp", fromPort=22, toPort=22),
    ):
        assert any(f"{cidr} is of the Internet" in each for each in found)


@pytest.mark.parametrize("cidr", ["::/0", "2600::/16", "2600:1f18::1/128"])
def test_a_range_of_the_internet_is_found_by_ipv6_too(cidr):
    for found in (said(INGRESS, cidrIpv6=cidr, **SSH), said(EGRESS, cidrIpv6=cidr, **WEB)):
        assert any("is of the Internet" in each for each in found)
    assert said(GROUP, ingress=[{"ipv6CidrBlocks": [cidr], **SSH}])


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "172.16.0.0/12", "192.168.1.0/24", "fd00::/8", NOT_YET])
def test_a_range_of_our_own_is_right(cidr):
    field = "cidrIpv6" if ":" in cidr else "cidrIpv4"
    assert said(INGRESS, **{field: cidr}, **WEB) == []
    assert said(EGRESS, **{field: cidr}, **WEB) == []


@pytest.mark.parametrize(
    "ports",
    [
        {"ipProtocol": "-1"},
        {"ipProtocol": "all"},
        {"ipProtocol": "tcp", "fromPort": 0, "toPort": 65535},
        {"ipProtocol": "tcp", "fromPort": -1, "toPort": -1},
        {"ipProtocol": "tcp", "fromPort": 1, "toPort": 65535},
        {"ipProtocol": "tcp"},
    ],
)
def test_a_rule_of_every_port_is_found_whoever_is_at_the_other_end(ports):
    other = {"referencedSecurityGroupId": "sg-1"}
    for kind in (INGRESS, EGRESS):
        assert any("every port" in each for each in said(kind, **other, **ports))
    block = {("protocol" if key == "ipProtocol" else key): value for key, value in ports.items()}
    for way in ("ingress", "egress"):
        assert any("every port" in each for each in said(GROUP, **{way: [{**block, "securityGroups": ["sg-1"]}]}))
        assert any("every port" in each for each in said(OLD_RULE, type=way, sourceSecurityGroupId="sg-1", **block))


@pytest.mark.parametrize(
    ("rule", "right"),
    [
        ({"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlock": "0.0.0.0/0"}, True),
        ({"protocol": "tcp", "fromPort": 1024, "toPort": 65535, "cidrBlock": "0.0.0.0/0"}, True),
        ({"protocol": "-1", "cidrBlock": "0.0.0.0/0"}, False),
        ({"protocol": "-1", "ipv6CidrBlock": "::/0"}, False),
        ({"protocol": "6", "fromPort": 0, "toPort": 65535, "cidrBlock": "0.0.0.0/0"}, False),
        ({"protocol": "-1", "cidrBlock": "0.0.0.0/0", "ruleAction": "deny"}, True),
    ],
)
def test_an_acl_that_lets_every_port_through_is_found(rule, right):
    for egress in (True, False):
        assert (said(ACL_RULE, egress=egress, **{"ruleAction": "allow", **rule}) == []) is right


AWS_SERVICE = "com.amazonaws.us-east-1.kms"


@pytest.mark.parametrize(
    ("properties", "right"),
    [
        ({"serviceName": AWS_SERVICE}, False),
        ({"serviceName": AWS_SERVICE, "policy": ""}, False),
        ({"serviceName": "com.amazonaws.vpce-svc-.kms"}, False),
        ({}, False),
        ({"serviceName": AWS_SERVICE, "policy": '{"Statement": []}'}, True),
        ({"serviceName": AWS_SERVICE, "policy": NOT_YET}, True),
        ({"serviceName": NOT_YET}, True),
        ({"serviceName": "com.amazonaws.vpce.us-east-1.vpce-svc-0e123abc123198abc"}, True),
    ],
)
def test_an_endpoint_of_an_aws_service_has_a_policy(properties, right):
    assert (said(ENDPOINT, **properties) == []) is right


@pytest.mark.parametrize(
    "organization", [{"aws:PrincipalOrgID": "o-1234567890"}, {"aws:PrincipalOrgPaths": "o-1/r-1/"}]
)
def test_an_organization_that_nobody_compares_limits_nothing(organization):
    assert any("everybody" in each for each in queue_policy("*", {"StringEquals": organization}))
