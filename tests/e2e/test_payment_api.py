"""The deployed API in both regions: what clients may do to it, all at once and at random."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
import psutil
import pytest

from clients.payments import FileJournal, PaymentClient
from sandbox.layout import Layout
from sandbox.processor.ledger import read
from sandbox.variables import CREDENTIALS
from tests.doubles.fuzzing import fuzz
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("running")

REGIONS = {"primary": "us-east-1", "secondary": "us-east-2"}
SUFFIX = "x7k2"
BODY = {"amount": 100, "currency": "USD", "customerId": "test-123"}
PAYMENT = json.dumps(BODY).encode()


@dataclass(frozen=True)
class Deployed:
    """Where the deployed API is, and the storefront's key to it."""

    endpoint: str
    gateways: dict[str, str]
    api_key: str
    outputs: dict[str, object]
    ledger: Path
    """The card processor's."""

    def client(self, service, role):
        credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
        return boto3.Session(**credentials).client(service, region_name=REGIONS[role], endpoint_url=self.endpoint)

    def post(self, role, key, **headers):
        given = {"x-api-key": self.api_key, "Idempotency-Key": key, **headers}
        return httpx.post(f"{self.gateways[REGIONS[role]]}/payment", json=BODY, headers=given, timeout=60)

    def send(self, role, lines, content=PAYMENT):
        """POST with these header lines, as they are."""
        types = [] if any(name == "Content-Type" for name, _ in lines) else [("Content-Type", "application/json")]
        headers = [("x-api-key", self.api_key), *types, *lines]
        return httpx.post(f"{self.gateways[REGIONS[role]]}/payment", content=content, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def deployed(running):
    status = running.ok("sandbox.status", "--json").json
    outputs = running.ok("outputs", "--layer", "data", "--json").json["data/payments"]
    ledger = Layout(running.root).processor_ledger
    found = Deployed(status["endpoint"], status["gateways"], "", outputs, ledger)
    secret = found.client("secretsmanager", "primary").get_secret_value(
        SecretId=outputs["api_keys_secret_arns"]["primary"]
    )
    key = json.loads(secret["SecretString"])["clients"]["storefront"]["current"]
    return dataclasses.replace(found, api_key=key)


def kept(deployed, role, payment_id):
    """What a region's table holds of a payment: the kinds of its items."""
    pages = deployed.client("dynamodb", role).get_paginator("scan").paginate(TableName=deployed.outputs["table_name"])
    items = [item for page in pages for item in page["Items"] if payment_id in item["pk"]["S"]]
    return sorted(item["sk"]["S"] for item in items)


def insist(deployed, role, key):
    """What a client does: repeat the request with its key while it is told to, or told nothing of use."""
    for _ in range(20):
        answer = deployed.post(role, key)
        if answer.status_code < 500 and answer.status_code not in {409, 429}:
            return answer
        time.sleep(0.5)
    raise AssertionError(f"no answer but {answer.status_code}: {answer.text}")


def race(deployed, clients):
    start, key = threading.Barrier(clients), f"race-{clients}"

    def pay(number):
        start.wait(60)
        return insist(deployed, ("primary", "secondary")[number % 2], key)

    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(pay, range(clients)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    payment_id = answers[0].json()["paymentId"]
    for role in REGIONS:
        assert kept(deployed, role, payment_id) == ["payment"]
    asked = [line for line in read(deployed.ledger) if line["key"] == payment_id]
    assert sum(line["what"] == "approved" for line in asked) == 1
    assert len({line["endpoint"] for line in asked}) == 1


def test_clients_racing_with_one_key_make_one_payment(deployed):
    race(deployed, 8)


@pytest.mark.prove
def test_64_clients_racing_with_one_key_make_one_payment(deployed):
    race(deployed, 64)


def test_one_key_sent_twice_is_refused_and_quoted_it_is_the_same(deployed):
    """AWS hands both lines to the function; a proxy on the way may fold them into one."""
    for lines in (["dup-1", "dup-1"], ["dup-1, dup-1"], ['"dup-1", "dup-1"']):
        refused = deployed.send("primary", [("Idempotency-Key", line) for line in lines])
        assert (refused.status_code, refused.json()["type"]) == (400, "/problems/idempotency-key-invalid")
    first = deployed.send("primary", [("Idempotency-Key", "dup-1")])
    again = deployed.send("secondary", [("Idempotency-Key", '"dup-1"')])
    assert (first.status_code, again.text) == (201, first.text)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


def test_json_is_json_by_its_type_and_a_body_s_mistake_is_told(deployed):
    def answer(content, content_type="application/json; charset=utf8"):
        headers = [("Idempotency-Key", "types"), ("Content-Type", content_type)]
        return deployed.send("primary", headers, content)

    assert answer(PAYMENT).status_code == 201
    assert answer(PAYMENT, "text/plain").status_code == 415
    assert answer(b"x", "text/plain").status_code == 415
    for body, said in (
        (b'{"amount": NaN}', "NaN"),
        (b'{"amount": 1, "amount": 1}', "twice"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'{"a": "\xe9"}', "UTF-8"),
        (b"[]", "object"),
    ):
        refused = answer(body)
        assert (refused.status_code, refused.headers["Content-Type"]) == (400, "application/problem+json")
        assert said in refused.json()["detail"]


def test_head_is_answered_wherever_get_is(deployed):
    place = deployed.post("primary", "head").headers["Location"]
    for path in ("/health", place):
        url = deployed.gateways[REGIONS["primary"]] + path
        head, get = (
            httpx.request(method, url, headers={"x-api-key": deployed.api_key}, timeout=60)
            for method in ("HEAD", "GET")
        )
        assert (head.status_code, head.content, head.headers["Served-By"]) == (200, b"", get.headers["Served-By"])


def test_random_requests_get_what_the_document_promises(deployed):
    answers = fuzz(None, deployed.gateways[REGIONS["primary"]], deployed.api_key, 40)
    assert sum(answers.values()) >= 80


@pytest.mark.prove
def test_five_thousand_random_requests_get_what_the_document_promises(deployed):
    answers = fuzz(None, deployed.gateways[REGIONS["secondary"]], deployed.api_key, 2_600)
    assert sum(answers.values()) >= 5_000


def killed(deployed):
    """The answer to a payment whose function's process is killed as soon as it has been handed the payment."""
    deployed.post("primary", "killed-warm")
    assert hold(deployed)  # none comes to answer what it takes from here on
    with ThreadPoolExecutor(1) as behind:
        waiting = behind.submit(deployed.post, "primary", "killed")
        try:
            until(lambda: hold(deployed) is not None and waiting.done(), seconds=60)
        finally:
            for process in hold(deployed):
                process.kill()
        return waiting.result()


def hold(deployed):
    """Suspend the processes of the primary's payment function; kill and leave out those that a request waits for."""
    mine = {
        "AWS_LAMBDA_FUNCTION_NAME": f"payment-processor-primary-{SUFFIX}",
        "AWS_ENDPOINT_URL": deployed.endpoint,
    }
    held = []
    for process in psutil.process_iter(["environ"]):
        if not mine.items() <= (process.info["environ"] or {}).items():
            continue
        with suppress(psutil.NoSuchProcess, FileNotFoundError):  # it was killed at the look before
            process.suspend()
            with Path(f"/proc/{process.pid}/fd/0").open("rb", buffering=0) as requests:
                asked = any(fcntl.ioctl(requests, termios.FIONREAD, bytes(4)))
            if asked:
                process.kill()
            else:
                held.append(process)
    return held


def throttled(deployed):
    """The answer to a payment whose function may run no more than it does."""
    lambdas, name = deployed.client("lambda", "primary"), f"payment-processor-primary-{SUFFIX}"
    before = lambdas.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"]
    lambdas.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        return deployed.post("primary", "throttled")
    finally:
        lambdas.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=before)


@pytest.mark.parametrize(("fail", "status"), [(killed, 502), (throttled, 500)])
def test_a_function_without_an_answer_is_a_problem_to_try_again(deployed, fail, status):
    answer = fail(deployed)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "/problems/unavailable"
    key = answer.request.headers["Idempotency-Key"]
    until(lambda: deployed.post("primary", key).status_code in (200, 201, 202, 409))


def test_the_published_client_pays_once_through_both_regions(deployed, tmp_path):
    told = []
    for role, region in REGIONS.items():
        client = PaymentClient(deployed.gateways[region], deployed.api_key, FileJournal(tmp_path / role))
        told.append(client.pay(BODY, "published-client"))
        client.close()
    assert [each.state for each in told] == ["paid", "paid"]
    assert [each.replayed for each in told] == [False, True]
    assert told[0].payment == told[1].payment
