"""A region is gone for good: the system moves to the region that is left and a third one, with all that was paid."""

from __future__ import annotations

import functools
import itertools
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import boto3
import httpx
import pytest
from dnslib import DNSRecord

from sandbox import addresses, control
from sandbox.layout import Layout
from sandbox.processor.ledger import read
from sandbox.variables import CREDENTIALS
from shared.environment import Environment
from tests.e2e.inventory import everything
from tests.waiting import until

LOST, LEFT, NEW = "us-east-1", "us-east-2", "us-west-2"
STAYING = [LEFT, NEW]
NAME = Environment.load("payments").foundation().failover_name
BODY = {"amount": 100, "currency": "USD", "customerId": "test-123"}
HOME = ("--environment", "home")
LONG = 1800
"""Seconds that a command may take on a machine that has much to do."""
PROCESSOR = "us-east-2.processor.example.com"
OTHERWISE = {
    "suffix: x7k2": "suffix: h8m3",
    "primary: us-east-1\n": f"primary: {LEFT}\n",
    "secondary: us-east-2\n": f"secondary: {NEW}\n",
    # Of the US set two regions are left, and a strongly consistent table wants three. The witness is then unused.
    "witness: us-west-2\n": "witness: us-west-1\n",
    "consistency: strong": "consistency: eventual",
    "[use1-az1, use1-az2]": "[use2-az3, use2-az2]",
    "secondary: [use2-az1, use2-az2]": "secondary: [usw2-az1, usw2-az2]",
    "10.0.0.0/16": "10.2.0.0/16",
    "10.1.0.0/16": "10.3.0.0/16",
    "us-east-1.processor.example.com": PROCESSOR,
    "secondary: us-east-2.processor.example.com": f"secondary: {PROCESSOR}",
    "reserved_concurrency: 400": "reserved_concurrency: null",  # the region that is left has the old one's, too
}
"""What the new home's file has otherwise than the old one's."""


class World:
    """The sandbox as a merchant sees it, and who is paid there."""

    def __init__(self, checkout):
        self.checkout = checkout
        self.layout = Layout(checkout.root)
        status = checkout.ok("sandbox.status", "--json").json
        self.cloud, self.gateways = status["endpoint"], status["gateways"]
        told = control.ask(self.layout.traffic_socket, 2, "status")["dns"]
        self._server = (told.rpartition(":")[0], int(told.rpartition(":")[2]))
        self._regions = {addresses.endpoints(20000)[region][0]: region for region in self.gateways}
        self.paid = {}
        """By idempotency key: the payment's id, and who served it at last."""
        self._numbers = itertools.count()

    def client(self, service, region):
        credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
        return boto3.Session(**credentials).client(service, region_name=region, endpoint_url=self.cloud)

    def run(self, *arguments):
        answer = self.checkout.run(*arguments, seconds=LONG)
        assert answer.code == 0, f"./invoke {' '.join(arguments)} exited {answer.code}\n{answer.out}\n{answer.err}"
        return answer

    def outputs(self, layer, *more):
        return next(iter(self.run("outputs", "--layer", layer, "--json", *more).json.values()))

    def key_of_the_storefront(self, region):
        secret = self.client("secretsmanager", region).get_secret_value(SecretId="payment-api-secret-x7k2")
        return json.loads(secret["SecretString"])["clients"]["storefront"]["current"]

    def answered(self):
        """The region to which DNS leads clients of the shared name."""
        answer = DNSRecord.parse(DNSRecord.question(NAME, "A").send(*self._server, timeout=2)).rr
        return self._regions[str(answer[-1].rdata)]

    def pay(self, key, api_key):
        """One attempt, wherever DNS leads; None when it came to nothing of use."""
        try:
            region = self.answered()
            answer = httpx.post(
                f"{self.gateways[region]}/payment",
                json=BODY,
                headers={"Host": NAME, "x-api-key": api_key, "Idempotency-Key": key},
                timeout=20,
            )
        except (httpx.TransportError, OSError, LookupError):
            return None
        return answer if answer.status_code == 201 else None

    @contextmanager
    def merchants(self, number, api_key):
        """So many who pay one payment after another, and insist on each with its key, while the block lasts."""
        over = threading.Event()

        def merchant():
            while not over.is_set():
                key = f"order-{next(self._numbers)}"
                while (answer := self.pay(key, api_key)) is None:
                    if over.wait(0.5):
                        return
                self.paid[key] = answer.json()["paymentId"], answer.headers["Served-By"].partition(" ")[0]
                over.wait(0.5)

        with ThreadPoolExecutor(number) as threads:
            running = [threads.submit(merchant) for _ in range(number)]
            try:
                yield
            finally:
                over.set()
        for each in running:
            each.result()

    def more_by(self, region, number=5):
        """Wait until so many more payments were served by a region."""

        def served():
            return sum(by == region for _, by in list(self.paid.values()))

        before = served()
        assert until(lambda: served() >= before + number, 600), f"{region} serves nobody: {Counter(self.paid.values())}"

    def table(self, name, region):
        pages = self.client("dynamodb", region).get_paginator("scan").paginate(TableName=name)
        return {item["pk"]["S"]: item for page in pages for item in page["Items"]}


