"""Evidence holds as it was made, and not otherwise: every file, every line, every figure, and the head."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drill import commands, records, session
from drill import evidence as evidence_module
from drill import verify as verify_module
from drill.anchor import PublishedHead
from drill.books import Books, LedgerCharge, answers
from drill.evidence import FILES, bind, gather
from drill.figures import measure, verdict
from drill.reconcile import examine
from drill.records import Attempt, DrillOutcome, Event, RecordFile
from lambdas.domain.instruction import Instruction, payment_id
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved
from lambdas.domain.payment import opened
from orchestration.choice import Choice
from shared.errors import Problem
from shared.roles import PerRole
from tests.unit.drill.test_figures import BACK, EVENTS, FAULT, PLAN, SWITCH

HERE = "one.processor.example.com"


def a_payment(key):
    instruction = Instruction("storefront", key, Money(1250, "USD"), "drill-1")
    opening = opened(instruction, region="us-east-1", endpoint=HERE, holder="h", now=1)
    return opening.settled(Approved(f"ch_{key}"), 2).audited(3)


PAYMENTS = {key: a_payment(key) for key in ("one", "other", "third", "fourth")}


def failed_over(client, key, seconds, kind="fresh"):
    """A client's payment that fails with the fault, and is made so many seconds after it."""
    return [
        Attempt(client, kind, key, 1, FAULT, FAULT, FAULT + 5, "failed"),
        Attempt(client, kind, key, 2, FAULT, FAULT + seconds - 1, FAULT + seconds, "created", 201, PAYMENTS[key].id),
    ]


STEADY = Attempt("a", "fresh", "one", 1, 950.0, 950.0, 950.1, "created", 201, PAYMENTS["one"].id)
ONE_CLIENT = [STEADY, *failed_over("a", "other", SWITCH + 10 - FAULT)]


def a_charge(payment, endpoint=HERE, **other):
    told = LedgerCharge(endpoint, payment.id, "approved", payment.reference or "", 1250, "USD", "drill-1")
    return replace(told, **other)


def books_of(attempts, **other):
    """Books in which a drill's payments are."""
    tables = {each.id: each for each in PAYMENTS.values() if any(made.payment == each.id for made in attempts)}
    told = Books(
        10,
        PerRole(tables, tables),
        charges=[a_charge(each) for each in tables.values()],
        answers=answers(attempts),
        keys={each.key: payment_id("storefront", each.key) for each in attempts},
    )
    return replace(told, **other)


def left(folder, attempts, plan=PLAN, events=EVENTS, books=None):
    """What a drill has left, with books in which its payments are."""
    folder.mkdir()
    books = books or books_of(attempts)
    found = measure(plan, attempts, events, examine(books))
    (folder / plan.settings).write_text("ttl: 30\n")
    records.write(folder / records.PLAN, plan.to_json())
    for name, each in ((records.CLIENTS, attempts), (records.EVENTS, events)):
        file = RecordFile(folder / name)
        for record in each:
            file.add(record)
        file.close()
    records.write(folder / records.BOOKS, books.to_json())
    records.write(folder / records.RECONCILIATION, examine(books).to_json())
    records.write(folder / records.FIGURES, found.to_json())
    records.write(folder / records.OUTCOME, DrillOutcome(*verdict(found, [])).to_json())
    return folder


@pytest.fixture
def drill(tmp_path):
    """What a drill with two payments has left."""
    return left(tmp_path / "drill", ONE_CLIENT)


def verify(folder, *words):
    return subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify.py", *words], capture_output=True, text=True, check=False, cwd="/"
    )


@pytest.fixture
def evidence(drill, tmp_path):
    out = tmp_path / "evidence"
    head = gather(drill, out)
    return out, head


def test_it_holds_as_it_was_made(evidence):
    out, head = evidence
    answer = verify(out, head)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "2 payments acknowledged, 0 lost, 0 doubled; worst RTO fresh 45.0 s" in answer.stdout


def test_it_is_refused_without_the_head_that_was_published(evidence):
    out, head = evidence
    assert verify(out).returncode == 2
    assert verify(out, "0" * 64).returncode == 1
    assert verify(out, head[:-1]).returncode == 2


