"""A client's key is rotated under load, and while the primary is out: no payment fails, and no deployment minds."""

from __future__ import annotations

import json
import stat
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import boto3
import httpx
import pytest

from sandbox.clock import set_speed
from sandbox.layout import Layout
from sandbox.variables import CREDENTIALS
from shared.clients import KEYS_KEPT_SECONDS
from shared.environment import Environment
from tests.e2e.conftest import Checkout
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("running")

PRIMARY, SECONDARY = "us-east-1", "us-east-2"
NAME = Environment.load("payments").foundation().failover_name
SECRET = "payment-api-secret-x7k2"
SPEED = 20


@dataclass
class Shop:
    """The deployed API and its secret, as the storefront and its operator have them."""

    checkout: Checkout
    gateways: dict
    endpoint: str
    connections: dict = field(default_factory=dict)

    def secrets(self, region):
        credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
        return boto3.client("secretsmanager", region_name=region, endpoint_url=self.endpoint, **credentials)

    def keys(self, region):
        """The storefront's: current and previous."""
        found = self.secrets(region).get_secret_value(SecretId=SECRET)["SecretString"]
        return json.loads(found)["clients"]["storefront"]

    def pay(self, region, key, idempotency_key=None):
        sent = {"Host": NAME, "x-api-key": key, "Idempotency-Key": idempotency_key or uuid4().hex}
        body = {"amount": 1, "currency": "USD", "customerId": "c"}
        return httpx.post(f"{self.gateways[region]}/payment", headers=sent, json=body, timeout=30)

    def paid(self, region, key, idempotency_key=None):
        """The answer that a client ends with, which repeats what has no outcome yet under the same Idempotency-Key."""
        again = idempotency_key or uuid4().hex

        def answered():
            answer = self.pay(region, key, again)
            return None if answer.status_code in {202, 409, 500, 502, 503, 504} else answer

        return until(answered, seconds=120)

    def serves(self, region):
        return self.pay(region, self.keys(region)["current"]).status_code == 201

    @contextmanager
    def quickly(self):
        """Let the sandbox's time go by quicker: for what waits, not for what pays."""
        clock = Layout(self.checkout.root).clock
        set_speed(clock, SPEED)
        try:
            yield
        finally:
            set_speed(clock, 1)

    def forget(self):
        """Wait until functions have read the keys anew."""
        with self.quickly():
            time.sleep((KEYS_KEPT_SECONDS + 5) / SPEED)

    def rotate(self, *options):
        return self.checkout.ok("rotate-key", *options, "--json").json


@pytest.fixture
def shop(running):
    told = running.ok("sandbox.status", "--json").json
    found = Shop(running, told["gateways"], told["endpoint"])
    for region in (PRIMARY, SECONDARY):  # a cold start on a busy machine outlasts the API
        until(partial(found.serves, region), seconds=120)
    return found


class Load:
    """Payments one after another in each region, without a second try, by the key that `key` says at the moment."""

    def __init__(self, shop, key, *regions):
        self.answers, self._over = [], threading.Event()
        self._threads = [threading.Thread(target=self._pay, args=(shop, key, region)) for region in regions]

    def _pay(self, shop, key, region):
        while not self._over.is_set():
            used = key()
            try:
                answer = shop.pay(region, used)
                self.answers.append((region, used, answer.status_code))
            except httpx.HTTPError as error:
                self.answers.append((region, used, repr(error)))
            time.sleep(0.05)

    def __enter__(self):
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for each in self._threads:
            each.join()

    def paid(self, key):
        return {region for region, used, said in self.answers if used == key and said == 201}

    @property
    def failed(self):
        return [each for each in self.answers if each[2] != 201]


def test_a_key_is_rotated_in_both_regions(shop, tmp_path):
    out, old = tmp_path / "key", shop.keys(PRIMARY)["current"]
    before = uuid4().hex
    paid = shop.paid(PRIMARY, old, before)
    with shop.quickly():
        begun = shop.rotate("--client", "storefront", "--out", str(out))
    new = out.read_text().strip()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert begun["regions"] == [PRIMARY, SECONDARY]
    assert shop.keys(PRIMARY) == shop.keys(SECONDARY) == {"current": new, "previous": old}
    for region in (PRIMARY, SECONDARY):
        replayed = shop.paid(region, new, before)
        assert (replayed.status_code, replayed.json()) == (201, paid.json())
        assert replayed.headers["Idempotent-Replayed"] == "true"
        assert shop.paid(region, old).status_code == 201, "whoever has not changed over is served"
    with shop.quickly():
        assert shop.rotate("--client", "storefront", "--finish")["phase"] == "finished"
    shop.forget()
    assert shop.keys(PRIMARY) == shop.keys(SECONDARY) == {"current": new, "previous": None}
    for region in (PRIMARY, SECONDARY):
        assert [shop.paid(region, key).status_code for key in (old, new)] == [401, 201]

    told = shop.checkout.ok("outputs", "--layer", "data", "--json").out
    assert new not in told
    assert old not in told
    refused = shop.checkout.run("rotate-key", "--client", "shop")
    assert refused.code == 1
    assert refused.complaint == "error: unknown client 'shop': choose canary, storefront"


