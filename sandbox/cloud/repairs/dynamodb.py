"""DynamoDB's global tables and backups."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id
from ministack.services import dynamodb

if TYPE_CHECKING:
    from collections.abc import Iterator

    Request = dict[str, Any]
    Table = dict[str, Any]
    Answer = tuple[int, dict[str, str], bytes]


def multi_region_consistency() -> None:
    """Strong consistency, its witness and the replicas' keys are accepted and forgotten, and streams turned on.

    Writes reach all replicas before they are answered, so that strongly consistent reads are what they should be.
    """
    update, describe = dynamodb._update_table, dynamodb._table_description

    def updated(request: Request) -> Answer:
        table = dynamodb._tables.get(dynamodb._normalize_table_name(request.get("TableName")))
        streams = bool(table and table.get("StreamSpecification"))
        answer: Answer = update(request)
        if answer[0] != 200 or not request.get("ReplicaUpdates"):
            return answer
        _note(table, request)
        if not streams:
            _drop_streams(table)
        return 200, answer[1], json.dumps({"TableDescription": described(table["TableName"])}).encode()

    def described(name: str) -> dict[str, Any]:
        table = dynamodb._tables[name]
        kept = ("MultiRegionConsistency", "GlobalTableWitnesses")
        description: dict[str, Any] = {**describe(name), **{field: table[field] for field in kept if table.get(field)}}
        encrypted = {_region(member): member.get("SSEDescription") or {} for member in _members(table)}
        keys = {region: each.get("KMSMasterKeyArn") for region, each in encrypted.items()}
        for replica in description.get("Replicas", ()):
            if key := keys.get(replica["RegionName"]):
                replica["KMSMasterKeyId"] = key
        return description

    dynamodb._update_table, dynamodb._table_description = updated, described


def recovery_period() -> None:
    """The number of days that a table can be recovered to is accepted and forgotten."""
    update, describe = dynamodb._update_continuous_backups, dynamodb._describe_continuous_backups

    def updated(request: Request) -> Answer:
        answer: Answer = update(request)
        if answer[0] == 200:
            given = request["PointInTimeRecoverySpecification"]
            _table(request)["RecoveryPeriodInDays"] = given.get("RecoveryPeriodInDays", 35)
        return answer

    def described(request: Request) -> Answer:
        answer: Answer = describe(request)
        if answer[0] != 200:
            return answer
        body = json.loads(answer[2])
        recovery = body["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        if recovery["PointInTimeRecoveryStatus"] == "ENABLED":
            recovery["RecoveryPeriodInDays"] = _table(request).get("RecoveryPeriodInDays", 35)
        return 200, answer[1], json.dumps(body).encode()

    dynamodb._update_continuous_backups, dynamodb._describe_continuous_backups = updated, described


def _note(table: Table, request: Request) -> None:
    """Keep what a change of replicas says about consistency, witness and keys."""
    witnesses = {each["RegionName"] for each in table.get("GlobalTableWitnesses", ())}
    for change in request.get("GlobalTableWitnessUpdates") or ():
        for action, witness in change.items():
            (witnesses.add if action == "Create" else witnesses.discard)(witness["RegionName"])
    members = list(_members(table))
    consistency = request.get("MultiRegionConsistency") or table.get("MultiRegionConsistency")
    for member in members:
        member["MultiRegionConsistency"] = consistency if len(members) > 1 else None
        member["GlobalTableWitnesses"] = [
            {"RegionName": region, "WitnessStatus": "ACTIVE"} for region in sorted(witnesses)
        ]
    for change in request["ReplicaUpdates"]:
        created = change.get("Create") or {}
        for member in members:
            if created.get("KMSMasterKeyId") and _region(member) == created["RegionName"]:
                key = {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": created["KMSMasterKeyId"]}
                member["SSEDescription"] = key


def _drop_streams(table: Table) -> None:
    """Eventual consistency replicates by streams on AWS, strong consistency does not."""
    for member in _members(table):
        if member.get("MultiRegionConsistency") == "STRONG":
            for name in ("StreamSpecification", "LatestStreamLabel", "LatestStreamArn"):
                member.pop(name, None)


def _members(table: Table) -> Iterator[Table]:
    """The table in each of its regions."""
    regions = table.get("_global_regions") or [_region(table)]
    for region in regions:
        member = dynamodb._tables.get_scoped(get_account_id(), region, table["TableName"])
        if member is not None:
            yield member


def _region(table: Table) -> str:
    return str(table["TableArn"].split(":")[3])


def _table(request: Request) -> Table:
    table: Table = dynamodb._tables[dynamodb._normalize_table_name(request["TableName"])]
    return table
