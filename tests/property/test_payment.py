"""Moves of a payment: whatever is done to it, in any order, its history stays a path through the states."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.adapters.items import from_item, to_item
from lambdas.domain.errors import IllegalTransition, NoAnswer
from lambdas.domain.instruction import Instruction, is_payment_id, payment_id
from lambdas.domain.money import MAX_MINOR_UNITS, Money
from lambdas.domain.outcome import LONGEST, Approved, Declined
from lambdas.domain.payment import (
    AUDIT_GRACE,
    CANARY_KEPT,
    FINAL,
    FIRST_STEPS,
    LEASE,
    RESPONSE_KEPT,
    STEPS,
    TRANSITIONS,
    Lease,
    PaymentStatus,
    Response,
    opened,
)
from lambdas.web.view import render

T = 1_795_000_000_000
MOVES = ("leased", "unanswered", "approved", "declined", "answering", "audited", "forgotten", "doubted")


def new(client="storefront", now=T):
    return opened(
        Instruction(client, "key", Money(100, "USD"), "test-1"),
        region="us-east-1",
        endpoint="p.example",
        holder="a",
        now=now,
    )


def move(payment, name, now):
    return {
        "leased": lambda: payment.leased(f"h{now}", now),
        "unanswered": lambda: payment.unanswered(now),
        "approved": lambda: payment.settled(Approved("ch_1"), now),
        "declined": lambda: payment.settled(Declined("no"), now),
        "answering": lambda: payment.answering(Response(201, "{}")),
        "audited": lambda: payment.audited(now),
        "forgotten": lambda: payment.forgotten(now),
        "doubted": lambda: payment.doubted(now),
    }[name]()


@given(
    st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 60_000)), max_size=25)
    | st.lists(st.tuples(st.sampled_from(MOVES[:2]), st.integers(0, 60_000)), min_size=40, max_size=90)
)
def test_any_sequence_of_moves_is_a_path_and_survives_the_table(moves):
    payment, now = new(), T
    for name, pause in moves:
        now += pause
        try:
            moved = move(payment, name, now)
        except IllegalTransition:
            continue
        assert moved.version == payment.version + (name != "answering")
        assert moved.steps[:FIRST_STEPS] == payment.steps[:FIRST_STEPS] or len(payment.steps) < FIRST_STEPS
        added = {"leased": 1, "unanswered": 1, "approved": 3, "declined": 2}.get(name, 0)
        assert set(moved.steps) <= {*payment.steps, *moved.steps[len(moved.steps) - added :]}
        assert moved.steps[-1] == payment.steps[-1] or moved.steps[-1][1] == now
        if payment.is_final:
            assert (moved.status, moved.reference, moved.reason) == (payment.status, payment.reference, payment.reason)
        payment = moved
    for (before, _), (after, _) in itertools.pairwise(payment.steps):
        assert after in TRANSITIONS[before]
    assert payment.steps[0] == (PaymentStatus.AUTHORIZING, T)
    assert from_item(to_item(payment)) == payment
    assert from_item({**to_item(payment), "added_by_a_newer_version": {"S": "x"}}) == payment
    # The index has exactly what is due some time, and an unfinished payment always is.
    assert ("unfinished" in to_item(payment)) == ("due" in to_item(payment)) == (payment.due is not None)
    assert payment.is_final or payment.due is not None


def size(item):
    """As DynamoDB counts it: names and values in UTF-8, and no less than this for numbers and lists."""
    return sum(len(name) + len(str(value).encode()) for name, value in item.items())


@given(
    st.integers(0, 2_000),
    st.sampled_from(["approved", "declined", "unanswered"]),
    st.text("aé💶", min_size=LONGEST, max_size=LONGEST),
)
def test_an_item_stays_small_however_long_a_processor_is_silent(rounds, end, text):
    """Every attribute as long as it can be, and any number of questions without an answer."""
    wish = Instruction("c" * 64, "k" * 255, Money(MAX_MINOR_UNITS, "USD"), "x" * 64)
    payment = opened(wish, region="ap-southeast-99", endpoint="p" * 253, holder="h" * 32, now=T)
    for number in range(rounds):
        payment = payment.unanswered(T + number).leased("h" * 32, T + number)
        assert len(payment.steps) <= STEPS
    if end != "unanswered":
        payment = payment.settled(Approved(text) if end == "approved" else Declined(text), T + rounds)
        payment = payment.answering(render(payment))
    assert len(payment.steps) <= STEPS
    assert size(to_item(payment)) < 8_192
    assert payment.steps[0] == (PaymentStatus.AUTHORIZING, T)
    assert from_item(to_item(payment)) == payment


def test_what_was_stored_with_too_many_steps_is_cut_with_its_next_move():
    steps = [(PaymentStatus.AUTHORIZING, T), *[(PaymentStatus.UNKNOWN, T), (PaymentStatus.AUTHORIZING, T)] * 400]
    moved = replace(new(), steps=tuple(steps)).settled(Approved("ch_1"), T + 1)
    assert len(moved.steps) == STEPS - 1, "whole rounds are left out"
    assert [status for status, _ in moved.steps[-2:]] == ["AUTHORIZED", "CAPTURED"]
    assert all(after in TRANSITIONS[before] for (before, _), (after, _) in itertools.pairwise(moved.steps))


@pytest.mark.parametrize("outcome", [Approved, Declined])
def test_a_processor_s_text_that_is_too_long_is_no_answer(outcome):
    with pytest.raises(NoAnswer, match="256 characters"):
        outcome("x" * (LONGEST + 1))


@pytest.mark.parametrize("outcome", [Approved, Declined])
def test_a_processor_s_text_that_no_table_keeps_is_no_answer(outcome):
    """JSON can say half a surrogate pair: the outcome could never be written down."""
    with pytest.raises(NoAnswer, match="no Unicode"):
        outcome("ch_\ud800")
    assert outcome("ch_\U0001f4b3")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_an_id_belongs_to_one_client_and_key(client, key, other_client, other_key):
    name = payment_id(client, key)
    assert is_payment_id(name)
    assert (payment_id(other_client, other_key) == name) == ((client, key) == (other_client, other_key))


def test_ids_never_change():
    """They are in the table already."""
    assert payment_id("storefront", "k") == "pay_k7qapwxonm4ln4qhqmkdtldkhs"
    assert not is_payment_id("pay_k7qapwxonm4ln4qhqmkdtldkhs/")
    assert not is_payment_id("pay_K7qapwxonm4ln4qhqmkdtldkhs")


instructions = st.builds(
    Instruction,
    st.just("storefront"),
    st.just("key"),
    st.builds(Money, st.integers(1, 50), st.sampled_from(["USD", "EUR"])),
    st.sampled_from(["a", "b", "ab"]),
)


@given(instructions, instructions)
def test_fingerprints_are_equal_for_equal_payloads_only(one, other):
    assert (one.fingerprint == other.fingerprint) == (one == other)


def test_fingerprints_never_change():
    assert Instruction("x", "y", Money(100, "USD"), "test-1").fingerprint == new().fingerprint
    assert new().fingerprint == "bc467002730a36db1319de863f1c451be5bc5c181bc379505056a12854e3598d"


def test_a_new_payment_is_leased_by_its_maker():
    payment = new()
    assert payment.lease == Lease("a", T + LEASE)
    assert payment.status is PaymentStatus.AUTHORIZING
    assert payment.version == 1
    assert payment.due == T + LEASE
    assert (payment.created, payment.updated, payment.attempts) == (T, T, 0)
    assert not payment.audit_pending
    assert payment.region == "us-east-1"


def test_a_lease_lasts_until_its_last_millisecond():
    payment = new()
    assert payment.is_leased(T + LEASE - 1)
    assert not payment.is_leased(T + LEASE)
    with pytest.raises(IllegalTransition, match="is leased until"):
        payment.leased("b", T + LEASE - 1)
    taken = payment.leased("b", T + LEASE)
    assert taken.lease == Lease("b", T + 2 * LEASE)
    assert taken.steps == payment.steps


def test_the_lease_outlives_the_function():
    assert LEASE > 10_000


@pytest.mark.parametrize(
    ("attempts", "pause"), [(0, 5_000), (1, 10_000), (2, 20_000), (5, 160_000), (6, 300_000), (60, 300_000)]
)
def test_pauses_grow_between_questions(attempts, pause):
    payment = new()
    for _ in range(attempts):
        payment = payment.unanswered(T).leased("b", T)
    unknown = payment.unanswered(T + 7)
    assert unknown.status is PaymentStatus.UNKNOWN
    assert unknown.attempts == attempts + 1
    assert unknown.lease is None
    assert unknown.due == unknown.retry_at == T + 7 + pause
    assert unknown.leased("b", T + 8).retry_at is None
    assert unknown.leased("b", T + 8).status is PaymentStatus.AUTHORIZING


def test_approval_is_authorized_then_captured_and_owes_its_audit():
    payment = new().settled(Approved("ch_1"), T + 5)
    assert payment.steps[1:] == ((PaymentStatus.AUTHORIZED, T + 5), (PaymentStatus.CAPTURED, T + 5))
    assert payment.is_final
    assert payment.audit_pending
    assert (payment.reference, payment.reason, payment.lease, payment.retry_at) == ("ch_1", None, None, None)
    assert payment.due == T + 5 + AUDIT_GRACE
    assert payment.updated == T + 5


def test_refusal_is_final_and_owes_its_audit():
    payment = new().settled(Declined("no"), T + 5)
    assert payment.steps[1:] == ((PaymentStatus.DECLINED, T + 5),)
    assert payment.audit_pending
    assert (payment.reference, payment.reason, payment.lease) == (None, "no", None)


@pytest.mark.parametrize("outcome", [Approved("ch_1"), Declined("no")])
def test_an_outcome_that_comes_late_is_final_also_where_somebody_has_heard_nothing(outcome):
    """In one write, so one version; it is neither leased nor waited for any more."""
    unknown = new().unanswered(T + 5)
    payment = unknown.settled(outcome, T + 7)
    assert payment.steps[:3] == (*unknown.steps, (PaymentStatus.AUTHORIZING, T + 7))
    assert payment.is_final
    assert (payment.version, payment.lease, payment.retry_at) == (unknown.version + 1, None, None)


def test_after_the_audit_the_answer_is_kept_for_three_days_then_nothing_is_due():
    payment = new().settled(Approved("ch_1"), T + 5).answering(Response(201, "{}")).audited(T + 9)
    assert not payment.audit_pending
    assert payment.updated == T + 9
    assert payment.due == T + RESPONSE_KEPT
    forgotten = payment.forgotten(T + 11)
    assert forgotten.response is None
    assert forgotten.due is None
    assert forgotten.updated == T + 11


def test_an_audit_claim_is_a_lease_that_the_audit_ends():
    payment = new().settled(Approved("ch_1"), T + 5)
    claimed = payment.leased("s", T + 50_000)
    assert claimed.status is PaymentStatus.CAPTURED
    assert claimed.due == T + 50_000 + LEASE
    assert claimed.audited(T + 50_001).lease is None
    assert claimed.forgotten(T + 50_001).lease is None


def test_canaries_are_due_for_removal_after_a_day():
    payment = new(client="canary").settled(Approved("ch_1"), T + 5).answering(Response(201, "{}"))
    assert payment.is_canary
    assert not new().is_canary
    assert payment.due == T + 5 + AUDIT_GRACE
    assert payment.audited(T + 9).due == T + CANARY_KEPT


def test_times_are_those_promised():
    assert (LEASE, AUDIT_GRACE, RESPONSE_KEPT, CANARY_KEPT) == (15_000, 30_000, 259_200_000, 86_400_000)
    assert {PaymentStatus.CAPTURED, PaymentStatus.DECLINED} == FINAL


@pytest.mark.parametrize("name", ["approved", "declined", "unanswered"])
def test_what_is_final_moves_no_more(name):
    payment = new().settled(Declined("no"), T)
    with pytest.raises(IllegalTransition, match="cannot go from DECLINED"):
        move(payment, name, T)


@pytest.mark.parametrize("name", ["answering", "audited", "forgotten"])
def test_only_a_final_payment_is_answered_for_audited_and_forgotten(name):
    with pytest.raises(IllegalTransition, match="is not final but AUTHORIZING"):
        move(new(), name, T)
