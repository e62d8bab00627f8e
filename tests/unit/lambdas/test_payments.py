"""Making payments, by what it leaves in the table, at the processor and in the bucket, with failures in between."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import NoCredentialsError, ParamValidationError
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from lambdas.adapters.https import HttpsReply, NoReply
from lambdas.adapters.processor import HttpsProcessor
from lambdas.domain.errors import Unavailable
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.payment import CANARY_CLIENT, LEASE
from tests.doubles.acquirer import Acquirer
from tests.doubles.payments import CANARY, START, STOREFRONT, Region, named, refused, timed_out


def statuses(item):
    return [step["S"].split()[0] for step in item["steps"]["L"]]


def test_a_payment_takes_three_writes_and_leaves_its_audit():
    region = Region(processor=(acquirer := Acquirer()))
    answer = region.post("k")
    assert answer["statusCode"] == 201
    assert region.wire.calls == ["GetItem", "PutItem", "UpdateItem", "UpdateItem"]  # the fence, then the payment
    assert acquirer.calls == ["charge"]
    item = region.payment()
    assert statuses(item) == ["AUTHORIZING", "AUTHORIZED", "CAPTURED"]
    assert "audit_pending" not in item
    assert "lease_holder" not in item
    assert list(region.bucket.versions.values()) == [1]
    (record,) = region.bucket.objects.values()
    assert record == json.dumps(json.loads(record), sort_keys=True, separators=(",", ":")).encode()
    assert json.loads(record) == {
        "amount": "100.00",
        "client": "storefront",
        "currency": "USD",
        "customerId": "test-123",
        "endpoint": "us-east-1.processor.example",
        "fingerprint": item["fingerprint"]["S"],
        "paymentId": item["pk"]["S"],
        "reason": None,
        "reference": "ch_1",
        "region": "us-east-1",
        "status": "CAPTURED",
        "steps": [["AUTHORIZING", START], ["AUTHORIZED", START], ["CAPTURED", START]],
    }
    (key,) = region.bucket.objects
    assert key == f"payments/2026/11/18/{item['pk']['S']}.json"


def test_a_replay_answers_the_same_and_touches_nothing():
    region = Region(processor=(acquirer := Acquirer()))
    first = region.post("k")
    before = dict(region.table.items)
    again = region.post("k", {"customerId": "test-123", "currency": "USD", "amount": 100.0})
    assert again["body"] == first["body"]
    assert again["statusCode"] == 201
    assert again["headers"]["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first["headers"]
    assert region.table.items == before
    assert acquirer.calls == ["charge"]


def test_a_decline_is_final_and_replayed():
    region = Region(processor=(acquirer := Acquirer(refuse=True)))
    first, again = region.post("k"), region.post("k")
    assert first["statusCode"] == again["statusCode"] == 402
    assert first["body"] == again["body"]
    assert acquirer.calls == ["charge"]
    assert statuses(region.payment()) == ["AUTHORIZING", "DECLINED"]


def test_no_answer_is_unknown_until_the_processor_tells():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])))
    first = region.post("k")
    assert first["statusCode"] == 202
    assert json.loads(first["body"])["status"] == "pending"
    assert "audit_pending" not in region.payment()
    assert region.bucket.objects == {}
    region.clock.time += 5_000
    again = region.post("k")
    assert again["statusCode"] == 201
    assert acquirer.calls == ["charge", "find"]
    assert statuses(region.payment()) == ["AUTHORIZING", "UNKNOWN", "AUTHORIZING", "AUTHORIZED", "CAPTURED"]
    assert len(region.bucket.objects) == 1


def test_a_charge_that_never_arrived_is_asked_for_then_made():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"], effect=False)))
    assert region.post("k")["statusCode"] == 202
    region.clock.time += 5_000
    assert region.post("k")["statusCode"] == 201
    assert acquirer.calls == ["charge", "find", "charge"]


def test_a_processor_that_stays_silent_keeps_it_unknown():
    region = Region(processor=(acquirer := Acquirer(silent=["charge", "find"])))
    assert region.post("k")["statusCode"] == 202
    region.clock.time += 5_000
    assert region.post("k")["statusCode"] == 202
    assert acquirer.calls == ["charge", "find"]
    assert region.payment()["attempts"]["N"] == "2"


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
@pytest.mark.parametrize("error", [timed_out(), refused("InternalServerError", 500)])
def test_a_write_whose_answer_was_lost_is_recognised(operation, error):
    region = Region(processor=(acquirer := Acquirer()))
    region.wire.fail(operation, error, applied=True)
    answer = region.post("k")
    assert answer["statusCode"] == 201
    assert "Idempotent-Replayed" not in answer["headers"]
    assert acquirer.calls == ["charge"]
    assert list(region.bucket.versions.values()) == [1]


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
def test_conflicts_between_regions_are_repeated(operation):
    region = Region(processor=(acquirer := Acquirer()))
    region.wire.fail(operation, refused("ReplicatedWriteConflictException"), times=3)
    assert region.post("k")["statusCode"] == 201
    assert acquirer.calls == ["charge"]
    assert region.clock.slept == [25, 50, 100]


def test_a_table_that_stays_out_is_503_and_charges_nothing():
    region = Region(processor=(acquirer := Acquirer()))
    region.wire.fail("PutItem", refused("InternalServerError", 500), times=4)
    answer = region.post("k")
    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "2"
    assert acquirer.calls == []


REFUSALS = [
    *map(refused, ("AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException")),
    *map(refused, ("ResourceNotFoundException", "KMSInvalidStateException", "KMSAccessDeniedException")),
    *map(refused, ("ValidationException", "NeverHeardOf")),
    ParamValidationError(report="x"),
    NoCredentialsError(),
    ResponseParserError("not JSON"),
    OSError("reset"),
    RuntimeError("nobody thought of it"),
]


def is_unavailable(answer):
    return (
        answer["statusCode"] == 503
        and answer["headers"]["Content-Type"] == "application/problem+json"
        and int(answer["headers"]["Retry-After"]) >= 1
        and json.loads(answer["body"])["type"] == "/problems/unavailable"
    )


@pytest.mark.parametrize("error", REFUSALS, ids=named)
@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem", "GetItem"])
def test_no_error_of_the_table_leaves_the_function(error, operation):
    """The right answer to each of them is 503 with Retry-After, and a line in the log that names it."""
    region = Region(processor=Acquirer())
    region.wire.fail(operation, error, times=4)
    answer = region.get("/payment/pay_k7qapwxonm4ln4qhqmkdtldkhs") if operation == "GetItem" else region.post("k")
    assert is_unavailable(answer)
    assert [line["error"] for line in region.journal.lines if line["event"] == "dependency_out"] == [named(error)]
    region.wire.planned.clear()
    region.clock.time += LEASE
    assert region.post("k")["statusCode"] == 201


@pytest.mark.parametrize("error", REFUSALS, ids=named)
def test_no_error_of_the_secret_leaves_the_function(error):
    region = Region()
    region.secrets.error = error
    assert is_unavailable(region.post("k"))
    region.secrets.error = None
    assert region.post("k")["statusCode"] == 201


@pytest.mark.parametrize("error", REFUSALS, ids=named)
def test_no_error_of_the_bucket_fails_a_payment(error):
    region = Region()
    region.bucket.error = error
    assert region.post("k")["statusCode"] == 201
    region.bucket.error = None
    region.clock.time += 60_000
    assert region.sweep() == {"audited": 1}


@pytest.mark.parametrize("error", REFUSALS, ids=named)
@pytest.mark.parametrize("client", [STOREFRONT, CANARY])
def test_no_error_of_the_processor_leaves_the_function(error, client, monkeypatch):
    """The charge may exist: the client is told to wait. A canary's processor is in the table."""
    region = Region(processor=Acquirer())
    if client == STOREFRONT:
        monkeypatch.setattr(region.processor, "charge", lambda *_: (_ for _ in ()).throw(error))
    else:
        put = region.table.write

        def write(name, key, change):
            if key[1] == "charge":
                raise error
            put(name, key, change)

        monkeypatch.setattr(region.table, "write", write)
    assert region.post("k", api_key=client)["statusCode"] == 202
    monkeypatch.undo()
    region.clock.time += 5_000
    assert region.post("k", api_key=client)["statusCode"] == 201


