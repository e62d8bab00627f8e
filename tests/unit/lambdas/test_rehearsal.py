"""A version is asked before it serves, as its callers ask it, and answers as it would answer them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from lambdas.domain.errors import Unavailable
from lambdas.rehearsal import API_KEY, LOCATION, PATIENCE, PAUSE, TIME, TOKEN, TRACE, NotServing, rehearsable
from tests.doubles.payments import ManualClock

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 10_000)


@pytest.fixture
def clock():
    return ManualClock()


def rehearse(clock, answer, *turns, context=CONTEXT, api_key=lambda _: "key-of-the-canary"):
    handler = rehearsable(api_key, clock)(lambda event, _: answer(event))
    return handler({"rehearsal": list(turns)}, context)


def turn(status=200, **event):
    return {"event": {"httpMethod": "GET", "path": "/payment", **event}, "status": status}


def test_callers_are_answered_by_the_handler_itself(clock):
    handler = rehearsable(None, clock)(lambda event, context: {"event": event, "context": context})
    assert handler({"path": "/health"}, CONTEXT) == {"event": {"path": "/health"}, "context": CONTEXT}


def test_an_event_is_handed_on_with_what_the_deployment_does_not_know(clock):
    seen = []

    def answer(event):
        seen.append(event)
        return {"statusCode": 200, "headers": {"Location": f"/payment/{len(seen)}"}, "body": "{}"}

    asked = {
        "multiValueHeaders": {"x-api-key": [API_KEY], "idempotency-key": [TOKEN], "x-amzn-trace-id": [TRACE]},
        "requestContext": {"requestTimeEpoch": TIME, "stage": "v1"},
        "path": LOCATION,
        "isBase64Encoded": False,
    }
    told = rehearse(clock, answer, turn(), turn(**asked), turn(**asked))
    assert [each["headers"]["Location"] for each in told["answers"]] == ["/payment/1", "/payment/2", "/payment/3"]
    first, second = seen[1:]
    assert [each["path"] for each in seen] == ["/payment", "/payment/1", "/payment/2"]
    assert first["multiValueHeaders"]["x-api-key"] == ["key-of-the-canary"]
    assert first["multiValueHeaders"]["idempotency-key"] == second["multiValueHeaders"]["idempotency-key"]
    assert len(first["multiValueHeaders"]["idempotency-key"][0]) == 32
    assert first["requestContext"] == {"requestTimeEpoch": clock.now(), "stage": "v1"}
    assert first["multiValueHeaders"]["x-amzn-trace-id"][0].startswith(f"Root=1-{clock.now() // 1000:08x}-")


def test_a_load_balancer_s_answer_leads_on_too(clock):
    seen = []

    def answer(event):
        seen.append(event["path"])
        return {"statusCode": 200, "multiValueHeaders": {"LOCATION": ["/payment/pay_1"]}, "body": "{}"}

    rehearse(clock, answer, turn(), turn(path=LOCATION))
    assert seen == ["/payment", "/payment/pay_1"]


def test_each_rehearsal_makes_a_payment_of_its_own(clock):
    keys = [rehearse(clock, lambda event: event, {"event": {"key": TOKEN}})["answers"][0]["key"] for _ in range(2)]
    assert keys[0] != keys[1]


def test_a_version_that_raises_fails_by_that(clock):
    with pytest.raises(ZeroDivisionError):
        rehearse(clock, lambda _: 1 / 0, turn())


@pytest.mark.parametrize("status", [500, 503, 202, 401])
def test_another_status_than_the_expected_one_fails_after_a_while(clock, status):
    began = clock.now()
    with pytest.raises(NotServing, match=f"^GET /payment answered {status}, not 200: why$"):
        rehearse(clock, lambda _: {"statusCode": status, "body": "why"}, turn())
    assert PATIENCE - PAUSE <= clock.now() - began <= PATIENCE


def test_after_a_while_another_status_will_do(clock):
    late = {"statusCode": 503, "body": "late"}
    found = rehearse(clock, lambda _: late, {**turn(), "otherwise": 503})
    assert found["answers"] == [late]
    assert clock.slept, "not at once"
    with pytest.raises(NotServing, match="answered 500"):
        rehearse(clock, lambda _: {"statusCode": 500, "body": ""}, {**turn(), "otherwise": 503})


def test_the_first_failure_is_told(clock):
    """The later ones may say only that it is late."""
    said = iter(["the reason", *["late"] * 100])
    with pytest.raises(NotServing, match=r"the reason$"):
        rehearse(clock, lambda _: {"statusCode": 503, "body": next(said)}, turn())


def test_rights_may_be_seconds_old(clock):
    """Of a role that was made just now the first calls are refused."""
    statuses = iter([503, 503, 200])
    keys = iter([Unavailable("AccessDenied"), "key", "key", "key"])

    def key(_):
        if isinstance(found := next(keys), Unavailable):
            raise found
        return found

    told = rehearse(clock, lambda _: {"statusCode": next(statuses), "body": "{}"}, turn(), api_key=key)
    assert told["answers"] == [{"statusCode": 200, "body": "{}"}]
    assert clock.slept == [PAUSE] * 3


def test_it_ends_before_the_function_is_ended(clock):
    began = clock.now()
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 1_000)
    with pytest.raises(NotServing):
        rehearse(clock, lambda _: {"statusCode": 503, "body": ""}, turn(), context=context)
    assert clock.now() - began <= 500


def test_without_any_event_it_is_enough_that_it_starts(clock):
    assert rehearse(clock, lambda _: 1 / 0) == {"answers": []}


def test_the_answers_are_json(clock):
    assert json.loads(json.dumps(rehearse(clock, lambda _: {"batchItemFailures": []}, {"event": {}})))
