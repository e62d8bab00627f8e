"""What holds for every resource of every program: rights, names, tags, regions, and that all of it can go."""

from __future__ import annotations

import ast
import json
import re
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from shared.components.function import TRACING, VPC_ACCESS
from shared.contracts import LAYERS
from shared.root import ROOT
from tests.unit.projects.mocked_programs import ACCOUNT, PAYMENTS, TRADING, Made, run_environment

SUFFIXES = {PAYMENTS: "x7k2", TRADING: "t9m4"}
POLICIES = ("policy", "assumeRolePolicy")

WILDCARD_EXCEPTIONS = {
    "flow-logs": "DescribeLogGroups lists groups: there is no narrower resource, and the VPC guide asks for it",
    "operations": "alarms are listed, and checks are known by their tags: which ones is not known before",
    "synthetics": "PutMetricData knows no resource: a condition names the one namespace",
    "endpoints-kms": "a key's ARN is a random id that another layer learns later: a condition names its alias",
}
"""Allow statements that AWS gives no other form, by the resource's logical name, with the reason."""

PHYSICAL_NAMES = {
    "Bucket": "bucket",
    "Canary": "name",
    "CompositeAlarm": "alarmName",
    "Dashboard": "dashboardName",
    "DomainName": "domainName",
    "EventRule": "name",
    "Function": "name",
    "IpSet": "name",
    "LoadBalancer": "name",
    "LogGroup": "name",
    "MetricAlarm": "name",
    "Parameter": "name",
    "Queue": "name",
    "Record": "name",
    "RestApi": "name",
    "Role": "name",
    "RolePolicy": "name",
    "Secret": "name",
    "SecurityGroup": "name",
    "Table": "name",
    "TargetGroup": "name",
    "Topic": "name",
    "WebAcl": "name",
    "Zone": "name",
    "Certificate": "domainName",
}
"""Types whose name an account, a region or the world has once, with the input that says it."""

GLOBAL = {"Bucket", "Dashboard", "Role", "RolePolicy", "Zone"}
"""Types whose name an account has once, whatever the region."""

TAGGED_NAMES = {
    "DefaultSecurityGroup",
    "FlowLog",
    "HealthCheck",
    "InternetGateway",
    "NetworkAcl",
    "RouteTable",
    "Subnet",
    "Vpc",
    "VpcEndpoint",
}
"""Types that have no name but a tag."""

PARTS = {
    "BasePathMapping", "BucketLifecycleConfiguration", "BucketOwnershipControls", "BucketPolicy",
    "BucketPublicAccessBlock", "BucketReplicationConfig", "BucketServerSideEncryptionConfiguration",
    "BucketObjectv2", "BucketVersioning", "CertificateValidation", "Deployment", "EventSourceMapping", "EventTarget",
    "FunctionEventInvokeConfig", "Integration", "Key", "Listener", "ListenerRule", "Method", "MethodSettings", "Model",
    "NetworkAclAssociation", "NetworkAclRule", "Permission", "QueuePolicy", "RandomPassword", "ReplicaKey",
    "RequestValidator", "Resource", "Response", "RolePolicyAttachment", "Route", "RouteTableAssociation",
    "SecretVersion",
    "SecurityGroupEgressRule", "SecurityGroupIngressRule", "Stage", "Tag", "TargetGroupAttachment",
    "TopicPolicy", "TopicSubscription", "WebAclAssociation",
    "WebAclLoggingConfiguration",
}  # fmt: skip
"""Types that are part of another resource, or get an id from AWS."""


def everything() -> list[Made]:
    """All that both profiles make."""
    return [each for name in SUFFIXES for run in run_environment(name).values() for each in run.recorder.cloud]


def has_suffix(text: str) -> bool:
    return any(suffix in text for suffix in SUFFIXES.values())


def as_list(value):
    return value if isinstance(value, list) else [value]


WITHOUT_RESOURCE = {"cloudwatch:GetMetricData", "route53:ListHealthChecks"}
"""Actions that AWS lets nobody limit to a resource (Service Authorization Reference); nothing else beside them."""