@pytest.mark.parametrize("name", [*FILES, "verify.py"])
def test_a_file_that_was_changed_is_named(evidence, name):
    out, head = evidence
    with (out / name).open("a") as file:
        file.write(" \n" if name.endswith(".json") else "# \n")
    answer = verify(out, head)
    assert answer.returncode == 1
    assert f"{name}: was changed" in answer.stderr
    (out / name).unlink()
    if name != "verify.py":
        assert f"{name}: is missing" in verify(out, head).stderr


def test_a_file_more_is_refused(evidence):
    out, head = evidence
    (out / "more.txt").write_text("x")
    assert "more.txt'] is not in the chain" in verify(out, head).stderr


@pytest.mark.parametrize("name", ["more", "json", "clients.jsonl.d"])
@pytest.mark.parametrize("full", [False, True])
def test_a_folder_more_is_refused(evidence, name, full):
    out, head = evidence
    (out / name).mkdir()
    if full:
        (out / name / "clients.jsonl").write_text("x")
    assert f"{name}'] is not in the chain" in verify(out, head).stderr


def test_a_link_to_nowhere_is_refused(evidence):
    out, head = evidence
    (out / "more").symlink_to(out / "nowhere")
    assert "'more'] is not in the chain" in verify(out, head).stderr


SHADOWS = ("__future__", "hashlib", "json", "math", "base64", "collections", "pathlib", "typing", "encodings", "site")


