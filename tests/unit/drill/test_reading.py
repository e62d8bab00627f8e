"""The books of a window are read whole, and nothing of what was before it."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from drill import commands, reading
from drill.reconcile import CONTRADICTORY, LOST, UNAUDITED, UNREADABLE, examine
from drill.records import Attempt
from lambdas.adapters.items import to_item
from lambdas.domain import audit
from lambdas.domain.instruction import payment_id
from lambdas.domain.payment import HOUR, MINUTE
from orchestration.choice import Choice
from shared.clients import STOREFRONT
from shared.errors import Problem
from shared.roles import ROLES, PerRole
from tests.unit.drill.test_reconcile import NOW, THERE, charge, opening, paid

NOON = NOW - NOW % (24 * HOUR) + 12 * HOUR
SINCE = NOON - 30 * MINUTE
REGIONS = PerRole("us-east-1", "us-east-2")


class Region:
    """One region's table, bucket and sweep, as far as the books are read from them."""

    def __init__(self):
        self.items, self.objects, self.fetched, self.out = {}, {}, [], False
        self.sweeps, self.swept = 0, {"resolved": 1}

    def query(self, **asked):
        partition, earliest = (asked["ExpressionAttributeValues"][name] for name in (":partition", ":earliest"))
        found = [each for each in self.items.values() if each.get("unfinished") == partition]
        return {"Items": [each for each in found if int(each["due"]["N"]) >= int(earliest["N"])]}

    def batch_get_item(self, **asked):
        ((table, wanted),) = asked["RequestItems"].items()
        return {"Responses": {table: [self.items[k["pk"]["S"]] for k in wanted["Keys"] if k["pk"]["S"] in self.items]}}

    def list_objects_v2(self, **asked):
        return {
            "Contents": [
                {"Key": name, "ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'}
                for name, body in self.objects.items()
                if name.startswith(asked["Prefix"])
            ]
        }

    def get_object(self, **asked):
        self.fetched.append(asked["Key"])
        if asked["Key"] not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[asked["Key"]])}

    def invoke(self, **_):
        if self.out:
            raise EndpointConnectionError(endpoint_url="https://lambda")
        self.sweeps += 1
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in self.swept else {}
        return {"Payload": io.BytesIO(json.dumps(self.swept).encode()), **failed}


class World:
    """Both regions, empty."""

    def __init__(self):
        self.regions = {role: Region() for role in ROLES}
        self.ledger = []
        by_name = {REGIONS.of(role): self.regions[role] for role in ROLES}
        aws = SimpleNamespace(client=lambda _, region: by_name[region])
        self.where = reading.Places(aws, REGIONS, "t", PerRole("a", "b"), 1)

    def put(self, payment, *roles, charged=True, recorded=True, item=True):
        for role in roles or ROLES:
            if item:
                self.regions[role].items[payment.id] = to_item(payment)
            if recorded and payment.is_final:
                self.regions[role].objects[audit.key(payment)] = audit.record(payment)
        if charged and payment.is_final:
            told = charge(payment)
            self.ledger.append(
                {
                    "at": told.at,
                    "endpoint": told.endpoint,
                    "key": told.key,
                    "what": told.what,
                    "reference": told.reference,
                    "amount": {"value": told.minor_units, "currency": told.currency},
                    "customer": told.customer,
                }
            )

    def read(self, **more):
        return reading.read(self.where, since=SINCE, now=NOON, ledger=self.ledger, **more)


def kinds(books):
    return {(each.kind, each.payment) for each in examine(books).findings}


@pytest.fixture
def world():
    return World()


EARLY = paid("early", SINCE - MINUTE)

BEFORE = {
    "whole, and not in the report": lambda w: w.put(EARLY, charged=False),
    "in one table alone": lambda w: w.put(EARLY, "secondary"),
    "in no table": lambda w: w.put(EARLY, item=False, charged=False),
    "without its record": lambda w: w.put(EARLY, "primary", recorded=False),
    "not to be read": lambda w: (
        w.put(EARLY),
        [each.items[EARLY.id].update(status={"S": "SETTLED"}) for each in w.regions.values()],
    ),
}


