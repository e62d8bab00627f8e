"""One encryption key for the data of both regions: a multi-region key and its replica."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from shared import naming
from shared.components import iam
from shared.components.keys import PRODUCTION_WAITING_DAYS, of_the_account
from shared.components.regions import Region
from shared.roles import PerRole

WAITING_DAYS = 7
"""The shortest that KMS lets a deleted key wait. The primary's wait begins when its replica is gone: 14 days in all."""

SERVICES = ("dynamodb", "s3", "secretsmanager", "sns", "ssm")


class DataKey(pulumi.ComponentResource):
    """The key in the primary region, its replica in the secondary, and the same alias for both.

    Attributes: arns. Functions' roles are never named here (KMS refuses a principal that does not exist yet): the
    account's principals may use it as far as their own policies go, and only through the services named.
    """

    arns: PerRole[pulumi.Output[str]]

    def __init__(self, name: str, regions: PerRole[Region]) -> None:
        super().__init__("payments:data:DataKey", name)
        primary, secondary = regions.primary, regions.secondary
        policy = iam.document(*key_statements(regions))
        waiting = PRODUCTION_WAITING_DAYS if primary.foundation.production else WAITING_DAYS

        key = aws.kms.Key(
            name,
            description=f"Payments data of {primary.foundation.name}, both regions",
            multi_region=True,
            enable_key_rotation=True,
            deletion_window_in_days=waiting,
            policy=policy,
            opts=primary.options(self),
        )
        replica = aws.kms.ReplicaKey(
            f"{name}-replica",
            primary_key_arn=key.arn,
            description=f"Payments data of {primary.foundation.name}, replica",
            deletion_window_in_days=waiting,
            policy=policy,
            opts=secondary.options(self),
        )
        for region, key_id in ((primary, key.key_id), (secondary, replica.key_id)):
            aws.kms.Alias(
                f"{name}-{region.role}",
                name=region.named_once(naming.DATA_KEY),
                target_key_id=key_id,
                opts=region.options(self),
            )
        self.arns = PerRole(key.arn, replica.arn)
        self.register_outputs({})


def key_statements(regions: PerRole[Region]) -> list[iam.Statement]:
    """The key policy. Its `Resource` is always the key itself, which only `*` can say."""
    account = regions.primary.account
    services = [f"{service}.{region.name}.amazonaws.com" for service in SERVICES for _, region in regions.items()]
    return [
        *of_the_account(account, services),
        iam.allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            ["*"],
            principal={"Service": "cloudwatch.amazonaws.com"},
            condition=iam.of_account(
                account,
                {"aws:SourceArn": [region.arn("cloudwatch", "alarm:*") for _, region in regions.items()]},
            ),
            sid="AlarmsPublishToEncryptedTopics",
        ),
    ]