@pytest.mark.parametrize("name", SHADOWS)
@pytest.mark.parametrize("how", ["{}.py", "{}/__init__.py"])
def test_nothing_in_the_folder_runs_in_place_of_pythons_own(evidence, name, how):
    out, _ = evidence
    file = out / how.format(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text("import sys\nprint('holds')\nsys.exit(0)\n")
    (out / records.CLIENTS).write_text("")
    for cwd in ("/", out):
        told = subprocess.run(
            [sys.executable, "-S", str(out / "verify.py"), "0" * 64],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            env={},
        )
        assert (told.returncode, told.stdout, "REFUSED" in told.stderr) == (1, "", True), told.stdout + told.stderr


def test_another_copy_of_it_checks_a_folder(evidence, tmp_path):
    """Of somebody who trusts neither who gathered it nor the program in it."""
    out, head = evidence
    for folder, code in ((out, 0), (tmp_path / "nowhere", 1)):
        told = subprocess.run(
            [sys.executable, "-I", "drill/verify.py", head, folder], capture_output=True, text=True, check=False
        )
        assert (told.returncode, "holds" in told.stdout) == (code, not code), told.stderr


@pytest.mark.parametrize("link", ["", "0" * 64, None])
def test_a_link_of_the_chain_that_is_another_is_refused(evidence, link):
    out, head = evidence
    chain = [json.loads(line) for line in (out / "chain.jsonl").read_text().splitlines()]
    for number in range(len(chain)):
        lines = [{**each, "link": link} if at == number else each for at, each in enumerate(chain)]
        (out / "chain.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
        assert "REFUSED: chain.jsonl: " in verify(out, head).stderr


def test_files_in_another_order_are_others(evidence):
    out, head = evidence
    chain = (out / "chain.jsonl").read_text().splitlines()
    link, lines = "", []
    for each in map(json.loads, [chain[1], chain[0], *chain[2:]]):
        link = hashlib.sha256(f"{link} {each['file']} {each['sha256']}".encode()).hexdigest()
        lines.append(json.dumps({**each, "link": link}))
    (out / "chain.jsonl").write_text("\n".join(lines) + "\n")
    assert "head is another one" in verify(out, head).stderr


def lie_in_figures(folder, change):
    told = json.loads((folder / records.FIGURES).read_text())
    change(told)
    records.write(folder / records.FIGURES, told)


def the(told, name):
    return next(each for each in told["figures"] if each["name"] == name)


def telling(name, **what):
    return lambda told: the(told, name).update(what)


def keeping_quiet(name):
    return lambda told: told["figures"].remove(the(told, name))


KIND_HAS = ("p50", "p99", "clients", "affected")
WORST = "RTO, worst client that honours the TTL"
LONGEST = "longest of all outages, worst client that honours the TTL"
STAYED, BACK_THEN, SERVED = (
    "clients stayed away until restored",
    "clients went back then",
    "clients are served there again",
)
RECOMPUTED = ("RTO, p50", "RTO, p99", "detection", "DNS answers the secondary", LONGEST)

LIES = {
    **{f"another {name}": telling(name, measured=1.0) for name in RECOMPUTED},
    **{f"never {name}": telling(name, measured=None) for name in RECOMPUTED},
    **{f"no {name}": keeping_quiet(name) for name in RECOMPUTED},
    **{f"{name} of a kind": lambda told, name=name: told["outages"][0].update({name: 9}) for name in KIND_HAS},
    "a kind more": lambda told: told["outages"].append({**told["outages"][0], "kind": "keep-alive"}),
    "a figure twice": lambda told: told["figures"].insert(0, {**the(told, "detection"), "measured": 1.0}),
    "a shorter outage": lambda told: told["outages"][0].update(worst=1.0),
    "no outage of a kind": lambda told: told["outages"].clear(),
    "payments lost": lambda told: next(e for e in told["figures"] if e["name"] == "payments lost").update(measured=1),
    "payments doubled": lambda told: next(e for e in told["figures"] if e["name"] == "payments doubled").update(
        measured=1
    ),
    "more acknowledged": lambda told: told.update(acknowledged=3),
    "a shorter RTO in the table": lambda told: told["figures"][0].update(measured=1.0),
    "no RTO in the table": lambda told: told["figures"].pop(0),
    "a laxer objective": lambda told: told["figures"][0].update(objective=999.0),
}


@pytest.mark.parametrize("lie", LIES)
def test_figures_that_are_not_those_of_the_records_are_refused_under_their_own_head(drill, tmp_path, lie):
    lie_in_figures(drill, LIES[lie])
    head = gather(drill, tmp_path / "lies")
    assert verify(tmp_path / "lies", head).returncode == 1


@pytest.mark.parametrize("name", RECOMPUTED)
def test_what_was_told_and_what_it_is_are_named(drill, tmp_path, name):
    really = the(json.loads((drill / records.FIGURES).read_text()), name)["measured"]
    lie_in_figures(drill, telling(name, measured=1.0))
    found = verify(tmp_path / "o", gather(drill, tmp_path / "o"))
    assert found.stderr == f"REFUSED: {name}: 1.0 was told, and it is {really}\n"


def a_crowd():
    """Clients of two kinds that honour the TTL, out for different times."""
    return [
        STEADY,
        *failed_over("a", "other", 40.0),
        *failed_over("b", "third", 50.0),
        *failed_over("e", "fourth", 45.0, "example"),
        Attempt("quiet", "example", "one", 1, 951.0, 951.0, 951.1, "replayed", 201, PAYMENTS["one"].id),
    ]


@pytest.mark.parametrize("answered", ["pending", "replayed", "refused", "declined"])
def test_a_first_attempt_that_makes_no_new_payment_begins_an_outage_for_the_checker_too(tmp_path, answered):
    """The rule stands twice: the evidence of a drill holds without our code."""
    attempts = [STEADY, *failed_over("a", "other", 40.0)]
    attempts[1] = replace(attempts[1], outcome=answered, ended=FAULT + 1)
    found = verify(tmp_path / "o", gather(left(tmp_path / "drill", attempts), tmp_path / "o"))
    assert (found.returncode, "worst RTO fresh 40.0 s" in found.stdout) == (0, True), found.stderr


def test_half_of_the_clients_is_told_apart_from_the_worst(tmp_path):
    found = verify(tmp_path / "o", gather(left(tmp_path / "drill", a_crowd()), tmp_path / "o"))
    assert (found.returncode, "worst RTO example 45.0 s, fresh 50.0 s" in found.stdout) == (0, True), found.stderr
    told = json.loads((tmp_path / "o" / records.FIGURES).read_text())
    assert [the(told, name)["measured"] for name in RECOMPUTED[:2]] == [45.0, 50.0]


@pytest.mark.parametrize("gone", ["health", "dns"])
def test_what_never_happened_is_told_as_never(tmp_path, gone):
    events = [each for each in EVENTS if each.kind != gone]
    folder = left(tmp_path / "drill", ONE_CLIENT, events=events)
    assert verify(tmp_path / "o", gather(folder, tmp_path / "o")).returncode == 0
    lie_in_figures(folder, telling({"health": "detection", "dns": RECOMPUTED[3]}[gone], measured=28.0))
    assert "28.0 was told, and it is inf" in verify(tmp_path / "l", gather(folder, tmp_path / "l")).stderr


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ('"health"', "detection: 28.0 was told, and it is inf"),
        ('"dns"', "DNS answers the secondary: 35.0 was told, and it is inf"),
        ('"fault"', "what was broken is not what plan.json says: refuse"),
    ],
)
def test_an_event_that_was_dropped_changes_the_figures(drill, tmp_path, word, said):
    drop(drill, records.EVENTS, word)
    found = verify(tmp_path / "o", gather(drill, tmp_path / "o"))
    assert (found.returncode, said in found.stderr) == (1, True), found.stderr


