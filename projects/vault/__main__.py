"""The locked copy of the table outside both regions: vaults, the plan that fills them, and who is told if it fails."""

from __future__ import annotations

import pulumi

from projects.vault.copies_alarm import CopiesAlarm
from projects.vault.daily_copies import DailyCopies
from projects.vault.roles import BackupRole, RestoreRole
from projects.vault.vaults import LockedVault, SourceVault
from shared.components.exchange import consume, publish
from shared.components.regions import primary_and_vault
from shared.contracts import DataOutputs, VaultOutputs

primary, away, settings = primary_and_vault()
data = consume(DataOutputs)

source = SourceVault("vault-source", primary)
locked = LockedVault("vault-locked", away, settings)
backup = BackupRole("vault-backup", primary, data, source, locked)
restore = RestoreRole("vault-restore", primary, locked)
DailyCopies("vault-copies", primary, settings, data, backup)
CopiesAlarm("vault-copies", primary, settings, locked)

publish(
    VaultOutputs(
        region=pulumi.Output.from_input(away.name),
        vault_name=locked.vault.name,
        source_vault_name=source.vault.name,
        key_arn=locked.key_arn,
        backup_role_arn=backup.arn,
        restore_role_arn=restore.arn,
    )
)