@pytest.mark.parametrize("before", BEFORE)
def test_nothing_of_the_same_day_before_the_window_is_in_its_books(world, before):
    BEFORE[before](world)
    found = examine(world.read())
    assert (found.findings, found.counts.attempted) == ((), 0)


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ("whole, and not in the report", CONTRADICTORY),
        ("in one table alone", LOST),
        ("in no table", LOST),
        ("without its record", UNAUDITED),
        ("not to be read", UNREADABLE),
    ],
)
def test_the_same_within_the_window_is_found(monkeypatch, world, before, kind):
    now = paid("early", SINCE)
    monkeypatch.setitem(globals(), "EARLY", now)
    BEFORE[before](world)
    assert (kind, now.id) in kinds(world.read())


def test_what_is_unfinished_or_charged_now_is_looked_at_whenever_it_was_opened(world):
    begun, charged = opening("begun", SINCE - HOUR), paid("charged", SINCE - 3 * HOUR)
    world.put(begun)
    world.put(charged, "primary")
    world.ledger[-1]["at"] = SINCE + 1
    assert {each for _, each in kinds(world.read())} == {begun.id, charged.id}


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("key", ["-2", "/retry", "order-1"])
def test_money_that_moved_under_a_key_that_is_no_payments_id_is_found(world, key, alone):
    """The key is the payment's id: whatever else was charged, nobody has asked for."""
    world.put(payment := paid("one", SINCE + 1000))
    stray = key if key == "order-1" else f"{payment.id}{key}"
    world.ledger.append({**world.ledger[-1], "key": stray, "reference": "ch_other"})
    assert kinds(world.read(alone=alone)) == {(LOST, stray)}
    world.ledger[-1] |= {"at": SINCE - 1}
    assert kinds(world.read(alone=alone)) == set()


def elsewhere(world, payment):
    """What another system of the same checkout has charged, in the same ledger."""
    world.put(payment, item=False, recorded=False)
    world.ledger[-1] |= {"endpoint": THERE, "reference": "ch_elsewhere"}
    world.where = replace(world.where, elsewhere=frozenset({THERE}))


@pytest.mark.parametrize("alone", [False, True])
def test_what_another_system_has_charged_is_in_no_book_of_this_one(world, alone):
    """Also where both were sent the same key, which is the same payment's id."""
    for payment in (mine := paid("mine", SINCE + 1000), paid("theirs", SINCE + 1000)):
        elsewhere(world, payment)
    world.put(mine)
    assert examine(world.read(alone=alone)).findings == ()
    world.where = replace(world.where, elsewhere=frozenset())
    assert len(kinds(world.read(alone=alone))) > 1


def test_a_payment_that_came_from_another_system_keeps_its_charge(world):
    """A new home has its old home's payments, with the endpoints that they were opened with."""
    world.put(replace(paid("moved", SINCE + 1000), endpoint=THERE))
    world.where = replace(world.where, elsewhere=frozenset({THERE}))
    assert examine(world.read()).findings == ()


def told(payment, key):
    return Attempt("a", "fresh", key, 1, 0.0, 0.0, 1.0, "created", 201, payment.id)


def test_the_books_of_a_drill_are_those_of_its_own_time_and_clients(world):
    """What an earlier drill of the same day has left is its own, also what nobody finishes."""
    early = [opening("left", SINCE - MINUTE), paid("lost", SINCE - MINUTE), paid("charged", SINCE - MINUTE)]
    for each in early:
        world.put(each, "secondary")
    world.ledger[-1]["at"] = SINCE + 1
    own = paid("own", SINCE - 1)
    mine = replace(own, id=payment_id(STOREFRONT, "own"))
    world.put(mine, "primary")
    books = world.read(attempts=[told(mine, "own")], alone=True)
    assert {each for _, each in kinds(books)} == {mine.id}
    stray = paid("stray", SINCE + 1)
    world.put(stray, item=False)
    assert {each for _, each in kinds(world.read(attempts=[told(mine, "own")], alone=True))} == {mine.id, stray.id}


