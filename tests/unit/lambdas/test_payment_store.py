"""The store's calls: each write conditional, each read strong, and nothing but what has changed."""

from __future__ import annotations

import ssl

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ParamValidationError
from botocore.parsers import ResponseParserError

from lambdas.adapters.items import PARTITIONS, from_item, partition, to_item
from lambdas.adapters.retry import ATTEMPTS, BUDGET, Retry, code_of
from lambdas.adapters.store import PAGE, DynamoPayments
from lambdas.domain.errors import Rejected, Unavailable, Unreadable
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved
from lambdas.domain.payment import LEASE, Response, Task, opened
from lambdas.domain.ports import Lost
from tests.doubles.payments import START, ManualClock, PlainTable, Wire, client, named, refused, timed_out


class Recorder:
    """Notes each call's arguments."""

    def __init__(self, table):
        self.table = table
        self.calls = []

    def __getattr__(self, operation):
        def call(**arguments):
            assert arguments["TableName"] == "payments"
            self.calls.append((operation, arguments))
            return getattr(self.table, operation)(**arguments)

        return call


@pytest.fixture
def world():
    table, wire, clock = PlainTable(), Wire(), ManualClock()
    recorder = Recorder(client(table, wire))
    return DynamoPayments(recorder, "payments", Retry(clock)), recorder, wire, table


def payment(key="k"):
    return opened(
        Instruction("storefront", key, Money(100, "USD"), "test-1"),
        region="us-east-1",
        endpoint="p.example",
        holder="a",
        now=START,
    )


def test_a_read_is_strongly_consistent(world):
    store, recorder, _, _ = world
    assert store.get("pay_x") is None
    assert recorder.calls == [
        (
            "get_item",
            {
                "TableName": "payments",
                "Key": {"pk": {"S": "pay_x"}, "sk": {"S": "payment"}},
                "ConsistentRead": True,
            },
        )
    ]


def test_what_is_written_is_read(world):
    store, _, _, _ = world
    store.create(payment())
    assert store.get(payment().id) == payment()


