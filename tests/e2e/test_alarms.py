"""The deployed stacks' alarms, mail, record and latch, by real metrics and by schedules that run themselves."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from contextlib import contextmanager

import boto3
import httpx
import pytest

from sandbox.clock import SharedClock, set_speed
from sandbox.layout import Layout
from sandbox.variables import CREDENTIALS
from shared.environment import Environment
from shared.failover_time import LatchTiming
from tests.e2e.conftest import new_checkout
from tests.waiting import until

SPEED = 10
PATIENT = 3
"""The speed where a look at the table that is late would itself be the alarm."""
FEW = 20
"""Clients that each pay once a minute at this speed without hurry."""
PERSON = "on-call@example.com"
NAME = Environment.load("payments").foundation().failover_name


class Deployed:
    """A deployed checkout whose topics have a subscriber."""

    def __init__(self, checkout):
        self.checkout = checkout
        self.layout = Layout(checkout.root)
        self.clock = SharedClock(self.layout.clock)
        status = checkout.ok("sandbox.status", "--json").json
        self.endpoint, self.gateways = status["endpoint"], status["gateways"]
        secret = self.outputs("data")["data/payments"]["api_keys_secret_arns"]["primary"]
        found = self.client("secretsmanager", "us-east-1").get_secret_value(SecretId=secret)["SecretString"]
        self.key = json.loads(found)["clients"]["storefront"]["current"]
        self.bucket = self.outputs("edge")["edge/payments"]["stop_switch_bucket"]

    def client(self, service, region):
        credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint, **credentials)

    def outputs(self, layer):
        return self.checkout.ok("outputs", "--layer", layer, "--json").json

    def switch(self):
        found = self.client("s3", "us-east-2").get_object(Bucket=self.bucket, Key="stop-switch")
        return found["Body"].read().decode()

    def pay_by_the_shared_name(self, number=0, *, crowd=False):
        """As a client does whom DNS has led to the secondary; each number has an address of its own.

        In a crowd, one that is told to come again is served as well: it is there.
        """
        own = httpx.HTTPTransport(local_address=f"127.8.{number // 200}.{number % 200 + 1}")
        with httpx.Client(transport=own, timeout=30) as client:
            answer = client.post(
                f"{self.gateways['us-east-2']}/payment",
                headers={"Host": NAME, "x-api-key": self.key, "Idempotency-Key": uuid.uuid4().hex},
                json={"amount": 100, "currency": "USD", "customerId": "test-123"},
            )
        assert answer.status_code == 201 or (crowd and answer.status_code == 503), answer.text

    def until(self, condition, seconds, *, clients=0):
        """Virtual seconds until something is so; None when it is not in time. So many clients pay in turn meanwhile."""
        began, paid = self.clock.now(), 0
        while (passed := self.clock.now() - began) < seconds:
            if clients:
                self.pay_by_the_shared_name(paid % clients, crowd=clients > FEW)
                paid += 1
            if (clients <= FEW or paid % FEW == 0) and condition():
                return passed
            time.sleep(0.3 if clients <= FEW else 0.0)
        return None

    def stopped(self):
        return self.switch() == "primary: stop"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alarms") / "checkout"
    with new_checkout(folder) as checkout:
        checkout.ok("deploy-all")
        yield Deployed(checkout)


@contextmanager
def at_speed(deployed):
    set_speed(deployed.layout.clock, SPEED)
    yield deployed
    deployed.checkout.ok("heal")
    deployed.checkout.run("restore", "--even-if-unhealthy")
    set_speed(deployed.layout.clock, 1.0)


@pytest.fixture
def fast(deployed):
    with at_speed(deployed) as made:
        yield made


@pytest.fixture
def lent(running):
    """The same, in the checkout that all share."""
    with at_speed(Deployed(running)) as made:
        yield made


def mail(deployed, alarm, state):
    return [
        each
        for each in deployed.checkout.ok("inbox", "--json").json
        if each["alarm"].startswith(alarm) and each["state"] == state
    ]


@pytest.mark.xdist_group("running")
def test_failover_traffic_tells_people_and_is_on_record_in_the_other_region(lent):
    """Metric in a log, alarm of ten seconds, topic, mail; and queue in the other region, audit function, bucket."""

    def told_to_a_person():
        found = [each for each in mail(lent, "payment-failover-traffic", "ALARM") if each["to"] == PERSON]
        return [each for each in found if each not in before]

    before = []
    before = told_to_a_person()
    lent.pay_by_the_shared_name()
    assert lent.until(told_to_a_person, 120) is not None
    (told,) = told_to_a_person()
    assert told["region"] == "us-east-2"
    assert "FailoverTraffic" not in told["reason"]
    assert "Threshold Crossed" in told["reason"]
    buckets = lent.outputs("data")["data/payments"]["audit_bucket_names"]
    objects = lent.client("s3", "us-east-1")

    def filed():
        found = objects.list_objects_v2(Bucket=buckets["primary"], Prefix="notifications/").get("Contents", ())
        texts = [objects.get_object(Bucket=buckets["primary"], Key=each["Key"])["Body"].read() for each in found]
        return [each for each in texts if b"payment-failover-traffic" in each and b"us-east-2" in each]

    assert until(filed, 30)


@pytest.mark.prove
def test_a_failover_that_lasts_is_latched_by_real_metrics_and_schedules(fast):
    """Nobody calls the latch but its schedule, and it sees nothing but what CloudWatch tells it."""
    assert fast.until(fast.stopped, 360) is None, "it is quiet when nothing has failed over"
    fast.checkout.ok("fault", "--region", "primary", "--kind", "refuse")
    passed = fast.until(fast.stopped, 600, clients=1)
    assert passed is not None, "clients pay here, and the primary answers no probe"
    assert passed > 60, "not at the first failed probe"
    assert fast.until(lambda: mail(fast, "payment-primary-unserved", "ALARM"), 300) is not None


@pytest.mark.prove
def test_an_hour_of_twenty_clients_that_stay_latches_nothing_and_two_hundred_are_a_failover(fast):
    """As the simulation has it (`./invoke simulate-failover`), while the primary answers every probe."""
    assert fast.until(fast.stopped, 3600, clients=FEW) is None
    settings = Environment.load("payments")
    timing = LatchTiming(settings.edge.checks.of_the_entry_point, settings.edge.dns)
    set_speed(fast.layout.clock, 3.0)
    passed = fast.until(fast.stopped, timing.certain + timing.lasting * 60, clients=200)
    assert passed is not None
    assert passed > (timing.lasting - 2) * 60  # by clients who stay for longer than the way back takes


def members(deployed, region):
    """A region's alarm on the members of the payments table."""
    found = deployed.client("cloudwatch", region).describe_alarms(AlarmNamePrefix="payment-table-members")
    (alarm,) = found["MetricAlarms"]
    return alarm


@pytest.mark.prove
def test_members_of_the_table_that_somebody_takes_away_are_told_by_both_regions(fast):
    """Replica and witness, which DynamoDB lets go together alone. The module's last test: the table stays without."""
    regions = ("us-east-1", "us-east-2")
    set_speed(fast.layout.clock, PATIENT)

    def told():
        return Counter(each["region"] for each in mail(fast, "payment-table-members", "ALARM") if each["to"] == PERSON)

    quiet = fast.until(lambda: all(members(fast, at)["StateValue"] == "OK" for at in regions), 900)
    assert quiet is not None, "a whole table is no alarm"
    before = told()
    fast.client("dynamodb", "us-east-1").update_table(
        TableName=fast.outputs("data")["data/payments"]["table_name"],
        ReplicaUpdates=[{"Delete": {"RegionName": "us-east-2"}}],
        GlobalTableWitnessUpdates=[{"Delete": {"RegionName": "us-west-2"}}],
    )
    assert fast.until(lambda: all(told()[at] > before[at] for at in regions), 900) is not None, told()
    for at in regions:
        assert members(fast, at)["AlarmDescription"].endswith("docs/runbooks/a-region-gone-for-good.md")
