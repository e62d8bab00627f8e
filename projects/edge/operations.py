"""The role under which clients are moved: what an evacuation, a restoration, a look and a drill need, and no more."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from projects.edge.switch_object import SwitchObject
from shared import fence, naming
from shared.components import iam
from shared.components.regions import Region
from shared.contracts import DataOutputs
from shared.environment_sections import OperationsSettings
from shared.roles import PRIMARY

LONGEST_SESSION = 3600
"""Seconds: longer than any move or drill takes; the shortest that a role may be given."""


class OperationsRole(pulumi.ComponentResource):
    """A role that named principals of the account may take on, with an external id.

    It is assumed by the secondary's STS, and IAM's data plane is in every region, so it works without the primary.
    Attributes: role_arn.
    """

    role_arn: pulumi.Output[str]

    def __init__(
        self, name: str, secondary: Region, settings: OperationsSettings, data: DataOutputs, switch: SwitchObject
    ) -> None:
        super().__init__("payments:edge:OperationsRole", name)
        physical_name = secondary.named_once(naming.OPERATIONS_ROLE)
        role = aws.iam.Role(
            name,
            name=physical_name,
            description="Moves clients between the regions: evacuate, restore, drill",
            assume_role_policy=trust(secondary.account, settings),
            max_session_duration=LONGEST_SESSION,
            opts=secondary.options(self),
        )
        aws.iam.RolePolicy(
            name,
            name=physical_name,
            role=role.name,
            policy=iam.document(*_statements(secondary, data, switch)),
            opts=secondary.options(self),
        )
        self.role_arn = role.arn
        self.register_outputs({})


def trust(account: str, settings: OperationsSettings) -> str:
    """Who may take the role on: the account's principals of these names, with the external id, and a second factor.

    By a condition: a principal that a trust policy names itself must be there when the policy is written, and is
    lost from it when it is made anew (IAM User Guide, "AWS JSON policy elements: Principal").
    """
    names = [f"arn:aws:iam::{account}:{each}" for each in settings.operators]
    condition: dict[str, Mapping[str, object]]
    condition = {"StringEquals": {"sts:ExternalId": settings.external_id}, "ArnLike": {"aws:PrincipalArn": names}}
    if settings.mfa:
        condition["Bool"] = {"aws:MultiFactorAuthPresent": "true"}
    principal = {"AWS": f"arn:aws:iam::{account}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _by(*services: str) -> dict[str, dict[str, list[str]]]:
    """The condition that a key is used by these services, each in its region, and by nobody else."""
    return {"StringEquals": {"kms:ViaService": [f"{each}.amazonaws.com" for each in services]}}


def _statements(secondary: Region, data: DataOutputs, switch: SwitchObject) -> list[iam.Statement]:
    primary = secondary.foundation.region(PRIMARY)
    no_payment = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [fence.PARTITION]}}
    return [
        iam.allow(["s3:GetObject", "s3:PutObject"], [switch.arn]),
        # Without s3:ListBucket an object that is not there is answered as one that may not be read.
        iam.allow(["s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketPolicy"], [switch.bucket_arn]),
        # The fence before a primary that was left: its items, and none that is a payment. By the primary it is taken
        # down too: when the secondary is lost, clients come back and meet it.
        iam.allow(["dynamodb:PutItem"], [data.table_arns.secondary], condition=no_payment),
        iam.allow(
            ["dynamodb:GetItem", "dynamodb:DeleteItem"],
            [data.table_arns.primary, data.table_arns.secondary],
            condition=no_payment,
        ),
        # A restoration pays at the primary as the canary, with the secondary's copy of its key.
        iam.allow(["secretsmanager:GetSecretValue"], [data.api_keys_secret_arns.secondary]),
        # Whether both regions have the same keys is told by their versions, without the values.
        iam.allow(
            ["secretsmanager:DescribeSecret"], [data.api_keys_secret_arns.primary, data.api_keys_secret_arns.secondary]
        ),
        iam.allow(
            ["kms:Decrypt"],
            [data.key_arns.secondary],
            condition=_by(f"dynamodb.{secondary.name}", f"secretsmanager.{secondary.name}"),
        ),
        iam.allow(["kms:Decrypt"], [data.key_arns.primary], condition=_by(f"dynamodb.{primary}")),
        # How things stand. Metrics and the list of checks know no resource; alarms and tags are asked for of what a
        # list has just found (Service Authorization Reference).
        iam.allow(["cloudwatch:GetMetricData", "route53:ListHealthChecks"], ["*"]),
        iam.allow(["cloudwatch:DescribeAlarms", "route53:ListTagsForResources"], ["*"]),
    ]
