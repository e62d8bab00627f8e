"""All accounts that a stack names are the one that it is deployed to."""

from __future__ import annotations

import json

import pytest

from policies.accounts import TYPES, strangers
from policies.asked import AskedResource, statements
from policies.rules import of_stack
from tests.unit.policies.test_programs import PROFILES, all_that_can_be, stacks

OURS, STRANGER = "123456789012", "999999999999"
ROOT, BUCKET = f"arn:aws:iam::{STRANGER}:root", "arn:aws:s3:::bucket-x7k2"


def resource(kind, name="planted", **properties):
    return AskedResource(kind, name, properties, urn=f"urn:pulumi:a::b::{kind}::{name}")


def policy(principal, condition=None, **more):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": BUCKET, **more}
    return json.dumps({"Statement": [{**statement, **({"Condition": condition} if condition else {})}]})


def compared(key, value):
    return policy("*", {"StringEquals": {key: value}})


BUCKET_POLICY, ROLE = "aws:s3/bucketPolicy:BucketPolicy", "aws:iam/role:Role"
PERMISSION = "aws:lambda/permission:Permission"
PLANTED = {
    "a stranger's root reads a bucket": resource(BUCKET_POLICY, policy=policy({"AWS": ROOT})),
    "a stranger by its number": resource(BUCKET_POLICY, policy=policy({"AWS": STRANGER})),
    "a stranger beside us": resource(BUCKET_POLICY, policy=policy({"AWS": [ROOT.replace(STRANGER, OURS), ROOT]})),
    "everybody of a stranger": resource(BUCKET_POLICY, policy=compared("aws:PrincipalAccount", STRANGER)),
    "everybody of us and a stranger": resource(
        BUCKET_POLICY, policy=compared("aws:principalaccount", [OURS, STRANGER])
    ),
    "a service for a stranger": resource(BUCKET_POLICY, policy=compared("aws:SourceAccount", STRANGER)),
    "a service for a stranger's": resource(
        "aws:sqs/queuePolicy:QueuePolicy",
        policy=policy({"Service": "a"}, {"ArnLike": {"aws:SourceArn": f"arn:aws:sns:us-east-1:{STRANGER}:a"}}),
    ),
    "a stranger takes a role on": resource(ROLE, assumeRolePolicy=policy({"AWS": ROOT})),
    "a stranger's provider of identities": resource(
        ROLE, assumeRolePolicy=policy({"Federated": f"arn:aws:iam::{STRANGER}:oidc-provider/a"})
    ),
    "a policy as an object": resource("aws:kms/key:Key", policy=json.loads(policy({"AWS": ROOT}))),
    "a stranger calls a function": resource(PERMISSION, principal=STRANGER),
    "a stranger's root calls a function": resource(PERMISSION, principal=ROOT),
    "a service calls for a stranger": resource(PERMISSION, principal="s3.amazonaws.com", sourceAccount=STRANGER),
    "a service calls for a stranger's": resource(PERMISSION, sourceArn=f"arn:aws:events:us-east-1:{STRANGER}:rule/a"),
    "a stranger's resource": resource(
        "aws:iam/rolePolicy:RolePolicy", policy=policy(None, Resource=f"arn:aws:sqs:us-east-1:{STRANGER}:a")
    ),
    "alarms for a stranger": resource(
        "aws:sns/topicSubscription:TopicSubscription", endpoint=f"arn:aws:sqs:us-east-1:{STRANGER}:a"
    ),
    "events for a stranger": resource(
        "aws:cloudwatch/eventTarget:EventTarget", arn=f"arn:aws:events:us-east-1:{STRANGER}:event-bus/a"
    ),
    "copies for a stranger": resource(
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        rules=[{"destination": {"bucket": BUCKET, "account": STRANGER}}],
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_stranger_is_found_in_each_stack_before_anything_of_it_is_there(planted):
    for name in PROFILES:
        for stack, asked in stacks(name).items():
            (found,) = [each for each in of_stack([*asked, PLANTED[planted]]) if each.rule.name == "one-account"]
            assert found.asked is PLANTED[planted], stack
            assert f"account {STRANGER}" in found.said


@pytest.mark.parametrize("planted", PLANTED)
def test_a_stranger_is_found_by_what_aws_says_of_the_stacks_own_role(planted):
    own = resource(ROLE, "own", arn=f"arn:aws:iam::{OURS}:role/own")
    many = [PLANTED[planted]] * 3
    assert {each.name for each, _ in strangers([own, *many])} == {"planted"}
    assert list(strangers([own])) == []


def test_when_nobody_can_say_which_of_two_is_ours_both_are_told():
    ours = resource(BUCKET_POLICY, "ours", policy=policy({"AWS": ROOT.replace(STRANGER, OURS)}))
    theirs = resource(BUCKET_POLICY, "theirs", policy=policy({"AWS": ROOT}))
    assert {each.name for each, _ in strangers([ours, theirs])} == {"ours", "theirs"}


@pytest.mark.parametrize(
    "properties",
    [
        {"policy": policy({"AWS": ROOT}, Effect="Deny")},
        {"policy": policy("*", {"StringEquals": {"sts:ExternalId": STRANGER}})},
        {"policy": policy({"AWS": "arn:aws:iam::aws:policy/a"}, Resource=f"arn:aws:s3:::bucket-{STRANGER}")},
        {"policy": policy({"AWS": f"arn:aws:kms:us-east-1:{OURS}:key/1234abcd-12ab-34cd-56ef-{STRANGER}"})},
    ],
)
def test_what_lets_no_account_in_names_none(properties):
    own = resource(ROLE, "own", arn=f"arn:aws:iam::{OURS}:role/own")
    assert list(strangers([own, resource(BUCKET_POLICY, **properties)])) == []


def test_every_type_that_says_who_may_is_looked_at():
    saying = {
        each.type
        for name in PROFILES
        for each in all_that_can_be(name)
        if any(statement.get("effect") == "Allow" for statement in statements(each))
    }
    assert saying <= TYPES
