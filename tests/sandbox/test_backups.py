"""AWS Backup: a table's items in a vault of its region, in a locked one of another, and restored from there."""

from __future__ import annotations

import functools
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sandbox.faults.fault import InjectedFault
from tests.sandbox.test_recovery import a_table, items, write
from tests.sandbox.virtual_time import NOTICED, VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

HOME, AWAY = "us-east-1", "us-west-2"
ACCOUNT = "000000000000"
DAY = 86_400
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "backup.amazonaws.com"}},
    ],
}


@dataclass(frozen=True)
class Backups:
    """A table, a vault beside it and one far from it, and a role that may do all that is asked of it."""

    cloud: RunningCloud
    table: str
    role: str

    @property
    def here(self) -> Any:
        return self.cloud.client("backup", HOME)

    @property
    def away(self) -> Any:
        return self.cloud.client("backup", AWAY)

    @property
    def arn(self) -> str:
        return f"arn:aws:dynamodb:{HOME}:{ACCOUNT}:table/{self.table}"

    @property
    def far(self) -> str:
        return f"arn:aws:backup:{AWAY}:{ACCOUNT}:backup-vault:{self.table}"

    def may(self, *actions: str) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        self.cloud.client("iam").put_role_policy(
            RoleName=self.table,
            PolicyName="p",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
        )

    def back_up(self, days: int = 1) -> dict[str, Any]:
        started = self.here.start_backup_job(
            BackupVaultName=self.table, ResourceArn=self.arn, IamRoleArn=self.role, Lifecycle={"DeleteAfterDays": days}
        )
        return dict(self.here.describe_backup_job(BackupJobId=started["BackupJobId"]))

    def copy(self, point: str, days: int = 35) -> dict[str, Any]:
        started = self.here.start_copy_job(
            RecoveryPointArn=point,
            SourceBackupVaultName=self.table,
            DestinationBackupVaultArn=self.far,
            IamRoleArn=self.role,
            Lifecycle={"DeleteAfterDays": days},
        )
        return dict(self.here.describe_copy_job(CopyJobId=started["CopyJobId"])["CopyJob"])

    def copies(self) -> list[dict[str, Any]]:
        found = self.away.list_recovery_points_by_backup_vault(BackupVaultName=self.table)["RecoveryPoints"]
        return [dict(each) for each in found]


ALL = (
    "dynamodb:DescribeTable", "dynamodb:ListTagsOfResource", "dynamodb:StartAwsBackupJob",
    "dynamodb:RestoreTableFromAwsBackup", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem",
    "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem",
    "backup:CopyFromBackupVault", "backup:CopyIntoBackupVault", "backup:DescribeBackupVault",
)  # fmt: skip


@pytest.fixture
def backups(cloud: RunningCloud) -> Backups:
    return backups_in(cloud)


