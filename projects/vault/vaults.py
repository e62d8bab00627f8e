"""Two vaults, each under a key of its own: one beside the table, the way to the other, which is locked."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from shared import naming
from shared.components import iam
from shared.components.keys import PRODUCTION_WAITING_DAYS, of_the_account
from shared.components.regions import Location
from shared.environment_sections import VaultSettings
from shared.naming import Kind

COUNTED_BY_AWS = ["recoveryPoints"]
"""How many there are is the plan's doing: no drift."""


class KeyedVault(pulumi.ComponentResource):
    """A vault and its key, in one region. Attributes: vault, key_arn, region.

    With AWS Backup's advanced features what lies in a vault is encrypted by the vault's key, whatever the table's is
    (AWS Backup Developer Guide, "Encryption for backups"). The vault goes only when it is empty.
    """

    vault: aws.backup.Vault
    key_arn: pulumi.Output[str]
    region: Location

    def __init__(self, name: str, region: Location, kind: Kind, description: str) -> None:
        super().__init__("payments:vault:KeyedVault", name)
        services = [f"{service}.{region.name}.amazonaws.com" for service in ("backup", "dynamodb")]
        key = aws.kms.Key(
            name,
            description=f"{description} of {region.foundation.name}",
            enable_key_rotation=True,
            deletion_window_in_days=PRODUCTION_WAITING_DAYS,
            policy=iam.document(*of_the_account(region.account, services)),
            opts=region.options(self),
        )
        aws.kms.Alias(
            name,
            name=region.named_once(naming.VAULT_KEY),
            target_key_id=key.key_id,
            opts=region.options(self),
        )
        self.vault = aws.backup.Vault(
            name,
            name=region.named_once(kind),
            kms_key_arn=key.arn,
            force_destroy=False,
            opts=region.options(self, ignore_changes=COUNTED_BY_AWS),
        )
        self.key_arn = key.arn
        self.region = region


class SourceVault(KeyedVault):
    """The vault beside the table: AWS Backup backs up within a region, and copies from there."""

    def __init__(self, name: str, region: Location) -> None:
        super().__init__(name, region, naming.SOURCE_VAULT, "Backups of the payments table on their way,")
        self.register_outputs({})


class LockedVault(KeyedVault):
    """The vault outside both regions, with its lock.

    A destroy never takes the lock away: it goes with the vault, which AWS keeps while there are copies in it. Another
    lock in its place takes the old one away first: else that would take away the new one.
    """

    def __init__(self, name: str, region: Location, settings: VaultSettings) -> None:
        super().__init__(name, region, naming.VAULT, "Copies of the payments table")
        compliance = settings.lock.mode == "compliance"
        options = pulumi.ResourceOptions(deleted_with=self.vault, delete_before_replace=True)
        aws.backup.VaultLockConfiguration(
            name,
            backup_vault_name=self.vault.name,
            min_retention_days=settings.keep_days,
            max_retention_days=settings.keep_days,
            # Without it the lock is in governance mode (AWS Backup API Reference, PutBackupVaultLockConfiguration).
            changeable_for_days=settings.lock.cooling_off_days if compliance else None,
            opts=pulumi.ResourceOptions.merge(region.options(self), options),
        )
        self.register_outputs({})
