"""The figures in evidence are those of its records: whatever was told otherwise is worked out again and refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drill import records
from drill import verify as verify_module
from drill.books import Books, answers
from drill.evidence import gather
from drill.figures import measure, verdict
from drill.reconcile import examine
from drill.records import Attempt, Event
from lambdas.domain.instruction import payment_id
from shared.roles import PerRole
from tests.unit.drill.left_by_a_drill import (
    ONE_CLIENT,
    PAYMENTS,
    RECOMPUTED,
    STEADY,
    WORST,
    failed_over,
    keeping_quiet,
    left,
    lie_in_figures,
    telling,
    the,
    verify,
)
from tests.unit.drill.test_figures import EVENTS, FAULT, PLAN


def of_the_first_kind(name):
    return lambda told: told["outages"][0].update({name: 9})


KIND_HAS = ("p50", "p99", "clients", "affected")

LIES = {
    **{f"another {name}": telling(name, measured=1.0) for name in RECOMPUTED},
    **{f"never {name}": telling(name, measured=None) for name in RECOMPUTED},
    **{f"no {name}": keeping_quiet(name) for name in RECOMPUTED},
    **{f"{name} of a kind": of_the_first_kind(name) for name in KIND_HAS},
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
def test_figures_that_are_not_those_of_the_records_are_refused_under_their_own_head(drill_folder, tmp_path, lie):
    lie_in_figures(drill_folder, LIES[lie])
    head = gather(drill_folder, tmp_path / "lies")
    assert verify(tmp_path / "lies", head).returncode == 1


@pytest.mark.parametrize("name", RECOMPUTED)
def test_what_was_told_and_what_it_is_are_named(drill_folder, tmp_path, name):
    really = the(json.loads((drill_folder / records.FIGURES).read_text()), name)["measured"]
    lie_in_figures(drill_folder, telling(name, measured=1.0))
    found = verify(tmp_path / "o", gather(drill_folder, tmp_path / "o"))
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
def test_an_event_that_was_dropped_changes_the_figures(drill_folder, tmp_path, word, said):
    drop(drill_folder, records.EVENTS, word)
    found = verify(tmp_path / "o", gather(drill_folder, tmp_path / "o"))
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


def test_a_failure_that_was_dropped_changes_the_figures(drill_folder, tmp_path):
    drop(drill_folder, records.CLIENTS, '"failed"')
    assert verify(tmp_path / "one", gather(drill_folder, tmp_path / "one")).returncode == 1


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
