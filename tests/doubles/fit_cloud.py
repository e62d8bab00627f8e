"""AWS as readiness asks it, in two regions that are fit: each answer can be planted otherwise."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from shared import naming, stop_switch
from shared.environment import Environment
from shared.grey_failure import CHECKS
from shared.roles import PRIMARY, SECONDARY, Role, other

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
ACCOUNT = "123456789012"
CHECKERS = ("15.177.0.0/18",)
TLS = {"securityPolicy": "SecurityPolicy_TLS13_1_2_2021_06", "endpointAccessMode": "BASIC"}

Answer = Callable[..., dict[str, Any]]


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


class FitCloud:
    """Clients of all services. `hanging`: regions that give no answer. `asked`: operations, by who has asked."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.names = environment.foundation().names
        self.hanging: set[str] = set()
        self.asked: set[tuple[str, str, str]] = set()
        self.planted: dict[tuple[str | None, str], Answer] = {}
        self.released = threading.Event()
        self.may_act = True

    def plant(self, role: Role | None, operation: str, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change what an operation answers in the region of `role`, or in both. `change` may raise."""
        region = self.environment.region(role) if role else None

        def answer(asked_region: str, **arguments: Any) -> dict[str, Any]:
            told = getattr(self, operation)(asked_region, **arguments)
            change(told)
            return dict(told)

        self.planted[region, operation] = answer

    def aws(self, who: str) -> Any:
        """What makes clients, as orchestration.aws.Aws does."""
        return SimpleNamespace(client=lambda service, region: _Client(self, who, service, region))

    def answer(self, who: str, service: str, region: str, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if region in self.hanging:
            self.released.wait(120)
        self.asked.add((who, service, operation))
        found = self.planted.get((region, operation)) or self.planted.get((None, operation))
        told = found or getattr(self, operation)
        return dict(told(region, **arguments))

    def role(self, region: str) -> Role:
        return PRIMARY if region == self.environment.region(PRIMARY) else SECONDARY

    def named(self, kind: naming.Kind, region: str) -> str:
        return self.names.of(kind, self.role(region), account=ACCOUNT)

    # What moves clients

    def get_caller_identity(self, _: str) -> dict[str, Any]:
        return {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/somebody"}

    def assume_role(self, _: str, **__: Any) -> dict[str, Any]:
        if not self.may_act:
            raise refused("AccessDenied")
        return {"Credentials": {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}}

    def get_object(self, _: str, **__: Any) -> dict[str, Any]:
        return {"Body": io.BytesIO(stop_switch.RUN.encode())}

    def get_bucket_policy(self, _: str, **__: Any) -> dict[str, Any]:
        readers = {"Sid": stop_switch.READERS, "Effect": "Allow"}
        condition = {"Condition": {"IpAddress": {"aws:SourceIp": list(CHECKERS)}}}
        return {"Policy": json.dumps({"Statement": [{**readers, **condition}]})}

    def get_item(self, _: str, **__: Any) -> dict[str, Any]:
        return {}

    def describe_secret(self, region: str, **_: Any) -> dict[str, Any]:
        there = {"Region": self.environment.region(SECONDARY), "Status": "InSync", "StatusMessage": ""}
        copies = [there] if self.role(region) == PRIMARY else []
        return {"VersionIdsToStages": {"version-1": ["AWSCURRENT"]}, "ReplicationStatus": copies}

    # Replication

    def describe_table(self, region: str, **_: Any) -> dict[str, Any]:
        peer, witness = self.environment.region(other(self.role(region))), self.environment.regions.witness
        return {
            "Table": {
                "TableStatus": "ACTIVE",
                "Replicas": [{"RegionName": peer, "ReplicaStatus": "ACTIVE"}],
                "GlobalTableWitnesses": [{"RegionName": witness, "WitnessStatus": "ACTIVE"}],
                "GlobalSecondaryIndexes": [{"IndexName": "unfinished", "IndexStatus": "ACTIVE"}],
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            }
        }

    def describe_continuous_backups(self, _: str, **__: Any) -> dict[str, Any]:
        return {
            "ContinuousBackupsDescription": {
                "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"},
            }
        }

    def describe_key(self, _: str, **__: Any) -> dict[str, Any]:
        return {"KeyMetadata": {"KeyState": "Enabled"}}

    def get_bucket_replication(self, region: str, **_: Any) -> dict[str, Any]:
        rule = {"ID": naming.replication_rule(other(self.role(region))), "Status": "Enabled"}
        return {"ReplicationConfiguration": {"Rules": [rule]}}

    def get_metric_data(self, region: str, MetricDataQueries: Any, **_: Any) -> dict[str, Any]:  # noqa: N803 - the SDK's
        (query,) = MetricDataQueries
        name = query["MetricStat"]["Metric"]["MetricName"]
        value = self.metric(region, name)
        found = {"Timestamps": [NOW - timedelta(minutes=1)], "Values": [value]} if value is not None else None
        return {"MetricDataResults": [found or {"Timestamps": [], "Values": []}]}

    def metric(self, _: str, name: str) -> float | None:
        return {"Invocations": 60.0, "ReplicationLatency": 1.0, "OperationsPendingReplication": 0.0}.get(name)

    def get_parameters_by_path(self, region: str, Path: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - the SDK's
        host = self.environment.foundation().region_names.of(self.role(region))
        plain = {"Name": f"{Path}/endpoint", "Type": "String", "Version": 1, "Value": f"https://{host}"}
        hidden = {"Name": f"{Path}/api-keys-secret", "Type": "SecureString", "Version": 1, "Value": f"of {region}"}
        return {"Parameters": [plain, hidden]}

    def describe_parameters(self, _: str, ParameterFilters: Any, **__: Any) -> dict[str, Any]:  # noqa: N803 - the SDK's
        return {"Parameters": [{"Name": name} for name in ParameterFilters[0]["Values"]]}

    # Load

    def get_account_settings(self, _: str) -> dict[str, Any]:
        return {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 530}}

    def get_function_concurrency(self, region: str, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's
        compute = self.environment.compute
        reserved = {
            self.named(naming.PAYMENT_FUNCTION, region): compute.payment.reserved_concurrency,
            self.named(naming.HEALTH_FUNCTION, region): compute.health.reserved_concurrency,
        }
        return {"ReservedConcurrentExecutions": reserved.get(FunctionName, 10)}

    def get_account(self, _: str) -> dict[str, Any]:
        return {"throttleSettings": {"rateLimit": 10_000.0, "burstLimit": 5_000}}

    # Alike

    def list_functions(self, region: str) -> dict[str, Any]:
        kinds = [naming.PAYMENT_FUNCTION, naming.HEALTH_FUNCTION, naming.AUDIT_FUNCTION]
        if self.role(region) == SECONDARY:
            kinds.append(naming.FAILOVER_CONTROL_FUNCTION)
        own = [
            {"FunctionName": name, "Role": f"arn:aws:iam::{ACCOUNT}:role/{name}", "Runtime": "python3.13"}
            for name in (self.named(kind, region) for kind in kinds)
        ]
        return {"Functions": [*own, {"FunctionName": "another-systems", "Runtime": "nodejs18.x"}]}

    def get_function_configuration(self, region: str, FunctionName: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {
            "CodeSha256": f"code of {FunctionName.replace(region, '').replace(self.role(region), '')}",
            "MemorySize": 256,
            "Environment": {"Variables": {"ROLE": self.role(region), "TABLE_ARN": f"arn:aws:dynamodb:{region}:1:t"}},
            "VpcConfig": {"SubnetIds": [f"subnet-of-{region}"], "SecurityGroupIds": [self.group("functions", region)]},
            "Version": "3" if self.role(region) == PRIMARY else "5",
        }

    def get_role(self, _: str, **__: Any) -> dict[str, Any]:
        trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
        return {"Role": {"AssumeRolePolicyDocument": trust, "MaxSessionDuration": 3600, "RoleLastUsed": {"at": id(__)}}}

    def list_role_policies(self, _: str, RoleName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's
        return {"PolicyNames": [RoleName]}

    def get_role_policy(self, region: str, RoleName: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - the SDK's
        log = f"arn:aws:logs:{region}:{ACCOUNT}:log-group:/aws/lambda/{RoleName}:*"
        keys = [f"arn:aws:kms:{self.environment.region(role)}:{ACCOUNT}:key/mrk-1" for role in (PRIMARY, SECONDARY)]
        writes = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": [log]}
        return {
            "PolicyDocument": {"Statement": [writes, {"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": keys}]}
        }

    def list_attached_role_policies(self, _: str, **__: Any) -> dict[str, Any]:
        name = "AWSXRayDaemonWriteAccess"
        return {"AttachedPolicies": [{"PolicyName": name, "PolicyArn": f"arn:aws:iam::aws:policy/{name}"}]}

    def get_policy(self, region: str, FunctionName: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - the SDK's
        if FunctionName == self.named(naming.HEALTH_FUNCTION, region):
            raise refused("ResourceNotFoundException")
        api = "abcdefgh12" if self.role(region) == PRIMARY else "21hgfedcba"
        said = [
            {
                "Sid": sid,
                "Condition": {"ArnLike": {"AWS:SourceArn": f"arn:aws:execute-api:{region}:{ACCOUNT}:{api}/{sid}"}},
            }
            for sid in ("get-payment", "create-payment")
        ]
        return {"Policy": json.dumps({"Statement": said if self.role(region) == PRIMARY else said[::-1]})}

    def list_function_event_invoke_configs(self, region: str, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        letters = f"arn:aws:sqs:{region}:{ACCOUNT}:{self.named(naming.DEAD_LETTER_QUEUE, region)}"
        told = {
            "FunctionArn": f"arn:aws:lambda:{region}:{ACCOUNT}:function:{FunctionName}:live",
            "MaximumRetryAttempts": 2,
            "DestinationConfig": {"OnFailure": {"Destination": letters}},
            "LastModified": str(region),
        }
        audit = FunctionName == self.named(naming.AUDIT_FUNCTION, region)
        return {"FunctionEventInvokeConfigs": [told] if audit else []}

    def list_event_source_mappings(self, region: str) -> dict[str, Any]:
        audit = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{self.named(naming.AUDIT_FUNCTION, region)}:live"
        queue = f"arn:aws:sqs:{region}:{ACCOUNT}:{self.named(naming.NOTIFICATION_QUEUE, region)}"
        own = {
            "UUID": f"of {region}",
            "EventSourceArn": queue,
            "FunctionArn": audit,
            "State": "Enabled",
            "BatchSize": 10,
        }
        another = {"FunctionArn": f"arn:aws:lambda:{region}:{ACCOUNT}:function:another-systems", "State": region}
        return {"EventSourceMappings": [own, another]}

    def get_rest_apis(self, region: str) -> dict[str, Any]:
        own = {"name": self.named(naming.PAYMENT_API, region), "id": "abcdefgh12", **TLS}
        return {"items": [own, {"name": "x", "id": "y", "securityPolicy": region}]}

    def get_stage(self, _: str, **__: Any) -> dict[str, Any]:
        settings = {"payment/POST": 400.0, "~1payment~1{paymentId}/GET": 100.0}
        told = {path: {"throttlingRateLimit": limit} for path, limit in settings.items()}
        return {"methodSettings": told, "deploymentId": "d"}

    def get_resources(self, region: str, **_: Any) -> dict[str, Any]:
        uri = f"arn:aws:apigateway:{region}:lambda:path/{self.named(naming.PAYMENT_FUNCTION, region)}"
        return {"items": [{"path": "/payment", "resourceMethods": {"POST": {"methodIntegration": {"uri": uri}}}}]}

    def get_domain_names(self, region: str) -> dict[str, Any]:
        foundation = self.environment.foundation()
        certificate = "0123abcd-0000-0000-0000-00000000000" + ("1" if self.role(region) == PRIMARY else "2")
        told = {
            **TLS,
            "regionalCertificateArn": f"arn:aws:acm:{region}:{ACCOUNT}:certificate/{certificate}",
            "regionalDomainName": f"d-{region}.execute-api.amazonaws.com",
        }
        names = (
            foundation.failover_name,
            foundation.region_names.of(self.role(region)),
            f"{region}.another.example.org",
        )
        return {"items": [{"domainName": name, **told} for name in names]}

    def get_base_path_mappings(self, _: str, **__: Any) -> dict[str, Any]:
        return {"items": [{"basePath": "(none)", "restApiId": "abcdefgh12", "stage": naming.STAGE}]}

    def describe_load_balancers(self, region: str) -> dict[str, Any]:
        name = self.named(naming.LOAD_BALANCER, region)
        return {"LoadBalancers": [{"LoadBalancerName": name, "LoadBalancerArn": f"arn:{name}", "Type": "application"}]}

    def describe_load_balancer_attributes(self, _: str, **__: Any) -> dict[str, Any]:
        return {"Attributes": [{"Key": "idle_timeout.timeout_seconds", "Value": "60"}]}

    def describe_listeners(self, region: str, **_: Any) -> dict[str, Any]:
        return {"Listeners": [{"Port": 443, "Protocol": "HTTPS", "ListenerArn": f"listener of {region}"}]}

    def describe_rules(self, region: str, **_: Any) -> dict[str, Any]:
        name = self.named(naming.PAYMENT_TARGETS, region)
        identity = "0123456789abcdef" if self.role(region) == PRIMARY else "fedcba9876543210"
        arn = f"arn:aws:elasticloadbalancing:{region}:1:targetgroup/{name}/{identity}"
        return {"Rules": [{"Priority": "10", "Actions": [{"Type": "forward", "TargetGroupArn": arn}]}]}

    def describe_target_groups(self, region: str, **_: Any) -> dict[str, Any]:
        return {
            "TargetGroups": [{"TargetGroupName": self.named(naming.PAYMENT_TARGETS, region), "TargetType": "lambda"}]
        }

    def list_web_acls(self, region: str, **_: Any) -> dict[str, Any]:
        return {"WebACLs": [{"Name": self.named(naming.FIREWALL, region), "Id": "1"}]}

    def get_web_acl(self, region: str, **_: Any) -> dict[str, Any]:
        return {"WebACL": {"DefaultAction": {"Allow": {}}, "Rules": [{"Name": "rate", "Metric": f"m-{region}"}]}}

    def list_rules(self, region: str) -> dict[str, Any]:
        kinds = [naming.SWEEP_RULE]
        if self.role(region) == SECONDARY:
            kinds += [naming.FAILOVER_CONTROL_RULE, naming.SWITCH_RANGES_RULE]
        return {"Rules": [{"Name": self.named(kind, region), "State": "ENABLED"} for kind in kinds]}

    def describe_log_groups(self, region: str, logGroupNamePrefix: str) -> dict[str, Any]:  # noqa: N803 - the SDK's
        name = naming.FUNCTION_LOG_PREFIX + self.named(naming.PAYMENT_FUNCTION, region)
        found = [{"logGroupName": name, "retentionInDays": 90}]
        return {"logGroups": [each for each in found if name.startswith(logGroupNamePrefix)]}

    def list_queues(self, region: str) -> dict[str, Any]:
        return {"QueueUrls": [f"https://sqs/{ACCOUNT}/{self.named(naming.NOTIFICATION_QUEUE, region)}"]}

    def get_queue_attributes(self, _: str, **__: Any) -> dict[str, Any]:
        return {"Attributes": {"VisibilityTimeout": "365"}}

    def list_buckets(self, _: str) -> dict[str, Any]:
        regions = [self.environment.region(role) for role in (PRIMARY, SECONDARY)]
        names = [self.named(naming.AUDIT_BUCKET, region) for region in regions]
        return {"Buckets": [{"Name": name} for name in [*names, self.named(naming.STOP_SWITCH_BUCKET, regions[1])]]}

    def get_bucket_versioning(self, _: str, **__: Any) -> dict[str, Any]:
        return {"Status": "Enabled", "ResponseMetadata": {"RequestId": str(id(__))}}

    def get_bucket_encryption(self, region: str, **_: Any) -> dict[str, Any]:
        return {"ServerSideEncryptionConfiguration": {"Rules": [{"Key": f"arn:aws:kms:{region}:1:key/mrk-1"}]}}

    def get_bucket_lifecycle_configuration(self, _: str, **__: Any) -> dict[str, Any]:
        raise refused("NoSuchLifecycleConfiguration")

    def get_bucket_logging(self, _: str, **__: Any) -> dict[str, Any]:
        return {}

    def get_public_access_block(self, _: str, **__: Any) -> dict[str, Any]:
        return {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}

    def describe_vpcs(self, region: str, **_: Any) -> dict[str, Any]:
        cidr = str(self.environment.network.cidrs.of(self.role(region)))
        return {"Vpcs": [{"CidrBlock": cidr, "Tags": [{"Key": "Name", "Value": self.named(naming.VPC, region)}]}]}

    def describe_subnets(self, region: str, **_: Any) -> dict[str, Any]:
        zones = self.environment.network.zones.of(self.role(region))
        ranges = self.environment.network.private_subnets(self.role(region))
        name = self.named(naming.SUBNET, region)
        return {
            "Subnets": [
                {"CidrBlock": str(ranges[zone]), "Tags": [{"Key": "Name", "Value": f"{name}-{zone}"}]} for zone in zones
            ]
        }

    def describe_vpc_endpoints(self, region: str, **_: Any) -> dict[str, Any]:
        tags = [{"Key": "Name", "Value": f"{self.named(naming.VPC_ENDPOINT, region)}-s3"}]
        groups = [{"GroupId": self.group("endpoints", region)}]
        told = {"ServiceName": f"com.amazonaws.{region}.s3", "State": "available", "Groups": groups}
        return {"VpcEndpoints": [{**told, "Tags": tags}]}

    def group(self, what: str, region: str) -> str:
        """The id of a security group."""
        return f"sg-{'a' if self.role(region) == PRIMARY else 'b'}{'1' if what == 'functions' else '2'}000000"

    def prefix_list(self, region: str) -> str:
        return f"pl-{'a' if self.role(region) == PRIMARY else 'b'}3000000"

    def describe_security_groups(self, region: str, **_: Any) -> dict[str, Any]:
        https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
        functions, endpoints = self.group("functions", region), self.group("endpoints", region)
        out = [
            {**https, "UserIdGroupPairs": [{"GroupId": endpoints, "Description": "to endpoints"}]},
            {**https, "PrefixListIds": [{"PrefixListId": self.prefix_list(region), "Description": "to s3"}]},
        ]
        if self.role(region) == SECONDARY:
            out.reverse()
        into = [{**https, "UserIdGroupPairs": [{"GroupId": functions, "Description": "from functions"}]}]
        kinds = naming.FUNCTION_SECURITY_GROUP, naming.ENDPOINT_SECURITY_GROUP
        tags = [[{"Key": "Name", "Value": self.named(kind, region)}] for kind in kinds]
        return {
            "SecurityGroups": [
                {
                    "GroupId": functions,
                    "IpPermissionsEgress": out,
                    "Tags": tags[0],
                },
                {"GroupId": endpoints, "IpPermissions": into, "Tags": tags[1]},
            ]
        }

    def describe_prefix_lists(self, region: str) -> dict[str, Any]:
        return {
            "PrefixLists": [
                {"PrefixListId": self.prefix_list(region), "PrefixListName": f"com.amazonaws.{region}.s3"},
            ]
        }

    # Telling

    def describe_alarms(self, region: str, AlarmTypes: Any) -> dict[str, Any]:  # noqa: N803 - the SDK's
        if AlarmTypes == ["CompositeAlarm"]:
            rule = f'ALARM("of {self.role(region)} alone")'
            told = {"AlarmName": self.named(naming.COMPOSITE_ALARM, region), "AlarmRule": rule, "ActionsEnabled": True}
            return {"CompositeAlarms": [told]}
        kinds = [naming.alarm("errors")]
        if self.role(region) == PRIMARY:
            kinds += [naming.grey_failure_alarm(check) for check in CHECKS[self.environment.entry_point]]
        else:
            kinds += [naming.FAILOVER_TRAFFIC_ALARM]
        first, second = [{"Name": "Role", "Value": self.role(region)}, {"Name": "Stage", "Value": "v1"}]
        found = [
            {
                "AlarmName": self.named(kind, region),
                "AlarmActions": [f"arn:aws:sns:{region}:1:topic"],
                "ActionsEnabled": True,
                "Threshold": 1.0,
                "Dimensions": [first, second] if self.role(region) == PRIMARY else [second, first],
                "StateUpdatedTimestamp": str(region),
            }
            for kind in kinds
        ]
        return {"MetricAlarms": [*found, {"AlarmName": "another-systems", "ActionsEnabled": False}]}

    def list_subscriptions_by_topic(self, region: str, **_: Any) -> dict[str, Any]:
        mails = [("email", each) for each in self.environment.edge.emails]
        each = [*mails, ("https", "https://pager/secret"), ("sqs", f"arn:aws:sqs:{region}:1:q")]
        return {
            "Subscriptions": [
                {"SubscriptionArn": f"arn:{endpoint}", "Protocol": protocol, "Endpoint": endpoint}
                for protocol, endpoint in each
            ]
        }

    def get_topic_attributes(self, region: str, **_: Any) -> dict[str, Any]:
        alarms = f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:*"
        policy = {"Statement": [{"Sid": "AlarmsPublish", "Condition": {"ArnLike": {"aws:SourceArn": alarms}}}]}
        count = str(len(region) + len(self.role(region)))
        return {"Attributes": {"Policy": json.dumps(policy), "SubscriptionsConfirmed": count}}

    def get_subscription_attributes(self, region: str, **_: Any) -> dict[str, Any]:
        letters = f"arn:aws:sqs:{region}:{ACCOUNT}:{self.named(naming.NOTIFICATION_DEAD_LETTER_QUEUE, region)}"
        return {"Attributes": {"RedrivePolicy": json.dumps({"deadLetterTargetArn": letters}), "Owner": ACCOUNT}}

    # Ending

    def list_certificates(self, _: str) -> dict[str, Any]:
        foundation = self.environment.foundation()
        mine = {"CertificateArn": "arn:mine", "DomainName": foundation.failover_name}
        return {"CertificateSummaryList": [mine, {"CertificateArn": "arn:other", "DomainName": "another.example.org"}]}

    def describe_certificate(self, region: str, **_: Any) -> dict[str, Any]:
        foundation = self.environment.foundation()
        return {
            "Certificate": {
                "CertificateArn": "arn:mine",
                "DomainName": foundation.failover_name,
                "SubjectAlternativeNames": [foundation.region_names.of(self.role(region))],
                "Status": "ISSUED",
                "NotAfter": NOW + timedelta(days=200),
                "RenewalEligibility": "ELIGIBLE",
            }
        }

    def describe_canaries(self, region: str) -> dict[str, Any]:
        own = naming.synthetics(self.role(region))
        told = {"RuntimeVersion": "syn-python-selenium-14.0", "Status": {"State": "RUNNING"}}
        return {"Canaries": [{"Name": self.named(own, region), **told}]}

    def describe_runtime_versions(self, _: str) -> dict[str, Any]:
        ended = {"VersionName": "syn-python-selenium-5.1", "DeprecationDate": datetime(2026, 2, 3, tzinfo=UTC)}
        return {"RuntimeVersions": [{"VersionName": "syn-python-selenium-14.0"}, ended]}

    def list_access_keys(self, _: str, UserName: str) -> dict[str, Any]:  # noqa: N803 - the SDK's
        assert UserName == "payments-operator"
        return {"AccessKeyMetadata": [{"Status": "Active", "CreateDate": NOW - timedelta(days=20)}]}


class _Client:
    def __init__(self, cloud: FitCloud, who: str, service: str, region: str) -> None:
        self._at = cloud, who, service, region
        self.exceptions = SimpleNamespace(NoSuchKey=KeyError)

    def __getattr__(self, operation: str) -> Any:
        cloud, who, service, region = self._at
        return lambda **arguments: cloud.answer(who, service, region, operation, arguments)

    def get_paginator(self, operation: str) -> Any:
        def paginate(**arguments: Any) -> Iterator[dict[str, Any]]:
            yield getattr(self, operation)(**arguments)

        return SimpleNamespace(paginate=paginate)
