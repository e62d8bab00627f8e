"""The books in evidence are counted again: payments that are lost, doubled or denied are told, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drill import records
from drill import verify as verify_module
from drill.books import Books, answers
from drill.evidence import gather
from drill.reconcile import examine
from drill.records import Attempt
from lambdas.domain.instruction import payment_id
from shared.roles import PerRole
from tests.unit.drill.left_by_a_drill import (
    HERE,
    MISSED,
    ONE_CLIENT,
    PAYMENTS,
    STEADY,
    a_charge,
    books_of,
    left,
    lie_in_figures,
    telling,
    verify,
)


def test_a_second_charge_in_the_ledger_is_a_doubled_payment(drill_folder, tmp_path):
    told = json.loads((drill_folder / records.BOOKS).read_text())
    told["charges"].append({**told["charges"][0], "endpoint": "two.processor.example.com"})
    records.write(drill_folder / records.BOOKS, told)
    assert (
        "payments doubled: 0 was told, and it is 1"
        in verify(tmp_path / "o", gather(drill_folder, tmp_path / "o")).stderr
    )


def test_a_payment_that_a_region_lacks_is_lost(drill_folder, tmp_path):
    told = json.loads((drill_folder / records.BOOKS).read_text())
    told["payments"]["secondary"].popitem()
    records.write(drill_folder / records.BOOKS, told)
    assert (
        "payments lost: 0 was told, and it is 1" in verify(tmp_path / "o", gather(drill_folder, tmp_path / "o")).stderr
    )


one, other = PAYMENTS["one"], PAYMENTS["other"]
STRAY = replace(one, id=payment_id("storefront", "stray"))
BOTH = {each.id: each for each in (one, other)}


def unread(*payments):
    return PerRole.build(lambda _: {each.id: "cannot be read: SETTLED" for each in payments})


BAD_NEWS = {
    "in no table, and acknowledged": ({"payments": PerRole({one.id: one}, {one.id: one})}, "1 lost, 0 doubled"),
    "in one table alone": ({"payments": PerRole(BOTH, {one.id: one})}, "1 lost, 0 doubled"),
    "not yet in the other": ({"payments": PerRole(BOTH, {one.id: one}), "at": 18, "lag": 15}, "0 lost, 0 doubled"),
    "no longer on its way to the other": (
        {"payments": PerRole(BOTH, {one.id: one}), "at": 19, "lag": 15},
        "1 lost, 0 doubled",
    ),
    "charged in no table": ({"charges": [a_charge(each) for each in (one, other, STRAY)]}, "1 lost, 0 doubled"),
    "charged twice in no table": (
        {"charges": [a_charge(each) for each in (one, other, STRAY, STRAY)]},
        "1 lost, 1 doubled",
    ),
    "a record in no table": ({"audits": PerRole({STRAY.id: {}}, {})}, "1 lost, 0 doubled"),
    "charged twice": ({"charges": [a_charge(each) for each in (one, one, other)]}, "0 lost, 1 doubled"),
    "charged twice and not to be read": (
        {
            "payments": PerRole({other.id: other}, {other.id: other}),
            "unreadable": unread(one),
            "charges": [a_charge(one), a_charge(one, "two.example.com"), a_charge(other)],
        },
        "0 lost, 1 doubled",
    ),
    "charged once, at another endpoint": (
        {"charges": [a_charge(one, "two.example.com"), a_charge(other)]},
        "0 lost, 1 doubled",
    ),
    "to be read in one region alone": (
        {"payments": PerRole(BOTH, {one.id: one}), "unreadable": PerRole({}, unread(other).primary)},
        "0 lost, 0 doubled",
    ),
    "older where it can be read": (
        {
            "payments": PerRole({one.id: one, other.id: replace(other, steps=other.steps[:1])}, {one.id: one}),
            "unreadable": PerRole({}, unread(other).primary),
        },
        "0 lost, 0 doubled",
    ),
    "not finished in its newest version": (
        {"payments": PerRole(BOTH, {**BOTH, one.id: replace(one, steps=one.steps[:1], version=9)})},
        "1 lost, 0 doubled",
    ),
    "captured and never charged": ({"charges": [a_charge(one)]}, "0 lost, 0 doubled"),
    "not compared with the processor": ({"charges": None}, "0 lost, not compared with the processor's books doubled"),
    "two payments for a key": (
        {"payments": PerRole.build(lambda _: {**BOTH, PAYMENTS["third"].id: PAYMENTS["third"]})},
        "0 lost, 1 doubled",
    ),
}


@pytest.mark.parametrize("news", BAD_NEWS)
def test_bad_news_that_is_true_holds(tmp_path, news):
    changed, told = BAD_NEWS[news]
    attempts = [*ONE_CLIENT]
    if news == "two payments for a key":
        attempts.append(replace(STEADY, attempt=2, outcome="replayed", payment=PAYMENTS["third"].id))
    books = books_of(ONE_CLIENT, answers=answers(attempts), **changed)
    if books.charges is not None and news == "two payments for a key":
        books = replace(books, charges=[*books.charges, a_charge(PAYMENTS["third"])])
    folder = left(tmp_path / "drill", attempts, books=books)
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert (found.returncode, told in found.stdout) == (0, True), found.stdout + found.stderr


def counting(name):
    return lambda told: told["counts"].update({name: 9})


RECONCILED = {
    "emptied": lambda told: told.clear(),
    "no findings": lambda told: told.update(findings=[]),
    "a finding of another kind": lambda told: told["findings"][0].update(kind="doubled"),
    **{f"another {name}": counting(name) for name in ("attempted", "paid", "declined", "refused", "unknown")},
    "one kind left out": lambda told: told["counts"].pop("unknown"),
}


@pytest.mark.parametrize("lie", RECONCILED)
def test_a_reconciliation_that_is_not_that_of_the_books_is_refused(tmp_path, lie):
    late = Attempt("c", "fresh", "never", 1, 960.0, 960.0, 960.0, "late")
    books = books_of([*MISSED, late], charges=[], payments=PerRole({one.id: one}, {one.id: one}))
    folder = left(tmp_path / "drill", [*MISSED, late], books=books)
    counts = json.loads((folder / records.RECONCILIATION).read_text())["counts"]
    assert counts == {"attempted": 3, "paid": 1, "declined": 0, "refused": 1, "unknown": 1}
    told = verify(tmp_path / "h", gather(folder, tmp_path / "h"))
    assert told.returncode == 0, told.stderr
    told = json.loads((folder / records.RECONCILIATION).read_text())
    RECONCILED[lie](told)
    records.write(folder / records.RECONCILIATION, told)
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert (found.returncode, "REFUSED" in found.stderr) == (1, True), found.stdout


OTHERS = "other disagreements of the books"


def test_a_reconciliation_that_hides_who_was_refused_and_has_paid_is_refused(tmp_path):
    attempts = [
        *ONE_CLIENT,
        replace(STEADY, attempt=2, sent=960.0, ended=961.0, outcome="refused", status=422, payment=""),
    ]
    folder = left(tmp_path / "drill", attempts)
    told = verify(tmp_path / "h", gather(folder, tmp_path / "h"))
    assert told.stdout.rstrip().endswith("verdict: missed"), told.stdout + told.stderr
    reconciled = json.loads((folder / records.RECONCILIATION).read_text())
    records.write(folder / records.RECONCILIATION, {**reconciled, "findings": []})
    lie_in_figures(folder, telling(OTHERS, measured=0, held=True))
    records.write(folder / records.OUTCOME, {"status": "passed", "code": 0, "why": "every objective held"})
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert (found.returncode, f"{OTHERS}: 0 was told, and it is 1" in found.stderr) == (1, True), found.stdout


def test_without_the_processors_books_it_says_so(tmp_path):
    folder = left(tmp_path / "drill", ONE_CLIENT)
    books = json.loads((folder / records.BOOKS).read_text())
    records.write(folder / records.BOOKS, {**books, "charges": None})
    lie_in_figures(folder, telling("payments doubled", measured="not compared with the processor's books", held=None))
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert "not compared with the processor's books doubled" in found.stdout, found.stderr


MADE = {"created", "declined"}
KEYS = ("one", "other", "third", "fourth")
VERSIONS = st.tuples(
    st.sampled_from([None, "item", "unreadable"]), st.integers(1, 3), st.booleans(), st.integers(1, 40)
)
ATTEMPTED = st.tuples(
    st.sampled_from(KEYS), st.sampled_from(KEYS), st.sampled_from(["created", "failed", "declined", "refused"])
)


@given(
    st.tuples(*(st.tuples(VERSIONS, VERSIONS) for _ in KEYS)),
    st.none() | st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(["a", HERE])), max_size=4),
    st.lists(st.sampled_from(KEYS), max_size=2),
    st.lists(ATTEMPTED, max_size=4),
)
def test_any_books_are_counted_alike(items, charged, recorded, asked):
    """What the program makes of the books is what the reconciliation made of them, however they disagree."""
    tables, unreadable = [{}, {}], [{}, {}]
    for key, versions in zip(KEYS, items, strict=True):
        for role, (how, version, final, updated) in enumerate(versions):
            each = PAYMENTS[key]
            each = replace(each, version=version, updated=updated, steps=each.steps if final else each.steps[:1])
            if how == "item":
                tables[role][each.id] = each
            elif how:
                unreadable[role][each.id] = "cannot be read"
    attempts = [
        Attempt("a", "fresh", key, 1, 0.0, 0.0, 1.0, outcome, 0, PAYMENTS[told].id if outcome in MADE else "")
        for key, told, outcome in asked
    ]
    books = Books(
        40,
        PerRole(*tables),
        PerRole(*unreadable),
        None if charged is None else [a_charge(PAYMENTS[key], endpoint) for key, endpoint in charged],
        PerRole({PAYMENTS[key].id: {} for key in recorded}, {}),
        answers(attempts),
        {each.key: payment_id("storefront", each.key) for each in attempts},
        lag=15,
    )
    found = examine(books)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_module, "read", lambda _: json.loads(json.dumps(books.to_json())))
        lost, denied, told = verify_module.of_the_books([each.to_json() for each in attempts])
    assert lost == {each.payment for each in found.findings if each.kind == "lost"}
    assert told["doubled"] == found.of("doubled")
    assert told["counts"] == asdict(found.counts)
    assert denied == {each.payment for each in found.findings if "was refused" in each.what}
