"""The backup restores, a damage is seen by it, and payments of another table come into a system that serves."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from lambdas.adapters.items import to_item
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved
from lambdas.domain.payment import opened
from sandbox.clock import SharedClock
from sandbox.layout import Layout
from sandbox.processor.ledger import read
from shared.clients import STOREFRONT
from tests.e2e.test_payment_api import deployed, insist  # noqa: F401 - a fixture
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("running")

OLD = "payments-before"
"""The table of a system before this one."""
AN_HOUR = 3_600_000
BATCH = 25
"""Items of one BatchWriteItem (its limit)."""


def tables(deployed):  # noqa: F811
    return deployed.client("dynamodb", "primary").list_tables()["TableNames"]


def in_the_past(running, deployed):  # noqa: F811
    """A moment that can be restored to, behind all that has been written so far by the sandbox's clock."""
    dynamodb, now = deployed.client("dynamodb", "primary"), SharedClock(Layout(running.root).clock).now()

    def latest():
        told = dynamodb.describe_continuous_backups(TableName=deployed.outputs["table_name"])
        at = told["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["LatestRestorableDateTime"]
        return at if at.timestamp() > now else None

    return until(latest).isoformat()


def test_the_table_is_restored_beside_the_original_compared_and_removed(running, deployed):  # noqa: F811
    dynamodb, table = deployed.client("dynamodb", "primary"), deployed.outputs["table_name"]
    paid = insist(deployed, "secondary", "before-the-restore").json()["paymentId"]
    at = in_the_past(running, deployed)
    left = {"AttributeName": "pk", "KeyType": "HASH"}
    dynamodb.create_table(  # as by a run that was cut off
        TableName=f"{table}-restore-test",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[left],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    said = running.ok("restore-test", "--at", at, "--json")
    assert "is left of another run: removing it" in said.err
    found = said.json
    assert found["same"]
    assert found["sha256"]["original"] == found["sha256"]["restored"]
    assert found["items"]["same"] >= 1
    assert f"{table}-restore-test" not in tables(deployed)

    key = {"pk": {"S": paid}, "sk": {"S": "payment"}}
    amount = {"UpdateExpression": "SET minor_units = :v", "Key": key, "TableName": table}
    dynamodb.update_item(**amount, ExpressionAttributeValues={":v": {"N": "1"}})
    damaged = running.run("restore-test", "--at", at, "--json")
    dynamodb.update_item(**amount, ExpressionAttributeValues={":v": {"N": "10000"}})
    assert damaged.code == 1
    assert [each["key"] for each in damaged.json["differences"]] == [[paid, "payment"]]
    assert f"{table}-restore-test" not in tables(deployed)
    assert "can be restored in us-east-1 to a moment from " in running.run("restore-test", "--at", "2d").complaint


def before(number, at):
    """The key of a payment of the system before this one, and its item: one in twenty was left unfinished."""
    instruction = Instruction(STOREFRONT, f"before-{number}", Money(10_000, "USD"), "test-123")
    payment = opened(instruction, region="us-east-1", endpoint="us-east-1.processor.example.com", holder="h", now=at)
    if number % 20:
        payment = payment.settled(Approved(f"ch_{number}"), at + 100).audited(at + 200)
    return instruction.key, to_item(payment)


@contextmanager
def another_table(dynamodb, items):
    """A table of one region with these items, as long as the block lasts."""
    dynamodb.create_table(
        TableName=OLD,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
    )
    try:
        written(dynamodb, OLD, [{"PutRequest": {"Item": item}} for item in items])
        yield
    finally:
        dynamodb.delete_table(TableName=OLD)


def written(dynamodb, table, requests):
    for first in range(0, len(requests), BATCH):
        answer = dynamodb.batch_write_item(RequestItems={table: requests[first : first + BATCH]})
        assert not answer["UnprocessedItems"]


@contextmanager
def load(deployed, paid):  # noqa: F811
    """New payments in both regions, as long as the block lasts; ids of those that were answered 201 go into `paid`."""
    over, numbers = threading.Event(), itertools.count()

    def client(role):
        while not over.is_set():
            try:
                answer = deployed.post(role, f"meanwhile-{next(numbers)}")
            except httpx.TransportError:
                continue
            if answer.status_code == 201:
                paid.append(answer.json()["paymentId"])

    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(client, role) for role in ("primary", "secondary")]
        try:
            yield
        finally:
            over.set()
    for each in running:
        each.result()


def everything(deployed, role):  # noqa: F811
    pages = deployed.client("dynamodb", role).get_paginator("scan").paginate(TableName=deployed.outputs["table_name"])
    return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


@pytest.mark.parametrize("number", [40, pytest.param(10_000, marks=pytest.mark.prove)])
def test_payments_of_a_system_before_this_one_come_in_under_load_and_none_is_lost(running, deployed, number):  # noqa: F811
    dynamodb, table = deployed.client("dynamodb", "primary"), deployed.outputs["table_name"]
    at = int(time.time() * 1000) - AN_HOUR
    old = dict(before(each, at) for each in range(number))
    finished = {item["pk"]["S"]: item for item in old.values() if item["status"]["S"] == "CAPTURED"}
    meanwhile: list[str] = []
    with another_table(dynamodb, old.values()):
        with load(deployed, meanwhile):
            first = running.ok("bring-in", "--table", OLD, "--json").json
            assert first["items"] == {"brought in": len(finished), "not finished": number - len(finished)}
            last = running.ok("bring-in", "--table", OLD, "--unfinished", "--json").json
            assert last["items"] == {"brought in": number - len(finished), "there already": len(finished)}
        assert meanwhile
        for role in ("primary", "secondary"):
            there = everything(deployed, role)
            assert {id_: there.get(id_) for id_ in finished} == finished
            assert {item["pk"]["S"] for item in old.values()} | set(meanwhile) <= there.keys()
    key, item = next((key, item) for key, item in old.items() if item["pk"]["S"] in finished)
    again = insist(deployed, "secondary", key)
    assert (again.status_code, again.json()["paymentId"]) == (201, item["pk"]["S"])
    assert again.headers["Idempotent-Replayed"] == "true"
    charged = {line["key"] for line in read(deployed.ledger) if line["what"] == "approved"}
    assert not charged & finished.keys()
    mine = [{"DeleteRequest": {"Key": {"pk": each["pk"], "sk": each["sk"]}}} for each in old.values()]
    written(dynamodb, table, mine)
