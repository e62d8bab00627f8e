"""What exists in the cloud, asked of the AWS APIs themselves and not of any state."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from sandbox.variables import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

# service, operation, the list in its answer, what names an entry ("" when the entry is its name)
REGIONAL = (
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId"),
    ("ec2", "describe_network_acls", "NetworkAcls", "NetworkAclId"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("ec2", "describe_flow_logs", "FlowLogs", "FlowLogId"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("dynamodb", "list_tables", "TableNames", ""),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("secretsmanager", "list_secrets", "SecretList", "ARN"),
    ("ssm", "describe_parameters", "Parameters", "Name"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_event_source_mappings", "EventSourceMappings", "UUID"),
    ("events", "list_rules", "Rules", "Name"),
    ("apigateway", "get_rest_apis", "items", "id"),
    ("apigateway", "get_domain_names", "items", "domainName"),
    ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerArn"),
    ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupArn"),
    ("elbv2", "describe_rules", "Rules", "RuleArn"),
    ("sqs", "list_queues", "QueueUrls", ""),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    ("acm", "list_certificates", "CertificateSummaryList", "CertificateArn"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("cloudwatch", "describe_alarms", "CompositeAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("backup", "list_backup_vaults", "BackupVaultList", "BackupVaultName"),
    ("backup", "list_backup_plans", "BackupPlansList", "BackupPlanId"),
    ("synthetics", "describe_canaries", "Canaries", "Name"),
)
GLOBAL = (
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_policies", "Policies", "Arn"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("route53", "list_hosted_zones", "HostedZones", "Id"),
    ("route53", "list_health_checks", "HealthChecks", "Id"),
)


ENDING = ("PendingDeletion", "PendingReplicaDeletion")
"""The states of a KMS key whose deletion is scheduled."""


def everything(endpoint: str, regions: list[str]) -> set[str]:
    """Return a name for everything in these regions and in the global services.

    What AWS keeps after its end does not count: a KMS key that awaits its deletion for days, a primary key even until
    its replicas have been deleted; a secret within its recovery window, which no listing tells.
    """

    def client(service: str, region: str) -> Any:
        return _client(service, region, endpoint)

    found = {f"global {name}" for name in _listed(GLOBAL, lambda service: client(service, regions[0]))}
    for region in regions:
        found |= {f"{region} {name}" for name in _listed(REGIONAL, lambda service, at=region: client(service, at))}
        found |= {f"{region} kms key {key}" for key in _keys(client("kms", region))}
        found |= {f"{region} wafv2 {each}" for each in _firewalls(client("wafv2", region))}
    return found


@cache
def _client(service: str, region: str, endpoint: str) -> Any:
    credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
    return boto3.client(service, region_name=region, endpoint_url=endpoint, **credentials)


def _listed(table: tuple[tuple[str, str, str, str], ...], client: Any) -> Iterator[str]:
    for service, operation, listing, name in table:
        for entry in getattr(client(service), operation)().get(listing, []):
            yield f"{service} {listing} {entry[name] if name else entry}"


def _firewalls(waf: Any) -> Iterator[str]:
    for operation, listing in (("list_web_acls", "WebACLs"), ("list_ip_sets", "IPSets")):
        yield from (each["ARN"] for each in getattr(waf, operation)(Scope="REGIONAL")[listing])


def _keys(kms: Any) -> Iterator[str]:
    for key in kms.list_keys()["Keys"]:
        if kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] not in ENDING:
            yield key["KeyId"]