def backups_in(cloud: RunningCloud) -> Backups:
    table = a_table(cloud)
    iam = cloud.client("iam")
    role = iam.create_role(RoleName=table, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    made = Backups(cloud, table, role)
    made.may(*ALL)
    for client in (made.here, made.away):
        client.create_backup_vault(BackupVaultName=table)
    return made


def has_copies(made: Backups, number: int) -> bool:
    return len(made.copies()) == number


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidRequestException"
    return str(error["Message"])


def test_a_copy_in_another_region_restores_the_table_as_it_was(backups: Backups) -> None:
    dynamodb = backups.cloud.client("dynamodb")
    write(dynamodb, backups.table, stays=1, changes=1, goes=1)
    job = backups.back_up()
    assert (job["State"], job["ResourceType"]) == ("COMPLETED", "DynamoDB")
    write(dynamodb, backups.table, changes=2, goes=None)
    copied = backups.copy(job["RecoveryPointArn"])
    assert copied["State"] == "COMPLETED"
    dynamodb.delete_table(TableName=backups.table)
    (found,) = backups.copies()
    assert found["RecoveryPointArn"] == copied["DestinationRecoveryPointArn"]
    assert (found["CalculatedLifecycle"]["DeleteAt"] - found["CreationDate"]).days == 35
    name = f"{backups.table}-restored"
    started = backups.away.start_restore_job(
        RecoveryPointArn=found["RecoveryPointArn"], IamRoleArn=backups.role, Metadata={"targetTableName": name}
    )
    restored = backups.away.describe_restore_job(RestoreJobId=started["RestoreJobId"])
    assert (restored["Status"], restored["CreatedResourceArn"].rpartition("/")[2]) == ("COMPLETED", name)
    assert items(backups.cloud.client("dynamodb", AWAY), name) == {"stays": 1, "changes": 1, "goes": 1}


@pytest.mark.parametrize("without", ["dynamodb:StartAwsBackupJob", "dynamodb:ListTagsOfResource"])
def test_a_job_whose_role_lacks_a_right_fails(backups: Backups, without: str) -> None:
    backups.may(*(action for action in ALL if action != without))
    job = backups.back_up()
    assert (job["State"], job.get("RecoveryPointArn")) == ("FAILED", None)
    assert f"not authorized to perform {without}" in job["StatusMessage"]


@pytest.mark.parametrize("without", ["backup:CopyFromBackupVault", "backup:CopyIntoBackupVault"])
def test_a_copy_whose_role_lacks_a_right_fails(backups: Backups, without: str) -> None:
    backups.may(*(action for action in ALL if action != without))
    copied = backups.copy(backups.back_up()["RecoveryPointArn"])
    assert copied["State"] == "FAILED"
    assert f"not authorized to perform {without}" in copied["StatusMessage"]
    assert not backups.copies()


@pytest.mark.parametrize(("named", "state"), [("", "COMPLETED"), ("-other", "FAILED")])
def test_a_role_copies_only_into_the_vault_that_its_condition_names(backups: Backups, named: str, state: str) -> None:
    targets = "backup:CopyTargets"
    condition = {"ForAllValues:ArnEquals": {targets: [backups.far + named]}, "Null": {targets: "false"}}
    copies = {"Effect": "Allow", "Action": ["backup:CopyFromBackupVault"], "Resource": "*", "Condition": condition}
    others = [action for action in ALL if action != "backup:CopyFromBackupVault"]
    statements = [copies, {"Effect": "Allow", "Action": others, "Resource": "*"}]
    backups.cloud.client("iam").put_role_policy(
        RoleName=backups.table,
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    assert backups.copy(backups.back_up()["RecoveryPointArn"])["State"] == state


def test_a_copy_into_a_region_that_is_out_fails_and_the_backup_stays(own_cloud: RunningCloud) -> None:
    made = backups_in(own_cloud)
    point = made.back_up()["RecoveryPointArn"]
    fault = own_cloud.sandbox.begin_fault(InjectedFault("refuse", AWAY))
    assert made.copy(point)["State"] == "FAILED"
    own_cloud.sandbox.heal(fault.number)
    assert made.copy(point)["State"] == "COMPLETED"


def test_a_lock_keeps_what_is_in_a_vault_and_the_vault(backups: Backups) -> None:
    lock = {"MinRetentionDays": 30, "MaxRetentionDays": 90}
    backups.away.put_backup_vault_lock_configuration(BackupVaultName=backups.table, **lock)
    told = backups.away.describe_backup_vault(BackupVaultName=backups.table)
    assert told["Locked"]
    assert {name: told[name] for name in lock} == lock
    assert "LockDate" not in told
    point = backups.back_up()["RecoveryPointArn"]
    for days in (29, 91):
        assert backups.copy(point, days)["State"] == "FAILED"
    assert backups.copy(point, 30)["State"] == "COMPLETED"
    (found,) = backups.copies()
    place = {"BackupVaultName": backups.table, "RecoveryPointArn": found["RecoveryPointArn"]}
    assert "is locked" in refused(backups.away.delete_recovery_point, **place)
    contains = refused(backups.away.delete_backup_vault, BackupVaultName=backups.table)
    assert contains == "Backup vault cannot be deleted because it contains recovery points."
    backups.away.delete_backup_vault_lock_configuration(BackupVaultName=backups.table)
    backups.away.delete_recovery_point(**place)
    backups.away.delete_backup_vault(BackupVaultName=backups.table)


def test_a_lock_in_compliance_mode_is_for_good_when_its_cooling_off_period_is_over(own_cloud: RunningCloud) -> None:
    backup, name = own_cloud.client("backup"), f"t{uuid.uuid4().hex[:10]}"
    backup.create_backup_vault(BackupVaultName=name)
    with pytest.raises(ClientError, match="3 or greater"):
        backup.put_backup_vault_lock_configuration(BackupVaultName=name, ChangeableForDays=2)
    backup.put_backup_vault_lock_configuration(BackupVaultName=name, MinRetentionDays=1, ChangeableForDays=3)
    backup.delete_backup_vault_lock_configuration(BackupVaultName=name)
    backup.put_backup_vault_lock_configuration(BackupVaultName=name, MinRetentionDays=1, ChangeableForDays=3)
    VirtualTime(own_cloud.sandbox).jump(3 * DAY + 60)
    assert "immutable" in refused(backup.delete_backup_vault_lock_configuration, BackupVaultName=name)
    assert "immutable" in refused(backup.put_backup_vault_lock_configuration, BackupVaultName=name, MinRetentionDays=1)


def test_a_plan_copies_every_day_and_what_is_over_goes(own_cloud: RunningCloud) -> None:
    made, clock = backups_in(own_cloud), VirtualTime(own_cloud.sandbox)
    table = made.table
    rule = {
        "RuleName": "daily",
        "TargetBackupVaultName": table,
        "ScheduleExpression": "cron(0 5 * * ? *)",
        "Lifecycle": {"DeleteAfterDays": 1},
        "CopyActions": [{"DestinationBackupVaultArn": made.far, "Lifecycle": {"DeleteAfterDays": 3}}],
    }
    plan = made.here.create_backup_plan(BackupPlan={"BackupPlanName": table, "Rules": [rule]})["BackupPlanId"]
    (told,) = made.here.get_backup_plan(BackupPlanId=plan)["BackupPlan"]["Rules"]
    assert told["RuleId"]
    assert told["CompletionWindowMinutes"] == 10_080
    selection = {"SelectionName": table, "IamRoleArn": made.role, "Resources": [made.arn]}
    made.here.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    assert "must be deleted prior" in refused(made.here.delete_backup_plan, BackupPlanId=plan)
    assert not made.copies()
    seen = 0
    clock.pass_seconds(10 * NOTICED)
    for day in range(5):
        clock.jump(DAY)
        until(functools.partial(has_copies, made, min(day + 1, 3)), seconds=30)
        seen = max(seen, len(made.here.list_recovery_points_by_backup_vault(BackupVaultName=table)["RecoveryPoints"]))
    assert seen == 1
    assert {each["CreatedBy"]["BackupPlanId"] for each in made.copies()} == {plan}
    copied = {"Namespace": "AWS/Backup", "MetricName": "NumberOfCopyJobsCompleted"}
    found = own_cloud.client("cloudwatch").list_metrics(**copied)["Metrics"]
    assert [{"Name": "BackupVaultName", "Value": table}] in [each["Dimensions"] for each in found]
