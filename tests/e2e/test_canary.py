"""The deployed canaries: clients of ours that pay in both regions, by the names and the https that clients use."""

from __future__ import annotations

import json

import boto3
import pytest

from lambdas.domain.payment import CANARY_CLIENT
from sandbox.variables import CREDENTIALS
from tests.sampling import sampled
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("running")

REGIONS = {"primary": "us-east-1", "secondary": "us-east-2"}
SERVED = dict.fromkeys(REGIONS, "pass")


@pytest.fixture
def client(running):
    """Makes clients of a service in a role's region."""
    endpoint = running.ok("sandbox.status", "--json").json["endpoint"]
    credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
    return lambda service, role: boto3.client(service, region_name=REGIONS[role], endpoint_url=endpoint, **credentials)


@pytest.fixture
def found(client):
    """What the canary in a role's region finds of each region."""

    def of(role):
        answer = client("lambda", role).invoke(FunctionName=f"payment-canary-{role}-x7k2:live")
        assert "FunctionError" not in answer
        return json.loads(answer["Payload"].read())

    return of


@pytest.fixture
def regions_paid_in(client):
    """The regions of the canary client's payments since it was last asked, from the table that both regions share."""
    known = set()

    def listed():
        pages = (
            client("dynamodb", "primary")
            .get_paginator("scan")
            .paginate(
                TableName="payment-transactions-x7k2",
                ConsistentRead=True,
                FilterExpression="client = :canary AND #status = :captured",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":canary": {"S": CANARY_CLIENT}, ":captured": {"S": "CAPTURED"}},
            )
        )
        new = [item for page in pages for item in page["Items"] if item["pk"]["S"] not in known]
        known.update(item["pk"]["S"] for item in new)
        return {item["region"]["S"] for item in new}

    listed()
    return listed


@pytest.mark.parametrize("role", REGIONS)
def test_a_canary_pays_in_both_regions(found, regions_paid_in, role):
    until(lambda: found(role) == SERVED, 30)  # a first start may take longer than the health function has
    regions_paid_in()
    assert found(role) == SERVED
    assert regions_paid_in() == set(REGIONS.values())


@pytest.mark.parametrize("state", sampled(["5xx", "refuse", "hang"]))
def test_the_others_canary_finds_a_lost_region_unserved(running, found, state):
    running.ok("fault", "--region", "primary", "--kind", state)
    try:
        lost = found("secondary")
    finally:
        running.ok("heal")
    assert lost["secondary"] == "pass"
    assert lost["primary"].startswith("GET https://use1-api.x7k2.pay.example.com/health: ")
    until(lambda: found("secondary") == SERVED, 30)