def wildcards(statement):
    """What of an Allow statement says more than it should."""
    if statement["Effect"] != "Allow":
        return
    for action in as_list(statement["Action"]):
        if "*" in action:
            yield f"action {action}"
    for principal in as_list(
        statement.get("Principal", {}).get("AWS", []) if isinstance(statement.get("Principal"), dict) else []
    ):
        if "*" in principal:
            yield f"principal {principal}"
    for resource in as_list(statement.get("Resource", [])):
        if resource == "*" and set(as_list(statement["Action"])) <= WITHOUT_RESOURCE:
            continue
        name = re.sub(r"(/|:)\*$", "", resource)
        if "*" in name or (name != resource and not has_suffix(name)):
            yield f"resource {resource}"


def policies():
    for resource in everything():
        for field in POLICIES:
            if field in resource.inputs:
                document = json.loads(resource[field])
                yield resource, [dict(statement) for statement in document["Statement"]]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ({"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::bucket-x7k2"}, ["action s3:Get*"]),
        ({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}, ["resource *"]),
        ({"Effect": "Allow", "Action": ["cloudwatch:GetMetricData"], "Resource": ["*"]}, []),
        (
            {"Effect": "Allow", "Action": ["cloudwatch:GetMetricData", "cloudwatch:PutMetricData"], "Resource": ["*"]},
            ["resource *"],
        ),
        (
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::*/a"]},
            ["resource arn:aws:s3:::*/a"],
        ),
        ({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bucket-x7k2/*"]}, []),
        (
            {"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": ["arn:aws:kms:r:a:key/*"]},
            ["resource arn:aws:kms:r:a:key/*"],
        ),
        ({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": "*"}}, ["principal *"]),
        ({"Effect": "Deny", "Action": ["s3:*"], "Resource": ["*"]}, []),
    ],
)
def test_the_rule_finds_wildcards(statement, found):
    assert list(wildcards(statement)) == found


def test_no_right_is_wider_than_it_must_be():
    found = []
    for resource, statements in policies():
        for statement in statements:
            if resource.type.startswith("aws:kms/"):
                statement.pop("Resource")  # a key policy's resource is the key itself, which only `*` can say
            found += [(resource.name, wide) for wide in wildcards(statement)]
    assert len(list(policies())) > 40
    assert {name for name, _ in found} <= set(WILDCARD_EXCEPTIONS), found


def test_every_exception_is_still_needed():
    needed = {
        resource.name
        for resource, statements in policies()
        for each in statements
        if list(wildcards(each))
        if not resource.type.startswith("aws:kms/")
    }
    assert needed == set(WILDCARD_EXCEPTIONS)


def open_to_the_world(statement):
    """Whether a statement lets in somebody whom neither an account nor an address limits.

    To S3 a policy is not public if it limits access to a set of CIDRs by aws:SourceIp; a range that is half of the
    Internet is no limit.
    """
    principal = statement.get("Principal")
    everybody = principal == "*" or (isinstance(principal, dict) and "*" in as_list(principal.get("AWS", [])))
    if statement["Effect"] != "Allow" or not everybody:
        return False
    condition = statement.get("Condition", {})
    account = condition.get("StringEquals", {}).get("aws:PrincipalAccount")
    ranges = [ip_network(each) for each in as_list(condition.get("IpAddress", {}).get("aws:SourceIp", []))]
    narrow = bool(ranges) and all(each.is_global and each.prefixlen >= NARROW[each.version] for each in ranges)
    return account != ACCOUNT and not narrow


NARROW = {4: 16, 6: 32}
"""The longest ranges that count as a limit, by their prefix."""
READER = {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bucket/key"]}


def addresses(*ranges, operator="IpAddress"):
    return {**READER, "Condition": {operator: {"aws:SourceIp": list(ranges)}}}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (READER, True),
        ({**READER, "Principal": {"AWS": "*"}}, True),
        ({**READER, "Effect": "Deny"}, False),
        ({**READER, "Principal": {"AWS": "arn:aws:iam::123456789012:role/a"}}, False),
        ({**READER, "Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}}, False),
        ({**READER, "Condition": {"StringEquals": {"aws:PrincipalAccount": "210987654321"}}}, True),
        (addresses(), True),
        (addresses("15.177.0.0/18"), False),
        (addresses("0.0.0.0/0"), True),
        (addresses("15.177.0.0/18", "128.0.0.0/1"), True),
        (addresses("::/0"), True),
        (addresses("10.0.0.0/16"), True),
        (addresses("15.177.0.0/18", operator="NotIpAddress"), True),
    ],
)
def test_the_rule_finds_what_is_open_to_the_world(statement, found):
    assert open_to_the_world(statement) is found


def test_nothing_is_open_to_the_world():
    assert [resource.name for resource, statements in policies() if any(map(open_to_the_world, statements))] == []


def test_no_function_can_be_called_by_anybody():
    callers = {each["principal"] for each in everything() if each.type.endswith(":Permission")}
    assert callers
    assert "*" not in callers
    assert not [each for each in everything() if each.type.endswith(":FunctionUrl")]


@pytest.mark.parametrize("kind", ["BucketPublicAccessBlock", "BucketOwnershipControls", "BucketVersioning"])
def test_every_bucket_has_all_that_keeps_it_private(kind):
    buckets = {each["bucket"]: each.name for each in everything() if each.type.endswith(":Bucket")}
    parts = {each["bucket"]: each for each in everything() if each.type.endswith(f":{kind}")}
    assert len(buckets) == 10
    assert parts.keys() == {f"{name}-id" for name in buckets.values()}
    for part in parts.values():
        match kind:
            case "BucketPublicAccessBlock":
                names = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
                assert all(part[name] is True for name in names)
            case "BucketOwnershipControls":
                assert part["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
            case _:
                assert part["versioningConfiguration"] == {"status": "Enabled"}


def test_every_bucket_policy_refuses_what_is_not_encrypted_on_its_way_and_comes_after_its_blocks():
    found = [(resource, statements) for resource, statements in policies() if resource.type.endswith(":BucketPolicy")]
    assert len(found) == 10
    for resource, statements in found:
        assert f"BucketPublicAccessBlock:{resource.name}" in resource.after
        (tls,) = [each for each in statements if each.get("Sid") == "TlsOnly"]
        assert (tls["Effect"], tls["Principal"], tls["Action"]) == ("Deny", "*", ["s3:*"])
        assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        arn = tls["Resource"][0]
        assert tls["Resource"] == [arn, f"{arn}/*"]


def test_rights_of_aws_are_the_two_that_cannot_be_narrowed():
    attached = {each["policyArn"] for each in everything() if each.type.endswith(":RolePolicyAttachment")}
    assert attached == {TRACING, VPC_ACCESS}


def test_every_physical_name_carries_the_suffix():
    for resource in everything():
        kind = resource.type.rpartition(":")[2]
        if kind == "Alias":  # of a key, or of a function, where it is local
            assert resource["name"] == "live" or has_suffix(resource["name"])
        elif kind in TAGGED_NAMES:
            assert has_suffix(resource["tags"]["Name"]), resource
        elif kind in PHYSICAL_NAMES:
            assert has_suffix(resource[PHYSICAL_NAMES[kind]]), resource
        else:
            assert kind in PARTS, f"{resource.type}: say how it is named"


def test_two_stacks_never_share_a_physical_name_and_both_profiles_fit_into_one_account():
    named = [
        (
            resource.type,
            None if kind in GLOBAL else resource.provider.split("::")[-2],  # by role, and both primaries are one region
            resource[PHYSICAL_NAMES[kind]],
            resource.get("role"),
        )
        for resource in everything()
        if (kind := resource.type.rpartition(":")[2]) in PHYSICAL_NAMES and kind not in {"Record", "Certificate"}
    ]
    assert len(named) == len(set(named))


REGIONS = {
    PAYMENTS: {"primary": "us-east-1", "secondary": "us-east-2"},
    TRADING: {"primary": "us-east-1", "secondary": "us-west-2"},
}


@pytest.mark.parametrize("role", ["primary", "secondary"])
@pytest.mark.parametrize("layer", [layer.name for layer in LAYERS.values() if layer.regional])
@pytest.mark.parametrize("environment", REGIONS)
def test_a_regional_stack_configures_its_own_region_alone(environment, layer, role):
    recorder = run_environment(environment)[f"{layer}/{environment}-{role}"].recorder
    (provider,) = [each for each in recorder.made if each.type == "pulumi:providers:aws"]
    assert provider["region"] == REGIONS[environment][role]
    assert {each.provider.split("::")[-2] for each in recorder.cloud} == {f"aws-{role}"}


def test_every_resource_says_its_region():
    for resource in everything():
        if resource.type.startswith("aws:"):
            assert resource.provider.split("::")[-2] in {"aws-primary", "aws-secondary"}, resource


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            PAYMENTS,
            {"Service": "payments", "Owner": "payments-team", "CostCenter": "payments", "Environment": "payments"},
        ),
        (
            TRADING,
            {"Service": "trading", "Owner": "trading-team", "CostCenter": "trading", "Environment": "production"},
        ),
    ],
)
def test_everything_is_tagged(environment, said):
    for run in run_environment(environment).values():
        for provider in (each for each in run.recorder.made if each.type == "pulumi:providers:aws"):
            tags = json.loads(provider["defaultTags"])["tags"]
            role = provider.name.removeprefix("aws-")
            assert tags == {**said, "Region": REGIONS[environment][role], "DR-Role": role}


def test_everything_can_be_destroyed():
    destroyable = {
        "Bucket": ("forceDestroy", True),
        "Zone": ("forceDestroy", True),
        "Secret": ("recoveryWindowInDays", 0),
        "Table": ("deletionProtectionEnabled", False),
        "Key": ("deletionWindowInDays", 7),
        "ReplicaKey": ("deletionWindowInDays", 7),
    }
    seen = set()
    for resource in everything():
        kind = resource.type.rpartition(":")[2]
        if kind in destroyable:
            field, value = destroyable[kind]
            assert resource[field] == value
            seen.add(kind)
        assert not resource.get("skipDestroy")
    assert seen == set(destroyable)
    sources = [
        path.read_text(encoding="utf-8") for folder in ("projects", "shared") for path in (ROOT / folder).rglob("*.py")
    ]
    assert not [each for each in sources if re.search(r"retain_on_delete|protect=True", each)]


def modules():
    return [path for folder in ("projects", "shared", "lambdas") for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_go_one_way(path):
    own = path.relative_to(ROOT).parts[0]
    allowed = {"projects": {"projects", "shared"}, "shared": {"shared"}, "lambdas": {"lambdas"}}[own]
    ours = {"projects", "shared", "lambdas", "sandbox", "orchestration", "drill", "tasks", "tests", "policies"}
    ours |= {"engine", "simulation", "tools"}
    roots = {name.partition(".")[0] for name in imported(path)}
    assert roots & ours <= allowed
    assert "ministack" not in roots
    if own == "projects":
        layer = path.relative_to(ROOT).parts[1]
        others = {name for name in imported(path) if name.startswith("projects.") and name.split(".")[1] != layer}
        assert not others


@pytest.mark.parametrize("layer", LAYERS)
def test_a_program_reads_like_a_table_of_contents(layer):
    lines = (ROOT / "projects" / layer / "__main__.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    assert not [line for line in lines if re.match(r"\s*(for|if|while|def|class) ", line)]


@pytest.mark.parametrize(
    "path", [path for path in modules() if "projects" in path.parts], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_module_of_a_project_hides_a_library(path):
    """A program's folder comes first on Python's path: `secrets.py` there would be everybody's `secrets`."""
    assert path.stem == "__main__" or path.stem not in sys.stdlib_module_names


@pytest.mark.parametrize("layer", LAYERS)
def test_default_providers_are_off(layer):
    settings = (ROOT / "projects" / layer / "Pulumi.yaml").read_text(encoding="utf-8")
    assert re.search(r"pulumi:disable-default-providers:\s+value: \[\"aws\"\]", settings)
    assert f"name: {layer}\n" in settings
