"""Point-in-time recovery: a table beside the original, as that was, in one region."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.waiting import until

if TYPE_CHECKING:
    from datetime import datetime

    from tests.sandbox.conftest import RunningCloud

HOME, OTHER = "us-east-1", "us-east-2"


def a_table(cloud: RunningCloud, *, recoverable: bool = True, **more: Any) -> str:
    name = f"t{uuid.uuid4().hex[:10]}"
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        **more,
    )
    dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": recoverable}
    )
    return name


def write(client: Any, table: str, **items: int | None) -> None:
    for key, value in items.items():
        if value is None:
            client.delete_item(TableName=table, Key={"pk": {"S": key}})
        else:
            client.update_item(
                TableName=table,
                Key={"pk": {"S": key}},
                UpdateExpression="SET v = :v",
                ExpressionAttributeValues={":v": {"N": str(value)}},
            )


def items(client: Any, table: str) -> dict[str, int]:
    return {each["pk"]["S"]: int(each["v"]["N"]) for each in client.scan(TableName=table)["Items"]}


def window(client: Any, table: str) -> tuple[datetime, datetime]:
    told = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = told["PointInTimeRecoveryDescription"]
    return recovery["EarliestRestorableDateTime"], recovery["LatestRestorableDateTime"]


def a_second_later(client: Any, table: str) -> datetime:
    """The point behind all that has been written so far; what is written next comes after it."""
    before = window(client, table)[1]  # the cloud's clock says it: earlier tests may have set that ahead
    until(lambda: window(client, table)[1] > before, seconds=5)
    return window(client, table)[1]


def restored(client: Any, source: str, **how: Any) -> str:
    name = f"{source}-restored"
    client.restore_table_to_point_in_time(SourceTableName=source, TargetTableName=name, **how)
    return name


def test_a_table_is_restored_as_it_was(cloud: RunningCloud) -> None:
    dynamodb = cloud.client("dynamodb")
    table = a_table(cloud)
    write(dynamodb, table, stays=1, changes=1, goes=1)
    moment = a_second_later(dynamodb, table)
    time.sleep(0.01)
    write(dynamodb, table, changes=2, comes=1, goes=None)
    write(dynamodb, table, changes=3, comes=None)
    assert items(dynamodb, restored(dynamodb, table, RestoreDateTime=moment)) == {"stays": 1, "changes": 1, "goes": 1}
    assert items(dynamodb, table) == {"stays": 1, "changes": 3}


def test_the_latest_point_has_all_that_is_over(cloud: RunningCloud) -> None:
    dynamodb = cloud.client("dynamodb")
    table = a_table(cloud)
    write(dynamodb, table, a=1, b=2)
    a_second_later(dynamodb, table)
    assert items(dynamodb, restored(dynamodb, table, UseLatestRestorableTime=True)) == {"a": 1, "b": 2}


def test_a_replica_restores_what_came_from_the_other_region_too_as_a_table_of_one_region(cloud: RunningCloud) -> None:
    here, there = cloud.client("dynamodb", HOME), cloud.client("dynamodb", OTHER)
    table = a_table(cloud)
    here.update_table(
        TableName=table,
        ReplicaUpdates=[{"Create": {"RegionName": OTHER}}],
        MultiRegionConsistency="STRONG",
        GlobalTableWitnessUpdates=[{"Create": {"RegionName": "us-west-2"}}],
    )
    write(there, table, a=1)
    moment = a_second_later(here, table)
    time.sleep(0.01)
    write(there, table, a=2)
    name = restored(here, table, RestoreDateTime=moment)
    assert items(here, name) == {"a": 1}
    told = here.describe_table(TableName=name)["Table"]
    assert not told.get("Replicas")
    assert not told.get("MultiRegionConsistency")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        there.describe_table(TableName=name)


def test_encryption_is_the_sources_or_the_one_that_is_asked_for_and_indexes_may_be_left_out(
    cloud: RunningCloud,
) -> None:
    dynamodb, key = cloud.client("dynamodb"), "arn:aws:kms:us-east-1:000000000000:key/k"
    table = a_table(cloud, SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
    a_second_later(dynamodb, table)
    name = restored(dynamodb, table, UseLatestRestorableTime=True, GlobalSecondaryIndexOverride=[])
    assert dynamodb.describe_table(TableName=name)["Table"]["SSEDescription"]["KMSMasterKeyArn"] == key
    other = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key + "2"}
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=table,
        TargetTableName=f"{table}-2",
        UseLatestRestorableTime=True,
        SSESpecificationOverride=other,
    )
    assert dynamodb.describe_table(TableName=f"{table}-2")["Table"]["SSEDescription"]["KMSMasterKeyArn"] == key + "2"


def test_what_cannot_be_restored_is_refused(cloud: RunningCloud) -> None:
    dynamodb = cloud.client("dynamodb")
    table, unkept = a_table(cloud), a_table(cloud, recoverable=False)
    earliest, latest = window(dynamodb, table)
    for how, source, code in (
        ({"UseLatestRestorableTime": True}, unkept, "PointInTimeRecoveryUnavailableException"),
        ({"RestoreDateTime": latest.timestamp() + 3600}, table, "InvalidRestoreTimeException"),
        ({"RestoreDateTime": earliest.timestamp() - 3600}, table, "InvalidRestoreTimeException"),
        ({}, table, "ValidationException"),
        ({"UseLatestRestorableTime": True}, "nobody", "TableNotFoundException"),
    ):
        with pytest.raises(ClientError, match=code):
            restored(dynamodb, source, **how)
