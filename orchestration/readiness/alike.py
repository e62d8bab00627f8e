"""Both regions as they are, compared resource by resource: what one has, the other has too, and alike.

Each reading asks one service in both regions at once and tells settings, without ids and times. What may differ is in
`orchestration/pairs.py`, as for the programs. Nothing that holds a value of clients or a secret is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from orchestration import pairs
from orchestration.aws import error_code
from orchestration.pairs import Resources, alone_of_edge, flat, seen_from_its_region, unexpected
from orchestration.questions import Unanswered, at_once
from orchestration.quotas import canaries
from orchestration.readiness.facts import Examined, Fact, FactQuestion
from orchestration.readiness.telling import alarms
from shared import naming
from shared.errors import Problem
from shared.roles import ROLES, PerRole, Role

Found = Iterator[tuple[str, str, Any]]
"""Type as Pulumi calls it, purpose, and settings."""
Reading = Callable[[Examined, Role], Found]

REST_API, LOAD_BALANCER = "REST API", "load balancer"
WITHIN: Final = 60.0
"""Seconds for one reading of both regions; the row's own deadline ends it sooner."""
SHOWN: Final = 4
"""Differences that a row names; the others are counted."""
IDS: Final = re.compile(
    r"\b(?:vpc|subnet|sg|vpce|rtb|acl|igw|eni|pl)-[0-9a-f]{8,17}\b"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|(?P<kept>restapis/|execute-api:<region>:\d{12}:|(?:app|targetgroup)/[^/]+/)[0-9a-z]{8,16}\b"
)
"""What AWS calls a thing of which the other region has its own."""
LOGICAL: Final[Mapping[str, str]] = {"MetricAlarm": "alarms-", "CompositeAlarm": "alarms-", "Canary": "synthetics-"}
"""How the programs call what is named by its purpose alone."""


def questions(examined: Examined) -> Iterator[FactQuestion]:
    for what, reading in READINGS.items():
        if what in ENTRY_POINTS and what != ENTRY_POINT[examined.settings.entry_point]:
            continue
        yield FactQuestion(
            f"regions alike: {what}",
            examined.both,
            lambda reading=reading: _compared(examined, reading),  # type: ignore[misc]
            examined.unanswered,
        )


def _compared(examined: Examined, reading: Reading) -> Fact:
    both = at_once([lambda role=role: _seen(examined, role, reading) for role in ROLES], WITHIN)  # type: ignore[misc]
    for role, told in zip(ROLES, both, strict=True):
        if isinstance(told, Unanswered):
            raise Problem(f"{examined.settings.region(role)}: {told.why}")
    found: PerRole[Resources] = PerRole(*both)  # type: ignore[arg-type]
    edge = alone_of_edge(examined.settings)
    said = []
    for role in ROLES:
        expected = {*pairs.ALONE[role], *((kind, _logical(kind, name)) for kind, name in edge.of(role))}
        alone = [pair for pair in pairs.missing(found, role) if pair not in expected]
        said += [f"only {examined.settings.region(role)} has {kind} {name}" for kind, name in alone]
    for (kind, name, path), (here, there) in unexpected(found).items():
        said.append(f"{kind} {name}: {path} {_short(here)} and {_short(there)}")
    if said:
        more = [f"and {len(said) - SHOWN} more"] if len(said) > SHOWN else []
        todo = f"./invoke drift{examined.options}: what it recommends repairs"
        return Fact("; ".join([*said[:SHOWN], *more]), "not fit", todo)
    if not found.primary:
        return Fact("none in either region", "not fit", f"./invoke deploy-all{examined.options}")
    return Fact(f"{len(found.primary.keys() & found.secondary.keys())} pairs")


def _short(value: str | None, longest: int = 40) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= longest else f"{value[:longest]}…"


def _seen(examined: Examined, role: Role, reading: Reading) -> Resources:
    """A region's resources as their values by path, without what names the region or is an id."""

    def plain(text: Any) -> str:
        return IDS.sub(lambda match: f"{match['kept'] or ''}<id>", seen_from_its_region(examined.settings, role, text))

    return {
        (kind, _logical(kind, plain(purpose))): {
            plain(".".join(map(_camel, path.split(".")))): plain(value)
            for path, value in flat(_settled(settings)).items()
        }
        for kind, purpose, settings in reading(examined, role)
    }


