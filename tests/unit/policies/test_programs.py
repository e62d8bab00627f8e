"""Both profiles keep every rule, and every rule bites: what the programs ask for is spoilt, and the rule says so."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json

import pytest

from policies import access, buckets, encryption, lifetime, names, rights
from policies.asked import PROVIDER, statements
from policies.facts import Facts
from policies.rules import RULES, of_stack, violations
from shared.components.function import TRACING, VPC_ACCESS
from shared.environment import Environment
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment, run_vault

PROFILES = (PAYMENTS, TRADING)


@functools.cache
def stacks(environment):
    return {name: run.recorder.asked for name, run in run_environment(environment).items()}


def everything(environment):
    return [each for asked in stacks(environment).values() for each in asked]


@functools.cache
def all_that_can_be(environment):
    """With what an environment has only where it asks for it."""
    return [*everything(environment), *run_vault(environment).recorder.asked]


@pytest.mark.parametrize("environment", PROFILES)
def test_nothing_that_the_programs_ask_for_breaks_a_rule(environment):
    facts = Facts.of(environment)
    found = [str(each) for asked in everything(environment) for each in violations(asked, facts)]
    found += [str(each) for asked in stacks(environment).values() for each in of_stack(asked)]
    assert found == []
    assert len(everything(environment)) > 350


@pytest.mark.parametrize("environment", PROFILES)
def test_rules_know_the_environment_as_the_programs_do(environment):
    facts, settings = Facts.of(environment), Environment.load(environment).foundation()
    assert (facts.suffix, facts.regions) == (settings.suffix, {role: settings.region(role) for role in facts.regions})
    assert facts.tags == {**settings.tags, "Environment": {PAYMENTS: "payments", TRADING: "production"}[environment]}


PRODUCTION = {"production": True}
RUNBOOKS = {"runbooks": "https://runbooks.example.com/"}

OLD_NAME = "api.a1b2.pay.example.com"

SPOILT = [
    # rule, type, the property's new value (None: without it), what is said, and what the environment says
    ("suffix", "Bucket", {"bucket": "payment-audit-logs"}, "bucket is 'payment-audit-logs', without the suffix", {}),
    ("suffix", "Bucket", {"bucket": None}, "bucket is None", {}),
    ("suffix", "Role", {"name": "rolex7k2"}, "without the suffix", {}),
    ("suffix", "Vpc", {"tags": {"Name": "vpc"}}, "its tag Name is 'vpc'", {}),
    ("suffix", "Subnet", {"tags": None}, "its tag Name is None", {}),
    ("suffix", "Record", {"name": OLD_NAME}, "without the suffix", {}),
    ("suffix", "Record", {"name": f"www.{OLD_NAME}"}, "without the suffix", {"taken": OLD_NAME}),
    ("suffix", "Certificate", {"domainName": OLD_NAME}, "without the suffix", {"taken": OLD_NAME}),
    ("suffix", "aws:kms/alias:Alias", {"name": "alias/data"}, "without the suffix", {}),
    ("tags", PROVIDER, {"defaultTags": None}, "its tag CostCenter is None", {}),
    ("tags", PROVIDER, {"defaultTags": json.dumps({"tags": {"Service": "payments"}})}, "its tag DR-Role", {}),
    ("tags", PROVIDER, {"region": "eu-west-1"}, "and must be 'eu-west-1'", {}),
    ("tags", PROVIDER, {"region": None}, "it names no region", {}),
    ("tags", "Vpc", {"tags": {"Name": "vpc-x7k2", "DR-Role": "both"}}, "its tag DR-Role is 'both'", {}),
    ("encryption", "Table", {"serverSideEncryption": None}, "names no key", {}),
    ("encryption", "Table", {"serverSideEncryption": {"enabled": True}}, "names no key", {}),
    ("encryption", "Table", {"replicas": [{"regionName": "us-east-2"}]}, "its replica in us-east-2 names no", {}),
    ("encryption", "Secret", {"kmsKeyId": None}, "kmsKeyId is not set", {}),
    ("encryption", "Secret", {"replicas": [{"region": "us-east-2"}]}, "its replica in us-east-2", {}),
    ("encryption", "Topic", {"kmsMasterKeyId": None}, "kmsMasterKeyId is not set", {}),
    ("encryption", "Topic", {"kmsMasterKeyId": "alias/aws/sns"}, "which alarms may not use", {}),
    ("encryption", "Queue", {"sqsManagedSseEnabled": False}, "kmsMasterKeyId is not set", {}),
    ("encryption", "BucketServerSideEncryptionConfiguration", {"rules": []}, "name no sseAlgorithm", {}),
    ("encryption", "BucketServerSideEncryptionConfiguration", {"rules": [{}]}, "name no sseAlgorithm", {}),
    ("encryption", "Parameter", {"type": "SecureString", "keyId": None}, "keyId is not set", {}),
    ("encryption", "TopicSubscription", {"protocol": "http"}, "in the clear", {}),
    ("encryption", "DomainName", {"securityPolicy": "TLS_1_0"}, "TLS below 1.2", {}),
    ("encryption", "DomainName", {"securityPolicy": None}, "TLS below 1.2", {}),
    ("encryption", "RestApi", {"securityPolicy": "TLS_1_0"}, "TLS below 1.2", {}),
    ("encryption", "RestApi", {"securityPolicy": None}, "TLS below 1.2", {}),
    ("encryption", "Listener", {"protocol": "HTTP"}, "in the clear", {}),
    ("encryption", "Listener", {"sslPolicy": "ELBSecurityPolicy-2016-08"}, "TLS below 1.2", {}),
    *[("no-public-access", "BucketPublicAccessBlock", {block: False}, block, {}) for block in access.BLOCKS],
    ("no-public-access", "BucketPublicAccessBlock", {"blockPublicAcls": None}, "blockPublicAcls is None", {}),
    ("no-public-access", "BucketPolicy", {"policy": json.dumps({"Statement": []})}, "without TLS", {}),
    ("no-public-access", "Bucket", {"acl": "public-read"}, "acl is public-read", {}),
    ("no-public-access", "Permission", {"principal": "*"}, "anybody or a stranger may call the function", {}),
    ("no-public-access", "SecurityGroupIngressRule", {"cidrIpv4": "0.0.0.0/0", "fromPort": 22}, "of the Internet", {}),
    (
        "no-public-access",
        "SecurityGroupIngressRule",
        {"cidrIpv4": "128.0.0.0/1", "fromPort": 80},
        "of the Internet",
        {},
    ),
    ("no-public-access", "SecurityGroupIngressRule", {"cidrIpv6": "::/0", "ipProtocol": "-1"}, "of the Internet", {}),
    ("no-public-access", "SecurityGroup", {"ingress": [{"cidrBlocks": ["0.0.0.0/0"]}]}, "of the Internet", {}),
    ("no-public-access", "DefaultSecurityGroup", {"ingress": [{"ipv6CidrBlocks": ["::/0"]}]}, "of the Internet", {}),
    ("no-public-access", "SecurityGroupEgressRule", {"cidrIpv4": "0.0.0.0/0"}, "of the Internet", {}),
    ("no-public-access", "NetworkAclRule", {"protocol": "-1", "cidrBlock": "0.0.0.0/0"}, "every port", {}),
    ("no-public-access", "VpcEndpoint", {"policy": None}, "it has no policy", {}),
    ("no-public-access", "Subnet", {"mapPublicIpOnLaunch": True}, "mapPublicIpOnLaunch is true", {}),
    (
        "no-wildcard",
        "RolePolicyAttachment",
        {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"},
        "none of",
        {},
    ),
    ("no-wildcard", "Role", {"managedPolicyArns": ["arn:aws:iam::aws:policy/PowerUserAccess"]}, "none of AWS's", {}),
    ("lifetime", "Bucket", {"forceDestroy": False}, "forceDestroy is False and must be True", {}),
    ("lifetime", "Bucket", {"forceDestroy": None}, "forceDestroy is None and must be True", {}),
    ("lifetime", "Zone", {"forceDestroy": False}, "must be True", {}),
    ("lifetime", "Secret", {"recoveryWindowInDays": 7}, "recoveryWindowInDays is 7 and must be 0", {}),
    ("lifetime", "Secret", {"recoveryWindowInDays": None}, "must be 0", {}),
    ("lifetime", "Table", {"deletionProtectionEnabled": True}, "must be False", {}),
    ("lifetime", "Table", {"replicas": [{"deletionProtectionEnabled": True}]}, "its replica's", {}),
    ("lifetime", "Key", {"deletionWindowInDays": 30}, "must be 7", {}),
    ("lifetime", "LoadBalancer", {"enableDeletionProtection": True}, "must be False", {}),
    ("lifetime", "LogGroup", {"skipDestroy": True}, "skipDestroy leaves it behind", {}),
    ("lifetime", "LogGroup", {"skipDestroy": True}, "skipDestroy leaves it behind", PRODUCTION),
    ("lifetime", "LogGroup", {"retainOnDelete": True}, "retainOnDelete leaves it behind", {}),
    ("lifetime", "LogGroup", {"deletionProtectionEnabled": True}, "deletionProtectionEnabled keeps AWS from", {}),
    ("lifetime", "Function", {"deletionProtection": "ACTIVE"}, "deletionProtection keeps AWS from deleting it", {}),
    ("lifetime", "Canary", {"deleteLambda": None}, "deleteLambda is None and must be True", {}),
    ("lifetime", "Canary", {"deleteLambda": False}, "deleteLambda is False and must be True", PRODUCTION),
    ("lifetime", "Bucket", {"forceDestroy": True}, "must be False: production: true protects", PRODUCTION),
    ("lifetime", "Table", {"deletionProtectionEnabled": False}, "must be True: production", PRODUCTION),
    ("lifetime", "Secret", {"recoveryWindowInDays": 0}, "must be 30: production", PRODUCTION),
    ("lifetime", "Key", {"deletionWindowInDays": 7}, "must be 30: production", PRODUCTION),
    ("limits", "Function", {"timeout": None}, "timeout is None: say how much it needs", {}),
    ("limits", "Function", {"timeout": 900}, "timeout is 900", {}),
    ("limits", "Function", {"memorySize": None}, "memorySize is None", {}),
    ("limits", "Function", {"memorySize": 10240}, "memorySize is 10240", {}),
    ("limits", "Canary", {"runConfig": {"memoryInMb": 960}}, "timeoutInSeconds is None", {}),
    ("limits", "Canary", {"runConfig": None}, "timeoutInSeconds is None", {}),
    ("limits", "Integration", {"timeoutMilliseconds": None}, "timeoutMilliseconds is None", {}),
    ("runbooks", "MetricAlarm", {"alarmDescription": "Something"}, "names no runbook", RUNBOOKS),
    ("runbooks", "CompositeAlarm", {"alarmDescription": None}, "names no runbook", RUNBOOKS),
]


def spoilt(asked, change):
    properties = {**copy.deepcopy(dict(asked.properties)), **change}
    kept = {name: value for name, value in properties.items() if value is not None}
    return dataclasses.replace(asked, properties=kept)


@pytest.mark.parametrize(("rule", "kind", "change", "said", "facts"), SPOILT)
def test_a_resource_that_is_spoilt_is_found_by_its_rule(rule, kind, change, said, facts):
    whole = [(Facts.of(name), everything(name)) for name in PROFILES]
    of_kind = [(known, each) for known, asked in whole for each in asked if kind in {each.kind, each.type}]
    assert of_kind
    for known, asked in of_kind[:5]:
        told = dataclasses.replace(known, **facts)
        found = [each for each in violations(spoilt(asked, change), told) if each.rule.name == rule]
        assert any(said in each.said for each in found), (asked, [str(each) for each in found])


def test_each_rule_has_a_resource_that_it_finds():
    tried = {rule for rule, *_ in SPOILT}
    assert tried == {rule.name for rule in RULES}
    spoilt_kinds = {(rule, kind.rpartition(":")[2]) for rule, kind, *_ in SPOILT}
    assert {kind for rule, kind in spoilt_kinds if rule == "lifetime"} >= lifetime.PROTECTED.keys() - {
        "ReplicaKey",
        "Vault",
    }, "tests/unit/projects/test_vault.py spoils a vault"
    assert {kind for rule, kind in spoilt_kinds if rule == "encryption"} == encryption.CHECKS.keys() - {"Vault"}


def test_what_is_protected_from_pulumi_itself_is_found():
    table = next(each for each in everything(PAYMENTS) if each.kind == "Table")
    kept = dataclasses.replace(table, protected=True)
    assert [each.said for each in violations(kept, Facts.of(PAYMENTS))] == [
        "protect keeps Pulumi from deleting it: leave it out; an environment can be destroyed whole"
    ]


def test_a_type_that_nobody_has_named_is_found():
    asked = dataclasses.replace(everything(PAYMENTS)[5], type="aws:rds/instance:Instance")
    assert any("put it into one of the tables of policies/names.py" in each.said for each in violations(asked, FACTS))


FACTS = Facts.of(PAYMENTS)


@pytest.mark.parametrize(
    ("kind", "properties", "said"),
    [
        ("aws:lambda/functionUrl:FunctionUrl", {"authorizationType": "NONE"}, "call the function by its URL"),
        (
            "aws:ec2/securityGroupRule:SecurityGroupRule",
            {"type": "ingress", "cidrBlocks": ["0.0.0.0/0"]},
            "of the Internet",
        ),
        ("aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission", {"accountId": "all"}, "is shared"),
        ("aws:ec2/amiLaunchPermission:AmiLaunchPermission", {"group": "all"}, "is shared with everybody"),
        ("aws:rds/snapshot:Snapshot", {"sharedAccounts": ["123456789012", "all"]}, "is shared with everybody"),
        ("aws:rds/instance:Instance", {"publiclyAccessible": True}, "publiclyAccessible is true"),
        ("aws:backup/vault:Vault", {"name": "x7k2"}, "kmsKeyArn is not set"),
    ],
)
def test_what_the_programs_do_not_have_is_found_when_they_get_it(kind, properties, said):
    provider = next(each for each in everything(PAYMENTS) if each.type == PROVIDER).properties
    asked = dataclasses.replace(everything(PAYMENTS)[0], type=kind, properties=properties, provider=provider)
    assert any(said in each.said for each in violations(asked, FACTS))


@pytest.mark.parametrize("part", sorted(buckets.PARTS))
def test_a_bucket_without_one_of_its_parts_is_found(part):
    for asked in stacks(PAYMENTS).values():
        without = [each for each in asked if each.type != part]
        found = {each.asked.name for each in of_stack(without)}
        assert found == {each.name for each in asked if each.kind == "Bucket"}


def test_a_part_counts_for_its_own_bucket_alone():
    asked = next(asked for asked in stacks(PAYMENTS).values() if sum(each.kind == "Bucket" for each in asked) > 1)
    bucket = next(each for each in asked if each.kind == "Bucket")
    rest = [each for each in asked if bucket.urn not in each.needs.get("bucket", ())]
    found = list(of_stack(rest))
    assert {each.asked.name for each in found} == {bucket.name}
    assert len(found) == len(buckets.PARTS)


def test_a_bucket_policy_that_refuses_only_part_of_what_comes_without_tls_is_found():
    asked = next(each for each in everything(PAYMENTS) if each.kind == "BucketPolicy")
    (tls,) = filter(access.tls_only, statements(asked))
    for change in (
        {"effect": "Allow"},
        {"principal": {"AWS": "arn:aws:iam::123456789012:role/a"}},
        {"action": ["s3:GetObject"]},
        {"resource": tls["resource"][:1]},
        {"resource": tls["resource"][1:]},
        {"condition": {}},
        {"condition": {"Bool": {"aws:SecureTransport": "true"}}},
    ):
        assert not access.tls_only({**tls, **change}), change


@pytest.mark.parametrize("value", ["04da6b54-80e4-46f7-96ec-b56ff0331ba9"])
def test_a_value_that_a_preview_does_not_know_breaks_no_rule(value):
    """The update asks again, when it knows it."""
    for asked in everything(PAYMENTS):
        unknown = dataclasses.replace(asked, properties=dict.fromkeys(asked.properties, value))
        assert [str(each) for each in violations(unknown, FACTS)] == []


def test_each_exemption_is_still_needed():
    used = {
        rights.exemption(asked.name, statement, resource)
        for name in PROFILES
        for asked in all_that_can_be(name)
        for statement in statements(asked)
        if statement.get("effect") == "Allow"
        for resource in statement.get("resource", [])
    }
    assert used - {None} == set(rights.EXEMPTIONS)
    attached = {each["policyArn"] for name in PROFILES for each in everything(name) if each["policyArn"]}
    assert attached == set(rights.AWS_POLICIES) == {TRACING, VPC_ACCESS}
    assert access.BY_ADDRESS.keys() == {
        each.name
        for name in PROFILES
        for each in everything(name)
        if any(access.open_to_the_world(statement, by_address=False) for statement in statements(each))
    }
    entrances = {each.name for name in PROFILES for each in everything(name) if each["cidrIpv4"] == "0.0.0.0/0"}
    assert entrances & {each.name for name in PROFILES for each in everything(name) if "Ingress" in each.kind} == set(
        access.PUBLIC
    )


BY_CHOICE = {"BucketObjectLockConfiguration", "ProvisionedConcurrencyConfig"}
"""Types that an environment has with `production: true`, and with `compute.warm`."""


@pytest.mark.parametrize("name", [OLD_NAME, f"{OLD_NAME}.", f"_0a1b.{OLD_NAME}."])
@pytest.mark.parametrize(("kind", "field"), [("Record", "name"), ("DomainName", "domainName")])
def test_the_name_of_a_system_before_this_one_needs_no_suffix_where_it_is_taken_over(kind, field, name):
    asked = next(each for each in everything(PAYMENTS) if each.kind == kind)
    taken = dataclasses.replace(asked, properties={**asked.properties, field: name})
    assert not list(names.without_suffix(taken, dataclasses.replace(FACTS, taken=OLD_NAME)))


def test_each_type_in_a_table_of_names_is_there():
    kinds = {each.kind for name in PROFILES for each in all_that_can_be(name)}
    assert names.PHYSICAL_NAMES.keys() | names.TAGGED_NAMES | names.PARTS <= kinds | BY_CHOICE