def test_only_the_gate_that_decides_detects_and_only_after_the_fault(tmp_path):
    other = [replace(each, at=FAULT + 1, subject="a witness") for each in EVENTS if each.kind == "health"]
    before = [replace(each, at=FAULT - 50) for each in EVENTS if each.kind in {"health", "dns"}]
    folder = left(tmp_path / "drill", ONE_CLIENT, events=[*other, *before, *EVENTS])
    assert the(json.loads((folder / records.FIGURES).read_text()), "detection")["measured"] == 28
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("fault", ["evacuate", "unfenced", "grey", "hang"])
def test_each_kind_of_fault_holds_with_its_own_objective_or_none(tmp_path, fault):
    plan = replace(PLAN, fault=fault, objectives={"failover": 120.0, "grey_failure": 300.0})
    events = [replace(each, what=fault) if each.kind == "fault" else each for each in EVENTS]
    folder = left(tmp_path / "drill", ONE_CLIENT, plan, events)
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert found.returncode == 0, found.stderr
    lie_in_figures(folder, telling(WORST, objective=130.0))
    assert "judged: (130.0, " in verify(tmp_path / "l", gather(folder, tmp_path / "l")).stderr


def test_a_client_that_never_came_back_is_told_so(tmp_path):
    failed = replace(STEADY, client="b", key="lost", sent=FAULT + 1, ended=FAULT + 6, outcome="failed", status=0)
    folder = left(tmp_path / "drill", [*ONE_CLIENT, replace(failed, payment="")])
    assert "worst RTO fresh never" in verify(tmp_path / "o", gather(folder, tmp_path / "o")).stdout


RETURNED = [*EVENTS, Event(BACK, "phase", "", "well")]
QUIET = replace(PLAN, fault="none", bounds={})


def test_a_drill_that_breaks_nothing_holds_and_its_lies_do_not(tmp_path):
    moved = [each for each in EVENTS if each.kind in {"phase", "dns"}]
    folder = left(tmp_path / "drill", ONE_CLIENT, QUIET, moved)
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert (found.returncode, "2 payments acknowledged" in found.stdout) == (0, True), found.stderr
    for name in ("failovers", "attempts that failed"):
        lie_in_figures(folder, telling(name, measured=0))
        found = verify(tmp_path / name, gather(folder, tmp_path / name))
        assert f"{name}: 0 was told, and it is 1" in found.stderr


def test_a_drill_that_says_it_broke_nothing_and_did_is_refused(tmp_path):
    found = verify(tmp_path / "o", gather(left(tmp_path / "drill", ONE_CLIENT, QUIET), tmp_path / "o"))
    assert (found.returncode, "what was broken is not what plan.json says: none" in found.stderr) == (1, True)