@pytest.mark.parametrize("body", [b"damaged", b"[1]", b"5", b"null", b"[" * 100_000, b"{}", b"\xff"], ids=range(7))
def test_a_record_that_no_payment_has_is_of_the_window_when_nobody_can_read_when_it_began(world, body):
    now = paid("now", SINCE)
    world.regions["primary"].objects[audit.key(now)] = body
    assert kinds(world.read()) == {(LOST, now.id)}


def test_a_record_that_is_as_it_should_be_is_not_fetched(world):
    world.put(paid("now", SINCE))
    assert kinds(world.read()) == set()
    assert not any(each.fetched for each in world.regions.values())


def test_a_write_has_time_to_arrive_in_the_other_replica(world):
    new = replace(paid("new", NOON - 900), updated=NOON - 900)
    world.put(new, "primary")
    found = examine(world.read())
    assert (found.findings, found.coming) == ((), 1)


NAMES = PerRole("one", "two")


@pytest.mark.parametrize("failing", ROLES)
@pytest.mark.parametrize("how", ["out", "failed"])
def test_the_sweep_of_a_region_runs_whatever_becomes_of_the_other(world, failing, how):
    region = world.regions[failing]
    region.out = how == "out"
    region.swept = {"errorMessage": "no index"} if how == "failed" else {}
    done = reading.sweep(world.where, NAMES)
    (well,) = (role for role in ROLES if role != failing)
    assert done[well] == {"resolved": 1}
    assert isinstance(done[failing], Problem)
    assert REGIONS.of(failing) in str(done[failing])


@pytest.fixture
def books(world, monkeypatch):
    """`./invoke reconcile` of these regions."""
    place = SimpleNamespace(now=lambda: NOON / 1000, ledger=None)
    monkeypatch.setattr(commands, "choose", lambda *_: place)
    monkeypatch.setattr(commands, "sweepers", lambda *_: NAMES)
    monkeypatch.setattr(reading, "places", lambda *_: world.where)
    return lambda **more: commands.reconcile(Choice(**more), since="30m", ledger="", fix=True)


def test_what_the_sweep_did_is_told(books, world, capsys):
    world.regions["secondary"].swept = {}
    assert books() == 0
    said = capsys.readouterr().err
    assert "sweep in the primary: 1 resolved\n" in said
    assert "sweep in the secondary: nothing was due\n" in said
    assert books(json=True) == 0
    assert json.loads(capsys.readouterr().out)["sweep"] == {"primary": {"resolved": 1}, "secondary": {}}


def test_a_sweep_that_failed_is_told_and_is_no_success(books, world, capsys):
    world.regions["primary"].out = True
    assert books() == 1
    said = capsys.readouterr().err
    assert "sweep in the primary: cannot run the sweep in us-east-1" in said
    assert "sweep in the secondary: 1 resolved\n" in said
    assert books(json=True) == 1
    told = json.loads(capsys.readouterr().out)["sweep"]
    assert told["secondary"] == {"resolved": 1}
    assert "us-east-1" in told["primary"]["failed"]


def test_what_the_sweep_did_is_told_also_when_the_books_cannot_be_read(books, world, monkeypatch, capsys):
    def out(*_, **__):
        raise Problem("us-east-1 is out")

    monkeypatch.setattr(reading, "read", out)
    with pytest.raises(Problem):
        books()
    assert "sweep in the secondary: 1 resolved\n" in capsys.readouterr().err


def test_what_may_still_come_is_told_beside_books_that_agree(books, world, capsys):
    world.put(replace(paid("new", NOON - 900), updated=NOON - 900), "primary")
    assert books() == 0
    assert "1 payments are so new that a book may not have them yet: run it again" in capsys.readouterr().out
