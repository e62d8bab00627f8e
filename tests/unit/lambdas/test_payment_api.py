"""HTTP: each status of the API, for API Gateway's and the load balancer's events alike."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.payment.api import MAX_BODY, PAYMENT_TIME, UNSERVED
from lambdas.payment.fields import is_card_like
from lambdas.settings import MARGIN
from lambdas.telemetry.sources import METRICS, mark
from lambdas.web.idempotency_key import InvalidKey, read_key
from lambdas.web.request import Request
from shared.environment_sections import SHORTEST_PAYMENT
from tests.doubles import openapi
from tests.doubles.payments import CANARY, STOREFRONT, Region, refused, timed_out

OK = {"amount": 100, "currency": "USD", "customerId": "test-123"}


@pytest.fixture
def region():
    return Region()


def problem(answer, status, kind):
    assert answer["statusCode"] == status
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    document = json.loads(answer["body"])
    assert document["status"] == status
    assert document["type"] == f"/problems/{kind}"
    assert document["title"]
    assert document["detail"]
    return document


def test_201_has_location_and_the_payment(region):
    answer = region.post("k")
    payment = json.loads(answer["body"])
    assert answer["statusCode"] == 201
    assert answer["headers"] == {"Location": f"/payment/{payment['paymentId']}", "Content-Type": "application/json"}
    assert payment == {
        "paymentId": payment["paymentId"],
        "status": "paid",
        "amount": 100,
        "currency": "USD",
        "customerId": "test-123",
        "createdAt": "2026-11-18T11:06:40.000+00:00",
    }


def test_200_for_get(region):
    first = region.post("k")
    answer = region.get(first["headers"]["Location"])
    assert (answer["statusCode"], answer["body"]) == (200, first["body"])
    assert region.get(first["headers"]["Location"] + "/")["statusCode"] == 200


def test_head_is_answered_as_get(region):
    location = region.post("k")["headers"]["Location"]
    for path in (location, "/payment/pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"):
        asked = [region.send(method, path, {"x-api-key": STOREFRONT}) for method in ("GET", "HEAD")]
        assert asked[0] == asked[1]


def test_202_says_where_to_ask(region):
    answer = region.post("k", {**OK, "customerId": "timeout-1"})
    assert answer["statusCode"] == 202
    assert answer["headers"]["Retry-After"] == "5"
    assert json.loads(region.get(answer["headers"]["Location"])["body"])["status"] == "pending"


def test_402_says_why(region):
    document = problem(region.post("k", {**OK, "customerId": "decline-1"}), 402, "declined")
    assert document["reason"] == "card_declined"
    assert json.loads(region.get(f"/payment/{document['paymentId']}")["body"])["reason"] == "card_declined"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON: see line 1, column 2"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a"\x00: 1}', "not JSON"),
        (b"[]", "no object"),
        (b"null", "no object"),
        (b"1", "no object"),
        (b'"x"', "no object"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": [Infinity]}', "Infinity"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1, "b": 2, "a": 1}', "member twice: a."),
        (b'{"a": 1, "\\u0061": 2}', "member twice: a."),
        (b'{"b": {"a": 1, "a": 2}}', "member twice: a."),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": "\xe9"}', "not UTF-8, whatever its charset says: see byte 8."),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b"[" * 9999, "too deep"),
        (b'{"a":' * 2000, "too deep"),
    ],
)
def test_400_says_what_is_wrong_with_the_body(region, body, said):
    event = {
        "httpMethod": "POST",
        "path": "/payment",
        "headers": {"x-api-key": STOREFRONT, "content-type": "application/json", "idempotency-key": "k"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    request = Request.of(event)
    answer = request.response(region.api.answer(request), {})
    assert said in problem(answer, 400, "malformed-request")["detail"]
    assert region.wire.calls == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "Send an Idempotency-Key"),
        ("", "Send an Idempotency-Key"),
        (" \t", "Send an Idempotency-Key"),
        ('""', "1 to 255"),
        ("x" * 256, "1 to 255"),
        ('"' + "x" * 256 + '"', "1 to 255"),
        ("schlüssel", "visible ASCII"),
        ("a\tb", "visible ASCII"),
        ("a\x00", "visible ASCII"),
        ("a\x7f", "visible ASCII"),
        ('" "', "visible ASCII"),
        ('" a"', "visible ASCII"),
        ("a, b", "comma"),
        ("a,a", "comma"),
        (",", "comma"),
        ('a, "b"', "comma"),
        ('a"b,c"', "comma"),
        ('"a", "b"', "quote"),
        ('"a" "b"', "quote"),
        ('"a"; b=1', "quote"),
        ('"a', "quote"),
        ('"', "quote"),
        (r'"a\"', "quote"),
        (r'"a\b"', "quote"),
        ('"é"', "quote"),
    ],
)
def test_400_without_one_idempotency_key(region, key, said):
    assert said in problem(region.post(key), 400, "idempotency-key-invalid")["detail"]
    assert region.wire.calls == []


@pytest.mark.parametrize("key", ["x" * 255, '"' + "x" * 255 + '"', r'"' + r"\"" * 255 + '"'])
def test_the_longest_idempotency_key(region, key):
    assert region.post(key)["statusCode"] == 201


KEYS = st.from_regex(re.compile(r"[!-~]([ -~]{0,253}[!-~])?"), fullmatch=True)


@given(key=KEYS)
def test_a_quoted_key_is_the_bare_one(key):
    quoted = '"' + key.replace("\\", r"\\").replace('"', r"\"") + '"'
    assert read_key([quoted]) == read_key([f" {quoted}\t"]) == key
    if "," not in key and not key.startswith('"'):
        assert read_key([key]) == key


@given(sent=KEYS | KEYS.map('"{}"'.format) | st.text(st.sampled_from('a ",\\é'), max_size=6))
def test_the_document_accepts_the_keys_that_the_function_reads(sent):
    schema = openapi.operation("post", "/payment")["parameters"][0]["schema"]
    try:
        read_key([sent])
    except InvalidKey:
        read = False
    else:
        read = sent == sent.strip(" ")  # the spaces around it are no part of a header's value
    assert openapi.accepts(schema, sent) == read


@given(keys=st.lists(KEYS, min_size=2, max_size=3), spelled=st.booleans())
def test_two_keys_are_none_on_their_lines_or_folded(keys, spelled):
    """Proxies fold lines with a comma (RFC 9110, 5.3); of which lines they were, nobody can tell then."""
    region = Region()
    own = {"x-api-key": [STOREFRONT], "Content-Type": ["application/json"]}
    lines = dict(zip(("Idempotency-Key", "idempotency-key", "IDEMPOTENCY-KEY"), ([key] for key in keys), strict=False))
    for sent in (lines if spelled else {"Idempotency-Key": keys}, {"Idempotency-Key": [", ".join(keys)]}):
        last = {name: values[-1] for name, values in (own | sent).items()}
        event = {
            "httpMethod": "POST",
            "path": "/payment",
            "headers": last,
            "multiValueHeaders": own | sent,
            "body": json.dumps(OK),
        }
        answer = Request.of(event).response(region.api.answer(Request.of(event)), {})
        problem(answer, 400, "idempotency-key-invalid")
    assert region.wire.calls == []


def test_a_quoted_key_repeats_the_bare_ones_payment(region):
    first = region.post("order-17")
    again = region.post('"order-17"')
    assert (again["body"], again["headers"]["Idempotent-Replayed"]) == (first["body"], "true")
    assert len(region.payments()) == 1


@pytest.mark.parametrize(
    ("name", "values", "status"),
    [
        ("x-api-key", [STOREFRONT, STOREFRONT], 401),
        ("x-api-key", [STOREFRONT, CANARY], 401),
        ("content-type", ["application/json", "application/json"], 415),
        ("content-type", ["text/plain", "application/json"], 415),
    ],
)
def test_a_header_that_decides_is_sent_once(region, name, values, status):
    single = {"x-api-key": STOREFRONT, "content-type": "application/json", "idempotency-key": "k"}
    event = {
        "httpMethod": "POST",
        "path": "/payment",
        "multiValueHeaders": {**{each: [value] for each, value in single.items()}, name: values},
        "body": json.dumps(OK),
    }
    answer = region.api.answer(Request.of(event))
    assert (answer.status, "once" in json.loads(answer.body)["detail"]) == (status, True)


@pytest.mark.parametrize(
    "api_key", [None, "", "wrong", STOREFRONT + "x", STOREFRONT[:-1], f"{STOREFRONT}, {CANARY}", "\ud800"]
)
@pytest.mark.parametrize("path", ["/payment", "/payment/x", "/nowhere"])
def test_401_without_a_key_for_any_path(region, api_key, path):
    answer = region.send("POST", path, {"x-api-key": api_key})
    problem(answer, 401, "unauthorized")
    assert answer["headers"]["WWW-Authenticate"] == 'ApiKey realm="payments"'


def test_the_previous_key_is_the_same_client(region):
    first = region.post("k")
    assert region.post("k", api_key="storefront-old")["body"] == first["body"]


def test_404_for_another_clients_payment(region):
    location = region.post("k")["headers"]["Location"]
    problem(region.get(location, api_key="rival-key"), 404, "not-found")
    assert region.post("k", api_key="rival-key")["headers"]["Location"] != location


@pytest.mark.parametrize(
    "path", ["/payment/pay_aaaaaaaaaaaaaaaaaaaaaaaaaa", "/payment/x", "/payment/" + "x" * 5000, "/x", "/", "//"]
)
def test_404_for_what_is_not_there(region, path):
    problem(region.get(path), 404, "not-found")


def test_impossible_ids_are_not_read(region):
    region.get("/payment/" + "x" * 5000)
    assert region.wire.calls == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/payment", "POST"), ("HEAD", "/payment", "POST"), ("DELETE", "/payment/pay_x", "GET, HEAD")],
)
def test_405_says_what_is_allowed(region, method, path, allowed):
    answer = region.send(method, path, {"x-api-key": STOREFRONT})
    problem(answer, 405, "method-not-allowed")
    assert answer["headers"]["Allow"] == allowed


def test_409_while_it_is_being_made(region):
    region.wire.fail("UpdateItem", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        region.post("k")
    answer = region.post("k")
    problem(answer, 409, "in-progress")
    assert answer["headers"]["Retry-After"] == "1"


def test_413_above_the_limit(region):
    text = json.dumps(OK)
    assert region.post("k", text + " " * (MAX_BODY - len(text)))["statusCode"] == 201
    problem(region.post("l", text + " " * (MAX_BODY - len(text) + 1)), 413, "too-large")


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "",
        "application/jsonx",
        "application/json, application/json",
        "text/json; charset=application/json",
        "application/problem+json",
    ],
)
def test_415_for_another_type(region, media_type):
    problem(region.post("k", **{"Content-Type": media_type}), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "media_type",
    [
        "Application/JSON",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json; charset=utf8",
        "application/json ; charset=latin-1",
        "application/json; charset=",
        "application/json;",
        "application/json; profile=x; q=1",
    ],
)
def test_json_by_any_spelling(region, media_type):
    assert region.post("k", **{"Content-Type": media_type})["statusCode"] == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "100"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 1.005}, "amount"),
        ({"amount": 1e12}, "amount"),
        ({"currency": "usd"}, "currency"),
        ({"currency": 1}, "currency"),
        ({"currency": "XXX"}, "currency"),
        ({"customerId": ""}, "customerId"),
        ({"customerId": 1}, "customerId"),
        ({"customerId": "-x"}, "customerId"),
        ({"customerId": "x" * 65}, "customerId"),
        ({"customerId": "x\n"}, "customerId"),
        ({"customerId": "4111-1111-1111-1111"}, "customerId"),
        ({"note": "x"}, "note"),
    ],
)
def test_422_names_the_field(region, change, field):
    assert problem(region.post("k", {**OK, **change}), 422, "invalid-field")["field"] == field
    assert region.wire.calls == []


@pytest.mark.parametrize("name", sorted(OK))
def test_422_for_a_missing_field(region, name):
    body = {key: value for key, value in OK.items() if key != name}
    assert problem(region.post("k", body), 422, "invalid-field")["field"] == name


@pytest.mark.parametrize("amount", ["1e400", "1e-400", "1e99999999999999999999", "9" * 5000, "0." + "0" * 5000 + "1"])
def test_422_for_numbers_beyond_all_machines(region, amount):
    body = f'{{"amount": {amount}, "currency": "USD", "customerId": "a"}}'
    problem(region.post("k", body), 422, "invalid-field")


def test_422_for_a_key_used_for_another_payload(region):
    region.post("k")
    problem(region.post("k", {**OK, "amount": 101}), 422, "idempotency-key-reused")


def test_refusals_are_not_stored(region):
    region.post("k", {**OK, "amount": -1})
    assert region.post("k")["statusCode"] == 201


def test_503_when_the_keys_were_never_read(region):
    region.secrets.error = timed_out()
    answer = region.post("k")
    problem(answer, 503, "unavailable")
    assert answer["headers"]["Retry-After"] == "2"


def test_every_timeout_that_an_environment_may_have_leaves_the_time_to_pay():
    """And a second before it, for the start of a request."""
    assert SHORTEST_PAYMENT * 1000 - MARGIN - PAYMENT_TIME >= 1000


@pytest.mark.parametrize(("left", "status"), [(PAYMENT_TIME - 1, 503), (PAYMENT_TIME, 201)])
def test_503_when_too_little_time_is_left_to_begin_a_payment(region, left, status):
    """Whoever waited for a cold start is told at once, and nothing was begun that could end unknown."""
    region.limit = left
    answer = region.post("k")
    assert answer["statusCode"] == status
    if status == 503:
        problem(answer, 503, "late")
        assert answer["headers"]["Retry-After"] == "1"
        assert not region.table.items, "nothing was begun"
    region.limit = PAYMENT_TIME
    assert region.post("k")["statusCode"] == 201


NOW = 1_764_000_000_000
SELF, ROOT = f"Self=1-{NOW // 1000:08x}-{'a' * 24}", f"Root=1-{NOW // 1000 - 20:08x}-{'b' * 24}"


@pytest.mark.parametrize(
    ("context", "trace", "waited"),
    [
        ({"requestTimeEpoch": NOW}, "", 3_500),
        ({"requestTimeEpoch": NOW + 4_000}, "", 0),  # clocks differ
        ({"requestTimeEpoch": NOW - 60_000}, "", 0),  # nobody waits for so long
        ({}, "", 0),
        ({}, SELF.replace("Self", "Root"), 2_501),  # at the end of its second
        ({}, f"{SELF};{ROOT}", 2_501),  # the caller's own does not count
        ({}, f"{ROOT};Sampled=1", 22_501),
        ({}, f"{SELF};{ROOT.replace('Root', 'Self')}", 2_501),  # nor one that looks like the load balancer's
        ({}, f"{ROOT.replace('Root', 'Self')};{SELF}", 2_501),
        ({}, "Root=1-zz-1", 0),
        ({"requestTimeEpoch": NOW}, ROOT, 3_500),
    ],
)
def test_how_long_a_request_has_waited(context, trace, waited):
    headers = {"x-amzn-trace-id": [trace]} if trace else {}
    event = {"httpMethod": "POST", "path": "/payment", "multiValueHeaders": headers, "requestContext": context}
    assert Request.of(event).waited(NOW + 3_500) == waited


def alb_event(*, multi):
    headers = {"x-api-key": STOREFRONT, "content-type": "application/json", "idempotency-key": "k", "host": "a:443"}
    event = {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "httpMethod": "POST",
        "path": "/payment",
        "body": base64.b64encode(json.dumps(OK).encode()).decode(),
        "isBase64Encoded": True,
    }
    if multi:
        return {**event, "multiValueHeaders": {name: [value] for name, value in headers.items()}}
    return {**event, "headers": headers}


@pytest.mark.parametrize("multi", [False, True])
def test_a_load_balancer_gets_its_own_shape(region, multi):
    request = Request.of(alb_event(multi=multi))
    assert request.host == "a"
    answer = request.response(region.api.answer(request), {"Served-By": "us-east-1 (primary)"})
    assert answer["statusCode"] == 201
    assert answer["isBase64Encoded"] is False
    assert ("multiValueHeaders" in answer, "headers" in answer) == (multi, not multi)
    served = answer["multiValueHeaders"]["Served-By"] if multi else [answer["headers"]["Served-By"]]
    assert served == ["us-east-1 (primary)"]


def test_both_entry_points_name_the_same_payment(region):
    request = Request.of(alb_event(multi=False))
    region.post("k")
    assert region.api.answer(request).headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("body", ["%%%", "é", "e30=é", "\ud800", "e30", 1, [1]])
def test_a_body_that_is_not_base64_is_malformed(region, body):
    request = Request.of({**alb_event(multi=False), "body": body})
    assert region.api.answer(request).status == 400


def test_metrics_are_of_paying_clients_only(region):
    host = {"Host": "API.payments.example"}
    region.post("k", **host)
    region.post("k", **host)
    region.post("c", api_key=CANARY, **host)
    region.post("x", api_key="wrong", **host)
    region.post("other", Host="use1-api.payments.example")
    told = [
        {name: line[name] for name in ("FailoverTraffic", "PaymentsPaid") if name in line}
        for line in region.journal.lines
    ]
    assert told == [{"FailoverTraffic": 1, "PaymentsPaid": 1}, {"FailoverTraffic": 1}, {}, {}, {"PaymentsPaid": 1}]
    metrics = region.journal.lines[0]["_aws"]["CloudWatchMetrics"][0]
    assert metrics["Namespace"] == "Payments"
    assert {"Name": "FailoverTraffic", "Unit": "Count", "StorageResolution": 1} in metrics["Metrics"]
    canarys = region.journal.lines[2]["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    assert canarys == [{"Name": UNSERVED, "Unit": "Count"}], "whether it is served, and nothing else"
    assert "_aws" not in region.journal.lines[3]


def unserved(region):
    return [line[UNSERVED] for line in region.journal.lines if UNSERVED in line]


def test_the_share_of_payments_that_are_not_served_is_of_known_clients_alone(region):
    """Whoever has no key, a wrong one, or asks for something else, changes nothing: it would hide a failure."""
    region.post("k")
    region.post("c", api_key=CANARY)
    assert unserved(region) == [0, 0]
    for wrong in ("", "wrong"):
        region.post("x", api_key=wrong)
    region.get("/payment/1")
    assert unserved(region) == [0, 0]
    region.post("bad", {**OK, "amount": -1})
    for key, api_key in (("k2", STOREFRONT), ("c2", CANARY)):
        region.wire.fail("PutItem", refused("InternalServerError", 500), times=4)
        assert region.post(key, api_key=api_key)["statusCode"] == 503
    region.post("x", api_key="wrong")
    assert unserved(region) == [0, 0, 0, 1, 1]


def test_who_comes_late_is_told_nothing_of_without_a_key(region):
    """A cold region answers 503 before it asks for a key: a flood of such requests says nothing of payments."""
    region.limit = PAYMENT_TIME - 1
    assert region.post("k", api_key="wrong")["statusCode"] == 503
    assert unserved(region) == []


def test_keys_that_cannot_be_read_leave_payments_unserved(region):
    fresh = Region(clock=region.clock, table=region.table, bucket=region.bucket)
    fresh.secrets.error = refused("InternalServiceError", 500)
    assert fresh.post("k")["statusCode"] == 503
    assert unserved(fresh) == [1]


def test_the_secondary_does_not_tell_it(region):
    region.journal.role = "secondary"
    region.post("k")
    assert unserved(region) == []


def test_source_addresses_are_counted_in_the_secondary_without_being_told(region):
    host = {"Host": "api.payments.example"}
    region.post("k", **host)
    assert not set(METRICS) & set(region.journal.lines[-1]), "in the primary this is all traffic, and each metric costs"
    region.journal.role = "secondary"
    region.post("k", **host)
    line = region.journal.lines[-1]
    told = {name: line[name] for name in METRICS if name in line}
    assert told == mark("203.0.113.9", "api.payments.example")
    assert "203.0.113.9" not in json.dumps(line)
    assert told.keys() < {each["Name"] for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
    region.post("c", api_key=CANARY, **host)
    region.post("x", api_key="wrong", **host)
    region.post("o", Host="use1-api.payments.example")
    assert all(not set(METRICS) & set(line) for line in region.journal.lines[-3:])


@pytest.mark.parametrize(
    ("event", "source"),
    [
        (
            {
                "requestContext": {"identity": {"sourceIp": "203.0.113.9"}},
                "headers": {"X-Forwarded-For": "9.9.9.9"},
            },
            "203.0.113.9",
        ),
        ({"headers": {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}}, "203.0.113.9"),
        ({"multiValueHeaders": {"x-forwarded-for": ["6.6.6.6", "203.0.113.9"]}}, "203.0.113.9"),
        ({}, ""),
    ],
)
def test_a_caller_cannot_say_where_it_comes_from(event, source):
    """What a caller puts into X-Forwarded-For stands before what the load balancer adds."""
    assert Request.of({"httpMethod": "GET", "path": "/", **event}).source == source


def test_logs_correlate_and_tell_no_secret(region):
    secret_key = "idempotency-secret-4111111111111111"
    answer = region.post(secret_key, {**OK, "customerId": "decline-7"})
    region.post("k", {**OK, "4111111111111111": 1})
    region.post("k", api_key="a-wrong-key")
    region.get(answer["headers"]["Location"])
    payment_id = answer["headers"]["Location"].rpartition("/")[2]
    first, _, _, last = region.journal.lines
    assert (first["request_id"], first["payment_id"]) == ("request-1", payment_id)
    assert last["payment_id"] == payment_id
    told = json.dumps(region.journal.lines)
    for secret in (secret_key, STOREFRONT, "a-wrong-key", "decline-7", "4111111111111111"):
        assert secret not in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4111111111111111", True),
        ("4111-1111.1111_1111", True),
        ("378282246310005", True),
        ("4111111111111112", False),
        ("411111111111", False),
        ("c4111111111111111", False),
        ("test-123", False),
    ],
)
def test_card_numbers_are_told_by_their_check_digit(text, expected):
    assert is_card_like(text) is expected
