"""The only ways out of the VPC: endpoints of the services that functions need, each for our own resources alone.

Policies name resources of later layers by `shared.naming`: no layer has to exist before the network does.
"""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from projects.network.security import Security
from projects.network.vpc import Vpc
from shared import naming
from shared.components import iam
from shared.components.regions import Region

FUNCTIONS = (naming.PAYMENT_FUNCTION, naming.HEALTH_FUNCTION, naming.AUDIT_FUNCTION)


class Endpoints(pulumi.ComponentResource):
    """Gateway endpoints for DynamoDB and S3; interface endpoints for Secrets Manager, SSM, KMS and CloudWatch Logs.

    And one for the card processor, where it offers an endpoint service (`processor_service`), and one for X-Ray where
    `traces` are wished.
    """

    def __init__(
        self,
        name: str,
        region: Region,
        vpc: Vpc,
        security: Security,
        processor_service: str | None = None,
        *,
        traces: bool = False,
    ) -> None:
        super().__init__("payments:network:Endpoints", name)
        options = region.options(self)

        for service, statement in gateway_statements(region).items():
            gateway = aws.ec2.VpcEndpoint(
                f"{name}-{service}",
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{region.name}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=[vpc.private_route_table_id],
                policy=iam.document(statement),
                tags={"Name": region.named(naming.VPC_ENDPOINT, f"-{service}")},
                opts=options,
            )
            security.open_gateway(service, gateway.prefix_list_id)

        def interface(what: str, service_name: str, policy: pulumi.Input[str] | None = None) -> None:
            aws.ec2.VpcEndpoint(
                f"{name}-{what}",
                vpc_id=vpc.id,
                service_name=service_name,
                vpc_endpoint_type="Interface",
                subnet_ids=vpc.private_subnet_ids,
                security_group_ids=[security.endpoints.id],
                private_dns_enabled=True,
                policy=policy,
                tags={"Name": region.named(naming.VPC_ENDPOINT, f"-{what}")},
                opts=options,
            )

        statements = interface_statements(region)
        if traces:
            statements = {**statements, "xray": _traces(region)}
        for service, statement in statements.items():
            interface(service, f"com.amazonaws.{region.name}.{service}", iam.document(statement))
        if processor_service is not None:
            # Its private name is the processor's own, which the processor has proven to AWS (AWS PrivateLink Guide,
            # "Manage DNS names for VPC endpoint services"): functions ask for the same name as without an endpoint.
            interface("processor", processor_service)
        self.register_outputs({})


def gateway_statements(region: Region) -> Mapping[str, iam.Statement]:
    """What each gateway endpoint lets through."""
    table = region.arn("dynamodb", f"table/{region.named_once(naming.PAYMENTS_TABLE)}")
    return {
        "dynamodb": _ours(
            region,
            [f"dynamodb:{action}" for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")],
            [table, f"{table}/index/*"],
        ),
        "s3": _ours(region, ["s3:PutObject"], [f"arn:aws:s3:::{region.named(naming.AUDIT_BUCKET)}/*"]),
    }


def interface_statements(region: Region) -> Mapping[str, iam.Statement]:
    """What each interface endpoint lets through."""
    secrets = (naming.API_KEYS_SECRET, naming.DATABASE_SECRET)
    parameters = region.named_once(naming.PARAMETERS)
    groups = [naming.FUNCTION_LOG_PREFIX + region.named(function) for function in FUNCTIONS]
    return {
        "secretsmanager": _ours(
            region,
            ["secretsmanager:GetSecretValue"],
            # Secrets Manager ends each ARN in six random characters.
            [region.arn("secretsmanager", f"secret:{region.named_once(kind)}-??????") for kind in secrets],
        ),
        "ssm": _ours(
            region,
            ["ssm:GetParameter", "ssm:GetParameters"],
            [region.arn("ssm", f"parameter{parameters}/*")],
        ),
        # A key's ARN holds a random id that the data layer learns later: its alias says which one is meant.
        "kms": _ours(
            region,
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [region.arn("kms", "key/*")],
            {"ForAnyValue:StringEquals": {"kms:ResourceAliases": region.named_once(naming.DATA_KEY)}},
        ),
        "logs": _ours(
            region,
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [region.arn("logs", f"log-group:{group}:*") for group in groups],
        ),
    }


def _traces(region: Region) -> iam.Statement:
    """Traces are no resource: the endpoint asks whose principal it is (Service Authorization Reference, AWS X-Ray)."""
    actions = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    account = {"StringEquals": {"aws:PrincipalAccount": region.account}}
    return iam.allow(actions, ["*"], principal="*", condition=account)


def _ours(
    region: Region, actions: list[str], resources: list[str], condition: Mapping[str, Mapping[str, str]] | None = None
) -> iam.Statement:
    """Allow our principals `actions` on our `resources`: neither a stranger's bucket nor a stranger's key works.

    A gateway endpoint's policy takes no principal but `*` (VPC User Guide), so a condition says who.
    """
    account = {"aws:PrincipalAccount": region.account, "aws:ResourceAccount": region.account}
    return iam.allow(actions, resources, principal="*", condition={"StringEquals": account, **(condition or {})})
