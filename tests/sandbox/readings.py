"""How an independent client reads each declared type back: AWS's operation, and which of its members is which input.

Nothing of the provider's own reading is used here. Add a type, and add its reading: `READINGS` has one for each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from tests.sandbox.provider_engine import Made

    Clients = Callable[..., Any]
    """A boto3 client by service, and region where that is another than the resource's."""


@dataclass(frozen=True)
class Reading:
    """ask: the members that AWS tells of a resource.

    names: the member of an input that is named otherwise (by more than case), with dots for members of members.
    untold: inputs that no operation of AWS's tells, each with the reason.
    tags: the tags that AWS tells of it, by key; None for what has none.
    """

    ask: Callable[[Clients, Made], Mapping[str, Any]]
    names: Mapping[str, str] = field(default_factory=dict)
    untold: Mapping[str, str] = field(default_factory=dict)
    tags: Callable[[Clients, Made], list[Mapping[str, str]]] | None = None


def differences(declared: Any, told: Any, reading: Reading, at: str = "") -> list[str]:
    """What AWS tells otherwise than it was declared, or not at all: a line for each."""
    if isinstance(declared, Mapping) and isinstance(told, Mapping):
        found = []
        for name, value in declared.items():
            if value is None or (not at and name in reading.untold):
                continue
            there = None if at else _found(told, reading.names.get(name, ""))
            there = _member(told, name) if there is None else there
            there = _found(told, reading.names.get(name, "")) if there is None else there
            if there is None and not at and value in ({}, [], "", False):
                continue  # AWS leaves out what has no value
            found += differences(value, there, reading, f"{at}.{name}".lstrip("."))
        return found
    if isinstance(declared, list | tuple) and isinstance(told, list | tuple):
        rest = list(told)
        for value in declared:
            match = next((each for each in rest if not differences(value, each, reading, at or "item")), None)
            if match is None:
                return [f"{at}: {value!r} is not among {told!r}"]
            rest.remove(match)
        return [f"{at}: {rest!r} was not declared"] if rest and not at.endswith("!") else []
    return [] if _plain(declared) == _plain(told) else [f"{at}: declared {declared!r}, told {told!r}"]


def _found(told: Mapping[str, Any], path: str) -> Any:
    found: Any = told
    for part in path.split("."):
        found = _member(found, part) if isinstance(found, Mapping) else None
    return found


def _member(told: Mapping[str, Any], wanted: str) -> Any:
    if wanted in told:
        return told[wanted]
    return next((value for name, value in told.items() if name.lower() == wanted.lower()), None)


def _plain(value: Any) -> Any:
    """A value as it can be compared: documents by their content, numbers and booleans whatever their spelling."""
    if isinstance(value, str) and value[:1] in "{[%":
        try:
            return json.loads(unquote(value) if value.startswith("%") else value)
        except ValueError:
            return value
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def tag_map(tags: Any) -> dict[str, str]:
    """Tags in any of AWS's forms, by key."""
    if isinstance(tags, Mapping):
        return dict(tags)
    return {each.get("Key") or each["TagKey"]: each.get("Value", each.get("TagValue")) for each in tags}


def only(answer: Mapping[str, Any], listing: str) -> dict[str, Any]:
    (found,) = answer[listing]
    return dict(found)


def one(service: str, operation: str, member: str = "", **arguments: str) -> Callable[[Clients, Made], dict[str, Any]]:
    """What an operation tells, or a member of it; each argument is the name of an input or output, or `id`."""

    def ask(clients: Clients, made: Made) -> dict[str, Any]:
        given = {name: made.id if value == "id" else made.outputs[value] for name, value in arguments.items()}
        answer = getattr(clients(service), operation)(**given)
        return dict(answer[member]) if member else dict(answer)

    return ask


def _canary(clients: Clients, made: Made) -> dict[str, Any]:
    """A canary, with the environment that its function has, and the place as it may be declared."""
    told = clients("synthetics").get_canary(Name=made.id)["Canary"]
    function = clients("lambda").get_function_configuration(FunctionName=told["EngineArn"].rpartition(":")[0])
    run = {**told["RunConfig"], "EnvironmentVariables": function["Environment"]["Variables"]}
    place = made.outputs["artifactS3Location"]
    same = place.removeprefix("s3://").rstrip("/") == told["ArtifactS3Location"]
    return {**told, "RunConfig": run, "ArtifactS3Location": place if same else told["ArtifactS3Location"]}


def _backup_plan(clients: Clients, made: Made) -> dict[str, Any]:
    """A plan, its rules by the names of the inputs."""
    told = clients("backup").get_backup_plan(BackupPlanId=made.id)["BackupPlan"]

    def life(of: Mapping[str, Any]) -> dict[str, Any]:
        return {"deleteAfter": of["Lifecycle"]["DeleteAfterDays"]} if "Lifecycle" in of else {}

    rules = [
        {
            "ruleName": rule["RuleName"],
            "targetVaultName": rule["TargetBackupVaultName"],
            "schedule": rule.get("ScheduleExpression"),
            "startWindow": rule["StartWindowMinutes"],
            "completionWindow": rule["CompletionWindowMinutes"],
            "lifecycle": life(rule),
            "copyActions": [
                {"destinationVaultArn": each["DestinationBackupVaultArn"], "lifecycle": life(each)}
                for each in rule.get("CopyActions", ())
            ],
        }
        for rule in told["Rules"]
    ]
    return {**told, "rules": rules}


