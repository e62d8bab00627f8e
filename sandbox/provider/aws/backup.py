"""AWS Backup: vaults, their locks, plans and what they select."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, setting
from sandbox.provider.schema import Block, Boolean, Integer, Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = ("ResourceNotFoundException",)
LIFECYCLE = Block(fields={"deleteAfter": Integer(api="deleteAfterDays")})
COPY_ACTION = Block(
    fields={"destinationVaultArn": Text(required=True, api="destinationBackupVaultArn"), "lifecycle": LIFECYCLE}
)
RULE = Block(
    fields={
        "ruleName": Text(required=True),
        "targetVaultName": Text(required=True, api="targetBackupVaultName"),
        "schedule": Text(api="scheduleExpression"),
        "scheduleExpressionTimezone": Text(default="Etc/UTC"),
        "startWindow": Integer(default=60, api="startWindowMinutes"),
        "completionWindow": Integer(default=180, api="completionWindowMinutes"),
        "enableContinuousBackup": Boolean(default=False),
        "lifecycle": LIFECYCLE,
        "copyActions": Set(of=COPY_ACTION),
    }
)


class BackupVault(Resource):
    """A vault. What is in it keeps it from being deleted, unless it is to go with that."""

    resource_type = "aws:backup/vault:Vault"
    service = "backup"
    taggable = True
    properties = {
        "name": Text(replaces=True, api="backupVaultName"),
        "kmsKeyArn": Text(replaces=True, computed=True, api="encryptionKeyArn"),
        "forceDestroy": Boolean(default=False, carried="it is told when the vault is deleted"),
    }
    outputs = ("arn", "recoveryPoints")
    identity = ("name",)
    auto_name = "name"
    gone = GONE
    exists = ("AlreadyExistsException",)

    def create(self) -> str:
        self.call(
            "create_backup_vault",
            **self.arguments("create_backup_vault", "name", "kmsKeyArn"),
            BackupVaultTags=dict(self.tags) or None,
        )
        return str(self["name"])

    @setting("forceDestroy")
    def _keep(self) -> None:
        """Nothing to tell the cloud before the end."""

    def own_arn(self) -> str:
        return self.arn(f"backup-vault:{self.id}")

    def read(self) -> Mapping[str, Any]:
        vault = self.call("describe_backup_vault", BackupVaultName=self.id)
        arn = vault["BackupVaultArn"]
        tags = self.tags_there(lambda: self.call("list_tags", ResourceArn=arn)["Tags"])
        points = vault["NumberOfRecoveryPoints"]
        return self.observed(vault, arn=arn, recoveryPoints=points, tagsAll=tags)

    def delete(self) -> None:
        if self["forceDestroy"]:
            found = self.call("list_recovery_points_by_backup_vault", BackupVaultName=self.id)["RecoveryPoints"]
            for point in found:
                arn = point["RecoveryPointArn"]
                self.call("delete_recovery_point", BackupVaultName=self.id, RecoveryPointArn=arn)
        self.call("delete_backup_vault", BackupVaultName=self.id)


class VaultLockConfiguration(Resource):
    """A vault's lock: in compliance mode with `changeableForDays`, else in governance mode."""

    resource_type = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
    service = "backup"
    properties = {
        "backupVaultName": Text(required=True, replaces=True),
        "minRetentionDays": Integer(replaces=True),
        "maxRetentionDays": Integer(replaces=True),
        "changeableForDays": Integer(replaces=True, within=(3, 36_500), carried="AWS tells the day it comes to"),
    }
    outputs = ("backupVaultArn",)
    identity = ("backupVaultName",)
    gone = GONE

    def create(self) -> str:
        self.call("put_backup_vault_lock_configuration", **self.arguments("put_backup_vault_lock_configuration"))
        return str(self["backupVaultName"])

    def read(self) -> Mapping[str, Any] | None:
        vault = self.call("describe_backup_vault", BackupVaultName=self.id)
        return self.observed(vault) if vault["Locked"] else None

    def delete(self) -> None:
        self.call("delete_backup_vault_lock_configuration", BackupVaultName=self.id)


class BackupPlan(Resource):
    """What is backed up when, into which vault, and copied to which."""

    resource_type = "aws:backup/plan:Plan"
    service = "backup"
    taggable = True
    properties = {
        "name": Text(required=True, replaces=True, api="backupPlanName"),
        "rules": Set(required=True, of=RULE),
    }
    outputs = ("arn", "version")
    renewed = {"version": ("rules",)}
    gone = GONE

    def create(self) -> str:
        answer = self.call("create_backup_plan", BackupPlan=self._document(), BackupPlanTags=dict(self.tags) or None)
        return str(answer["BackupPlanId"])

    @setting("rules")
    def _change(self) -> None:
        self.call("update_backup_plan", BackupPlanId=self.id, BackupPlan=self._document())

    def _document(self) -> dict[str, Any]:
        """With the windows that the official provider sends when none are said, which are shorter than AWS's own."""
        document = self.structure("create_backup_plan", "BackupPlan", "name", "rules")
        for rule in document["Rules"]:
            rule.setdefault("StartWindowMinutes", RULE.fields["startWindow"].default)
            rule.setdefault("CompletionWindowMinutes", RULE.fields["completionWindow"].default)
        return document

    def own_arn(self) -> str:
        return self.arn(f"backup-plan:{self.id}")

    def read(self) -> Mapping[str, Any]:
        answer = self.call("get_backup_plan", BackupPlanId=self.id)
        arn = answer["BackupPlanArn"]
        tags = self.tags_there(lambda: self.call("list_tags", ResourceArn=arn)["Tags"])
        return self.observed(answer["BackupPlan"], arn=arn, version=answer["VersionId"], tagsAll=tags)

    def delete(self) -> None:
        self.call("delete_backup_plan", BackupPlanId=self.id)


class BackupSelection(Resource):
    """Which resources a plan backs up, and by which role. It is never changed, only made anew."""

    resource_type = "aws:backup/selection:Selection"
    service = "backup"
    properties = {
        "planId": Text(required=True, replaces=True, api="backupPlanId"),
        "name": Text(required=True, replaces=True, api="selectionName"),
        "iamRoleArn": Text(required=True, replaces=True),
        "resources": Set(replaces=True),
    }
    gone = GONE

    def create(self) -> str:
        selection = self.structure("create_backup_selection", "BackupSelection", "name", "iamRoleArn", "resources")
        answer = self.call("create_backup_selection", BackupPlanId=self["planId"], BackupSelection=selection)
        return str(answer["SelectionId"])

    def _place(self) -> dict[str, str]:
        """Its plan and its own id; an import names both, with | between."""
        plan, _, own = self.id.rpartition("|")
        return {"BackupPlanId": plan or self["planId"], "SelectionId": own}

    def read(self) -> Mapping[str, Any]:
        place = self._place()
        answer = self.call("get_backup_selection", **place)
        return self.observed(answer["BackupSelection"], planId=place["BackupPlanId"])

    def delete(self) -> None:
        self.call("delete_backup_selection", **self._place())
