"""Who is told when no copy comes."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.vault.vaults import LockedVault
from shared import naming
from shared.components.regions import Region
from shared.environment_sections import VaultSettings
from shared.runbooks import described

HOUR = 3600
"""Seconds: an alarm that looks back for more than a day has periods of an hour or more."""


class CopiesAlarm(pulumi.ComponentResource):
    """Raised while no copy has come for longer than the environment says.

    AWS Backup tells of a copy in the region that it is made from, under the vault that it goes to, and only when there
    is one: so nothing measured is nothing copied (AWS Backup Developer Guide, "AWS Backup metrics with Amazon
    CloudWatch"). Notified is the primary's topic, which `edge` makes: by its name, as this layer waits for nobody but
    the table's.
    """

    def __init__(self, name: str, region: Region, settings: VaultSettings, locked: LockedVault) -> None:
        super().__init__("payments:vault:CopiesAlarm", name)
        topic = region.arn("sns", region.named(naming.NOTIFICATION_TOPIC))
        told = f"No copy of the payments table has come into the vault for {settings.alarm_hours} hours"
        aws.cloudwatch.MetricAlarm(
            name,
            name=region.named(naming.VAULT_COPIES_ALARM),
            alarm_description=described(told, naming.VAULT_COPIES_ALARM.purpose, region.foundation.runbooks),
            namespace="AWS/Backup",
            metric_name="NumberOfCopyJobsCompleted",
            dimensions={"BackupVaultName": locked.vault.name},
            statistic="Sum",
            period=HOUR,
            evaluation_periods=settings.alarm_hours,
            threshold=1,
            comparison_operator="LessThanThreshold",
            treat_missing_data="breaching",
            alarm_actions=[topic],
            ok_actions=[topic],
            opts=region.options(self),
        )
        self.register_outputs({})
