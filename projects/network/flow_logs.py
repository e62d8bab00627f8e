"""Who spoke to whom in the VPC, and what was refused."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.network.vpc import Vpc
from shared import naming
from shared.components import iam
from shared.components.regions import Region

AGGREGATION_SECONDS = 60
"""The shorter of the two that there are (60 and 600): an attack is looked up by the minute."""


class FlowLogs(pulumi.ComponentResource):
    """All traffic of the VPC, by the minute, in a log group of its own."""

    def __init__(self, name: str, region: Region, vpc: Vpc) -> None:
        super().__init__("payments:network:FlowLogs", name)
        options = region.options(self)

        group = aws.cloudwatch.LogGroup(
            name,
            name=region.named(naming.FLOW_LOG_GROUP),
            retention_in_days=region.foundation.log_retention_days.debug,
            opts=options,
        )
        role = aws.iam.Role(
            name,
            name=region.named(naming.FLOW_LOG_ROLE),
            description=f"Writes the flow logs of {region.named(naming.VPC)}",
            assume_role_policy=iam.trust(
                "vpc-flow-logs.amazonaws.com",
                iam.of_account(region.account, {"aws:SourceArn": region.arn("ec2", "vpc-flow-log/*")}),
            ),
            opts=options,
        )
        policy = aws.iam.RolePolicy(
            name,
            name=region.named(naming.FLOW_LOG_ROLE),
            role=role.name,
            policy=iam.document(
                # The five actions that the VPC User Guide lists ("IAM role for publishing flow logs to CloudWatch
                # Logs"), for our group alone; the group is not made again after a destroy, as this policy goes first.
                iam.allow(
                    ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    [group.arn, pulumi.Output.concat(group.arn, ":*")],
                ),
                # Lists groups, so the resource is every group's name (Service Authorization Reference).
                iam.allow(["logs:DescribeLogGroups"], [region.arn("logs", "log-group:*")]),
            ),
            opts=options,
        )
        aws.ec2.FlowLog(
            name,
            vpc_id=vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=AGGREGATION_SECONDS,
            tags={"Name": region.named(naming.VPC)},
            opts=region.options(self, depends_on=[policy]),
        )
        self.register_outputs({})
