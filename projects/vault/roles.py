"""Under which AWS Backup works: one role that backs up and copies, and one that restores.

Both may do what AWS's own policies for such roles allow of a table with AWS Backup's advanced features, and of these
resources alone (AWSBackupServiceRolePolicyForBackup, AWSBackupServiceRolePolicyForRestores).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from projects.vault.vaults import KeyedVault, LockedVault, SourceVault
from shared import naming
from shared.components import iam
from shared.components.regions import Location, Region
from shared.contracts import DataOutputs
from shared.naming import Kind

READS_TABLE = ["dynamodb:DescribeTable", "dynamodb:ListTagsOfResource", "dynamodb:StartAwsBackupJob"]
READS_KEY = ["kms:Decrypt", "kms:GenerateDataKey"]
RESTORES_TABLE = [
    f"dynamodb:{action}"
    for action in (
        "BatchWriteItem", "DeleteItem", "DescribeTable", "GetItem", "PutItem", "Query", "RestoreTableFromAwsBackup",
        "Scan", "UpdateItem",
    )
]  # fmt: skip
RESTORED = ("-restore-test", "-restored")
"""How the table may be called that is restored, behind the original's name: by a test (drill/), and in earnest."""


class ServiceRole(pulumi.ComponentResource):
    """A role that AWS Backup alone may take on, for this account. Attributes: arn."""

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, region: Region, kind: Kind, description: str, statements: Sequence[iam.Statement]
    ) -> None:
        super().__init__("payments:vault:ServiceRole", name)
        role = aws.iam.Role(
            name,
            name=region.named_once(kind),
            description=description,
            assume_role_policy=iam.trust("backup.amazonaws.com", iam.of_account(region.account)),
            opts=region.options(self),
        )
        policy = aws.iam.RolePolicy(
            name,
            name=region.named_once(kind),
            role=role.name,
            policy=iam.document(*statements),
            opts=region.options(self),
        )
        # Nobody gets it before it may do what it is for.
        self.arn = pulumi.Output.all(role.arn, policy.id).apply(lambda known: str(known[0]))
        self.register_outputs({})


class BackupRole(ServiceRole):
    """Backs up the one table, and copies from one vault into the other. Attributes: arn, source, locked."""

    def __init__(self, name: str, primary: Region, data: DataOutputs, source: SourceVault, locked: LockedVault) -> None:
        self.source, self.locked = source, locked
        super().__init__(
            name,
            primary,
            naming.BACKUP_ROLE,
            "Backs up the payments table and copies the backups into the locked vault",
            [
                iam.allow(READS_TABLE, [data.table_arns.primary]),
                iam.allow(READS_KEY, [data.key_arns.primary], condition=_through("dynamodb", primary)),
                *_of_a_vault(source),
                *_of_a_vault(locked),
                # It knows no resource, but where a copy goes (Service Authorization Reference, AWS Backup).
                iam.allow(
                    ["backup:CopyFromBackupVault"],
                    ["*"],
                    condition={
                        "ForAllValues:ArnEquals": {"backup:CopyTargets": [locked.vault.arn]},
                        "Null": {"backup:CopyTargets": "false"},
                    },
                ),
                iam.allow(["backup:CopyIntoBackupVault"], [locked.vault.arn]),
                # A backup inherits the table's tags. Its ARN is an id that nobody knows before.
                iam.allow(
                    ["backup:TagResource"],
                    [region.arn("backup", "recovery-point:*") for region in (primary, locked.region)],
                    condition={"StringEquals": {"aws:ResourceAccount": primary.account}},
                ),
            ],
        )


class RestoreRole(ServiceRole):
    """Restores a copy in its region, under a name that no table in service has."""

    def __init__(self, name: str, primary: Region, locked: LockedVault) -> None:
        away = locked.region
        table = primary.named_once(naming.PAYMENTS_TABLE)
        super().__init__(
            name,
            primary,
            naming.RESTORE_ROLE,
            "Restores copies of the payments table beside where they lie",
            [
                iam.allow(RESTORES_TABLE, [away.arn("dynamodb", f"table/{table}{tail}") for tail in RESTORED]),
                iam.allow(READS_KEY, [locked.key_arn], condition=_through("dynamodb", away)),
                *_use_of_key(locked),
            ],
        )


def _of_a_vault(vault: KeyedVault) -> list[iam.Statement]:
    return [
        iam.allow(["backup:DescribeBackupVault"], [vault.vault.arn]),
        iam.allow(READS_KEY, [vault.key_arn], condition=_through("backup", vault.region)),
        *_use_of_key(vault),
    ]


def _use_of_key(vault: KeyedVault) -> list[iam.Statement]:
    return [
        iam.allow(["kms:DescribeKey"], [vault.key_arn]),
        iam.allow(["kms:CreateGrant"], [vault.key_arn], condition={"Bool": {"kms:GrantIsForAWSResource": "true"}}),
    ]


def _through(service: str, region: Location) -> Mapping[str, Mapping[str, str]]:
    return {"StringEquals": {"kms:ViaService": f"{service}.{region.name}.amazonaws.com"}}