@pytest.mark.parametrize(
    "secret", ["", "{", "[]", "null", '{"clients": []}', '{"clients": {"a": 1}}', '{"clients": 1}']
)
def test_a_secret_that_is_none_is_503_and_stays_out_of_the_log(secret, monkeypatch):
    region = Region()
    monkeypatch.setattr(region.secrets, "get_secret_value", lambda **_: {"SecretString": secret})
    assert is_unavailable(region.post("k"))
    (line,) = [line for line in region.journal.lines if line["event"] == "dependency_out"]
    assert line["error"] == "the API keys cannot be read: not the clients' keys"


def test_a_mistake_of_ours_is_503_counted_and_told_without_its_text(monkeypatch):
    region = Region()

    def mistaken(*_):
        raise KeyError("4111 1111 1111 1111")

    monkeypatch.setattr(type(region.keys), "_match", mistaken)
    assert is_unavailable(region.post("k"))
    (line,) = [line for line in region.journal.lines if line["event"] == "unexpected"]
    assert line["RequestsFailed"] == 1
    assert line["error"].startswith("KeyError in mistaken, line ")
    assert "4111" not in json.dumps(region.journal.lines)


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem", "GetItem", "GetSecretValue"])
@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException", "SlowDown"])
@pytest.mark.parametrize("first", [[], [timed_out()]], ids=repr)
def test_a_dependency_that_throttles_is_out_and_its_caller_sent_nothing_too_often(operation, code, first):
    """429 is for what the caller sent, and counts as 4XX: the check of grey failures must see that nobody can pay."""
    region = Region(processor=(acquirer := Acquirer()))
    if operation == "GetSecretValue":
        region.secrets.error = refused(code)
    for error in (*first, *[refused(code)] * 4):
        region.wire.fail(operation, error)
    answer = region.get("/payment/pay_" + "a" * 26) if operation == "GetItem" else region.post("k")
    assert is_unavailable(answer)
    assert acquirer.calls == (["charge"] if operation == "UpdateItem" else [])