@pytest.mark.prove
def test_a_region_is_gone_for_good_and_the_system_finds_a_new_home(checkout):
    checkout.ok("sandbox.up")
    cloud = checkout.ok("sandbox.status", "--json").json["endpoint"]
    empty = everything(cloud, STAYING)
    checkout.run("deploy-all", seconds=LONG)
    world = World(checkout)
    api_key = world.key_of_the_storefront(LOST)
    zone = world.outputs("edge")["zone_id"]
    file = checkout.root / "environments" / "home.yaml"

    with world.merchants(2, api_key):
        world.more_by(LOST)
        world.run("fault", "--region", "primary", "--kind", "refuse")
        world.more_by(LEFT)

        text = new_file(checkout, zone)
        file.write_text(text)
        world.run("deploy-all", *HOME)
        assert "answers: nothing has to be forgotten" in checkout.run("forget", "--region", "secondary").complaint
        early = checkout.run("new-home", *HOME, "--old", "payments", "--move")
        assert "takes_over must say" in early.complaint

        first = world.run("new-home", *HOME, "--old", "payments", "--json").json
        assert first["keys_written"]
        assert first["items"]["brought in"] >= 10
        again = world.run("new-home", *HOME, "--old", "payments", "--json").json
        assert not again["keys_written"]
        assert again["items"]["there already"] >= first["items"]["brought in"]
        assert world.answered() == LEFT, "clients are where they were"

        file.write_text(text.replace("now: false}", "now: true}"))
        began = time.monotonic()
        moved = world.run("new-home", *HOME, "--old", "payments", "--move", "--json").json
        assert moved["released"] == NAME
        assert moved["another"] == []
        known = len(world.paid)
        world.run("deploy", "--layer", "edge", *HOME)
        assert until(lambda: len(world.paid) > known, 300), "clients are served again"
        print(f"nobody could pay for {time.monotonic() - began:.0f} s")
        world.run("deploy-all", *HOME)
        world.more_by(LEFT)

    all_is_there(world, api_key)
    for role, region in (("primary", LEFT), ("secondary", NEW)):
        paid = world.run("pay", *HOME, "--region", role, "--json").json
        assert (paid["status"], paid["served_by"]) == (201, f"{region} ({role})")
    assert set(world.run("deploy-all", *HOME, "--force", "--json").statuses.values()) == {"unchanged"}
    assert set(world.run("drift", *HOME, "--json").statuses.values()) == {"unchanged"}

    forgotten = world.run("forget", "--region", "primary", "--json").json
    assert {"aws:dynamodb/table:Table", "aws:kms/key:Key"} <= {each["type"] for each in forgotten["forgotten"]}
    assert not any(each["type"].startswith("aws:iam/") for each in forgotten["forgotten"])
    world.run("destroy-all", "--yes")
    assert world.pay("after-the-old-one", api_key), "the new home needs nothing of the old one"
    world.run("destroy-all", *HOME, "--yes")
    assert everything(cloud, STAYING) - empty == _left(forgotten, zone)


def new_file(checkout, zone):
    """The new home's environment file, before clients are moved."""
    text = (checkout.root / "environments" / "payments.yaml").read_text()
    for old, new in OTHERWISE.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    return f"{text}takes_over: {{name: {NAME}, zone_id: {zone}, now: false}}\n"


def all_is_there(world, api_key):
    """Every payment that was acknowledged is in both tables of the new home, charged once, and answered as it was."""
    table, ids = world.outputs("data", *HOME)["table_name"], _ids(world)

    def missing(region):
        return ids - world.table(table, region).keys()

    for region in STAYING:
        assert until(functools.partial(lambda at: not missing(at), region)), f"{region} lacks {missing(region)}"
        there = world.table(table, region)
        assert {there[each]["status"]["S"] for each in ids} == {"CAPTURED"}
    approved = Counter(each["key"] for each in read(world.layout.processor_ledger) if each["what"] == "approved")
    assert {approved[each] for each in ids} == {1}, "charged once, and none twice"
    lost = [key for key, (_, by) in world.paid.items() if by == LOST]
    for key in (lost[0], lost[-1]):
        replayed = until(functools.partial(world.pay, key, api_key))
        assert replayed.json()["paymentId"] == world.paid[key][0]
        assert replayed.headers["Idempotent-Replayed"] == "true"


def _ids(world):
    return {id_ for id_, _ in world.paid.values()}


def _left(forgotten, zone):
    """What is nobody's any more, and a person deletes: what belongs to the lost region, and the clients' name."""

    def of(kind):
        return {each["id"] for each in forgotten["forgotten"] if each["type"] == kind}

    return {
        f"global route53 HostedZones /hostedzone/{zone}",
        f"{LEFT} dynamodb TableNames payment-transactions-x7k2",
        *(f"global s3 Buckets {name}" for name in of("aws:s3/bucket:Bucket")),
        *(
            f"{LEFT} secretsmanager SecretList {arn.replace(LOST, LEFT)}"
            for arn in of("aws:secretsmanager/secret:Secret")
        ),
    }