def _backup_tags(clients: Clients, made: Made) -> list[dict[str, str]]:
    return [dict(clients("backup").list_tags(ResourceArn=made.arn)["Tags"])]


def listed(service: str, operation: str, listing: str, argument: str) -> Callable[[Clients, Made], dict[str, Any]]:
    """The only entry of a listing by ids."""
    return lambda clients, made: only(getattr(clients(service), operation)(**{argument: [made.id]}), listing)


def _tags_of(ask: Callable[[Clients, Made], Mapping[str, Any]]) -> Callable[[Clients, Made], list[dict[str, str]]]:
    return lambda clients, made: [tag_map(_member(ask(clients, made), "tags") or {})]


def _ec2(operation: str, listing: str, argument: str, **names: str) -> Reading:
    ask = listed("ec2", operation, listing, argument)
    return Reading(ask, names, tags=_tags_of(ask))


def _attributes(told: list[dict[str, str]]) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in told}


def _elb_tags(clients: Clients, made: Made) -> list[dict[str, str]]:
    told = clients("elbv2").describe_tags(ResourceArns=[made.id])["TagDescriptions"]
    return [tag_map(each["Tags"]) for each in told]


def _balancer(clients: Clients, made: Made) -> dict[str, Any]:
    elb = clients("elbv2")
    told = only(elb.describe_load_balancers(LoadBalancerArns=[made.id]), "LoadBalancers")
    attributes = _attributes(elb.describe_load_balancer_attributes(LoadBalancerArn=made.id)["Attributes"])
    return {
        **told,
        "Internal": told["Scheme"] == "internal",
        "Subnets": [each["SubnetId"] for each in told["AvailabilityZones"]],
        "IdleTimeout": attributes["idle_timeout.timeout_seconds"],
        "EnableDeletionProtection": attributes["deletion_protection.enabled"],
        "DropInvalidHeaderFields": attributes.get("routing.http.drop_invalid_header_fields.enabled", "false"),
        "DesyncMitigationMode": attributes.get("routing.http.desync_mitigation_mode", "defensive"),
        "AccessLogs": {
            name: attributes.get(f"access_logs.s3.{name.lower()}") or None for name in ("Enabled", "Bucket", "Prefix")
        },
    }


def _target_group(clients: Clients, made: Made) -> dict[str, Any]:
    elb = clients("elbv2")
    told = only(elb.describe_target_groups(TargetGroupArns=[made.id]), "TargetGroups")
    attributes = _attributes(elb.describe_target_group_attributes(TargetGroupArn=made.id)["Attributes"])
    return {**told, "LambdaMultiValueHeadersEnabled": attributes["lambda.multi_value_headers.enabled"]}


def _attached(clients: Clients, made: Made) -> dict[str, Any]:
    group = made.outputs["targetGroupArn"]
    told = clients("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    (target,) = (each["Target"]["Id"] for each in told)
    return {"TargetGroupArn": group, "TargetId": target}


def _actions(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**each, "FixedResponse": each["FixedResponseConfig"]} if "FixedResponseConfig" in each else each
        for each in told
    ]


def _listener(clients: Clients, made: Made) -> dict[str, Any]:
    told = only(clients("elbv2").describe_listeners(ListenerArns=[made.id]), "Listeners")
    certificates = [each["CertificateArn"] for each in told.get("Certificates") or ()]
    first = {"CertificateArn": certificates[0]} if certificates else {}
    return {**told, **first, "DefaultActions": _actions(told["DefaultActions"])}


def _listener_rule(clients: Clients, made: Made) -> dict[str, Any]:
    told = only(clients("elbv2").describe_rules(RuleArns=[made.id]), "Rules")
    conditions = [
        {name.removesuffix("Config"): value for name, value in each.items() if name.endswith("Config")}
        for each in told["Conditions"]
    ]
    return {
        **told,
        "Actions": _actions(told["Actions"]),
        "Conditions": conditions,
        "ListenerArn": made.id.replace(":listener-rule/", ":listener/").rpartition("/")[0],
    }


def _gateway(clients: Clients, made: Made) -> dict[str, Any]:
    told = only(clients("ec2").describe_internet_gateways(InternetGatewayIds=[made.id]), "InternetGateways")
    (attachment,) = told["Attachments"]
    return {**told, "VpcId": attachment["VpcId"]}


def _route(clients: Clients, made: Made) -> dict[str, Any]:
    table, _, destination = made.id.partition("_")
    told = only(clients("ec2").describe_route_tables(RouteTableIds=[table]), "RouteTables")["Routes"]
    (route,) = (each for each in told if each.get("DestinationCidrBlock") == destination)
    return {**route, "RouteTableId": table}


def _all(*asks: Callable[[Clients, Made], Any]) -> Callable[[Clients, Made], list[dict[str, str]]]:
    """The tags that each of several operations tells."""
    return lambda clients, made: [tag_map(ask(clients, made)) for ask in asks]


def _vpc(clients: Clients, made: Made) -> dict[str, Any]:
    ec2 = clients("ec2")
    found = only(ec2.describe_vpcs(VpcIds=[made.id]), "Vpcs")
    for name in ("enableDnsHostnames", "enableDnsSupport"):
        member = name[0].upper() + name[1:]
        found[name] = ec2.describe_vpc_attribute(VpcId=made.id, Attribute=name)[member]["Value"]
    return found


