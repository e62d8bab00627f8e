"""Jobs of AWS Backup: a table is backed up into a vault, copied into another region's, and restored from there.

A job is over when its request is answered; on AWS it takes minutes to hours. It does what its role may do: the actions
that AWS's own policies for its roles name (AWSBackupServiceRolePolicyForBackup, AWSBackupServiceRolePolicyForRestores).
"""

from __future__ import annotations

import copy
import json
import uuid
from typing import TYPE_CHECKING, Any

from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import backup, dynamodb

from sandbox.cloud.backups import locks
from sandbox.cloud.backups.store import COPIES, POINTS, RESTORES, RecoveryPoint
from sandbox.cloud.watch.here import Here
from sandbox.cloud.watch.metrics import Name, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    Days = int | None

NAMESPACE = "AWS/Backup"
BACKS_UP = ("dynamodb:DescribeTable", "dynamodb:ListTagsOfResource", "dynamodb:StartAwsBackupJob")
READS_KEY = ("kms:Decrypt", "kms:GenerateDataKey")
FILLS = ("DescribeTable", "RestoreTableFromAwsBackup", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query")
OF_A_TABLE = ("AttributeDefinitions", "KeySchema")
OF_AN_INDEX = ("IndexName", "KeySchema", "Projection")


class JobFailed(Exception):
    """A job that ends as FAILED; its text is the job's message."""


def back_up(resource: str, vault: str, role: str, days: Days, by: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Back a table of the request's region up into a vault there; what DescribeBackupJob tells of the job.

    days: how long the backup is kept; None for ever. by: the plan and rule that asked, as `CreatedBy` tells them.
    """
    now = int(Here.clock.now())
    job: dict[str, Any] = {
        "BackupJobId": str(uuid.uuid4()),
        "AccountId": get_account_id(),
        "BackupVaultName": vault,
        "BackupVaultArn": backup._vault_arn(vault),
        "ResourceArn": resource,
        "ResourceType": "DynamoDB",
        "IamRoleArn": role,
        "CreatedBy": dict(by or {}),
        "CreationDate": now,
        "CompletionDate": now,
    }
    try:
        point = _backed_up(resource, vault, role, days, by)
    except JobFailed as failed:
        job |= {"State": "FAILED", "StatusMessage": str(failed), "PercentDone": "0.0"}
    else:
        job |= {"State": "COMPLETED", "PercentDone": "100.0", "RecoveryPointArn": point.arn}
        job["BackupSizeInBytes"] = point.told["BackupSizeInBytes"]
    backup._jobs[job["BackupJobId"]] = job
    _count("Backup", job["State"], vault)
    return job


def _backed_up(resource: str, vault: str, role: str, days: Days, by: Mapping[str, str] | None) -> RecoveryPoint:
    table = dynamodb._tables.get(parse_arn(resource).resource.removeprefix("table/"))
    if table is None or table["TableArn"] != resource:
        raise JobFailed(f"{resource} is not found in {get_region()}.")
    for action in BACKS_UP:
        _require(role, action, resource)
    if key := (table.get("SSEDescription") or {}).get("KMSMasterKeyArn"):
        for action in READS_KEY:
            _require(role, action, key, {"kms:viaservice": f"dynamodb.{get_region()}.amazonaws.com"})
    shape = {name: copy.deepcopy(table[name]) for name in OF_A_TABLE}
    if indexes := table.get("GlobalSecondaryIndexes"):
        shape["GlobalSecondaryIndexes"] = [{name: each[name] for name in OF_AN_INDEX} for each in indexes]
    items = copy.deepcopy({partition: dict(sorts) for partition, sorts in table["items"].items()})
    more = {"ResourceArn": resource, "CreatedBy": dict(by or {})}
    return _kept(vault, shape, items, role=role, days=days, more=more)


def copy_to(arn: str, source: str, destination: str, role: str, days: Days) -> dict[str, Any]:
    """Copy a recovery point of the request's region into a vault of any; what DescribeCopyJob tells of the job."""
    now = int(Here.clock.now())
    job: dict[str, Any] = {
        "CopyJobId": str(uuid.uuid4()),
        "AccountId": get_account_id(),
        "SourceBackupVaultArn": backup._vault_arn(source),
        "SourceRecoveryPointArn": arn,
        "DestinationBackupVaultArn": destination,
        "ResourceType": "DynamoDB",
        "IamRoleArn": role,
        "CreationDate": now,
        "CompletionDate": now,
    }
    try:
        point = _copied(arn, source, destination, role, days)
    except JobFailed as failed:
        job |= {"State": "FAILED", "StatusMessage": str(failed)}
    else:
        job |= {"State": "COMPLETED", "DestinationRecoveryPointArn": point.arn}
        job |= {name: point.told[name] for name in ("ResourceArn", "BackupSizeInBytes")}
    COPIES[job["CopyJobId"]] = job
    _count("Copy", job["State"], destination.rpartition(":")[2])
    return job


def _copied(arn: str, source: str, destination: str, role: str, days: Days) -> RecoveryPoint:
    point = POINTS.get(arn)
    if point is None or point.vault != source:
        raise JobFailed(f"{arn} is not found in {source}.")
    there = parse_arn(destination)
    if Here.out(there.region, "backup"):
        raise JobFailed(f"AWS Backup in {there.region} does not answer.")
    _require(role, "backup:CopyFromBackupVault", arn, {"backup:copytargets": [destination]})
    for action in ("backup:DescribeBackupVault", "backup:CopyIntoBackupVault"):
        _require(role, action, destination)
    with request_scope(there.account_id, there.region):
        name = there.resource.removeprefix("backup-vault:")
        told = {key: point.told[key] for key in ("ResourceArn", "CreatedBy")}
        more = {**told, "SourceBackupVaultArn": point.told["BackupVaultArn"]}
        return _kept(name, point.table, point.items, role=role, days=days, more=more)


def restore(arn: str, metadata: Mapping[str, str], role: str) -> dict[str, Any]:
    """Restore a recovery point of the request's region as a table there; what DescribeRestoreJob tells of the job."""
    now = int(Here.clock.now())
    job: dict[str, Any] = {
        "RestoreJobId": str(uuid.uuid4()),
        "AccountId": get_account_id(),
        "RecoveryPointArn": arn,
        "ResourceType": "DynamoDB",
        "IamRoleArn": role,
        "CreationDate": now,
        "CompletionDate": now,
    }
    try:
        created = _restored(arn, metadata, role)
    except JobFailed as failed:
        job |= {"Status": "FAILED", "StatusMessage": str(failed), "PercentDone": "0.00%"}
    else:
        job |= {"Status": "COMPLETED", "PercentDone": "100.00%", "CreatedResourceArn": created}
    RESTORES[job["RestoreJobId"]] = job
    return job


def _restored(arn: str, metadata: Mapping[str, str], role: str) -> str:
    point, name = POINTS.get(arn), metadata.get("targetTableName")
    if point is None:
        raise JobFailed(f"{arn} is not found in {get_region()}.")
    if not name:
        raise JobFailed("Metadata names no targetTableName.")
    created = f"arn:aws:dynamodb:{get_region()}:{get_account_id()}:table/{name}"
    for action in FILLS:
        _require(role, f"dynamodb:{action}", created)
    request = {"TableName": name, "BillingMode": "PAY_PER_REQUEST", **copy.deepcopy(point.table)}
    if key := metadata.get("kmsMasterKeyArn"):
        request["SSESpecification"] = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key}
    status, _, body = dynamodb._create_table(request)
    if status != 200:
        raise JobFailed(str(json.loads(body).get("message", "the table cannot be made")))
    table = dynamodb._tables[name]
    table["items"] = point.fresh_items()
    dynamodb._items_replaced(table)
    return created


def _kept(
    vault: str, table: dict[str, Any], items: dict[str, Any], *, role: str, days: Days, more: Mapping[str, Any]
) -> RecoveryPoint:
    """A recovery point, new in a vault of the request's region."""
    there = backup._vaults.get(vault)
    if there is None:
        raise JobFailed(f"Backup vault {vault} is not found in {get_region()}.")
    if refusal := locks.retention_refused(there, days):
        raise JobFailed(refusal)
    if key := there["EncryptionKeyArn"]:
        _require(role, "kms:DescribeKey", key)
    now = int(Here.clock.now())
    told = {
        "RecoveryPointArn": f"arn:aws:backup:{get_region()}:{get_account_id()}:recovery-point:{uuid.uuid4()}",
        "BackupVaultName": vault,
        "BackupVaultArn": backup._vault_arn(vault),
        "ResourceType": "DynamoDB",
        "IamRoleArn": role,
        "Status": "COMPLETED",
        "CreationDate": now,
        "CompletionDate": now,
        "BackupSizeInBytes": len(json.dumps(items)),
        "EncryptionKeyArn": key,
        "IsEncrypted": True,
        "StorageClass": "WARM",
        **({"Lifecycle": {"DeleteAfterDays": days}} if days else {}),
        **({"CalculatedLifecycle": {"DeleteAt": now + days * locks.DAY}} if days else {}),
        **more,
    }
    point = RecoveryPoint(told, table, items)
    POINTS[point.arn] = point
    return point


def forget(now: float) -> bool:
    """Delete the recovery points whose time is over, in all regions; whether there were any."""
    ended = [(key, point) for key, point in list(POINTS._data.items()) if point.expired(now)]
    for (account, region, arn), _ in ended:
        with request_scope(account, region):
            del POINTS[arn]
    return bool(ended)


def _require(role: str, action: str, resource: str, conditions: Mapping[str, Any] | None = None) -> None:
    """Raise JobFailed when a role may not do something."""
    account = get_account_id()
    context = EvalContext(
        principal_arn=role,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        service_context={"aws:resourceaccount": account, **(conditions or {})},
    )
    policies = iam_evaluator._gather_role_policies(role.rpartition("/")[2], account)
    if iam_evaluator.evaluate(context, policies).decision != "Allow":
        raise JobFailed(f"{role} is not authorized to perform {action} on {resource}")


def _count(what: str, state: str, vault: str) -> None:
    """Tell CloudWatch, in the request's region; of a copy by the vault it goes to, as AWS does."""
    metric = f"NumberOf{what}Jobs{state.title()}"
    scope = Scope(get_account_id(), get_region())
    for dimensions in ({"BackupVaultName": vault}, {"ResourceType": "DynamoDB"}):
        Here.metrics.count(scope, Name.of(NAMESPACE, metric, dimensions), 1.0, "Count")