@pytest.mark.parametrize(
    ("name", "reasons", "contended"),
    [
        ("ThrottlingReasons", ["TableWriteKeyRangeThroughputExceeded"], True),
        ("throttlingReasons", ["TableReadKeyRangeThroughputExceeded"] * 2, True),
        ("ThrottlingReasons", ["IndexWriteKeyRangeThroughputExceeded"], False),
        ("ThrottlingReasons", ["TableWriteKeyRangeThroughputExceeded", "TableWriteAccountLimitExceeded"], False),
        ("ThrottlingReasons", ["TableWriteMaxOnDemandThroughputExceeded"], False),
        ("ThrottlingReasons", [], False),
    ],
)
def test_a_key_that_is_asked_about_too_often_is_its_callers_and_no_outage(name, reasons, contended):
    """One client that repeats one key could else take the region out: a key is written a thousand times a second."""
    region = Region()
    error = refused("ThrottlingException")
    error.response[name] = [{"reason": each, "resource": "arn:aws:dynamodb:::table/t"} for each in reasons]
    region.wire.fail("PutItem", error, times=4)
    answer = region.post("k")
    (line,) = [line for line in region.journal.lines if line["event"] == "request"]
    if contended:
        assert answer["statusCode"] == 409
        assert json.loads(answer["body"])["type"] == "/problems/contended"
        assert (answer["headers"]["Retry-After"], line["PaymentsUnserved"]) == ("2", 0)
    else:
        assert is_unavailable(answer)
        assert line["PaymentsUnserved"] == 1


