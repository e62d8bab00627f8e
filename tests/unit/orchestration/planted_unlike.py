"""What is planted in one region alone, so that the two are not alike: by its name, as `planting.Planted` has it."""

from __future__ import annotations

from tests.doubles.fit_cloud import refused
from tests.unit.orchestration.planting import Planted, answers, first_alarm, open_to_all, raises, short_logs

UNLIKE: dict[str, Planted] = {
    "other code": (
        answers("get_function_configuration", lambda told: told.update(CodeSha256="other"), "secondary"),
        "regions alike: functions",
        "not fit",
        "Function health: codeSha256",
    ),
    "rule of a security group gone": (
        answers(
            "describe_security_groups", lambda told: told["SecurityGroups"][0].pop("IpPermissionsEgress"), "secondary"
        ),
        "regions alike: network",
        "not fit",
        "SecurityGroup payment-functions-<role>: to com.amazonaws.<region>.s3, tcp 443-443 allowed: to s3 and nothing",
    ),
    "rule of a security group wider": (
        answers("describe_security_groups", open_to_all, "primary"),
        "regions alike: network",
        "not fit",
        "SecurityGroup payment-endpoints-<role>: from 0.0.0.0/0, tcp 443-443 allowed and nothing",
    ),
    "another group on an endpoint": (
        answers("describe_vpc_endpoints", lambda told: told["VpcEndpoints"][0].update(Groups=[]), "secondary"),
        "regions alike: network",
        "not fit",
        "securityGroups.0 payment-endpoints-<role> and nothing",
    ),
    "another group on a function": (
        answers(
            "get_function_configuration",
            lambda told: told["VpcConfig"].update(SecurityGroupIds=["sg-0123456789abcdef0"]),
            "secondary",
        ),
        "regions alike: functions",
        "not fit",
        "Function audit: securityGroups.0 payment-functions-<role> and <id>",
    ),
    "policy of a role gone": (
        answers("list_role_policies", lambda told: told.update(PolicyNames=[]), "secondary"),
        "regions alike: functions' roles",
        "not fit",
        "Role processor: inline.payment-processor-<role>-x7k2.statement.0.action.0 logs:CreateLogStream and nothing",
    ),
    "right of a role gone": (
        answers("get_role_policy", lambda told: told["PolicyDocument"]["Statement"].pop(), "secondary"),
        "regions alike: functions' roles",
        "not fit",
        "statement.1.action.0 kms:Decrypt and nothing",
    ),
    "attached policy gone": (
        answers("list_attached_role_policies", lambda told: told.update(AttachedPolicies=[]), "secondary"),
        "regions alike: functions' roles",
        "not fit",
        "Role audit: attached.arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess AWSXRayDaemonWriteAccess and nothing",
    ),
    "role for somebody else": (
        answers("get_role", lambda told: told["Role"].update(AssumeRolePolicyDocument={"Statement": []}), "secondary"),
        "regions alike: functions' roles",
        "not fit",
        "assumeRolePolicyDocument.statement.0",
    ),
    "entry point may not call": (
        raises("get_policy", refused("ResourceNotFoundException"), "secondary"),
        "regions alike: functions' callers",
        "not fit",
        "Function processor: allowed.create-payment.condition",
    ),
    "failed calls lost": (
        answers(
            "list_function_event_invoke_configs",
            lambda told: told.update(FunctionEventInvokeConfigs=[]),
            "secondary",
        ),
        "regions alike: functions' callers",
        "not fit",
        "Function audit: asynchronous.live.",
    ),
    "queue unread": (
        answers(
            "list_event_source_mappings",
            lambda told: told["EventSourceMappings"][0].update(State="Disabled"),
            "secondary",
        ),
        "regions alike: functions' callers",
        "not fit",
        "EventSourceMapping notifications: state Enabled and Disabled",
    ),
    "reader of a queue gone": (
        answers("list_event_source_mappings", lambda told: told["EventSourceMappings"].pop(0), "secondary"),
        "regions alike: functions' callers",
        "not fit",
        "only us-east-1 has EventSourceMapping notifications",
    ),
    "domain gone": (
        answers("get_domain_names", lambda told: told["items"].pop(0), "secondary"),
        "regions alike: REST API",
        "not fit",
        "only us-east-1 has DomainName api.x7k2.pay.example.com",
    ),
    "domain leads nowhere": (
        answers("get_base_path_mappings", lambda told: told["items"][0].update(restApiId="zyxwvuts98"), "secondary"),
        "regions alike: REST API",
        "not fit",
        "leadsTo.(none) api, v1 and another API, v1",
    ),
    "old TLS": (
        answers("get_domain_names", lambda told: told["items"][1].update(securityPolicy="TLS_1_0"), "secondary"),
        "regions alike: REST API",
        "not fit",
        "securityPolicy SecurityPolicy_TLS13_1_2_2021_06 and TLS_1_0",
    ),
    "old TLS of the API": (
        answers("get_rest_apis", lambda told: told["items"][0].update(securityPolicy="TLS_1_0"), "secondary"),
        "regions alike: REST API",
        "not fit",
        "securityPolicy SecurityPolicy_TLS13_1_2_2021_06 and TLS_1_0",
    ),
    "alarms may not publish": (
        answers("get_topic_attributes", lambda told: told["Attributes"].update(Policy="{}"), "secondary"),
        "regions alike: topics",
        "not fit",
        "Topic failover-topic: policy.statement.0.condition",
    ),
    "record not subscribed": (
        answers("list_subscriptions_by_topic", lambda told: told["Subscriptions"].pop(), "secondary"),
        "regions alike: topics",
        "not fit",
        "only us-east-1 has TopicSubscription sqs arn:aws:sqs:<region>:1:q",
    ),
    "undelivered lost": (
        answers("get_subscription_attributes", lambda told: told["Attributes"].pop("RedrivePolicy"), "secondary"),
        "regions alike: topics",
        "not fit",
        "redrivePolicy.deadLetterTargetArn",
    ),
    "method gone": (
        answers("get_resources", lambda told: told.update(items=[]), "secondary"),
        "regions alike: REST API",
        "not fit",
        "only us-east-1 has Method POST /payment",
    ),
    "firewall off": (
        answers("get_web_acl", lambda told: told["WebACL"].update(Rules=[]), "secondary"),
        "regions alike: firewall",
        "not fit",
        "rules.0.name rate and nothing",
    ),
    "sweep off": (
        answers("list_rules", lambda told: told["Rules"][0].update(State="DISABLED"), "secondary"),
        "regions alike: schedules",
        "not fit",
        "EventRule sweep: state ENABLED and DISABLED",
    ),
    "short log": (
        answers("describe_log_groups", short_logs, "secondary"),
        "regions alike: log groups",
        "not fit",
        "retentionInDays 90 and 1",
    ),
    "queue gone": (
        answers("list_queues", dict.clear, "secondary"),
        "regions alike: queues",
        "not fit",
        "only us-east-1 has Queue notifications",
    ),
    "unversioned bucket": (
        answers("get_bucket_versioning", lambda told: told.update(Status="Suspended"), "secondary"),
        "regions alike: buckets",
        "not fit",
        "versioning.status Enabled and Suspended",
    ),
    "no recovery": (
        raises("describe_continuous_backups", refused("Throttling"), "secondary"),
        "regions alike: table",
        "unknown",
        "us-east-2: cannot ask dynamodb's describe_continuous_backups",
    ),
    "endpoint gone": (
        answers("describe_vpc_endpoints", lambda told: told.update(VpcEndpoints=[]), "secondary"),
        "regions alike: network",
        "not fit",
        "only us-east-1 has VpcEndpoint",
    ),
    "other threshold": (
        answers("describe_alarms", lambda told: first_alarm(told).update(Threshold=9.0), "secondary"),
        "regions alike: alarms",
        "not fit",
        "MetricAlarm alarms-errors: threshold 1.0 and 9.0",
    ),
}
