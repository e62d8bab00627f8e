"""The document and the code say the same."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.money import MAX_MINOR_UNITS
from lambdas.payment.api import MAX_BODY
from lambdas.payment.fields import CUSTOMER, FIELDS
from lambdas.web.answer import PROBLEMS
from projects.compute import problems
from projects.edge import firewall
from tests.doubles import openapi
from tests.doubles.payments import STOREFRONT, Region, refused

DOCUMENTED = {int(status) for status in openapi.operation("post", "/payment")["responses"]} | {404}


def test_the_api_in_front_words_its_problems_as_the_function_does():
    schemas = openapi.document()["components"]["schemas"]
    for own in problems.PROBLEMS.values():
        status = own.changed_to or own.status
        assert own.title == PROBLEMS.get(own.kind, (0, own.title))[1]
        openapi.validate(schemas["Problem" if status and status < 500 else "ServerProblem"], json.loads(own.body))
        assert status is None or DOCUMENTED.issuperset({status})


def test_it_has_exactly_the_statuses_that_the_function_gives():
    posted = {int(status) for status in openapi.operation("post", "/payment")["responses"]}
    gotten = {int(status) for status in openapi.operation("get", "/payment/x")["responses"]}
    problems = {status for status, _ in PROBLEMS.values()}
    # 405 is no operation's answer; 500, 502 and 504 are the API's own: its function is throttled, dies or is late.
    # 500 is also the function's, to who hears a contradiction.
    # 403 is the firewall's, 429 of both.
    assert 429 not in problems
    assert posted | gotten == {200, 201, 202, 403, 429, 500, 502, 504} | problems - {405}


def test_the_firewall_in_front_answers_as_promised():
    for status, kind, headers in (
        (403, firewall.FORBIDDEN, {}),
        (429, firewall.TOO_MANY, {"Retry-After": "60"}),
    ):
        given = {"Content-Type": "application/json", **headers}
        answer = {"statusCode": status, "headers": given, "body": json.dumps(firewall.PROBLEMS[kind])}
        for method, path in (("POST", "/payment"), ("GET", "/payment/x")):
            openapi.check(method, path, answer)


def test_the_instruction_is_the_one_that_the_function_reads():
    schema = openapi.document()["components"]["schemas"]["Instruction"]
    assert set(schema["properties"]) == set(schema["required"]) == FIELDS
    assert schema["additionalProperties"] is False
    assert schema["properties"]["customerId"]["pattern"] == f"^{CUSTOMER.pattern}$"
    assert schema["properties"]["amount"]["maximum"] == MAX_MINOR_UNITS


@pytest.mark.parametrize("customer", ["test-123", "decline-1", "timeout-1", "late-1", "twice-1"])
def test_payments_are_as_promised(customer):
    region = Region()
    body = {"amount": 100.5, "currency": "USD", "customerId": customer}
    for _ in range(2):
        answer = region.post("k", body)
        openapi.check("POST", "/payment", answer)
        location = answer["headers"]["Location"]
        openapi.check("GET", location, region.get(location))


def test_problems_are_as_promised():
    region = Region()
    answers = [
        region.post("k", "{"),
        region.post(None),
        region.post("k", api_key="wrong"),
        region.post("k", " " * (MAX_BODY + 1)),
        region.post("k", **{"Content-Type": "text/plain"}),
        region.post("k", {}),
    ]
    region.wire.fail("PutItem", refused("ThrottlingException"), times=4)
    answers.append(region.post("k"))
    region.wire.fail("PutItem", refused("InternalServerError", 500), times=4)
    answers.append(region.post("k"))
    region.wire.fail("UpdateItem", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        region.post("k")
    answers += [region.post("k"), region.post("k", {"amount": 1, "currency": "USD", "customerId": "x"})]
    assert [answer["statusCode"] for answer in answers] == [400, 400, 401, 413, 415, 422, 503, 503, 409, 422]
    for answer in answers:
        openapi.check("POST", "/payment", answer)
    openapi.check("GET", "/payment/x", region.get("/payment/x"))


def test_the_example_is_paid():
    example = openapi.operation("post", "/payment")["requestBody"]["content"]["application/json"]["example"]
    assert Region().post("k", example)["statusCode"] == 201


def test_the_key_s_header_is_the_one_that_counts():
    scheme = openapi.document()["components"]["securitySchemes"]["apiKey"]
    region = Region()
    headers: dict[str, str | None] = {
        scheme["name"]: STOREFRONT,
        "Idempotency-Key": "k",
        "Content-Type": "application/json",
    }
    body = json.dumps({"amount": 1, "currency": "USD", "customerId": "x"})
    assert region.send("POST", "/payment", headers, body)["statusCode"] == 201
