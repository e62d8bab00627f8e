"""Every kind of disagreement is found, and nothing else: each test plants one defect in books that agree."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drill.books import OWED_FOR, Books, ClientAnswer, LedgerCharge, answers
from drill.reconcile import (
    CONTRADICTORY,
    DOUBLED,
    LOST,
    UNAUDITED,
    UNFINISHED,
    UNREADABLE,
    examine,
)
from drill.records import Attempt
from lambdas.domain import audit
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved, Declined
from lambdas.domain.payment import Response, opened
from shared.roles import ROLES, PerRole

NOW = 1_800_000_000_000
HERE, THERE = "one.processor.example.com", "two.processor.example.com"
MINUTE = 60_000
DRAINS = 3 * MINUTE


def opening(key, at, money=None):
    instruction = Instruction("storefront", key, money or Money(10_000, "USD"), f"customer-{key}")
    return opened(instruction, region="us-east-1", endpoint=HERE, holder="h", now=at)


def paid(key, at):
    settled = opening(key, at).settled(Approved(f"ch_{key}"), at + 200).answering(Response(201, "{}"))
    return settled.audited(at + 300)


def declined(key, at):
    return opening(key, at).settled(Declined("card_declined"), at + 200).audited(at + 300)


def charge(payment, **other):
    what = "declined" if payment.reason else "approved"
    told = LedgerCharge(
        payment.endpoint or "",
        payment.id,
        what,
        payment.reference or "",
        payment.money.minor_units,
        payment.money.currency,
        payment.customer,
        payment.created + 100,
    )
    return replace(told, **other)


def answer(payment, key, **other):
    status = 402 if payment.reason else 201
    told = ClientAnswer(
        "shop", key, payment.id, status, str(payment.money.amount), payment.money.currency, payment.customer
    )
    return replace(told, **other)


def record(payment):
    return json.loads(audit.record(payment))


class World:
    """Books that agree: one payment paid, one declined, one unfinished, one that was never made, all an hour old."""

    def __init__(self):
        before = NOW - 60 * MINUTE
        self.paid, self.declined = paid("paid", before), declined("declined", before)
        self.open = opening("open", NOW - MINUTE)
        payments = {each.id: each for each in (self.paid, self.declined, self.open)}
        self.tables = {role: dict(payments) for role in ROLES}
        self.unreadable = {role: {} for role in ROLES}
        self.charges = [charge(self.paid), charge(self.declined)]
        self.audits = {role: {each.id: record(each) for each in (self.paid, self.declined)} for role in ROLES}
        self.answers = [answer(self.paid, "paid"), answer(self.declined, "declined")]
        self.keys = {"paid": self.paid.id, "declined": self.declined.id, "open": self.open.id, "never": "pay_never"}

    def put(self, payment, *roles):
        for role in roles or ROLES:
            self.tables[role][payment.id] = payment

    def drop(self, payment, *roles):
        for role in roles or ROLES:
            del self.tables[role][payment.id]

    def audit(self, payment, *roles, **other):
        for role in roles or ROLES:
            self.audits[role][payment.id] = {**self.audits[role].get(payment.id, {}), **other}

    def unaudit(self, payment, *roles):
        for role in roles or ROLES:
            del self.audits[role][payment.id]

    @property
    def books(self):
        return Books(
            NOW,
            PerRole.build(lambda role: self.tables[role]),
            PerRole.build(lambda role: self.unreadable[role]),
            self.charges,
            PerRole.build(lambda role: self.audits[role]),
            self.answers,
            self.keys,
            DRAINS,
        )


def test_books_that_agree_have_no_finding_and_add_up():
    found = examine(World().books)
    assert found.findings == ()
    counts = found.counts
    assert (counts.paid, counts.declined, counts.refused, counts.unknown) == (1, 1, 1, 1)
    assert counts.attempted == 4
    assert found.unfinished == 1
    assert found.drains_at == NOW - MINUTE + DRAINS


OLD = NOW - 60 * MINUTE

DEFECTS = {
    "a paid one is in neither table": (lambda w: w.drop(w.paid), "paid", {LOST}),
    "a paid one is in the secondary alone": (lambda w: w.drop(w.paid, "primary"), "paid", {LOST}),
    "a paid one is in the primary alone": (lambda w: w.drop(w.paid, "secondary"), "paid", {LOST}),
    "the client was told paid and it is open": (lambda w: w.answers.append(answer(w.open, "open")), "open", {LOST}),
    "the client was told paid and it is nowhere": (
        lambda w: w.answers.append(ClientAnswer("shop", "never", "pay_never", 201)),
        "pay_never",
        {LOST},
    ),
    "charged and in no table": (
        lambda w: w.charges.append(charge(w.paid, key="pay_stray")),
        "pay_stray",
        {LOST},
    ),
    "a record and no payment": (lambda w: w.audit(replace(w.paid, id="pay_gone"), "primary"), "pay_gone", {LOST}),
    "approved twice at one endpoint": (
        lambda w: w.charges.append(charge(w.paid)),
        "paid",
        {DOUBLED},
    ),
    "approved twice with two references": (
        lambda w: w.charges.append(charge(w.paid, reference="ch_second")),
        "paid",
        {DOUBLED, CONTRADICTORY},
    ),
    "charged at two endpoints": (
        lambda w: w.charges.append(charge(w.paid, endpoint=THERE, reference="ch_there")),
        "paid",
        {DOUBLED},
    ),
    "charged at another endpoint only": (
        lambda w: w.charges.__setitem__(0, charge(w.paid, endpoint=THERE)),
        "paid",
        {DOUBLED},
    ),
    "two payments for one key": (
        lambda w: w.answers.append(answer(w.declined, "paid", status=402)),
        "*",
        {DOUBLED, CONTRADICTORY},
    ),
    "another key's payment for a key": (
        lambda w: w.answers.append(ClientAnswer("other", "never", w.paid.id, 201)),
        "paid",
        {CONTRADICTORY},
    ),
    "approved and declined at one endpoint": (
        lambda w: w.charges.append(charge(w.paid, what="declined", reference="")),
        "paid",
        {CONTRADICTORY},
    ),
    "told in two ways by the processor": (lambda w: w.put(replace(w.paid, in_doubt=True)), "paid", {CONTRADICTORY}),
    "captured and never charged": (lambda w: w.charges.pop(0), "paid", {CONTRADICTORY}),
    "captured and the charge was lost": (
        lambda w: w.charges.__setitem__(0, charge(w.paid, what="lost", reference="")),
        "paid",
        {CONTRADICTORY},
    ),
    "captured and declined at the processor": (
        lambda w: w.charges.__setitem__(0, charge(w.paid, what="declined", reference="")),
        "paid",
        {CONTRADICTORY},
    ),
    "declined and charged": (
        lambda w: w.charges.append(charge(w.declined, what="approved", reference="ch_x")),
        "declined",
        {CONTRADICTORY},
    ),
    "another amount was charged": (
        lambda w: w.charges.__setitem__(0, charge(w.paid, minor_units=1)),
        "paid",
        {CONTRADICTORY},
    ),
    "another currency was charged": (
        lambda w: w.charges.__setitem__(0, charge(w.paid, currency="JPY")),
        "paid",
        {CONTRADICTORY},
    ),
    "another customer was charged": (
        lambda w: w.charges.__setitem__(0, charge(w.paid, customer="x")),
        "paid",
        {CONTRADICTORY},
    ),
    "another reference": (
        lambda w: w.charges.__setitem__(0, charge(w.paid, reference="ch_x")),
        "paid",
        {CONTRADICTORY},
    ),
    "the client was told declined of a paid one": (
        lambda w: w.answers.__setitem__(0, answer(w.paid, "paid", status=402)),
        "paid",
        {CONTRADICTORY},
    ),
    "the client was told paid of a declined one": (
        lambda w: w.answers.__setitem__(1, answer(w.declined, "declined", status=201)),
        "declined",
        {CONTRADICTORY},
    ),
    "clients were told both": (
        lambda w: w.answers.append(answer(w.paid, "paid", status=402)),
        "paid",
        {CONTRADICTORY},
    ),
    "the client asked for another amount": (
        lambda w: w.answers.__setitem__(0, answer(w.paid, "paid", amount="100.01")),
        "paid",
        {CONTRADICTORY},
    ),
    "the client asked for another currency": (
        lambda w: w.answers.__setitem__(0, answer(w.paid, "paid", currency="EUR")),
        "paid",
        {CONTRADICTORY},
    ),
    "the client asked for another customer": (
        lambda w: w.answers.__setitem__(0, answer(w.paid, "paid", customer="x")),
        "paid",
        {CONTRADICTORY},
    ),
    "no record in the primary": (lambda w: w.unaudit(w.paid, "primary"), "paid", {UNAUDITED}),
    "no record in the secondary": (lambda w: w.unaudit(w.declined, "secondary"), "declined", {UNAUDITED}),
    "a record that is owed for too long": (
        lambda w: (w.unaudit(w.paid), w.put(replace(w.paid, audit_pending=True))),
        "paid",
        {UNAUDITED},
    ),
    "a record with another amount": (lambda w: w.audit(w.paid, "primary", amount="1"), "paid", {CONTRADICTORY}),
    "a record with another status": (lambda w: w.audit(w.paid, "secondary", status="X"), "paid", {CONTRADICTORY}),
    "a damaged record": (lambda w: w.audits["primary"].__setitem__(w.paid.id, {}), "paid", {CONTRADICTORY}),
    "a final record of an open one": (lambda w: w.audit(w.open, "primary", status="CAPTURED"), "open", {CONTRADICTORY}),
    "an open one that nobody finishes": (
        lambda w: w.put(replace(w.open, updated=OLD, created=OLD)),
        "open",
        {UNFINISHED},
    ),
    "captured here and declined there": (
        lambda w: w.put(replace(w.paid, steps=w.declined.steps, reference=None), "secondary"),
        "paid",
        {CONTRADICTORY},
    ),
    "an older version in the secondary": (
        lambda w: w.put(replace(w.paid, version=w.paid.version - 1), "secondary"),
        "paid",
        {CONTRADICTORY},
    ),
    "an item that cannot be read": (
        lambda w: w.unreadable["primary"].__setitem__("pay_new", "cannot be read: SETTLED"),
        "pay_new",
        {UNREADABLE},
    ),
}


def unread(world, payment, *roles):
    """The item is there, and this release cannot read it."""
    for role in roles or ROLES:
        world.tables[role].pop(payment.id, None)
        world.unreadable[role][payment.id] = "cannot be read: SETTLED"


DEFECTS |= {
    "approved twice and in no table": (
        lambda w: w.charges.extend([charge(w.paid, key="pay_stray"), charge(w.paid, key="pay_stray")]),
        "pay_stray",
        {LOST, DOUBLED},
    ),
    "charged at two endpoints and in no table": (
        lambda w: w.charges.extend([charge(w.paid, key="pay_stray"), charge(w.paid, key="pay_stray", endpoint=THERE)]),
        "pay_stray",
        {LOST, DOUBLED},
    ),
    "approved twice and not to be read": (
        lambda w: (w.charges.append(charge(w.paid)), unread(w, w.paid)),
        "paid",
        {UNREADABLE, DOUBLED},
    ),
    "approved and declined at one endpoint, and not to be read": (
        lambda w: (w.charges.append(charge(w.paid, what="declined", reference="")), unread(w, w.paid)),
        "paid",
        {UNREADABLE, CONTRADICTORY},
    ),
    "to be read in the primary alone": (lambda w: unread(w, w.paid, "secondary"), "paid", {UNREADABLE}),
    "to be read in the secondary alone": (lambda w: unread(w, w.paid, "primary"), "paid", {UNREADABLE}),
    "the client was told paid, and no region's item can be read": (
        lambda w: unread(w, w.paid),
        "paid",
        {UNREADABLE},
    ),
    "the client was told paid, and what can be read is older": (
        lambda w: (
            w.put(replace(opening("paid", OLD), id=w.paid.id), "primary"),
            unread(w, w.paid, "secondary"),
        ),
        "paid",
        {UNREADABLE},
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found_and_nothing_else(defect):
    plant, of, kinds = DEFECTS[defect]
    world = World()
    plant(world)
    found = examine(world.books).findings
    assert {finding.kind for finding in found} == kinds
    ids = {"paid": world.paid.id, "declined": world.declined.id, "open": world.open.id}
    assert of == "*" or {finding.payment for finding in found} == {ids.get(of, of)}
    assert all(finding.what and finding.todo for finding in found)


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        (["failed", "refused"], {CONTRADICTORY}),
        (["refused"], {CONTRADICTORY}),
        (["created", "refused"], {CONTRADICTORY}),
        (["failed", "refused", "late", "failed"], {CONTRADICTORY}),
        (["refused", "replayed"], set()),  # it has read what became of it
        (["refused", "pending"], set()),
        (["failed"], set()),
    ],
)
def test_who_is_refused_for_good_has_not_paid(outcomes, found):
    """He does not ask again: nobody else would ever tell him that his money was taken."""
    world = World()

    def told(payment, key):
        return answers(
            Attempt(
                "shop", "fresh", key, number, NOW, NOW + number, NOW + number + 1, outcome, payment=payment.id
                if outcome in {"created", "replayed"} else "", amount="100.00", currency="USD",
                customer=payment.customer,
            )
            for number, outcome in enumerate(outcomes, 1)
        )  # fmt: skip

    books = examine(replace(world.books, answers=told(world.paid, "paid")))
    assert {(each.kind, each.payment) for each in books.findings} == {(kind, world.paid.id) for kind in found}
    if "created" not in outcomes and "replayed" not in outcomes:
        for payment, key in ((world.declined, "declined"), (world.open, "open")):
            assert examine(replace(world.books, answers=told(payment, key))).findings == ()
        assert examine(replace(world.books, answers=told(world.paid, "never"))).counts == examine(world.books).counts


def test_what_one_book_has_and_no_table_is_unknown_and_not_refused():
    world = World()
    world.drop(world.paid)
    found = examine(world.books).counts
    assert (found.paid, found.refused, found.unknown, found.attempted) == (0, 1, 2, 4)


def test_without_the_processor_nothing_is_said_of_charges():
    world = World()
    world.charges = None
    found = examine(world.books)
    assert found.findings == ()
    assert not found.charges_known


def test_what_is_written_while_the_books_are_read_is_no_finding():
    world = World()
    world.put(replace(world.open, updated=NOW, version=2), "primary")
    world.put(opening("new", NOW), "secondary")
    assert examine(world.books).findings == ()


LAG = 15_000


@pytest.mark.parametrize("where", [*ROLES, "another version"])
@pytest.mark.parametrize(("age", "kinds"), [(900, set()), (LAG, set()), (LAG + 1, {LOST, CONTRADICTORY})])
def test_what_one_replica_has_not_yet_is_lost_only_after_the_time_that_it_may_take(where, age, kinds):
    world, new = World(), opening("new", NOW - age)
    if where == "another version":
        world.put(replace(new, version=2), "primary")
        world.put(replace(new, updated=NOW - 60 * MINUTE), "secondary")
    else:
        world.put(new, where)
    found = examine(replace(world.books, lag=LAG))
    assert {each.kind for each in found.findings} <= kinds
    assert bool(found.findings) == bool(kinds)
    assert found.coming == (0 if kinds else 1)


@pytest.mark.parametrize(("age", "findings"), [(0, 0), (LAG, 0), (LAG + 1, 1)])
def test_what_was_charged_after_the_ledger_was_read_is_no_finding(age, findings):
    world, new = World(), replace(paid("new", NOW - age - 300), updated=NOW - age)
    world.put(new)
    world.audit(new, **record(new))
    found = examine(replace(world.books, lag=LAG))
    assert (len(found.findings), found.coming) == (findings, 1 - findings)


def test_a_payment_without_its_records_is_coming_until_it_is_recorded_or_late():
    late = 3 * MINUTE + OWED_FOR
    for age, records, coming, findings in ((late, 0, 1, 0), (late, 1, 1, 0), (late, 2, 0, 0), (late + 1, 0, 0, 2)):
        world, new = World(), paid("new", NOW - 300)
        new = replace(new, updated=NOW - age)
        world.put(new)
        world.charges.append(charge(new))
        for role in ROLES[:records]:
            world.audit(new, role, **record(new))
        found = examine(world.books)
        assert (found.coming, len(found.findings)) == (coming, findings), (age, records)


def test_without_clients_memory_what_no_table_has_or_can_be_read_is_unknown():
    world = World()
    world.keys, world.answers = {}, []
    world.charges.append(charge(world.paid, key="pay_stray"))
    world.unreadable["primary"]["pay_new"] = "cannot be read: SETTLED"
    world.audit(replace(world.paid, id="pay_gone"), "secondary")
    counts = examine(world.books).counts
    assert (counts.attempted, counts.paid, counts.declined, counts.refused, counts.unknown) == (6, 1, 1, 0, 4)


def test_what_was_opened_before_the_window_of_a_report_need_not_be_in_it():
    """It is looked at all the same while it is unfinished, or its record is owed."""
    world = World()
    owed = replace(world.paid, audit_pending=True)
    world.put(owed)
    world.charges = [each for each in world.charges if each.key != owed.id]
    assert examine(replace(world.books, since=owed.created + 1)).findings == ()
    assert {each.kind for each in examine(replace(world.books, since=owed.created)).findings} == {CONTRADICTORY}


def test_a_record_may_be_owed_for_a_while():
    world = World()
    late = replace(paid("late", NOW - 20_000), audit_pending=True)
    world.put(late)
    world.charges.append(charge(late))
    assert examine(world.books).findings == ()


@given(st.lists(st.sampled_from(["paid", "declined", "open"]), max_size=12))
def test_honest_books_of_any_payments_agree_and_add_up(kinds):
    world = World()
    for number, kind in enumerate(kinds):
        make = {"paid": paid, "declined": declined, "open": opening}[kind]
        payment = make(f"{kind}-{number}", NOW - MINUTE)
        world.put(payment)
        world.keys[f"{kind}-{number}"] = payment.id
        if kind != "open":
            world.charges.append(charge(payment))
            world.audit(payment, **record(payment))
            world.answers.append(answer(payment, f"{kind}-{number}"))
    found = examine(world.books)
    assert found.findings == ()
    counts = found.counts
    assert counts.attempted == counts.paid + counts.declined + counts.refused + counts.unknown == 4 + len(kinds)