def _endpoint(clients: Clients, made: Made) -> dict[str, Any]:
    found = only(clients("ec2").describe_vpc_endpoints(VpcEndpointIds=[made.id]), "VpcEndpoints")
    return {**found, "securityGroupIds": [each["GroupId"] for each in found.get("Groups", ())]}


def _default_group(clients: Clients, made: Made) -> dict[str, Any]:
    found = only(clients("ec2").describe_security_groups(GroupIds=[made.id]), "SecurityGroups")
    rules = [
        {"protocol": each["IpProtocol"], "fromPort": each.get("FromPort", 0), "toPort": each.get("ToPort", 0)}
        | {"self": [pair["GroupId"] for pair in each["UserIdGroupPairs"]] == [made.id]}
        for each in found["IpPermissions"]
    ]
    return {**found, "ingress": rules}


def _acl_entry(clients: Clients, made: Made) -> dict[str, Any]:
    told = clients("ec2").describe_network_acls(NetworkAclIds=[made.outputs["networkAclId"]])
    acl = only(told, "NetworkAcls")
    place = (made.outputs["ruleNumber"], made.outputs["egress"])
    (found,) = (each for each in acl["Entries"] if (each["RuleNumber"], each["Egress"]) == place)
    return {**found, "networkAclId": acl["NetworkAclId"], "protocol": {"6": "tcp"}.get(found["Protocol"])}


def _association(operation: str, listing: str, kind: str) -> Callable[[Clients, Made], dict[str, Any]]:
    def ask(clients: Clients, made: Made) -> dict[str, Any]:
        wanted = [{"Name": "association.subnet-id", "Values": [made.outputs["subnetId"]]}]
        (owner,) = getattr(clients("ec2"), operation)(Filters=wanted)[listing]
        return next(dict(each) for each in owner["Associations"] if each.get(kind) == made.id)

    return ask


def _api(operation: str, **more: str) -> Callable[[Clients, Made], dict[str, Any]]:
    return one("apigateway", operation, "", restApiId="restApi", **more)


def _api_tags(
    place: str, get: Callable[[Clients, Made], Mapping[str, Any]]
) -> Callable[[Clients, Made], list[dict[str, str]]]:
    def listed_tags(clients: Clients, made: Made) -> Any:
        where = place.format(id=made.id, **made.outputs)
        gateway = clients("apigateway")
        return gateway.get_tags(resourceArn=f"arn:aws:apigateway:{gateway.meta.region_name}::/{where}")["tags"]

    return _all(listed_tags, lambda clients, made: get(clients, made)["tags"])


def _in_endpoint(ask: Callable[[Clients, Made], dict[str, Any]]) -> Callable[[Clients, Made], dict[str, Any]]:
    """An endpoint's types are a list; the SDK's input is one of them."""

    def asked(clients: Clients, made: Made) -> dict[str, Any]:
        found = ask(clients, made)
        (kind,) = found["endpointConfiguration"]["types"]
        return {**found, "endpointConfiguration": {"types": kind}}

    return asked


def _mapping(clients: Clients, made: Made) -> dict[str, Any]:
    domain, path = made.outputs["domainName"], made.outputs.get("basePath") or "(none)"
    found = clients("apigateway").get_base_path_mapping(domainName=domain, basePath=path)
    return {**found, "domainName": domain, "basePath": found["basePath"].replace("(none)", "")}


def _method_settings(clients: Clients, made: Made) -> dict[str, Any]:
    place = {"restApiId": made.outputs["restApi"], "stageName": made.outputs["stageName"]}
    settings = clients("apigateway").get_stage(**place)["methodSettings"][made.outputs["methodPath"]]
    return {**place, "methodPath": made.outputs["methodPath"], "settings": settings}


def _query(told: dict[str, Any]) -> dict[str, Any]:
    """A query of metric math with its metric as one object, as the inputs have it."""
    if "MetricStat" not in told:
        return told
    stat = told["MetricStat"]
    dimensions = {each["Name"]: each["Value"] for each in stat["Metric"].get("Dimensions", [])}
    return {**told, "metric": {**stat, **stat["Metric"], "Dimensions": dimensions}}


def _alarm(kind: str, name: str) -> Reading:
    def ask(clients: Clients, made: Made) -> dict[str, Any]:
        told = clients("cloudwatch").describe_alarms(AlarmNames=[made.id], AlarmTypes=[kind])
        found = only(told, f"{kind}s")
        if "Dimensions" in found:
            found["Dimensions"] = {each["Name"]: each["Value"] for each in found["Dimensions"]}
        found["metricQueries"] = [_query(each) for each in found.pop("Metrics", [])]
        return found

    names = {"name": "AlarmName", "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile"}
    tags = _all(lambda clients, made: clients("cloudwatch").list_tags_for_resource(ResourceARN=made.arn)["Tags"])
    return Reading(ask, names | {"name": name}, tags=tags)


def _as_text(told: Any) -> Any:
    """The same with bytes as text."""
    if isinstance(told, dict):
        return {name: _as_text(each) for name, each in told.items()}
    if isinstance(told, list):
        return [_as_text(each) for each in told]
    return told.decode() if isinstance(told, bytes) else told


def _waf(kind: str, member: str) -> Reading:
    def ask(clients: Clients, made: Made) -> dict[str, Any]:
        place = {name.title(): made.outputs[name] for name in ("name", "scope")}
        found = getattr(clients("wafv2"), f"get_{kind}")(Id=made.id, **place)[member]
        bodies = [{"key": key, **each} for key, each in (found.get("CustomResponseBodies") or {}).items()]
        return {**_as_text(found), "scope": made.outputs["scope"], "CustomResponseBodies": bodies}

    def tags(clients: Clients, made: Made) -> list[Mapping[str, str]]:
        told = clients("wafv2").list_tags_for_resource(ResourceARN=made.arn)["TagInfoForResource"]["TagList"]
        return [{each["Key"]: each["Value"] for each in told}]

    return Reading(ask, tags=tags)