@pytest.mark.parametrize("name", RECOMPUTED)
def test_a_published_outage_holds_and_its_lies_do_not(tmp_path, name):
    steps = [{"at": 0.0, "faults": []}, {"at": 100.0, "faults": []}]
    plan = replace(PLAN, fault="incident", incident="a bad day", steps=steps)
    events = [replace(each, what="incident") if each.kind == "fault" else each for each in EVENTS]
    folder = left(tmp_path / "drill", ONE_CLIENT, plan, [*events, Event(FAULT + 100, "step", "us-east-1", "100.0")])
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert found.returncode == 0, found.stderr
    lie_in_figures(folder, telling(name, measured=1.0))
    assert f"{name}: 1.0 was told" in verify(tmp_path / "l", gather(folder, tmp_path / "l")).stderr


@pytest.mark.parametrize(("kind", "at", "objective"), [("grey", 0.0, 300.0), ("refuse", 300.0, 120.0)])
def test_a_published_outage_holds_with_objective_and_moment_of_its_first_fault_in_the_primary(
    tmp_path, kind, at, objective
):
    told = {"part": "", "how": "", "probability": None, "seconds": None, "says": "out", "source": "assumed: out"}
    elsewhere, here = {**told, "region": "secondary", "kind": "data"}, {**told, "region": "primary", "kind": kind}
    steps = [{"at": 0.0, "faults": [elsewhere]}, {"at": at, "faults": [elsewhere, here]}]
    plan = replace(PLAN, fault="incident", steps=steps, objectives={"failover": 120.0, "grey_failure": 300.0})
    events = [replace(each, at=each.at - at, what="incident") if each.kind == "fault" else each for each in EVENTS]
    folder = left(tmp_path / "drill", ONE_CLIENT, plan, events)
    figures = json.loads((folder / records.FIGURES).read_text())
    assert (the(figures, WORST)["objective"], the(figures, "detection")["measured"]) == (objective, 28)
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert found.returncode == 0, found.stderr


def test_a_payment_that_was_sent_late_is_told_from_when_it_was_due(tmp_path):
    late = replace(STEADY, key="lost", due=FAULT + 1, sent=FAULT + 40, ended=FAULT + 40, outcome="late", status=0)
    attempts = [STEADY, replace(late, payment=""), *failed_over("a", "other", 60.0)[1:]]
    folder = left(tmp_path / "drill", attempts)
    assert the(json.loads((folder / records.FIGURES).read_text()), WORST)["measured"] == 59.0
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert found.returncode == 0, found.stderr


def drop(folder, name, word):
    path = folder / name
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if word not in line))


def test_a_dropped_failure_and_a_second_charge_change_the_figures(drill, tmp_path):
    drop(drill, records.CLIENTS, '"failed"')
    assert verify(tmp_path / "one", gather(drill, tmp_path / "one")).returncode == 1


def test_a_second_charge_in_the_ledger_is_a_doubled_payment(drill, tmp_path):
    told = json.loads((drill / records.BOOKS).read_text())
    told["charges"].append({**told["charges"][0], "endpoint": "two.processor.example.com"})
    records.write(drill / records.BOOKS, told)
    assert "payments doubled: 0 was told, and it is 1" in verify(tmp_path / "o", gather(drill, tmp_path / "o")).stderr


def test_a_payment_that_a_region_lacks_is_lost(drill, tmp_path):
    told = json.loads((drill / records.BOOKS).read_text())
    told["payments"]["secondary"].popitem()
    records.write(drill / records.BOOKS, told)
    assert "payments lost: 0 was told, and it is 1" in verify(tmp_path / "o", gather(drill, tmp_path / "o")).stderr


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


def missed():
    """A drill whose only client came back too late."""
    return [STEADY, *failed_over("a", "other", 250.0)]


