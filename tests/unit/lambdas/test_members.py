"""Who belongs to the payments table: what is gone or not active is counted, what cannot be asked is not measured."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from lambdas.adapters.retry import Retry
from lambdas.canary.members import MISSING, TableMembers
from tests.doubles.payments import ListJournal, ManualClock

PEER, WITNESS = "us-east-2", "us-west-2"
REPLICA = {"RegionName": PEER, "ReplicaStatus": "ACTIVE"}
HERE = {"RegionName": "us-east-1", "ReplicaStatus": "ACTIVE"}
VOTES = {"RegionName": WITNESS, "WitnessStatus": "ACTIVE"}


class DynamoDb:
    """Answers DescribeTable with one table, or raises."""

    def __init__(self, table):
        self.table, self.asked = table, []

    def describe_table(self, **arguments):
        self.asked.append(arguments)
        if isinstance(self.table, Exception):
            raise self.table
        return {"Table": self.table}


def counted(table, witness=WITNESS):
    """(Metrics and words of the one line that is told, what DynamoDB was asked.)"""
    clock = ManualClock()
    journal = ListJournal(clock, {}, "payments", "x7k2", "primary")
    journal.lines = []
    dynamodb = DynamoDb(table)
    TableMembers(dynamodb, "payments", PEER, witness, Retry(clock, attempts=1), journal).count()
    (line,) = journal.lines
    return line, dynamodb.asked


@pytest.mark.parametrize(
    ("table", "witness", "missing"),
    [
        ({"Replicas": [REPLICA], "GlobalTableWitnesses": [VOTES]}, WITNESS, 0),
        ({"Replicas": [HERE, REPLICA], "GlobalTableWitnesses": [VOTES]}, WITNESS, 0),
        ({"Replicas": [REPLICA]}, "", 0),
        ({"Replicas": [REPLICA]}, WITNESS, 1),
        ({"Replicas": [HERE], "GlobalTableWitnesses": [VOTES]}, WITNESS, 1),
        ({"Replicas": [HERE], "GlobalTableWitnesses": []}, WITNESS, 2),
        ({}, WITNESS, 2),
        ({"Replicas": None}, "", 1),
        ({"Replicas": [REPLICA], "GlobalTableWitnesses": [{**VOTES, "RegionName": "eu-west-1"}]}, WITNESS, 1),
        ({"Replicas": [REPLICA], "GlobalTableWitnesses": [{**VOTES, "WitnessStatus": "DELETING"}]}, WITNESS, 1),
        *(
            ({"Replicas": [{**REPLICA, "ReplicaStatus": status}]}, "", 1)
            for status in ("REGION_DISABLED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "CREATION_FAILED", "DELETING")
        ),
    ],
)
def test_what_is_gone_or_not_active_is_counted(table, witness, missing):
    line, asked = counted(table, witness)
    assert line[MISSING] == missing
    assert [each["Name"] for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]] == [MISSING]
    assert asked == [{"TableName": "payments"}]


def test_the_line_says_which_member_it_is():
    line, _ = counted({"Replicas": [{**REPLICA, "ReplicaStatus": "REGION_DISABLED"}]})
    assert (line["replica"], line["witness"]) == ("REGION_DISABLED", "gone")


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeTable"),
        ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DescribeTable"),
        TimeoutError(),
    ],
)
def test_what_cannot_be_asked_is_told_without_a_metric_which_the_alarm_takes_for_missing(error):
    """Rights that were taken away, a table that is not there, a DynamoDB that does not answer."""
    line, asked = counted(error)
    assert len(asked) == 1, "the next minute asks again"
    assert line["event"] == "table_members_unknown"
    assert "_aws" not in line
    assert MISSING not in line
