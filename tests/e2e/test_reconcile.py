"""The books of the deployed system agree; what is changed behind its back is found."""

from __future__ import annotations

import json
import time

import boto3
import pytest

from sandbox.variables import CREDENTIALS

pytestmark = pytest.mark.xdist_group("running")


@pytest.fixture
def client(running):
    endpoint = running.ok("sandbox.status", "--json").json["endpoint"]
    credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
    return lambda service, region: boto3.client(service, region_name=region, endpoint_url=endpoint, **credentials)


def paid(running, *options):
    return running.ok("pay", *options, "--json").json["answer"]["paymentId"]


def findings(running):
    answer = running.run("reconcile", "--since", "10m", "--json")
    assert answer.code == (1 if answer.json["findings"] else 0), answer.err
    return {(each["kind"], each["payment"]) for each in answer.json["findings"]}


def test_books_agree_and_what_is_changed_behind_their_back_is_found(running, client):
    id_ = paid(running)
    running.run("pay", "--customer", "decline-me")
    assert findings(running) == set()
    outputs = running.ok("outputs", "--layer", "data", "--json").json["data/payments"]

    table, key = client("dynamodb", "us-east-1"), {"pk": {"S": id_}, "sk": {"S": "payment"}}
    item = table.get_item(TableName=outputs["table_name"], Key=key, ConsistentRead=True)["Item"]
    table.put_item(TableName=outputs["table_name"], Item={**item, "minor_units": {"N": "1"}})
    assert ("contradictory", id_) in findings(running)
    table.delete_item(TableName=outputs["table_name"], Key=key)
    assert ("lost", id_) in findings(running)
    table.put_item(TableName=outputs["table_name"], Item=item)

    ledger = running.root / ".sandbox/processor/ledger.jsonl"
    kept = ledger.read_text()
    approved = next(line for line in kept.splitlines() if id_ in line and '"approved"' in line)
    again = {**json.loads(approved), "endpoint": "us-east-2.processor.example.com", "reference": "ch_again"}
    try:
        ledger.write_text(f"{kept}{json.dumps(again)}\n")
        assert ("doubled", id_) in findings(running)
    finally:
        ledger.write_text(kept)

    found = running.run("reconcile", "--since", "10m")
    assert (found.code, "agree" in found.out) == (0, True)


def test_fix_finishes_what_was_left_by_asking_the_processor(running):
    pending = running.run("pay", "--customer", "timeout-me", "--json")
    assert pending.json["status"] == 202
    before = running.ok("reconcile", "--since", "10m", "--json").json
    assert before["counts"]["unknown"] == 1
    deadline = time.monotonic() + 40  # it may be asked about again after five seconds
    while (counts := running.ok("reconcile", "--since", "10m", "--fix", "--json").json["counts"])["unknown"]:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert counts["attempted"] == counts["paid"] + counts["declined"] + counts["refused"]


@pytest.mark.parametrize(
    "words",
    [("--since", "yesterday"), ("--since", "2999-01-01"), ("--ledger", "nowhere.jsonl"), ("--ledger", "README.md")],
)
def test_bad_input_is_one_line(running, words):
    answer = running.run("reconcile", *words)
    assert answer.code == 1
    assert words[1] in answer.complaint