def test_objective_and_verdict_are_told_as_they_are_recomputed(tmp_path):
    for name, attempts, said in (("in-time", ONE_CLIENT, "passed"), ("late", missed(), "missed")):
        folder = left(tmp_path / name, attempts, events=RETURNED)
        told = verify(tmp_path / f"{name}-out", gather(folder, tmp_path / f"{name}-out"))
        ends = f"objective 120 s; figures: {said}; verdict: {said}"
        assert told.stdout.rstrip().endswith(ends), told.stdout + told.stderr
        records.write(folder / records.OUTCOME, {"status": "inconclusive", "code": 3, "why": "slow"})
        told = verify(tmp_path / f"{name}-no", gather(folder, tmp_path / f"{name}-no"))
        assert told.stdout.rstrip().endswith(f"figures: {said}; verdict: inconclusive"), told.stderr


@pytest.mark.parametrize("status", ["passed", "aborted", "", "Missed"])
def test_a_verdict_that_is_not_that_of_the_figures_is_refused(tmp_path, status):
    folder = left(tmp_path / "drill", missed())
    records.write(folder / records.OUTCOME, {"status": status, "code": 0, "why": "every objective held"})
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert f"verdict: {status} was told, and it is missed" in found.stderr


def held(told):
    for each in told["figures"]:
        each["held"] = True


def unbounded(told):
    for each in told["figures"]:
        each["bound"] = 9999.0 if each["bound"] is not None else None


def unpromised(name):
    return telling(name, objective=None, bound=None, held=None)


LOST, DOUBLED = "payments lost", "payments doubled"
UNKNOWN, OTHERS = "payments still unknown", "other disagreements of the books"

JUDGED = [
    each["name"]
    for each in measure(PLAN, ONE_CLIENT, EVENTS, examine(books_of(ONE_CLIENT))).to_json()["figures"]
    if (each["objective"], each["bound"], each["held"]) != (None, None, None)
]
"""Every figure that decides a drill of a broken primary, whatever figures there are."""
AS_TOLD = (STAYED, SERVED)

LENIENT = {
    "all held": held,
    "wide bounds": unbounded,
    "no held is false but 0": lambda told: [e.update(held=0) for e in told["figures"] if e["held"] is False],
    **{f"nothing promised of {name}": unpromised(name) for name in JUDGED if name not in AS_TOLD},
    **{f"no {name}": keeping_quiet(name) for name in JUDGED},
    **{f"other {name}": telling(name, measured=7) for name in JUDGED if name not in AS_TOLD},
    "another judged": lambda told: told["figures"].append({**the(told, LONGEST), "name": "another", "held": True}),
    "another held": lambda told: told["figures"].append({**the(told, "RTO, p50"), "name": "another", "held": True}),
}


@pytest.mark.parametrize("lie", LENIENT)
def test_figures_that_are_judged_otherwise_than_they_must_be_are_refused(tmp_path, lie):
    books = books_of(missed(), charges=[a_charge(one)], payments=PerRole({one.id: one}, {one.id: one}))
    folder = left(tmp_path / "drill", missed(), books=books)
    lie_in_figures(folder, LENIENT[lie])
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    if lie == "no held is false but 0":
        assert "missed" in found.stdout + found.stderr
    else:
        assert (found.returncode, "REFUSED" in found.stderr) == (1, True), found.stdout


def out_again():
    """A drill whose only client came back in time, and was then out for far too long."""
    again = [Attempt("a", "fresh", "third", 1, FAULT + 60, FAULT + 60, FAULT + 65, "failed")]
    late = FAULT + 390
    again.append(Attempt("a", "fresh", "third", 2, FAULT + 60, late, late + 1, "created", 201, PAYMENTS["third"].id))
    return [*ONE_CLIENT, *again]


AGAIN = {
    "shorter": telling(LONGEST, measured=9.0, held=True),
    "left out": keeping_quiet(LONGEST),
    "promised later": telling(LONGEST, objective=999.0, held=True),
    "not promised": unpromised(LONGEST),
    "held all the same": telling(LONGEST, held=True),
}


@pytest.mark.parametrize("lie", AGAIN)
def test_a_drill_that_missed_by_a_second_outage_alone_passes_nowhere(tmp_path, lie):
    """Whatever decides a verdict is worked out again: a figure that is only copied lets a missed drill pass."""
    folder = left(tmp_path / "drill", out_again(), events=RETURNED)
    figures = json.loads((folder / records.FIGURES).read_text())
    assert [each["name"] for each in figures["figures"] if each["held"] is False] == [LONGEST]
    assert verify(tmp_path / "h", gather(folder, tmp_path / "h")).stdout.rstrip().endswith("verdict: missed")
    lie_in_figures(folder, AGAIN[lie])
    records.write(folder / records.OUTCOME, {"status": "passed", "code": 0, "why": "every objective held"})
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert (found.returncode, LONGEST in found.stderr) == (1, True), found.stdout