def test_creating_twice_loses_and_tells_the_first(world):
    store, recorder, _, _ = world
    store.create(payment())
    other = opened(
        Instruction("storefront", "k", Money(5, "EUR"), "b"),
        region="us-east-2",
        endpoint="p.example",
        holder="b",
        now=START,
    )
    with pytest.raises(Lost) as caught:
        store.create(other)
    assert caught.value.current == payment()
    assert recorder.calls[0][1]["ConditionExpression"] == "attribute_not_exists(pk)"
    assert recorder.calls[0][1]["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
    assert [name for name, _ in recorder.calls] == ["put_item", "put_item"], "no read is needed"


def test_creating_the_very_same_again_is_the_repetition_of_a_lost_answer(world):
    store, _, wire, _ = world
    wire.fail("PutItem", timed_out(), applied=True)
    store.create(payment())
    assert wire.calls == ["PutItem", "PutItem"]


def test_a_move_names_only_what_changes(world):
    store, recorder, _, _ = world
    store.create(payment())
    new = payment().settled(Approved("ch_1"), START + 5).answering(Response(201, "{}"))
    store.replace(payment(), new)
    arguments = recorder.calls[1][1]
    assert arguments["Key"] == {"pk": {"S": payment().id}, "sk": {"S": "payment"}}
    assert arguments["ConditionExpression"] == "#version = :seen_version AND #status = :seen_status"
    assert arguments["ExpressionAttributeValues"][":seen_version"] == {"N": "1"}
    assert arguments["ExpressionAttributeValues"][":seen_status"] == {"S": "AUTHORIZING"}
    names = set(arguments["ExpressionAttributeNames"].values())
    assert names.isdisjoint({"pk", "sk", "client", "fingerprint", "minor_units", "currency", "customer", "created"})
    assert arguments["UpdateExpression"].endswith(" REMOVE #lease_holder, #lease_until")
    assert store.get(new.id) == new


def test_a_move_without_removals_says_nothing_of_them(world):
    store, recorder, _, _ = world
    store.create(payment())
    store.replace(payment(), payment().leased("b", START + LEASE))
    assert "REMOVE" not in recorder.calls[1][1]["UpdateExpression"]


def test_a_move_keeps_what_a_newer_version_has_added(world):
    store, _, _, table = world
    store.create(payment())
    table.items[payment().id, "payment"]["added"] = {"S": "kept"}
    store.replace(payment(), payment().unanswered(START))
    assert table.items[payment().id, "payment"]["added"] == {"S": "kept"}


@pytest.mark.parametrize("stale", ["version", "status"])
def test_a_move_from_what_is_no_longer_there_loses(world, stale):
    store, _, _, table = world
    store.create(payment())
    if stale == "version":
        table.items[payment().id, "payment"]["version"] = {"N": "2"}
    else:
        table.items[payment().id, "payment"]["status"] = {"S": "UNKNOWN"}
        table.items[payment().id, "payment"]["steps"] = {"L": [{"S": f"UNKNOWN {START}"}]}
    before = dict(table.items[payment().id, "payment"])
    with pytest.raises(Lost) as caught:
        store.replace(payment(), payment().unanswered(START))
    assert caught.value.current == from_item(before)
    assert table.items[payment().id, "payment"] == before


def test_a_move_of_what_is_gone_creates_nothing(world):
    store, _, _, table = world
    with pytest.raises(Lost) as caught:
        store.replace(payment(), payment().unanswered(START))
    assert caught.value.current is None
    assert table.items == {}


def test_a_delete_is_conditional(world):
    store, recorder, _, table = world
    store.create(payment())
    with pytest.raises(Lost):
        store.delete(payment().unanswered(START))
    store.delete(payment())
    assert table.items == {}
    store.delete(payment())  # the repetition of a lost answer
    assert recorder.calls[1][1]["ConditionExpression"] == "#version = :seen_version"


def test_the_index_lists_what_is_due_from_either_end_page_by_page(world):
    store, recorder, _, _ = world
    name = partition(Task.FINISH, payment().id)
    created = [one for n in range(3 * 8 * PAGE) if partition(Task.FINISH, (one := payment(f"k{n}")).id) == name]
    for number, one in enumerate(created):
        store.create(one.unanswered(START - number))
    recorder.calls.clear()
    oldest_first = [one.id for one in reversed(created)]
    assert len(created) > PAGE
    assert [due.payment_id for due in store.due(name, START + 5_000, newest_first=False)] == oldest_first
    assert [due.payment_id for due in store.due(name, START + 5_000, newest_first=True)] == oldest_first[::-1]
    assert [due.payment_id for due in store.due(name, START + 4_999, newest_first=False)] == oldest_first[:-1]
    queries = [arguments for operation, arguments in recorder.calls]
    assert {operation for operation, _ in recorder.calls} == {"query"}
    assert {arguments["IndexName"] for arguments in queries} == {"unfinished"}
    assert {arguments["ExpressionAttributeValues"][":partition"]["S"] for arguments in queries} == {name}
    assert {arguments["Limit"] for arguments in queries} == {PAGE}


def test_a_page_is_read_when_it_is_needed(world):
    store, recorder, _, _ = world
    for number in range(9 * PAGE):
        store.create(payment(f"k{number}").unanswered(START))
    recorder.calls.clear()
    name = partition(Task.FINISH, payment().id)
    assert next(store.due(name, START + 5_000, newest_first=False))
    assert len(recorder.calls) == 1


def test_a_time_that_is_no_whole_number_does_not_end_the_page(world):
    store, _, _, table = world
    store.create(payment().unanswered(START))
    table.items[payment().id, "payment"]["due"] = {"N": "1.5E+3"}
    assert [*store.due(partition(Task.FINISH, payment().id), START, newest_first=False)] == [(1_500, payment().id)]


def test_payments_spread_over_the_partitions():
    for task in Task:
        assert {partition(task, payment(f"k{number}").id) for number in range(200)} == set(PARTITIONS[task])
    assert partition(Task.FINISH, "pay_k7qapwxonm4ln4qhqmkdtldkhs") == "payment-7", "it is in the table already"


def test_the_index_has_a_payment_by_what_is_to_be_done():
    settled = payment().settled(Approved("ch_1"), START + 5).answering(Response(201, "{}"))
    tasks = {payment(): "payment", settled: "audit", settled.audited(START): "tidy"}
    assert {to_item(one)["unfinished"]["S"].split("-")[0] for one in tasks} == set(tasks.values())
    for one, prefix in tasks.items():
        assert to_item(one)["unfinished"]["S"].startswith(f"{prefix}-")


@pytest.mark.parametrize(
    "damage",
    [
        {"status": {"S": "REFUNDED"}},
        {"status": {"S": "REFUNDED"}, "steps": {"L": [{"S": f"REFUNDED {START}"}]}},
        {"steps": {"L": []}},
        {"steps": {"L": [{"S": "AUTHORIZING"}]}},
        {"steps": {"S": "none"}},
        {"minor_units": {"N": "0.5"}},
        {"minor_units": {"S": "100"}},
        {"currency": {"S": "XXX"}},
        {"client": None},
        {"created": None},
        {"lease_until": None},
        # What a write would name is not what stands there: refused for ever, as if another had been first.
        {"status": {"S": "UNKNOWN"}},
        {"status": {"S": "CAPTURED"}},
        {"minor_units": {"N": "0"}},
        {"minor_units": {"N": "-100"}},
        {"minor_units": {"N": "1000000000000"}},
        {"endpoint": {"NULL": True}},
    ],
    ids=str,
)
def test_what_this_release_cannot_read_is_said_so_wherever_it_is_met(world, damage):
    """A newer release's status, or a damaged item: never an exception of its own kind."""
    store, _, _, table = world
    store.create(payment())
    item = {**table.items[payment().id, "payment"], **damage}
    table.items[payment().id, "payment"] = {name: value for name, value in item.items() if value is not None}
    before = dict(table.items)
    with pytest.raises(Unreadable):
        store.get(payment().id)
    with pytest.raises(Unreadable):
        store.create(payment())
    assert table.items == before


def test_a_newer_release_s_status_of_the_past_is_kept(world):
    store, _, _, table = world
    store.create(payment())
    item = table.items[payment().id, "payment"]
    item["steps"]["L"].insert(0, {"S": f"REVIEWED {START - 1}"})
    store.replace(read := store.get(payment().id), read.unanswered(START + 1))
    assert [step["S"].split()[0] for step in table.items[payment().id, "payment"]["steps"]["L"]] == [
        "REVIEWED",
        "AUTHORIZING",
        "UNKNOWN",
    ]


def test_an_item_has_this_shape():
    """It is in the table already: a change here is a migration."""
    item = to_item(payment().settled(Approved("ch_1"), START + 5).answering(Response(201, "{}")))
    assert item == {
        "pk": {"S": payment().id},
        "sk": {"S": "payment"},
        "client": {"S": "storefront"},
        "fingerprint": {"S": payment().fingerprint},
        "minor_units": {"N": "100"},
        "currency": {"S": "USD"},
        "customer": {"S": "test-1"},
        "region": {"S": "us-east-1"},
        "endpoint": {"S": "p.example"},
        "created": {"N": str(START)},
        "updated": {"N": str(START + 5)},
        "status": {"S": "CAPTURED"},
        "version": {"N": "2"},
        "attempts": {"N": "0"},
        "reference": {"S": "ch_1"},
        "response_status": {"N": "201"},
        "response_body": {"S": "{}"},
        "unfinished": {"S": partition(Task.AUDIT, payment().id)},
        "due": {"N": str(START + 30_005)},
        "steps": {
            "L": [{"S": f"AUTHORIZING {START}"}, {"S": f"AUTHORIZED {START + 5}"}, {"S": f"CAPTURED {START + 5}"}]
        },
        "audit_pending": {"BOOL": True},
    }
    assert to_item(payment())["lease_holder"] == {"S": "a"}
    assert to_item(payment())["lease_until"] == {"N": str(START + LEASE)}
    assert "retry_at" not in to_item(payment())
    assert to_item(payment().unanswered(START))["retry_at"] == {"N": str(START + 5_000)}


@pytest.mark.parametrize(
    "error",
    [
        refused("ReplicatedWriteConflictException"),
        refused("InternalServerError", 500),
        refused("SomethingNew", 503),
        timed_out(),
        ConnectTimeoutError(endpoint_url="x"),
        refused("ThrottlingException"),
        refused("ProvisionedThroughputExceededException"),
    ],
    ids=named,
)
def test_what_may_pass_is_repeated_then_told_in_the_domains_words(world, error):
    store, _, wire, _ = world
    wire.fail("GetItem", error, times=ATTEMPTS - 1)
    assert store.get("pay_x") is None
    wire.fail("GetItem", error, times=ATTEMPTS)
    with pytest.raises(Unavailable) as caught:
        store.get("pay_x")
    assert type(caught.value) is Unavailable
    assert str(caught.value) == named(error)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        *map(refused, ("ValidationException", "AccessDeniedException", "ExpiredTokenException")),
        *map(refused, ("ResourceNotFoundException", "KMSInvalidStateException", "ItemCollectionSizeLimitExceeded")),
        ParamValidationError(report="x"),
    ],
    ids=named,
)
def test_what_is_refused_is_not_repeated(world, error):
    store, _, wire, _ = world
    wire.fail("GetItem", error)
    with pytest.raises(Rejected, match=named(error)):
        store.get("pay_x")
    wire.fail("PutItem", error)
    with pytest.raises(Rejected, match=named(error)):
        store.create(payment())
    assert wire.calls == ["GetItem", "PutItem"]


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("later", [refused("AccessDeniedException"), refused("ThrottlingException")], ids=repr)
def test_no_later_answer_says_that_a_call_without_one_did_nothing(world, later, applied):
    """`Rejected` means that nothing was written: only a call whose first attempt is refused can say so."""
    store, _, wire, table = world
    wire.fail("PutItem", timed_out(), applied=applied)
    wire.fail("PutItem", later, times=ATTEMPTS)
    with pytest.raises(Unavailable, match=code_of(later)) as caught:
        store.create(payment())
    assert type(caught.value) is Unavailable
    assert caught.value.__cause__ is later
    assert bool(table.items) == applied


