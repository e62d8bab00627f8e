"""What a new version is asked, and which answers keep it from serving."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.cloud.repairs.gateway import PROXY_ANSWER as TAKEN
from shared.rehearsals import EVENT, KEY, LOCATION, PROXY_ANSWER, TIME, TOKEN, TRACE, Caller, Rehearsal, RehearsedTurn
from tests.doubles.rehearsals import passing, proxied

PLACE = {"region": "us-east-2", "role": "secondary", "release": "abc"}
REST, BALANCER = (Caller(entry_point, "us-east-2", "use2-api.example") for entry_point in ("rest-api", "load-balancer"))


def told(rehearsal: Rehearsal, change: Callable[[list[Any]], Any] = lambda _: None) -> str:
    """A passing version's result, spoilt."""
    answers = passing(rehearsal.event, PLACE)
    change(answers)
    return json.dumps({"answers": answers})


def body(position: int, **members: Any) -> Callable[[list[Any]], None]:
    def change(answers: list[Any]) -> None:
        said = json.loads(answers[position]["body"])
        answers[position]["body"] = json.dumps({**said, **members})

    return change


def test_the_canary_pays_and_reads_its_payment_and_no_key_is_told():
    paying, reading = (each["event"] for each in json.loads(REST.payment().event)[EVENT])
    assert (paying["httpMethod"], paying["path"], reading["httpMethod"]) == ("POST", "/payment", "GET")
    assert reading["path"] == LOCATION
    assert paying["headers"]["x-api-key"] == reading["headers"]["x-api-key"] == KEY
    assert paying["headers"]["idempotency-key"] == TOKEN
    assert json.loads(paying["body"])["customerId"] == "canary"
    assert paying["headers"]["host"] == "use2-api.example"


def test_each_entry_point_s_functions_get_its_events():
    (rest,) = json.loads(REST.health().event)[EVENT]
    (balancer,) = json.loads(BALANCER.health().event)[EVENT]
    assert rest["event"]["requestContext"]["requestTimeEpoch"] == TIME
    assert set(rest["event"]) >= {"headers", "multiValueHeaders"}
    assert "elb" in balancer["event"]["requestContext"]
    assert balancer["event"]["multiValueHeaders"]["x-amzn-trace-id"] == [TRACE]
    assert "headers" not in balancer["event"]


@pytest.mark.parametrize("caller", [REST, BALANCER])
def test_a_version_that_answers_as_it_should_passes(caller):
    for rehearsal in (
        caller.payment(),
        caller.health(**PLACE),
        Rehearsal(),
        Rehearsal((RehearsedTurn({"Records": []}),)),
    ):
        assert rehearsal.fault(told(rehearsal)) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (body(0, amount=13.34), "POST /payment: amount is 13.34, not 12.34"),
        (body(0, status="pending"), 'POST /payment: status is "pending", not "paid"'),
        (body(0, currency="EUR"), 'POST /payment: currency is "EUR", not "USD"'),
        (body(0, customerId="other"), 'POST /payment: customerId is "other", not "canary"'),
        (body(1, amount=13.34), "GET {location} says otherwise than the answer before"),
        (body(1, paymentId="pay_2"), "GET {location} says otherwise than the answer before"),
    ],
)
def test_a_corrupted_payment_is_seen(change, said):
    assert REST.payment().fault(told(REST.payment(), change)) == said


@pytest.mark.parametrize("name", ["status", "region", "role", "release"])
def test_a_region_that_says_something_else_of_itself_is_seen(name):
    rehearsal = REST.health(**PLACE)
    assert rehearsal.fault(told(rehearsal, body(0, **{name: "other"}))).startswith(f'GET /health: {name} is "other"')


def test_a_region_may_say_that_it_is_not_healthy_and_must_say_who_it_is():
    rehearsal = REST.health(**PLACE)

    def unhealthy(**members):
        return told(
            rehearsal, lambda answers: answers.__setitem__(0, proxied(503, {**PLACE, "status": 503, **members}))
        )

    assert rehearsal.fault(unhealthy()) == ""
    assert rehearsal.fault(unhealthy(release="other")).startswith('GET /health: release is "other"')
    assert "could read" in rehearsal.fault(told(rehearsal, lambda answers: answers[0].update(statusCode=500)))


@pytest.mark.parametrize(
    "change",
    [
        lambda answers: answers.pop(),
        lambda answers: answers.append(answers[0]),
        lambda answers: answers.__setitem__(0, proxied(500, {})),
        lambda answers: answers.__setitem__(0, None),
        lambda answers: answers[0].pop("body"),
        lambda answers: answers[0].update(body="<html>"),
        lambda answers: answers[0].update(body={"amount": 12.34}),
        lambda answers: answers[0].update(body="[]"),
        lambda answers: answers[0].update(extra="makes a REST API answer 502"),
    ],
)
def test_an_answer_that_no_caller_could_read_is_seen(change):
    assert "which no caller of its own could read" in REST.payment().fault(told(REST.payment(), change))


@pytest.mark.parametrize("result", ["null", "{}", '{"answers": null}', '"paid"', "", '{"statusCode": 200}'])
def test_a_version_that_does_not_know_rehearsals_does_not_pass(result):
    for rehearsal in (REST.payment(), Rehearsal()):
        assert "which no caller of its own could read" in rehearsal.fault(result)


def test_a_batch_that_is_not_filed_is_seen():
    rehearsal = Rehearsal((RehearsedTurn({"Records": []}, says={"batchItemFailures": []}),))
    failed = told(rehearsal, lambda answers: answers[0].update(batchItemFailures=[{"itemIdentifier": "1"}]))
    assert rehearsal.fault(failed).startswith("the event: batchItemFailures is [{")


def test_what_a_proxy_integration_takes_is_what_the_sandbox_s_takes():
    assert PROXY_ANSWER == TAKEN