ATTEMPTS = st.tuples(
    st.sampled_from("ab"),
    st.sampled_from(["fresh", "keep-alive"]),
    st.sampled_from(["created", "failed", "declined", "pending", "replayed", "late"]),
    st.integers(1, 2),
    st.integers(-10, 60),
    st.integers(0, 5),
    st.integers(0, 20),
)


@given(st.lists(ATTEMPTS, max_size=12), st.sampled_from(["refuse", "evacuate", "none", "grey"]))
def test_any_load_is_measured_alike(told, fault):
    """What the program makes of the attempts is what the drill made of them, in whatever order they came."""
    attempts = []
    for n, (client, kind, outcome, number, due, waited, took) in enumerate(told):
        sent, ended = FAULT + due + waited, FAULT + due + waited + took
        attempts.append(Attempt(client, kind, f"k{n}", number, FAULT + due, sent, ended, outcome, payment=f"p{n}"))
    plan = replace(PLAN, fault=fault, bounds={} if fault == "none" else PLAN.bounds)
    moved = {"fault": {"what": fault}, "heal": {"at": FAULT + 40}}
    events = [
        replace(each, **moved.get(each.kind, {}))
        for each in [*EVENTS, Event(FAULT + 50, "phase", "", "settled")]
        if fault != "none" or each.kind not in moved
    ]
    keys = {each.key: payment_id("storefront", each.key) for each in attempts}
    books = Books(10, PerRole({}, {}), answers=answers(attempts), keys=keys)
    found = measure(plan, attempts, events, examine(books))
    files = {
        records.PLAN: plan.to_json(),
        records.CLIENTS: [each.to_json() for each in attempts],
        records.EVENTS: [each.to_json() for each in events],
        records.BOOKS: books.to_json(),
        records.RECONCILIATION: examine(books).to_json(),
        records.FIGURES: found.to_json(),
        records.OUTCOME: {"status": verdict(found, [])[0]},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_module, "read", lambda name: json.loads(json.dumps(files[name])))
        assert verify_module.judged().startswith("holds: ")


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
    books = books_of([*missed(), late], charges=[], payments=PerRole({one.id: one}, {one.id: one}))
    folder = left(tmp_path / "drill", [*missed(), late], books=books)
    counts = json.loads((folder / records.RECONCILIATION).read_text())["counts"]
    assert counts == {"attempted": 3, "paid": 1, "declined": 0, "refused": 1, "unknown": 1}
    told = verify(tmp_path / "h", gather(folder, tmp_path / "h"))
    assert told.returncode == 0, told.stderr
    told = json.loads((folder / records.RECONCILIATION).read_text())
    RECONCILED[lie](told)
    records.write(folder / records.RECONCILIATION, told)
    found = verify(tmp_path / "o", gather(folder, tmp_path / "o"))
    assert (found.returncode, "REFUSED" in found.stderr) == (1, True), found.stdout


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


def test_a_drill_without_a_verdict_has_no_evidence(drill, tmp_path):
    (drill / records.FIGURES).unlink()
    with pytest.raises(Problem, match="no verdict"):
        gather(drill, tmp_path / "out")