@pytest.mark.parametrize(
    "error",
    [NoCredentialsError(), ResponseParserError("not XML"), OSError("reset"), ssl.SSLError("bad"), ValueError("odd")],
    ids=repr,
)
def test_whatever_else_the_sdk_raises_is_a_dependency_that_is_out(world, error):
    store, _, wire, _ = world
    wire.fail("GetItem", error, times=ATTEMPTS)
    with pytest.raises(Unavailable, match=type(error).__name__):
        store.get("pay_x")


@pytest.mark.parametrize("response", [{}, {"Error": {}}, {"Error": {}, "ResponseMetadata": {}}])
def test_an_error_without_a_name_is_not_repeated(response):
    clock, error = ManualClock(), ClientError(response, "an operation")
    assert code_of(error) == ""

    def broken(**_):
        raise error

    with pytest.raises(Rejected):
        Retry(clock)(broken)
    assert clock.slept == []


def test_a_failing_server_without_a_name_is_told_by_its_status():
    with pytest.raises(Unavailable, match="503"):
        Retry(ManualClock())(lambda **_: (_ for _ in ()).throw(refused("", 503)))


def test_no_attempt_starts_after_the_budget():
    clock, calls = ManualClock(), []

    def slow(**_):
        calls.append(clock.now())
        clock.time += 2_000
        raise timed_out()

    with pytest.raises(Unavailable, match="ReadTimeoutError"):
        Retry(clock)(slow)
    assert calls == [START, START + 2_025]
    assert calls[-1] - START <= BUDGET


def test_the_budget_is_used_to_its_end():
    clock, calls = ManualClock(), []

    def slow(**_):
        calls.append(clock.now())
        clock.time += BUDGET - 25
        raise timed_out()

    with pytest.raises(Unavailable):
        Retry(clock)(slow)
    assert calls == [START, START + BUDGET]
