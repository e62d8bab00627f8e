"""The simulated table: DynamoDB's expressions, its API's refusals, and the two consistency modes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from simulation import expressions
from simulation.dynamodb import DynamoDB
from simulation.faults import Faults
from simulation.history import History
from simulation.link import Link, Unreachable
from simulation.scheduler import EPOCH, Scheduler
from simulation.table import FLIGHT, STALE, Conflict, CutOff, EventualTable, StrongTable

KEY = ("pay_1", "payment")


def item(**values: int | str) -> dict[str, Any]:
    typed = {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in values.items()}
    return {"pk": {"S": "pay_1"}, "sk": {"S": "payment"}, **typed}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("attribute_not_exists(missing)", True),
        ("attribute_not_exists(pk)", False),
        ("attribute_exists(#v) AND #v = :three", True),
        ("#v = :three AND pk = :three", False),
        ("#v <> :three OR #v < :ten", True),
        ("NOT #v >= :ten", True),
        ("#v > :three", False),
        ("#v <= :three AND (pk = :name OR pk = :three)", True),
        ("missing = :three", False),
        ("missing <> :three", True),
        ("pk < :three", False),
    ],
)
def test_conditions_mean_what_dynamodb_means(text, holds):
    values = {":three": {"N": "3"}, ":ten": {"N": "10"}, ":name": {"S": "pay_1"}}
    assert expressions.condition(text).evaluate(item(version=3), {"#v": "version"}, values) is holds


def test_an_update_sets_and_removes_without_touching_the_old_item():
    old = item(version=1, lease=5, note="x")
    update = expressions.update("SET #v = :two, note = #l REMOVE #l")
    new = update.evaluate(old, {"#v": "version", "#l": "lease"}, {":two": {"N": "2"}})
    assert new == {**item(version=2), "note": {"N": "5"}}
    assert old == item(version=1, lease=5, note="x")


@pytest.mark.parametrize(
    "text", ["begins_with(pk, :p)", "a.b = :p", "a = ", "size(a) > :p", "a = :p nonsense", "a IN (:p)", "a & b"]
)
def test_conditions_that_are_not_built_are_refused(text):
    with pytest.raises(expressions.InvalidExpression):
        expressions.condition(text)


@pytest.mark.parametrize("text", ["", "ADD a :p", "SET a = :p SET b = :p", "SET a", "SET a = :p,", "DELETE a :p"])
def test_updates_that_are_not_built_are_refused(text):
    with pytest.raises(expressions.InvalidExpression):
        expressions.update(text)


class Bench:
    """A table that two regions use, each call in a process of its own."""

    def __init__(self, table_of=None, faults: Faults | None = None) -> None:
        self.scheduler = Scheduler(7)
        history = History(self.scheduler)
        self.table = (table_of or (lambda scheduler: StrongTable(scheduler, ("east", "west"))))(self.scheduler)
        link = Link(self.scheduler, history, faults or Faults())
        self.clients = {region: DynamoDB(self.table, region, link) for region in ("east", "west")}

    def __call__(self, region: str, operation: str, **arguments):
        results = []

        def body() -> None:
            try:
                results.append(getattr(self.clients[region], operation)(TableName="payments", **arguments))
            except Exception as error:  # noqa: BLE001 - handed to the test
                results.append(error)

        self.scheduler.spawn("caller", body)
        self.scheduler.run(self.scheduler.now + 5_000)
        [result] = results
        if isinstance(result, Exception):
            raise result
        return result


def code(error) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_failed_condition_tells_the_item_that_is_there():
    bench = Bench()
    bench("east", "put_item", Item=item(version=1), ConditionExpression="attribute_not_exists(pk)")
    with pytest.raises(ClientError) as error:
        bench(
            "west",
            "put_item",
            Item=item(version=2),
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert code(error) == "ConditionalCheckFailedException"
    assert error.value.response["Item"] == item(version=1)
    assert bench("west", "get_item", Key=item(), ConsistentRead=True)["Item"] == item(version=1)


def test_update_delete_and_query_go_by_condition_and_index():
    bench = Bench()
    bench("east", "put_item", Item=item(version=1, unfinished="a", due=50))
    bench.scheduler.run(bench.scheduler.now + STALE)
    query = {
        "IndexName": "unfinished",
        "KeyConditionExpression": "#u = :u AND #d <= :d",
        "ExpressionAttributeNames": {"#u": "unfinished", "#d": "due"},
        "Limit": 10,
    }
    found = bench("west", "query", ExpressionAttributeValues={":u": {"S": "a"}, ":d": {"N": "60"}}, **query)
    assert found["Items"] == [item(unfinished="a", due=50)]  # keys only
    none = bench("west", "query", ExpressionAttributeValues={":u": {"S": "a"}, ":d": {"N": "49"}}, **query)
    assert none["Items"] == []
    bench(
        "west",
        "update_item",
        Key=item(),
        UpdateExpression="SET #v = :two REMOVE due",
        ConditionExpression="#v = :one",
        ExpressionAttributeNames={"#v": "version"},
        ExpressionAttributeValues={":one": {"N": "1"}, ":two": {"N": "2"}},
    )
    assert bench("east", "get_item", Key=item(), ConsistentRead=True)["Item"] == item(version=2, unfinished="a")
    bench("east", "delete_item", Key=item())
    assert bench("east", "get_item", Key=item(), ConsistentRead=True) == {}


@pytest.mark.parametrize(
    "arguments",
    [
        {"UpdateExpression": "SET pk = :v", "ExpressionAttributeValues": {":v": {"S": "other"}}},
        {"UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": {"S": "x"}, ":unused": {"S": "y"}}},
        {"UpdateExpression": "SET #a = :v", "ExpressionAttributeValues": {":v": {"S": "x"}}},
        {"UpdateExpression": "ADD a :v", "ExpressionAttributeValues": {":v": {"N": "1"}}},
        {"UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": {"S": "x"}}, "Unknown": 1},
    ],
)
def test_what_dynamodb_would_refuse_is_refused(arguments):
    bench = Bench()
    bench("east", "put_item", Item=item(version=1))
    with pytest.raises(ClientError) as error:
        bench("east", "update_item", Key=item(), **arguments)
    assert code(error) == "ValidationException"


def test_strong_writes_of_two_regions_at_one_moment_conflict():
    scheduler = Scheduler(1)
    table = StrongTable(scheduler, ("east", "west"))
    table.write("east", KEY, lambda _: item(version=1))
    with pytest.raises(Conflict):
        table.write("west", KEY, lambda _: item(version=2))
    table.write("east", KEY, lambda _: item(version=2))
    scheduler.run(EPOCH + FLIGHT)
    table.write("west", KEY, lambda _: item(version=3))
    assert table.truth("east")[KEY] == item(version=3)


def test_a_region_without_peers_reads_only_what_was_there_before():
    scheduler = Scheduler(1)
    table = StrongTable(scheduler, ("east", "west"))
    table.write("east", KEY, lambda _: item(version=1))
    scheduler.run(EPOCH + STALE)
    table.isolated["west"] = scheduler.now
    scheduler.run(scheduler.now + 1)
    table.write("east", KEY, lambda _: item(version=2))
    scheduler.run(scheduler.now + 10 * STALE)
    with pytest.raises(CutOff):
        table.read("west", KEY, strong=True)
    with pytest.raises(CutOff):
        table.write("west", KEY, lambda _: None)
    assert table.read("west", KEY, strong=False) == item(version=1)
    assert table.read("east", KEY, strong=True) == item(version=2)


def test_an_eventual_read_may_be_stale_and_a_strong_one_never():
    scheduler = Scheduler(1)
    table = StrongTable(scheduler, ("east", "west"))
    table.write("east", KEY, lambda _: item(version=1))
    seen = {str(table.read("west", KEY, strong=False)) for _ in range(50)}
    assert seen == {"None"} | ({str(item(version=1))} & seen)
    assert "None" in seen
    assert table.read("west", KEY, strong=True) == item(version=1)


def eventual(scheduler: Scheduler) -> EventualTable:
    return EventualTable(scheduler, ("east", "west"), lag=1_000)


def test_under_eventual_consistency_both_regions_create_and_the_last_writer_wins():
    scheduler = Scheduler(1)
    table = eventual(scheduler)
    table.write("east", KEY, lambda _: item(region="east"))
    scheduler.run(EPOCH)
    assert table.read("west", KEY, strong=True) is None
    table.write("west", KEY, lambda _: item(region="west"))
    scheduler.run(EPOCH + 1_001)
    assert table.truth("east")[KEY] == table.truth("west")[KEY] == item(region="west")


def test_under_eventual_consistency_a_region_lost_for_good_takes_its_tail_along():
    scheduler = Scheduler(1)
    table = eventual(scheduler)
    table.write("east", KEY, lambda _: item(version=1))
    table.lost.add("east")
    scheduler.run(EPOCH + 10_000)
    assert table.truth("west") == {}
    with pytest.raises(Unreachable):
        table.read("east", KEY, strong=True)


def test_under_eventual_consistency_a_region_that_returns_delivers_what_was_held():
    scheduler = Scheduler(1)
    table = eventual(scheduler)
    table.isolated["east"] = EPOCH
    table.write("east", KEY, lambda _: item(version=1))
    scheduler.run(EPOCH + 10_000)
    assert table.truth("west") == {}
    del table.isolated["east"]
    table.rejoin("east")
    assert table.truth("west")[KEY] == item(version=1)