def test_the_settings_are_those_that_were_drilled(tmp_path, monkeypatch):
    """They are copied when a drill begins: a file that is mended afterwards was never drilled."""
    (tmp_path / "environments").mkdir()
    file = tmp_path / "environments" / "payments.yaml"
    file.write_text("ttl: 60\n")
    monkeypatch.setattr(session, "ROOT", tmp_path)
    target = SimpleNamespace(state=tmp_path / "orchestration")
    session.home(target).mkdir()
    played = session._folder(target, PLAN)
    file.write_text("ttl: 30\n")
    for each in left(tmp_path / "drill", ONE_CLIENT).iterdir():
        if each.name != "payments.yaml":
            (played / each.name).write_bytes(each.read_bytes())
    head = gather(played, tmp_path / "out")
    assert (tmp_path / "out" / "payments.yaml").read_text() == "ttl: 60\n"
    assert verify(tmp_path / "out", head).returncode == 0
    (played / "payments.yaml").unlink()
    with pytest.raises(Problem, match=r"has no payments\.yaml: nobody knows what was drilled"):
        gather(played, tmp_path / "again")


def test_a_drill_of_another_environment_is_none_of_this_ones(tmp_path, monkeypatch):
    place = SimpleNamespace(state=tmp_path / "orchestration", ledger=None)
    monkeypatch.setattr(commands, "choose", lambda *_: place)
    for name, environment in (("a", "payments"), ("b", "trading")):
        (session.home(place) / name).mkdir(parents=True)
        records.write(
            session.home(place) / name / records.PLAN, replace(PLAN, id=name, environment=environment).to_json()
        )
    asked = []
    monkeypatch.setattr(commands, "gather", lambda drill, *_: asked.append(drill.name) or "head")
    monkeypatch.setattr(commands, "publish", lambda *_: PublishedHead("head", "out"))
    assert commands.drill_evidence(Choice(), "", str(tmp_path / "out")) == 0
    assert asked == ["a"]
    with pytest.raises(Problem, match="there is no drill 'b' of payments"):
        commands.drill_evidence(Choice(), "b", str(tmp_path / "out"))


def test_nothing_old_gets_into_it(drill, tmp_path):
    with pytest.raises(Problem, match="is there already"):
        gather(drill, tmp_path)


def test_verify_is_short_and_needs_nothing_of_ours():
    text = Path("drill/verify.py").read_text()
    assert len(text.splitlines()) < 150
    assert "drill" not in {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("from", "import"))
    }


@pytest.mark.parametrize(
    "text",
    ["there", "there/file/below", "a" * 300, "nul\0inside", "dangling", "locked/below"],
    ids=["there", "below a file", "too long", "no name", "a dangling link", "locked"],
)
def test_a_folder_that_cannot_be_new_is_refused_before_anything_is_measured(tmp_path, monkeypatch, text):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path.name != "locked")  # for root too
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem) as refused:
        evidence_module.new_folder("--evidence", text)
    assert str(refused.value).startswith("--evidence")
    assert len(list(tmp_path.iterdir())) == 3


def test_evidence_is_its_owners_alone(drill, tmp_path):
    gather(drill, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0


def test_evidence_that_cannot_be_written_is_one_line(drill, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "out" / "plan.json"))

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(Problem, match=r"cannot write .*plan\.json: No space left on device"):
        gather(drill, tmp_path / "out")


@pytest.mark.parametrize("gone", ["figures.json", "plan.json"])
def test_a_drill_without_its_plan_or_figures_is_no_failover(drill, tmp_path, gone):
    """Left out of the chain too, so that nothing else is missing."""
    gather(drill, tmp_path / "out")
    rest = [each for each in (tmp_path / "out").iterdir() if each.name not in {gone, "chain.jsonl", "verify.py"}]
    head = bind(tmp_path / "again", rest)
    assert "REFUSED" in verify(tmp_path / "again", head).stderr


def test_a_client_that_was_left_out_is_missed(tmp_path):
    plan = replace(PLAN, clients={"fresh": 2})
    folder = left(tmp_path / "drill", ONE_CLIENT, plan)
    assert (
        "clients of fresh clients: 2 was told, and it is 1"
        in verify(tmp_path / "o", gather(folder, tmp_path / "o")).stderr
    )


def test_a_second_end_of_the_fault_is_refused(tmp_path):
    early = [Event(FAULT + 2, "heal")]
    found = verify(
        tmp_path / "o", gather(left(tmp_path / "drill", ONE_CLIENT, events=[*early, *EVENTS]), tmp_path / "o")
    )
    assert "what was broken is not what plan.json says" in found.stderr


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
