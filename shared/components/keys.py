"""What the policy of every key of ours begins with."""

from __future__ import annotations

from collections.abc import Sequence

from shared.components import iam

PRODUCTION_WAITING_DAYS = 30
"""The longest that KMS lets a deleted key wait: what it encrypts is lost with it."""

ADMINISTRATION = [
    f"kms:{action}"
    for action in (
        "CancelKeyDeletion", "CreateAlias", "CreateKey", "DeleteAlias", "DescribeKey", "DisableKey",
        "DisableKeyRotation", "EnableKey", "EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus",
        "ListAliases", "ListGrants", "ListKeyPolicies", "ListResourceTags", "PutKeyPolicy", "ReplicateKey",
        "RevokeGrant", "ScheduleKeyDeletion", "SynchronizeMultiRegionKey", "TagResource", "UntagResource",
        "UpdateAlias", "UpdateKeyDescription", "UpdatePrimaryRegion",
    )
]  # fmt: skip
"""Everything but use: who administers the key cannot read with it."""

USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"]


def of_the_account(account: str, services: Sequence[str]) -> list[iam.Statement]:
    """The account administers the key, and its principals use it through the AWS services named, in their regions.

    The `Resource` of a key's policy is always the key itself, which only `*` can say.
    """
    owner = {"AWS": f"arn:aws:iam::{account}:root"}
    return [
        iam.allow(ADMINISTRATION, ["*"], principal=owner, sid="AccountAdministers"),
        iam.allow(
            USE,
            ["*"],
            principal=owner,
            condition={"StringEquals": {"kms:ViaService": services}},
            sid="AccountUsesThroughServices",
        ),
        iam.allow(
            ["kms:CreateGrant"],
            ["*"],
            principal=owner,
            # DynamoDB works on with a grant that it makes when a table is created.
            condition={
                "StringEquals": {"kms:ViaService": services},
                "Bool": {"kms:GrantIsForAWSResource": "true"},
            },
            sid="ServicesKeepGrants",
        ),
    ]
