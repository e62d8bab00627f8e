"""A table is restored beside the original, read whole, and always taken away again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from drill.restoring import SEGMENTS, Restoring
from shared.errors import Problem

NOW = datetime(2026, 11, 27, 10, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class RestoringTables:
    """DynamoDB as far as it restores: a table is there after some looks, and one more until it is gone."""

    def __init__(self, *, looks=3, recovery="ENABLED", left=None, items=()):
        self.looks, self.recovery, self.items = looks, recovery, list(items)
        self.tables = {"payments": "ACTIVE", **({"payments-restore-test": left} if left else {})}
        self.calls, self.asked = [], {}
        self.on_look = lambda: None

    def describe_continuous_backups(self, **_):
        return {
            "ContinuousBackupsDescription": {
                "PointInTimeRecoveryDescription": {
                    "PointInTimeRecoveryStatus": self.recovery,
                    "EarliestRestorableDateTime": NOW - DAY,
                    "LatestRestorableDateTime": NOW + timedelta(milliseconds=700),
                }
            }
        }

    def restore_table_to_point_in_time(self, **asked):
        self.calls.append("restore")
        assert asked["TargetTableName"] not in self.tables
        self.asked = asked
        self.tables[asked["TargetTableName"]] = "CREATING"

    def describe_table(self, TableName):  # noqa: N803 - boto3's
        status = self.tables.get(TableName)
        if status is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "none"}}, "DescribeTable")
        self.on_look()
        if status in {"CREATING", "DELETING"}:
            self.looks -= 1
            if self.looks <= 0:
                if status == "CREATING":
                    self.tables[TableName] = "ACTIVE"
                else:
                    del self.tables[TableName]
        return {"Table": {"TableStatus": status}}

    def delete_table(self, TableName):  # noqa: N803
        self.calls.append("delete")
        if self.tables[TableName] != "ACTIVE":
            raise ClientError({"Error": {"Code": "ResourceInUseException", "Message": "busy"}}, "DeleteTable")
        self.tables[TableName], self.looks = "DELETING", 2

    def scan(self, *, Segment, TotalSegments, ConsistentRead, ExclusiveStartKey=0, **_):  # noqa: N803
        assert ConsistentRead
        mine = self.items[Segment::TotalSegments]
        page, rest = mine[ExclusiveStartKey : ExclusiveStartKey + 2], mine[ExclusiveStartKey + 2 :]
        return {"Items": page, **({"LastEvaluatedKey": ExclusiveStartKey + 2} if rest else {})}


def restoring(client, told=None):
    tell = (lambda _: None) if told is None else told.append
    return Restoring(client, "us-east-1", "payments", "arn:key", tell, lambda _: None)


def test_it_is_restored_with_its_key_without_indexes_and_goes():
    tables = RestoringTables()
    with restoring(tables).restored(NOW) as name:
        assert tables.tables[name] == "ACTIVE"
        assert name == "payments-restore-test"
    assert tables.tables == {"payments": "ACTIVE"}
    assert tables.asked["RestoreDateTime"] == NOW
    assert tables.asked["GlobalSecondaryIndexOverride"] == []
    assert tables.asked["SSESpecificationOverride"]["KMSMasterKeyId"] == "arn:key"


@pytest.mark.parametrize("status", ["ACTIVE", "CREATING", "DELETING"])
def test_what_another_run_has_left_goes_first(status):
    tables, told = RestoringTables(left=status), []
    with restoring(tables, told).restored(NOW):
        pass
    assert tables.tables == {"payments": "ACTIVE"}
    assert tables.calls[-2:] == ["restore", "delete"]
    assert "is left of another run" in told[0]


@pytest.mark.parametrize("error", [Problem("x"), KeyboardInterrupt()])
def test_it_goes_when_what_reads_it_fails(error):
    tables = RestoringTables()
    with pytest.raises(type(error)), restoring(tables).restored(NOW):
        raise error
    assert tables.tables == {"payments": "ACTIVE"}


def test_what_is_interrupted_while_it_is_restored_is_left_and_said():
    tables, told = RestoringTables(looks=100), []

    def interrupted():
        tables.on_look = lambda: None
        raise KeyboardInterrupt

    tables.on_look = interrupted
    with pytest.raises(KeyboardInterrupt), restoring(tables, told).restored(NOW):
        raise AssertionError
    assert tables.tables["payments-restore-test"] == "CREATING"
    assert "the next ./invoke restore-test removes it" in told[-1]


def test_whoever_waits_long_is_told_so():
    told: list[str] = []
    with restoring(RestoringTables(looks=30), told).restored(NOW):
        pass
    assert "restoring payments as payments-restore-test: 1 min" in told


def test_a_moment_is_a_whole_second_that_can_be_recovered():
    table = restoring(RestoringTables())
    assert table.moment(None) == NOW
    assert table.moment(NOW.timestamp() - 60.5) == NOW - timedelta(seconds=61)
    for wanted in (NOW - 2 * DAY, NOW + timedelta(seconds=2)):
        with pytest.raises(Problem, match="from 2026-11-26T10:00:00Z to 2026-11-27T10:00:00Z"):
            table.moment(wanted.timestamp())


def test_without_recovery_there_is_nothing_to_test():
    with pytest.raises(Problem, match="has no point-in-time recovery in us-east-1"):
        restoring(RestoringTables(recovery="DISABLED")).moment(None)


@pytest.mark.parametrize("number", [0, 1, SEGMENTS, 37])
def test_every_item_is_read_once(number):
    items = [{"pk": {"S": str(each)}} for each in range(number)]
    read = list(restoring(RestoringTables(items=items)).items("payments"))
    assert sorted(read, key=str) == sorted(items, key=str)