def _settled(value: Any) -> Any:
    """The same without an order that says nothing: AWS tells lists of names and values, and of texts, in any."""
    if isinstance(value, Mapping):
        return {key: _settled(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    if value and all(isinstance(each, Mapping) and each.keys() == {"Name", "Value"} for each in value):
        return {each["Name"]: each["Value"] for each in value}
    return sorted(value) if all(isinstance(each, str) for each in value) else [_settled(each) for each in value]


def _logical(kind: str, purpose: str) -> str:
    if (kind, purpose) == ("CompositeAlarm", naming.COMPOSITE_ALARM.purpose):
        return "alarms"
    return LOGICAL.get(kind, "") + purpose


def _camel(name: str) -> str:
    """As Pulumi writes AWS's `AlarmRule`."""
    return name[:1].lower() + name[1:]


def _affixes(examined: Examined, role: Role, kind: naming.Kind) -> tuple[str, str]:
    """What stands before and behind the purpose in the name of a thing of this sort."""
    mark = "\0"
    sample = naming.Kind(mark, kind.limit, kind.prefix, account=kind.account)
    before, _, after = examined.named(sample, role).partition(mark)
    return before, after


def _purpose(examined: Examined, role: Role, kind: naming.Kind, name: str) -> str | None:
    """What a thing of this sort is for, by its name; None for what is not of this environment and region."""
    before, after = _affixes(examined, role, kind)
    if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
        return name[len(before) : len(name) - len(after)]
    return None


def _ours(
    examined: Examined, role: Role, kind: naming.Kind, listed: Iterable[Any], key: str
) -> Iterator[tuple[str, Any]]:
    for each in listed:
        if (purpose := _purpose(examined, role, kind, str(each[key]))) is not None:
            yield purpose, each


def _functions(examined: Examined, role: Role) -> Found:
    """The versions that serve. The numbers of versions differ: each region counts its own."""
    listed = examined.listed("lambda", role, "list_functions", "Functions")
    for purpose, each in _ours(examined, role, naming.PAYMENT_FUNCTION, listed, "FunctionName"):
        name = {"FunctionName": each["FunctionName"]}
        live = examined.called("lambda", role, "get_function_configuration", **name, Qualifier=naming.LIVE)
        kept = ("CodeSha256", "Environment", "Handler", "Layers", "MemorySize", "Runtime", "Timeout", "TracingConfig")
        vpc = live.get("VpcConfig") or {}
        yield (
            "Function",
            purpose,
            {
                **_only(live, *kept, "Architectures", "EphemeralStorage"),
                "ReservedConcurrentExecutions": examined.called("lambda", role, "get_function_concurrency", **name).get(
                    "ReservedConcurrentExecutions"
                ),
                "Subnets": len(vpc.get("SubnetIds", ())),
                "SecurityGroups": len(vpc.get("SecurityGroupIds", ())),
            },
        )


def _alarms(examined: Examined, role: Role) -> Found:
    untold = ("AlarmArn", "AlarmName", "AlarmConfigurationUpdatedTimestamp", "EvaluationState")
    for kind, each in alarms(examined, role):
        purpose = _purpose(examined, role, naming.COMPOSITE_ALARM, each["AlarmName"])
        if purpose is not None:
            yield (
                kind,
                purpose,
                {key: value for key, value in each.items() if key not in untold and not key.startswith("State")},
            )


def _rest_api(examined: Examined, role: Role) -> Found:
    """Its stage, and each method with the function behind it."""
    named = examined.named(naming.PAYMENT_API, role)
    apis = [each for each in examined.listed("apigateway", role, "get_rest_apis", "items") if each["name"] == named]
    for api in apis:
        place = {"restApiId": api["id"]}
        stage = examined.called("apigateway", role, "get_stage", **place, stageName=naming.STAGE)
        kept = ("methodSettings", "tracingEnabled", "variables", "accessLogSettings", "cacheClusterEnabled")
        yield "RestApi", "api", _only(api, "endpointConfiguration", "binaryMediaTypes", "disableExecuteApiEndpoint")
        yield "Stage", naming.STAGE, _only(stage, *kept)
        for resource in examined.listed("apigateway", role, "get_resources", "items", **place, embed=["methods"]):
            for method, settings in (resource.get("resourceMethods") or {}).items():
                told = {
                    key: value
                    for key, value in settings.items()
                    if key not in {"requestValidatorId", "methodIntegration"}
                }
                integration = settings.get("methodIntegration") or {}
                ids = {"cacheNamespace"}
                told["integration"] = {key: value for key, value in integration.items() if key not in ids}
                yield "Method", f"{method} {resource['path']}", told


def _load_balancer(examined: Examined, role: Role) -> Found:
    """Its settings, listeners with their rules, and the groups of what it hands requests to."""
    named = examined.named(naming.LOAD_BALANCER, role)
    listed = examined.listed("elbv2", role, "describe_load_balancers", "LoadBalancers")
    for each in listed:
        if each["LoadBalancerName"] != named:
            continue
        place = {"LoadBalancerArn": each["LoadBalancerArn"]}
        told = examined.called("elbv2", role, "describe_load_balancer_attributes", **place)
        settings = {one["Key"]: one["Value"] for one in told["Attributes"]}
        yield "LoadBalancer", "api", {**_only(each, "Scheme", "Type", "IpAddressType"), "attributes": settings}
        for listener in examined.listed("elbv2", role, "describe_listeners", "Listeners", **place):
            rules = examined.listed("elbv2", role, "describe_rules", "Rules", ListenerArn=listener["ListenerArn"])
            yield (
                "Listener",
                str(listener["Port"]),
                {
                    **_only(listener, "Protocol", "SslPolicy"),
                    "rules": [_only(one, "Priority", "Conditions", "Actions", "IsDefault") for one in rules],
                },
            )
        for group in examined.listed("elbv2", role, "describe_target_groups", "TargetGroups", **place):
            kept = ("HealthCheckEnabled", "HealthCheckPath", "HealthCheckTimeoutSeconds", "Matcher")
            yield "TargetGroup", group["TargetGroupName"], _only(group, "TargetType", *kept)


def _firewall(examined: Examined, role: Role) -> Found:
    listed = examined.called("wafv2", role, "list_web_acls", Scope="REGIONAL")["WebACLs"]
    for purpose, each in _ours(examined, role, naming.FIREWALL, listed, "Name"):
        found = examined.called("wafv2", role, "get_web_acl", Name=each["Name"], Id=each["Id"], Scope="REGIONAL")
        yield "WebAcl", purpose, _only(found["WebACL"], "DefaultAction", "Rules", "VisibilityConfig")


def _schedules(examined: Examined, role: Role) -> Found:
    listed = examined.listed("events", role, "list_rules", "Rules")
    for purpose, each in _ours(examined, role, naming.SWEEP_RULE, listed, "Name"):
        yield "EventRule", purpose, _only(each, "ScheduleExpression", "State", "EventPattern")


def _logs(examined: Examined, role: Role) -> Found:
    for prefix in dict.fromkeys(each.prefix for each in LOG_KINDS):
        kind = naming.Kind("any", naming.LOG_GROUP, prefix)
        begin, _ = _affixes(examined, role, kind)  # an account may have thousands
        listed = examined.listed("logs", role, "describe_log_groups", "logGroups", logGroupNamePrefix=begin)
        for purpose, each in _ours(examined, role, kind, listed, "logGroupName"):
            where = prefix if prefix != naming.FUNCTION_LOG_PREFIX else ""
            yield "LogGroup", f"{where}{purpose}", _only(each, "retentionInDays", "logGroupClass")


LOG_KINDS: Final = (
    naming.Kind("any", naming.LOG_GROUP, naming.FUNCTION_LOG_PREFIX),
    naming.ACCESS_LOG_GROUP,
    naming.FLOW_LOG_GROUP,
    naming.FIREWALL_LOG_GROUP,
)


def _queues(examined: Examined, role: Role) -> Found:
    urls = examined.listed("sqs", role, "list_queues", "QueueUrls")
    listed = [{"Name": url.rpartition("/")[2], "Url": url} for url in urls]
    for purpose, each in _ours(examined, role, naming.NOTIFICATION_QUEUE, listed, "Name"):
        told = examined.called("sqs", role, "get_queue_attributes", QueueUrl=each["Url"], AttributeNames=["All"])
        kept = ("VisibilityTimeout", "MessageRetentionPeriod", "DelaySeconds", "RedrivePolicy", "SqsManagedSseEnabled")
        yield "Queue", purpose, _only(told["Attributes"], *kept)


def _buckets(examined: Examined, role: Role) -> Found:
    """S3 lists all regions' buckets: those of this one are known by their names."""
    listed = examined.called("s3", role, "list_buckets")["Buckets"]
    for purpose, each in _ours(examined, role, naming.AUDIT_BUCKET, listed, "Name"):
        told = {
            what: _bucket_part(examined, role, f"get_bucket_{what}", each["Name"])
            for what in ("versioning", "encryption", "lifecycle_configuration", "logging")
        }
        told["public_access"] = _bucket_part(examined, role, "get_public_access_block", each["Name"])
        yield "Bucket", purpose, told


def _bucket_part(examined: Examined, role: Role, operation: str, bucket: str) -> Any:
    """What a bucket is set to; nothing where it is not set."""
    try:
        told = examined.called("s3", role, operation, Bucket=bucket)
    except Problem as problem:
        if error_code(problem).startswith(("NoSuch", "ServerSideEncryptionConfigurationNotFound")):
            return {}
        raise
    return {key: value for key, value in told.items() if key != "ResponseMetadata"}


def _table(examined: Examined, role: Role) -> Found:
    name = examined.named(naming.PAYMENTS_TABLE)
    found = examined.called("dynamodb", role, "describe_table", TableName=name)["Table"]
    backups = examined.called("dynamodb", role, "describe_continuous_backups", TableName=name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    kept = ("AttributeDefinitions", "KeySchema", "BillingModeSummary", "DeletionProtectionEnabled")
    indexes = [_only(each, "IndexName", "KeySchema", "Projection") for each in found.get("GlobalSecondaryIndexes", ())]
    yield (
        "Table",
        "transactions",
        {
            **_only(found, *kept, "MultiRegionConsistency"),
            "SSEType": (found.get("SSEDescription") or {}).get("SSEType"),
            "Indexes": sorted(indexes, key=lambda each: each["IndexName"]),
            "PointInTimeRecovery": recovery["PointInTimeRecoveryStatus"],
        },
    )


def _network(examined: Examined, role: Role) -> Found:
    """VPC, subnets, endpoints and security groups, by the name that their tags say."""
    listed = (
        ("Vpc", "describe_vpcs", "Vpcs", ("CidrBlock", "InstanceTenancy")),
        ("Subnet", "describe_subnets", "Subnets", ("CidrBlock", "MapPublicIpOnLaunch")),
        ("VpcEndpoint", "describe_vpc_endpoints", "VpcEndpoints", ENDPOINT),
    )
    zones = examined.settings.network.zones.of(role)
    filters = [{"Name": "tag:Environment", "Values": [examined.settings.label]}]
    for kind, operation, key, kept in listed:
        for each in examined.listed("ec2", role, operation, key, Filters=filters):
            name = next((tag["Value"] for tag in each.get("Tags", ()) if tag["Key"] == "Name"), "")
            before, found, tail = name.partition(f"-{examined.settings.suffix}")
            if found:
                place = f"{zones.index(tail[1:])}" if tail[1:] in zones else tail
                yield kind, f"{before}{place}", _only(each, *kept)


ENDPOINT: Final = ("VpcEndpointType", "ServiceName", "State", "PolicyDocument", "PrivateDnsEnabled")


def _canaries(examined: Examined, role: Role) -> Found:
    listed = canaries(examined.client("synthetics", role))
    for purpose, each in _ours(examined, role, naming.synthetics(role), listed, "Name"):
        kept = ("RuntimeVersion", "Schedule", "RunConfig", "SuccessRetentionPeriodInDays")
        yield "Canary", purpose.removeprefix("pays-in-"), {**_only(each, *kept), "State": each["Status"]["State"]}


def _only(told: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: told[key] for key in keys if key in told}


READINGS: Final[Mapping[str, Reading]] = {
    "functions": _functions,
    REST_API: _rest_api,
    LOAD_BALANCER: _load_balancer,
    "firewall": _firewall,
    "alarms": _alarms,
    "canaries": _canaries,
    "schedules": _schedules,
    "queues": _queues,
    "log groups": _logs,
    "table": _table,
    "buckets": _buckets,
    "network": _network,
}
ENTRY_POINT: Final[Mapping[naming.EntryPoint, str]] = {"rest-api": REST_API, "load-balancer": LOAD_BALANCER}
"""What clients come by; the other one is not there."""
ENTRY_POINTS: Final = frozenset(ENTRY_POINT.values())