@pytest.mark.prove
def test_under_load_no_payment_fails_while_a_key_is_rotated(shop, tmp_path):
    """At the pace of real clients, who change over the moment that they have the new key."""
    out, old = tmp_path / "key", shop.keys(PRIMARY)["current"]
    serving = {PRIMARY, SECONDARY}

    def key():
        return out.read_text().strip() if out.exists() else old

    with Load(shop, key, *serving) as load:
        until(lambda: load.paid(old) == serving)
        shop.rotate("--client", "storefront", "--out", str(out))
        until(lambda: load.paid(key()) == serving)
        shop.rotate("--client", "storefront", "--finish")
        finished = len(load.answers)
        until(lambda: len(load.answers) > finished + 20, seconds=60)
    assert load.failed == []
    assert {used for _, used, _ in load.answers} == {old, key()}


@pytest.mark.prove
def test_no_deployment_writes_over_a_key_that_was_rotated_twice(shop):
    """After two the first value has lost Secrets Manager's own labels, and Pulumi would write it anew."""
    first = shop.secrets(PRIMARY).get_secret_value(SecretId=SECRET, VersionStage="FIRST")["SecretString"]
    with shop.quickly():
        for _ in range(2):
            shop.rotate("--client", "storefront")
            shop.rotate("--client", "storefront", "--finish")
    rotated = shop.keys(PRIMARY)
    assert rotated["current"] not in first
    told = shop.checkout.ok("deploy-all", "--force", "--refresh", "--json")
    assert set(told.statuses.values()) == {"unchanged"}
    assert shop.keys(PRIMARY) == shop.keys(SECONDARY) == rotated
    assert set(shop.checkout.ok("drift", "--json").statuses.values()) == {"unchanged"}
    state = "".join(
        path.read_text(errors="replace")
        for folder in (Layout(shop.checkout.root).backend, Layout(shop.checkout.root).state / "orchestration")
        for path in folder.rglob("*")
        if path.is_file()
    )
    assert "payment-api-secret" in state
    assert rotated["current"] not in state
    assert json.loads(first)["clients"]["storefront"]["current"] not in state


@pytest.mark.prove
def test_a_key_is_rotated_while_the_primary_is_out(shop):
    """Clients are in the secondary. When the primary is back, it gets the new keys before it gets the clients."""
    old = shop.keys(PRIMARY)["current"]
    shop.checkout.ok("fault", "--region", "primary", "--kind", "refuse")
    try:
        shop.checkout.ok("evacuate", "--no-fence")
        refused = shop.checkout.run("rotate-key", "--client", "storefront")
        assert refused.code == 1
        assert "nothing was changed (docs/runbooks/rotate-a-key.md" in refused.complaint
        here = ("--client", "storefront", "--region", "secondary")
        with shop.quickly():
            assert shop.rotate(*here)["regions"] == [SECONDARY]
        new = shop.keys(SECONDARY)["current"]
        assert [shop.pay(SECONDARY, key).status_code for key in (old, new)] == [201, 201]
        with shop.quickly():
            assert shop.rotate(*here, "--finish")["phase"] == "finished"
        shop.forget()
        assert shop.pay(SECONDARY, old).status_code == 401
    finally:
        shop.checkout.ok("heal")

    assert shop.keys(PRIMARY)["current"] == old
    until(lambda: shop.pay(PRIMARY, old).status_code == 201)
    assert shop.pay(PRIMARY, new).status_code == 401, "so no client may come back yet"
    refused = shop.checkout.run("restore")
    assert refused.code == 1
    assert "different ones: ./invoke rotate-key --join; nothing was changed" in refused.complaint
    assert shop.checkout.facts()["API keys"] == "not fit"
    shop.checkout.ok("deploy", "--layer", "data", "--force", "--refresh")
    assert shop.keys(SECONDARY) == {"current": new, "previous": None}

    with Load(shop, lambda: new, SECONDARY) as load:
        assert shop.rotate("--join")["phase"] == "joined"
        assert shop.keys(PRIMARY) == shop.keys(SECONDARY) == {"current": new, "previous": None}
    assert load.failed == []
    assert load.answers
    assert shop.pay(PRIMARY, new).status_code == 201
    shop.checkout.ok("restore")
    assert set(shop.checkout.ok("drift", "--json").statuses.values()) == {"unchanged"}

    # It follows the primary again.
    with shop.quickly():
        shop.rotate("--client", "storefront")
        assert shop.keys(SECONDARY)["previous"] == new
        shop.rotate("--client", "storefront", "--finish")