def test_an_outcome_that_cannot_be_written_is_503_and_found_later():
    region = Region(processor=(acquirer := Acquirer()))
    region.wire.fail("UpdateItem", timed_out(), times=4)
    assert region.post("k")["statusCode"] == 503
    region.clock.time += LEASE
    assert region.post("k")["statusCode"] == 201
    assert acquirer.calls == ["charge", "find"]


@given(client=st.text(max_size=8) | st.sampled_from(["canary", "Canary", "canary ", "storefront"]))
def test_canaries_pay_with_play_money_and_nobody_else_does(client):
    """By the whole of a payment's life: opened, left, taken over by the other region, swept."""
    acquirer = Acquirer(silent=["charge", "find"])
    first = Region(processor=acquirer)
    second = Region("us-east-2", first.clock, first.table, processor=acquirer)
    instruction = Instruction(client, "k", Money(100, "USD"), "test-1")
    is_canary = client == CANARY_CLIENT
    if is_canary:
        first.wire.fail("UpdateItem", timed_out(), times=4)
        with pytest.raises(Unavailable):
            first.service.payments.pay(instruction)
    else:
        first.service.payments.pay(instruction)
    for _ in range(5):
        first.clock.time += 60_000
        second.sweep()
    assert first.payment()["status"] == {"S": "CAPTURED"}
    assert bool(acquirer.calls) == (not is_canary)
    assert bool([pk for pk, sk in first.table.items if sk == "charge"]) == is_canary
    assert ("endpoint" in first.payment()) == (not is_canary)


@pytest.mark.parametrize("who", ["the client's retry", "the sweep", "the next release"])
def test_a_payment_stays_with_the_endpoint_that_it_was_opened_with(who):
    """Endpoints know nothing of each other's keys: another one would charge again."""
    first = Region()
    second = Region("us-east-2", first.clock, first.table)
    first.post("k", {"amount": 1, "currency": "USD", "customerId": "late-1"})
    first.clock.time += 60_000
    if who == "the sweep":
        second.sweep()
    elif who == "the next release":
        moved = Region(clock=first.clock, table=first.table, endpoint="another.processor.example")
        moved.post("k", {"amount": 1, "currency": "USD", "customerId": "late-1"})
    else:
        second.post("k", {"amount": 1, "currency": "USD", "customerId": "late-1"})
    assert first.payment()["status"] == {"S": "CAPTURED"}
    assert {line["endpoint"] for line in first.ledger.lines} == {"us-east-1.processor.example"}
    assert len(first.charges()) == 1
    assert first.payment()["endpoint"] == {"S": "us-east-1.processor.example"}


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (401, None, "POST us-east-1.processor.example: 401"),
        (200, NoReply("POST x: TimeoutError"), "POST x: TimeoutError"),
    ],
)
def test_why_a_processor_did_not_answer_is_told(status, error, told):
    """Else nobody could say whether it is out, refuses us, or has another's certificate."""

    def send(*_):
        if error is not None:
            raise error
        return HttpsReply(status, b"secret-body")

    region = Region(processor=HttpsProcessor("us-east-1.processor.example", send))
    assert region.post("k")["statusCode"] == 202
    (line,) = [line for line in region.journal.lines if line["event"] == "no_answer"]
    assert (line["endpoint"], line["error"]) == ("us-east-1.processor.example", told)
    assert line["payment_id"] == region.payment()["pk"]["S"]
    assert "secret" not in json.dumps(region.journal.lines)


def test_regions_charge_at_their_own_endpoints():
    first = Region()
    second = Region("us-east-2", first.clock, first.table)
    first.post("a")
    second.post("b")
    assert [line["endpoint"] for line in first.ledger.lines if line["what"] == "approved"] == [
        "us-east-1.processor.example",
        "us-east-2.processor.example",
    ]