def _table(clients: Clients, made: Made) -> dict[str, Any]:
    dynamodb = clients("dynamodb")
    found = dict(dynamodb.describe_table(TableName=made.outputs["name"])["Table"])
    backups = dynamodb.describe_continuous_backups(TableName=made.outputs["name"])["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]
    expiry = dynamodb.describe_time_to_live(TableName=made.outputs["name"])["TimeToLiveDescription"]
    keys = {each["KeyType"]: each["AttributeName"] for each in found["KeySchema"]}
    (witness,) = found.get("GlobalTableWitnesses") or [{}]
    return {
        **found,
        "hashKey": keys["HASH"],
        "rangeKey": keys["RANGE"],
        "billingMode": found["BillingModeSummary"]["BillingMode"],
        "attributes": [
            {"name": each["AttributeName"], "type": each["AttributeType"]} for each in found["AttributeDefinitions"]
        ],
        "globalSecondaryIndexes": [
            {
                "name": each["IndexName"],
                "projectionType": each["Projection"]["ProjectionType"],
                "keySchemas": each["KeySchema"],
            }
            for each in found.get("GlobalSecondaryIndexes", ())
        ],
        "pointInTimeRecovery": {"enabled": recovery["PointInTimeRecoveryStatus"] == "ENABLED", **recovery},
        "serverSideEncryption": {
            "enabled": found.get("SSEDescription", {}).get("Status") == "ENABLED",
            "kmsKeyArn": found.get("SSEDescription", {}).get("KMSMasterKeyArn"),
        },
        "streamEnabled": found.get("StreamSpecification", {}).get("StreamEnabled", False),
        "streamViewType": found.get("StreamSpecification", {}).get("StreamViewType"),
        "ttl": {"attributeName": expiry.get("AttributeName"), "enabled": expiry["TimeToLiveStatus"] == "ENABLED"},
        "globalTableWitness": witness,
        "replicas": [_replica(clients, each, found, made) for each in found.get("Replicas", ())],
    }


def _replica(clients: Clients, told: dict[str, Any], table: dict[str, Any], made: Made) -> dict[str, Any]:
    there = clients("dynamodb", told["RegionName"])
    name = made.outputs["name"]
    backups = there.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    itself = there.describe_table(TableName=name)["Table"]
    tags = tag_map(there.list_tags_of_resource(ResourceArn=itself["TableArn"])["Tags"])
    own = tag_map(clients("dynamodb").list_tags_of_resource(ResourceArn=made.arn)["Tags"])
    return {
        **told,
        "consistencyMode": table.get("MultiRegionConsistency", "EVENTUAL"),
        "deletionProtectionEnabled": itself.get("DeletionProtectionEnabled", False),
        "kmsKeyArn": told.get("KMSMasterKeyId"),
        "pointInTimeRecovery": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED",
        "propagateTags": tags == own,
    }


def _table_tag(clients: Clients, made: Made) -> dict[str, Any]:
    arn, key = made.outputs["resourceArn"], made.outputs["key"]
    tags = tag_map(clients("dynamodb").list_tags_of_resource(ResourceArn=arn)["Tags"])
    return {"resourceArn": arn, "key": key, "value": tags[key]}


def _target(clients: Clients, made: Made) -> dict[str, Any]:
    targets = clients("events").list_targets_by_rule(Rule=made.outputs["rule"])["Targets"]
    found = next(dict(each) for each in targets if each["Id"] == made.outputs["targetId"])
    return {**found, "rule": made.outputs["rule"]}


def _attachment(clients: Clients, made: Made) -> dict[str, Any]:
    attached = clients("iam").list_attached_role_policies(RoleName=made.outputs["role"])["AttachedPolicies"]
    found = next(dict(each) for each in attached if each["PolicyArn"] == made.outputs["policyArn"])
    return {**found, "role": made.outputs["role"]}


def _key(clients: Clients, made: Made) -> dict[str, Any]:
    kms = clients("kms")
    found = dict(kms.describe_key(KeyId=made.id)["KeyMetadata"])
    found["primaryKeyArn"] = found.get("MultiRegionConfiguration", {}).get("PrimaryKey", {}).get("Arn")
    found["enableKeyRotation"] = kms.get_key_rotation_status(KeyId=made.id)["KeyRotationEnabled"]
    found["region"] = found["Arn"].split(":")[3]
    found["policy"] = kms.get_key_policy(KeyId=made.id, PolicyName="default")["Policy"]
    return found


def _key_alias(clients: Clients, made: Made) -> dict[str, Any]:
    aliases = clients("kms").list_aliases()["Aliases"]
    found = next(dict(each) for each in aliases if each["AliasName"] == made.id)
    by_arn = made.outputs["targetKeyId"].startswith("arn:")
    return found | ({"TargetKeyId": made.outputs["targetKeyArn"]} if by_arn else {})


def _function(clients: Clients, made: Made) -> dict[str, Any]:
    found = clients("lambda").get_function(FunctionName=made.id)
    reserved = found.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1)  # the SDK's word for none
    return {**found["Configuration"], "reservedConcurrentExecutions": reserved}


