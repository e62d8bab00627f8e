"""The API against a model of it: any requests, in any order, through both regions, with a processor that fails.

The model is what a client may believe: a key has one payload and at most one outcome, and an outcome never changes.
"""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from lambdas.domain.instruction import payment_id
from lambdas.domain.payment import ABANDON_AFTER, LEASE
from tests.doubles import openapi
from tests.doubles.payments import Region, refused, timed_out

CLIENTS = {"storefront": "storefront-key", "rival": "rival-key", "canary": "canary-key"}
KEYS = ("k1", "k2")
PAYLOADS = tuple(
    {"amount": amount, "currency": currency, "customerId": customer}
    for amount, currency in ((100, "USD"), (5, "JPY"))
    for customer in ("test-1", "decline-1", "timeout-1", "late-1", "twice-1")
)
EXPECTED = {"decline": 402}
"""What the processor comes to, by the customer's prefix; all others are paid."""
CALLS = ("PutItem", "UpdateItem", "GetItem")


class Died(BaseException):
    """The function's environment is gone."""


class PaymentApi(RuleBasedStateMachine):
    """Two regions over one table."""

    locations = Bundle("locations")

    @initialize()
    def start(self):
        self.primary = Region()
        self.secondary = Region("us-east-2", self.primary.clock, self.primary.table)
        self.regions = {"primary": self.primary, "secondary": self.secondary}
        self.payloads = {}
        self.outcomes = {}

    @rule(
        target=locations,
        region=st.sampled_from(["primary", "secondary"]),
        client=st.sampled_from(sorted(CLIENTS)),
        key=st.sampled_from(KEYS),
        payload=st.sampled_from(PAYLOADS),
    )
    def pay(self, region, client, key, payload):
        answer = self.regions[region].post(key, payload, CLIENTS[client])
        openapi.check("POST", "/payment", answer)
        return self.believe(client, key, payload, answer)

    def believe(self, client, key, payload, answer):
        status = answer["statusCode"]
        known = self.payloads.get((client, key))
        if status == 422:
            assert known is not None, "a new key was called used"
            assert known != payload, "the same payload was called another"
            return None
        if status == 503:
            self.untold(client, key, payload)
            return None
        assert known in (None, payload), "another payload was accepted for the key"
        self.payloads[client, key] = payload
        if status == 409:
            return None
        if status == 202:
            assert (client, key) not in self.outcomes, "what was final is unknown again"
            return client, answer["headers"]["Location"]
        body = json.loads(answer["body"])
        outcome = status, answer["body"]
        assert self.outcomes.setdefault((client, key), outcome) == outcome, "an outcome changed"
        scenario = payload["customerId"].split("-")[0]
        expected = EXPECTED.get(scenario, 201) if client != "canary" else 201
        assert status == expected or (status == 402 and body["reason"] == "abandoned")
        return client, answer["headers"]["Location"]

    @rule(region=st.sampled_from(["primary", "secondary"]), known=locations)
    def read(self, region, known):
        if known is None:
            return
        client, location = known
        for other, api_key in CLIENTS.items():
            answer = self.regions[region].get(location, api_key)
            openapi.check("GET", location, answer)
            assert answer["statusCode"] in {200 if other == client else 404, 503}

    @rule(
        region=st.sampled_from(["primary", "secondary"]),
        operation=st.sampled_from(CALLS),
        applied=st.booleans(),
        error=st.sampled_from(["timeout", "conflict", "throttled"]),
        times=st.integers(1, 4),
    )
    def trouble(self, region, operation, applied, error, times):
        failure = {
            "timeout": timed_out(),
            "conflict": refused("ReplicatedWriteConflictException"),
            "throttled": refused("ThrottlingException"),
        }[error]
        # What AWS refuses by name was not done; only silence leaves it open.
        self.regions[region].wire.fail(operation, failure, applied=applied and error == "timeout", times=times)

    @rule(
        region=st.sampled_from(["primary", "secondary"]),
        client=st.sampled_from(sorted(CLIENTS)),
        key=st.sampled_from(KEYS),
        payload=st.sampled_from(PAYLOADS),
        operation=st.sampled_from(CALLS),
        applied=st.booleans(),
    )
    def die(self, region, client, key, payload, operation, applied):  # noqa: PLR0917 - hypothesis calls it
        """A request whose environment dies around a call of the table."""
        at = self.regions[region]
        at.wire.planned.clear()
        at.wire.fail(operation, Died(), applied=applied)
        try:
            answer = at.post(key, payload, CLIENTS[client])
        except Died:
            self.untold(client, key, payload)
        else:
            at.wire.planned.clear()
            self.believe(client, key, payload, answer)

    @rule(region=st.sampled_from(["primary", "secondary"]))
    def sweep(self, region):
        at = self.regions[region]
        at.wire.planned.clear()
        at.sweep()

    @rule(pause=st.sampled_from([1, 5_000, LEASE, ABANDON_AFTER]))
    def wait(self, pause):
        self.primary.clock.time += pause

    @rule(region=st.sampled_from(["primary", "secondary"]), out=st.booleans())
    def bucket(self, region, out):
        self.regions[region].bucket.error = timed_out() if out else None

    def untold(self, client, key, payload):
        """The client was told nothing; the payload may have been recorded."""
        if self.item(client, key) is not None:
            self.payloads.setdefault((client, key), payload)

    def item(self, client, key):
        return self.primary.payments().get(payment_id(client, key))

    @invariant()
    def nothing_is_lost_doubled_or_contradicted(self):
        if not hasattr(self, "primary"):
            return
        for client, key in self.outcomes:
            assert self.item(client, key) is not None, "a payment that a client was told of is gone"
        charges = {pk.partition("#")[2]: item for (pk, sk), item in self.primary.table.items.items() if sk == "charge"}
        # A refusal of what was never asked for has no amount.
        play = {
            name: (item["outcome"]["S"], int(item.get("minor_units", {"N": 0})["N"])) for name, item in charges.items()
        }
        real = {}
        for line in self.primary.ledger.lines:
            if line["what"] in {"approved", "declined"}:
                assert line["key"] not in real, "charged twice, at two endpoints perhaps"
                real[line["key"]] = line["what"], line.get("amount", {}).get("value")
        assert not play.keys() & real.keys(), "a canary's payment is real"
        for name, item in self.primary.payments().items():
            status, charge = item["status"]["S"], (play if item["client"]["S"] == "canary" else real).get(name)
            if status == "CAPTURED":
                assert charge == ("approved", int(item["minor_units"]["N"])), "paid without its charge"
            if status == "DECLINED":
                assert charge is not None
                assert charge[0] == "declined"

    def teardown(self):
        """Leave it alone with a sweep: everything comes to an end, each audit is written, as the table has it."""
        if not hasattr(self, "primary"):
            return
        for region in self.regions.values():
            region.wire.planned.clear()
            region.bucket.error = None
        for _ in range(6):
            self.primary.clock.time += 10 * 60_000
            self.secondary.sweep()
        records = self.primary.bucket.objects | self.secondary.bucket.objects
        for name, item in self.primary.payments().items():
            assert item["status"]["S"] in {"CAPTURED", "DECLINED"}, "never resolved"
            assert "audit_pending" not in item
            (record,) = [body for key, body in records.items() if name in key]
            assert json.loads(record, parse_float=Decimal)["status"] == item["status"]["S"]
        assert all(count == 1 for region in self.regions.values() for count in region.bucket.versions.values())


TestPaymentApi = PaymentApi.TestCase
TestPaymentApi.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
