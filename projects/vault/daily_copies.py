"""The plan: a backup of the table every day, copied into the locked vault."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.vault.roles import BackupRole
from shared import naming
from shared.components.regions import Region
from shared.contracts import DataOutputs
from shared.environment_sections import VaultSettings

SOURCE_DAYS = 1
"""What a backup beside the table is kept for: it is the way to the copy."""
START_MINUTES, COMPLETION_MINUTES = 60, 720
"""Within which AWS Backup begins a job, the shortest that there is, and within which it must be done."""


class DailyCopies(pulumi.ComponentResource):
    """The plan, and what it backs up: the one table by its ARN, as a tag would take whatever has it later."""

    def __init__(self, name: str, region: Region, settings: VaultSettings, data: DataOutputs, role: BackupRole) -> None:
        super().__init__("payments:vault:DailyCopies", name)
        plan = aws.backup.Plan(
            name,
            name=region.named_once(naming.BACKUP_PLAN),
            rules=[
                {
                    "rule_name": "daily",
                    "target_vault_name": role.source.vault.name,
                    "schedule": f"cron(0 {settings.hour} * * ? *)",
                    "start_window": START_MINUTES,
                    "completion_window": COMPLETION_MINUTES,
                    "lifecycle": {"delete_after": SOURCE_DAYS},
                    "copy_actions": [
                        {
                            "destination_vault_arn": role.locked.vault.arn,
                            "lifecycle": {"delete_after": settings.keep_days},
                        }
                    ],
                }
            ],
            opts=region.options(self),
        )
        aws.backup.Selection(
            name,
            plan_id=plan.id,
            name=region.named_once(naming.BACKUP_SELECTION),
            iam_role_arn=role.arn,
            resources=[data.table_arns.primary],
            opts=region.options(self),
        )
        self.register_outputs({})