def _permission(clients: Clients, made: Made) -> dict[str, Any]:
    place = {"FunctionName": made.outputs["function"]}
    if made.outputs.get("qualifier"):
        place["Qualifier"] = made.outputs["qualifier"]
    statements = json.loads(clients("lambda").get_policy(**place)["Policy"])["Statement"]
    (found,) = (each for each in statements if each["Sid"] == made.outputs["statementId"])
    conditions = {name: value for each in found.get("Condition", {}).values() for name, value in each.items()}
    principal = found["Principal"]
    return {
        "statementId": found["Sid"],
        "action": found["Action"],
        "principal": principal if isinstance(principal, str) else next(iter(principal.values())),
        "sourceArn": conditions.get("AWS:SourceArn"),
        "sourceAccount": conditions.get("AWS:SourceAccount"),
        "function": found["Resource"].split(":")[6],
        "qualifier": (found["Resource"].split(":")[7:] or [None])[0],
    }


def _of_function(operation: str) -> Callable[[Clients, Made], dict[str, Any]]:
    def ask(clients: Clients, made: Made) -> dict[str, Any]:
        place = {"FunctionName": made.outputs["functionName"]}
        if made.outputs.get("qualifier"):
            place["Qualifier"] = made.outputs["qualifier"]
        found = dict(getattr(clients("lambda"), operation)(**place))
        arn = found["FunctionArn"].split(":")
        return {**found, "functionName": arn[6], "qualifier": (arn[7:] or [None])[0]}

    return ask