@pytest.mark.parametrize("finish", ["retry", "sweep"])
def test_a_payment_of_an_earlier_release_gets_the_endpoint_of_the_first_that_works_on_it(finish):
    """Earlier releases wrote none down. From then on it is kept, in the same write as the lease."""
    first = Region()
    second = Region("us-east-2", first.clock, first.table)
    silent = {"amount": 1, "currency": "USD", "customerId": "late-1"}
    first.wire.fail("UpdateItem", timed_out(), times=4)
    assert first.post("k", silent)["statusCode"] == 503
    del first.payment()["endpoint"]
    first.ledger.lines.clear()
    first.clock.time += LEASE
    first.wire.calls.clear()
    assert first.post("k", silent)["statusCode"] == 202
    assert first.wire.calls == ["GetItem", "PutItem", "UpdateItem", "UpdateItem"]
    assert first.payment()["endpoint"] == {"S": "us-east-1.processor.example"}
    first.clock.time += 60_000
    if finish == "retry":
        second.post("k", silent)
    else:
        second.sweep()
    assert first.payment()["status"] == {"S": "CAPTURED"}
    assert {line["endpoint"] for line in first.ledger.lines} <= {"us-east-1.processor.example"}


def test_before_its_time_a_silent_processor_s_payment_costs_nothing():
    """400 requests while the processor is silent: 202 without a write, and a Retry-After that is true."""
    region = Region(processor=(acquirer := Acquirer(silent=["charge"] + ["find"] * 400)))
    region.post("k")
    calls, asked = [], []
    for _ in range(400):
        region.clock.time += 1_000
        region.wire.calls.clear()
        before, due = len(acquirer.calls), int(region.payment()["retry_at"]["N"])
        now = region.clock.now()
        answer = region.post("k")
        assert answer["statusCode"] == 202
        assert json.loads(answer["body"])["status"] == "pending"
        after = int(region.payment()["retry_at"]["N"])
        assert int(answer["headers"]["Retry-After"]) == (after - now) / 1000
        calls.append(
            (now >= due, len(acquirer.calls) > before, len(region.wire.calls) - region.wire.calls.count("GetItem"))
        )
        asked += [now - START] if now >= due else []
    assert {*calls} == {(False, False, 1), (True, True, 3)}, "one attempt at PutItem is all, until it is time"
    assert asked == [5_000, 15_000, 35_000, 75_000, 155_000, 315_000]


@given(st.lists(st.integers(0, 3_000), max_size=40), st.integers(0, 1))
def test_asking_never_postpones_the_sweep(pauses, wanders):
    """Whatever its clients do: the payment is asked about when the last answer said, and by then the sweep does."""
    region = Region(processor=Acquirer(silent=["charge"] + ["find"] * 100))
    other = Region("us-east-2", region.clock, region.table, processor=region.processor)
    answers = [(START, region.post("k"))]
    for number, pause in enumerate(pauses):
        region.clock.time += pause
        answers.append((region.clock.now(), (region, other)[number * wanders % 2].post("k")))
    at, answer = answers[-1]
    promised = at + 1_000 * int(answer["headers"]["Retry-After"])
    assert promised - 1_000 < int(region.payment()["due"]["N"]) <= promised
    region.clock.time = promised
    region.processor.silent.clear()
    assert region.sweep() == {"resolved": 1}


@pytest.mark.parametrize("status", ["REFUNDED", "", "authorizing"])
def test_of_a_payment_in_a_status_of_a_newer_release_nothing_is_said(status):
    """It may be final, so 202 could be a lie. As 5XX, POSTs of one payment could take the region out."""
    region = Region(processor=(acquirer := Acquirer()))
    location = region.post("k")["headers"]["Location"]
    region.payment()["status"] = {"S": status}
    before = dict(region.payment())
    for answer, said in (
        (region.post("k"), (409, "60", "/problems/not-readable")),
        (region.get(location), (503, "2", "/problems/unavailable")),
    ):
        found = answer["statusCode"], answer["headers"]["Retry-After"], json.loads(answer["body"])["type"]
        assert found == said
    assert region.payment() == before
    assert acquirer.calls == ["charge"]