def _record(clients: Clients, made: Made) -> dict[str, Any]:
    zone = made.outputs["zoneId"]
    told = clients("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    place = (made.outputs["fqdn"].rstrip("."), made.outputs["type"], made.outputs.get("setIdentifier") or None)
    found = next(each for each in told if (each["Name"].rstrip("."), each["Type"], each.get("SetIdentifier")) == place)
    name = made.inputs["name"].rstrip(".")
    return {
        **found,
        "zoneId": zone,
        "name": made.inputs["name"] if found["Name"].rstrip(".") in (name, made.outputs["fqdn"]) else found["Name"],
        "records": [each["Value"] for each in found["ResourceRecords"]],
        "failoverRoutingPolicies": [{"type": found.get("Failover")}],
    }


def _zone(clients: Clients, made: Made) -> dict[str, Any]:
    found = clients("route53").get_hosted_zone(Id=made.id)["HostedZone"]
    return {"name": found["Name"].rstrip("."), "comment": found["Config"].get("Comment")}


def _health_check(clients: Clients, made: Made) -> dict[str, Any]:
    found = dict(clients("route53").get_health_check(HealthCheckId=made.id)["HealthCheck"]["HealthCheckConfig"])
    return {**found, **{f"alarm{name}": value for name, value in found.get("AlarmIdentifier", {}).items()}}


def _bucket(part: str, wrapper: str = "") -> Callable[[Clients, Made], dict[str, Any]]:
    def ask(clients: Clients, made: Made) -> dict[str, Any]:
        answer = getattr(clients("s3"), f"get_{part}")(Bucket=made.outputs["bucket"])
        return {**(answer[wrapper] if wrapper else answer), "bucket": made.outputs["bucket"]}

    return ask


def _versioning(clients: Clients, made: Made) -> dict[str, Any]:
    found = clients("s3").get_bucket_versioning(Bucket=made.outputs["bucket"])
    return {"bucket": made.outputs["bucket"], "versioningConfiguration": found}


def _object(clients: Clients, made: Made) -> dict[str, Any]:
    place = {"bucket": made.outputs["bucket"], "key": made.outputs["key"]}
    found = clients("s3").get_object(Bucket=place["bucket"], Key=place["key"])
    return {**place, **found, "content": found["Body"].read().decode()}


def _ownership(clients: Clients, made: Made) -> dict[str, Any]:
    controls = clients("s3").get_bucket_ownership_controls(Bucket=made.outputs["bucket"])["OwnershipControls"]
    return {"bucket": made.outputs["bucket"], "rule": only(controls, "Rules")}


def _secret(clients: Clients, made: Made) -> dict[str, Any]:
    found = dict(clients("secretsmanager").describe_secret(SecretId=made.id))
    return {**found, "replicas": found.get("ReplicationStatus", [])}


def _secret_version(clients: Clients, made: Made) -> dict[str, Any]:
    place = {"SecretId": made.outputs["secretId"], "VersionId": made.outputs["versionId"]}
    return {**clients("secretsmanager").get_secret_value(**place), "secretId": made.outputs["secretId"]}


def _parameter(clients: Clients, made: Made) -> dict[str, Any]:
    ssm = clients("ssm")
    wanted = [{"Key": "Name", "Values": [made.id]}]
    return {
        **only(ssm.describe_parameters(ParameterFilters=wanted), "Parameters"),
        **ssm.get_parameter(Name=made.id, WithDecryption=True)["Parameter"],
    }


def _topic(clients: Clients, made: Made) -> dict[str, Any]:
    return {"name": made.arn.split(":")[5], **clients("sns").get_topic_attributes(TopicArn=made.arn)["Attributes"]}


def _subscription(clients: Clients, made: Made) -> dict[str, Any]:
    return dict(clients("sns").get_subscription_attributes(SubscriptionArn=made.id)["Attributes"])


def _queue(clients: Clients, made: Made) -> dict[str, Any]:
    url = made.outputs.get("url") or made.outputs["queueUrl"]
    found = clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {**found, "name": found["QueueArn"].split(":")[5], "queueUrl": url}


def _log_group(clients: Clients, made: Made) -> dict[str, Any]:
    found = clients("logs").describe_log_groups(logGroupNamePrefix=made.id)["logGroups"]
    return next(dict(each) for each in found if each["logGroupName"] == made.id)


_OURS = "it is the provider's, not the cloud's"
_LATER = "it is told when the resource ends"
_RULE = {"securityGroupId": "GroupId", "referencedSecurityGroupId": "ReferencedGroupInfo.GroupId"}
_GET_API = _in_endpoint(one("apigateway", "get_rest_api", "", restApiId="id"))
_GET_STAGE = _api("get_stage", stageName="stageName")
_GET_DOMAIN = _in_endpoint(one("apigateway", "get_domain_name", "", domainName="id"))
_API_NAMES = {"restApi": "restApiId"}
_API_UNTOLD = {"restApi": "it is part of the question"}

READINGS: dict[str, Reading] = {
    "aws:acm/certificate:Certificate": Reading(
        one("acm", "describe_certificate", "Certificate", CertificateArn="id"),
        {"validationMethod": "Options.x"},
        {
            "validationMethod": "it is told of each name, not of the certificate",
            "subjectAlternativeNames": "AWS adds the domain name to them",
        },
        _all(lambda clients, made: clients("acm").list_tags_for_certificate(CertificateArn=made.id)["Tags"]),
    ),
    "aws:acm/certificateValidation:CertificateValidation": Reading(
        one("acm", "describe_certificate", "Certificate", CertificateArn="certificateArn"),
        untold={"validationRecordFqdns": _OURS},
    ),
    "aws:apigateway/restApi:RestApi": Reading(_GET_API, tags=_api_tags("restapis/{id}", _GET_API)),
    "aws:apigateway/resource:Resource": Reading(_api("get_resource", resourceId="id"), untold=_API_UNTOLD),
    "aws:apigateway/requestValidator:RequestValidator": Reading(
        _api("get_request_validator", requestValidatorId="id"), untold=_API_UNTOLD
    ),
    "aws:apigateway/model:Model": Reading(_api("get_model", modelName="name"), untold=_API_UNTOLD),
    "aws:apigateway/method:Method": Reading(
        _api("get_method", resourceId="resourceId", httpMethod="httpMethod"),
        {"authorization": "authorizationType"},
        {**_API_UNTOLD, "resourceId": "it is part of the question"},
    ),
    "aws:apigateway/integration:Integration": Reading(
        _api("get_integration", resourceId="resourceId", httpMethod="httpMethod"),
        {"integrationHttpMethod": "httpMethod", "timeoutMilliseconds": "timeoutInMillis"},
        dict.fromkeys(("restApi", "resourceId", "httpMethod"), "it is part of the question"),
    ),
    "aws:apigateway/response:Response": Reading(
        one("apigateway", "get_gateway_response", "", restApiId="restApiId", responseType="responseType"),
        untold={"restApiId": "it is part of the question"},
    ),
    "aws:apigateway/deployment:Deployment": Reading(
        _api("get_deployment", deploymentId="id"), untold={**_API_UNTOLD, "triggers": _OURS}
    ),
    "aws:apigateway/stage:Stage": Reading(
        _GET_STAGE,
        {"deployment": "deploymentId", "xrayTracingEnabled": "tracingEnabled"},
        _API_UNTOLD,
        _api_tags("restapis/{restApi}/stages/{stageName}", _GET_STAGE),
    ),
    "aws:apigateway/methodSettings:MethodSettings": Reading(_method_settings, _API_NAMES),
    "aws:apigateway/domainName:DomainName": Reading(_GET_DOMAIN, tags=_api_tags("domainnames/{id}", _GET_DOMAIN)),
    "aws:apigateway/basePathMapping:BasePathMapping": Reading(_mapping, {**_API_NAMES, "stageName": "stage"}),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm("MetricAlarm", "AlarmName"),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": _alarm("CompositeAlarm", "AlarmName"),
    "aws:synthetics/canary:Canary": Reading(
        _canary,
        {
            "handler": "Code.Handler",
            "failureRetentionPeriod": "FailureRetentionPeriodInDays",
            "successRetentionPeriod": "SuccessRetentionPeriodInDays",
        },
        untold={
            "zipFile": "where the code is, is told",
            "startCanary": "its status is",
            "deleteLambda": "it is about destroying",
        },
        tags=_all(lambda clients, made: clients("synthetics").list_tags_for_resource(ResourceArn=made.arn)["Tags"]),
    ),
    "aws:cloudwatch/dashboard:Dashboard": Reading(one("cloudwatch", "get_dashboard", "", DashboardName="id")),
    "aws:cloudwatch/eventRule:EventRule": Reading(
        one("events", "describe_rule", "", Name="name"),
        tags=_all(lambda clients, made: clients("events").list_tags_for_resource(ResourceARN=made.arn)["Tags"]),
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Reading(_target, {"targetId": "Id"}),
    "aws:cloudwatch/logGroup:LogGroup": Reading(
        _log_group,
        {"name": "logGroupName"},
        {"skipDestroy": _OURS},
        _all(
            lambda clients, made: clients("logs").list_tags_for_resource(resourceArn=made.arn)["tags"],
            lambda clients, made: clients("logs").list_tags_log_group(logGroupName=made.id)["tags"],
        ),
    ),
    "aws:backup/plan:Plan": Reading(
        _backup_plan,
        {"name": "BackupPlanName"},
        tags=_backup_tags,
    ),
    "aws:backup/selection:Selection": Reading(
        one("backup", "get_backup_selection", "BackupSelection", BackupPlanId="planId", SelectionId="id"),
        {"name": "SelectionName"},
        {"planId": "it is part of the question"},
    ),
    "aws:backup/vault:Vault": Reading(
        one("backup", "describe_backup_vault", BackupVaultName="id"),
        {"name": "BackupVaultName", "kmsKeyArn": "EncryptionKeyArn"},
        {"forceDestroy": _LATER},
        _backup_tags,
    ),
    "aws:backup/vaultLockConfiguration:VaultLockConfiguration": Reading(
        one("backup", "describe_backup_vault", BackupVaultName="id"),
        untold={"changeableForDays": "AWS tells the day it comes to"},
    ),
    "aws:dynamodb/table:Table": Reading(
        _table,
        {"name": "TableName"},
        tags=_all(lambda clients, made: clients("dynamodb").list_tags_of_resource(ResourceArn=made.arn)["Tags"]),
    ),
    "aws:dynamodb/tag:Tag": Reading(_table_tag),
    "aws:ec2/vpc:Vpc": Reading(_vpc, tags=_tags_of(_vpc)),
    "aws:ec2/subnet:Subnet": _ec2("describe_subnets", "Subnets", "SubnetIds"),
    "aws:ec2/internetGateway:InternetGateway": Reading(_gateway, tags=_tags_of(_gateway)),
    "aws:ec2/route:Route": Reading(_route),
    "aws:ec2/routeTable:RouteTable": _ec2("describe_route_tables", "RouteTables", "RouteTableIds"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Reading(
        _association("describe_route_tables", "RouteTables", "RouteTableAssociationId")
    ),
    "aws:ec2/securityGroup:SecurityGroup": Reading(
        listed("ec2", "describe_security_groups", "SecurityGroups", "GroupIds"),
        {"name": "GroupName"},
        {"revokeRulesOnDelete": _OURS},
        _tags_of(listed("ec2", "describe_security_groups", "SecurityGroups", "GroupIds")),
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Reading(_default_group, tags=_tags_of(_default_group)),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _ec2(
        "describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleIds", **_RULE
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _ec2(
        "describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleIds", **_RULE
    ),
    "aws:ec2/networkAcl:NetworkAcl": _ec2("describe_network_acls", "NetworkAcls", "NetworkAclIds"),
    "aws:ec2/networkAclRule:NetworkAclRule": Reading(
        _acl_entry, {"fromPort": "PortRange.From", "toPort": "PortRange.To"}
    ),
    "aws:ec2/networkAclAssociation:NetworkAclAssociation": Reading(
        _association("describe_network_acls", "NetworkAcls", "NetworkAclAssociationId")
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Reading(_endpoint, {"policy": "PolicyDocument"}, tags=_tags_of(_endpoint)),
    "aws:ec2/flowLog:FlowLog": _ec2(
        "describe_flow_logs",
        "FlowLogs",
        "FlowLogIds",
        vpcId="ResourceId",
        iamRoleArn="DeliverLogsPermissionArn",
    ),
    "aws:iam/role:Role": Reading(
        one("iam", "get_role", "Role", RoleName="id"),
        {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"},
        tags=_all(
            lambda clients, made: clients("iam").list_role_tags(RoleName=made.id)["Tags"],
            lambda clients, made: clients("iam").get_role(RoleName=made.id)["Role"]["Tags"],
        ),
    ),
    "aws:iam/rolePolicy:RolePolicy": Reading(
        one("iam", "get_role_policy", "", RoleName="role", PolicyName="name"),
        {"name": "PolicyName", "role": "RoleName", "policy": "PolicyDocument"},
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Reading(_attachment),
    "aws:kms/key:Key": Reading(
        _key,
        {"isEnabled": "Enabled"},
        {"deletionWindowInDays": _LATER},
        _all(lambda clients, made: clients("kms").list_resource_tags(KeyId=made.id)["Tags"]),
    ),
    "aws:kms/replicaKey:ReplicaKey": Reading(
        _key,
        untold={"deletionWindowInDays": _LATER},
        tags=_all(lambda clients, made: clients("kms").list_resource_tags(KeyId=made.id)["Tags"]),
    ),
    "aws:kms/alias:Alias": Reading(_key_alias, {"name": "AliasName"}),
    "aws:lambda/function:Function": Reading(
        _function,
        {"name": "FunctionName"},
        {"code": "AWS tells its digest", "publish": "AWS tells the versions"},
        _all(
            lambda clients, made: clients("lambda").list_tags(Resource=made.arn)["Tags"],
            lambda clients, made: clients("lambda").get_function(FunctionName=made.id)["Tags"],
        ),
    ),
    "aws:lambda/alias:Alias": Reading(
        one("lambda", "get_alias", "", FunctionName="functionName", Name="name"),
        untold={"functionName": "it is part of the question"},
    ),
    "aws:lambda/permission:Permission": Reading(_permission),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Reading(
        _of_function("get_function_event_invoke_config")
    ),
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": Reading(
        one("lambda", "get_provisioned_concurrency_config", "", FunctionName="functionName", Qualifier="qualifier"),
        {"provisionedConcurrentExecutions": "RequestedProvisionedConcurrentExecutions"},
        {"skipDestroy": _OURS, "functionName": "it is part of the question", "qualifier": "it is part of the question"},
    ),
    "aws:lambda/invocation:Invocation": Reading(
        lambda *_: {}, untold=dict.fromkeys(("functionName", "input", "qualifier", "triggers"), "AWS keeps no calls")
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Reading(
        one("lambda", "get_event_source_mapping", "", UUID="id"),
        {"functionName": "FunctionArn"},
        {"enabled": "AWS tells a state"},
        _all(lambda clients, made: clients("lambda").list_tags(Resource=made.arn)["Tags"]),
    ),
    "aws:route53/zone:Zone": Reading(
        _zone,
        untold={"forceDestroy": _OURS},
        tags=_all(
            lambda clients, made: clients("route53").list_tags_for_resource(
                ResourceType="hostedzone", ResourceId=made.id
            )["ResourceTagSet"]["Tags"]
        ),
    ),
    "aws:route53/record:Record": Reading(_record, untold={"allowOverwrite": _OURS}),
    "aws:route53/healthCheck:HealthCheck": Reading(
        _health_check,
        {
            "fqdn": "FullyQualifiedDomainName",
            "invertHealthcheck": "Inverted",
            "childHealthThreshold": "HealthThreshold",
            "cloudwatchAlarmName": "alarmName",
            "cloudwatchAlarmRegion": "alarmRegion",
        },
        {"triggers": _OURS},
        _all(
            lambda clients, made: clients("route53").list_tags_for_resource(
                ResourceType="healthcheck", ResourceId=made.id
            )["ResourceTagSet"]["Tags"]
        ),
    ),
    "aws:s3/bucket:Bucket": Reading(
        lambda clients, made: {
            "bucket": next(each["Name"] for each in clients("s3").list_buckets()["Buckets"] if each["Name"] == made.id)
        },
        untold={"forceDestroy": _OURS},
        tags=_all(lambda clients, made: clients("s3").get_bucket_tagging(Bucket=made.id)["TagSet"]),
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Reading(_object, untold={"overrideProvider": _OURS}),
    "aws:s3/bucketVersioning:BucketVersioning": Reading(_versioning),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Reading(
        _bucket("bucket_encryption", "ServerSideEncryptionConfiguration"), {"kmsMasterKeyId": "KMSMasterKeyID"}
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Reading(
        _bucket("public_access_block", "PublicAccessBlockConfiguration")
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Reading(_ownership),
    "aws:s3/bucketLogging:BucketLogging": Reading(_bucket("bucket_logging", "LoggingEnabled")),
    "aws:s3/bucketPolicy:BucketPolicy": Reading(_bucket("bucket_policy")),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Reading(
        _bucket("bucket_lifecycle_configuration")
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": Reading(
        _bucket("object_lock_configuration", "ObjectLockConfiguration")
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": Reading(
        _bucket("bucket_replication", "ReplicationConfiguration")
    ),
    "aws:secretsmanager/secret:Secret": Reading(
        _secret,
        untold={"recoveryWindowInDays": _LATER, "forceOverwriteReplicaSecret": "it is told when replicas are made"},
        tags=_tags_of(_secret),
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Reading(_secret_version),
    "aws:ssm/parameter:Parameter": Reading(
        _parameter,
        tags=_all(
            lambda clients, made: clients("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=made.id)[
                "TagList"
            ]
        ),
    ),
    "aws:sns/topic:Topic": Reading(
        _topic, tags=_all(lambda clients, made: clients("sns").list_tags_for_resource(ResourceArn=made.arn)["Tags"])
    ),
    "aws:sns/topicPolicy:TopicPolicy": Reading(
        lambda clients, made: clients("sns").get_topic_attributes(TopicArn=made.outputs["arn"])["Attributes"],
        {"arn": "TopicArn"},
    ),
    "aws:sns/topicSubscription:TopicSubscription": Reading(
        _subscription,
        {"topic": "TopicArn"},
        untold={
            "endpointAutoConfirms": "it is about the provider's wait",
            "confirmationTimeoutInMinutes": "it is about the provider's wait",
        },
    ),
    "aws:lb/loadBalancer:LoadBalancer": Reading(
        _balancer, {"name": "LoadBalancerName", "loadBalancerType": "Type"}, tags=_elb_tags
    ),
    "aws:lb/targetGroup:TargetGroup": Reading(_target_group, {"name": "TargetGroupName"}, tags=_elb_tags),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": Reading(_attached),
    "aws:lb/listener:Listener": Reading(_listener, tags=_elb_tags),
    "aws:lb/listenerRule:ListenerRule": Reading(_listener_rule, tags=_elb_tags),
    "aws:sqs/queue:Queue": Reading(
        _queue,
        {
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "visibilityTimeoutSeconds": "VisibilityTimeout",
            "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
        },
        tags=_all(lambda clients, made: clients("sqs").list_queue_tags(QueueUrl=made.outputs["url"])["Tags"]),
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Reading(_queue),
    "aws:wafv2/ipSet:IpSet": _waf("ip_set", "IPSet"),
    "aws:wafv2/webAcl:WebAcl": _waf("web_acl", "WebACL"),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": Reading(
        lambda clients, made: clients("wafv2").get_logging_configuration(ResourceArn=made.id)["LoggingConfiguration"]
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": Reading(
        lambda clients, made: {
            "webAclArn": clients("wafv2").get_web_acl_for_resource(ResourceArn=made.resourceArn)["WebACL"]["ARN"],
            "resourceArn": made.resourceArn,
        }
    ),
}
