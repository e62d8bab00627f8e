"""The page shows what was recorded, needs nothing from elsewhere, and is well-formed whatever was recorded."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from drill.figures import measure
from drill.page import page, picture
from drill.records import DrillOutcome, Event
from tests.unit.drill.test_figures import BOOKS, EVENTS, FAULT, HEAL, PLAN, attempt, one_client

PASSED = DrillOutcome("passed", 0, "every objective held")


def drawn(attempts=None, events=EVENTS, plan=PLAN, outcome=PASSED):
    attempts = one_client() if attempts is None else attempts
    return page(plan, outcome, measure(plan, attempts, events, BOOKS).to_json(), attempts, events)


def svg(attempts, events=EVENTS):
    return ET.fromstring(picture(PLAN, attempts, events))  # noqa: S314 - our own


def test_it_needs_nothing_from_elsewhere():
    text = drawn()
    assert not re.search(r"(src|href)=|@import|url\(|https?://", text)
    assert "<script" not in text


def test_every_figure_is_there_beside_its_objective():
    text = drawn()
    for words in ("payments lost", "44.1 s", "120 s", "85 s", "PASSED", "every objective held", "--seed 1"):
        assert words in text


def test_one_that_never_came_back_is_told_so():
    assert "never" in drawn(
        [attempt(950.0), attempt(FAULT + 1, "failed")], outcome=DrillOutcome("missed", 1, "missed: x")
    )


def test_attempts_are_drawn_by_what_became_of_them():
    attempts = one_client(*(attempt(FAULT + each, "failed") for each in range(2, 30)))
    titles = [each.text or "" for each in svg(attempts).iter("title")]
    assert sum(int(each.split()[0]) for each in titles if "failed, or" in each) == 29
    assert sum(int(each.split()[0]) for each in titles if "answered by" in each) == 3


def test_health_dns_notifications_and_phases_have_lanes():
    titles = [each.text or "" for each in svg(one_client()).iter("title")]
    for words in ("primary gate: unhealthy", "DNS answers: secondary", "failover-traffic to ops@example.com", "steady"):
        assert any(words in each for each in titles), words


def test_bars_stay_in_the_picture():
    root = svg([*one_client(), attempt(HEAL + 500)])
    for each in root.iter("rect"):
        x, width = float(each.get("x", "0")), float(each.get("width", "0"))
        assert x >= 0
        assert x + width <= 1101


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", 'a"b', "&amp;", "\u2028"])
def test_what_comes_from_outside_is_text(text):
    plan = replace(PLAN, who=text, commit=text)
    events = [*EVENTS, Event(FAULT + 3, "notification", "us-east-1", text, text)]
    shown = drawn(events=events, plan=plan)
    assert "<script" not in shown
    ET.fromstring(picture(plan, one_client(), events))  # noqa: S314 - our own


def test_an_outage_has_its_steps_its_caution_and_how_to_play_it_again():
    broken = {"region": "primary", "kind": "name", "says": "no name", "source": "https://example.com/a"}
    steps = [{"at": 0.0, "faults": [broken]}, {"at": 200.0, "faults": []}]
    told = {"incident": "a bad day", "file": "a.yaml", "compression": 4.0, "caution": "4 times shorter"}
    plan = replace(PLAN, fault="incident", steps=steps, **told)
    events = [replace(each, what="incident") if each.kind == "fault" else each for each in EVENTS]
    events += [Event(FAULT, "step", "", "0.0", "no name"), Event(FAULT + 200, "step", "", "200.0", "over")]
    text = drawn(events=sorted(events, key=lambda each: each.at), plan=plan)
    for words in ("a bad day", "4 times shorter", "https://example.com/a", "--incident a.yaml --compress 4 --rate 1"):
        assert words in text, words
    lane = [each.text for each in ET.fromstring(picture(plan, one_client(), events)).iter("title")]  # noqa: S314
    assert "no name" in lane
    assert "over" not in lane


def test_limits_are_drawn_from_the_fault_that_they_are_for():
    broken = {"kind": "refuse", "says": "out", "source": "assumed: out"}
    steps = [{"at": at, "faults": [{**broken, "region": each}]} for at, each in ((0, "secondary"), (200, "primary"))]
    plan = replace(PLAN, fault="incident", steps=steps)
    places = [re.search(r"M([0-9.]+) 0V", picture(each, one_client(), EVENTS)) for each in (PLAN, plan)]
    plain, late = (float(each[1]) for each in places if each)
    assert late > plain + 100


def test_a_first_attempt_that_made_no_payment_is_drawn_as_one_that_failed():
    waits = [attempt(FAULT + each, "pending") for each in range(5)]
    told = sum(int(each[1]) for each in re.finditer(r"<title>(\d+) failed, or not", picture(PLAN, waits, EVENTS)))
    assert told == len(waits)


def test_a_drill_without_a_payment_says_so():
    assert "No payment was tried" in drawn([], events=[])


@pytest.mark.parametrize(("fault", "planned"), [("evacuate", True), ("unfenced", True), ("hang", False)])
def test_a_planned_move_is_labelled_so_and_stands_beside_no_objective(fault, planned):
    plan = replace(PLAN, fault=fault, target="aws")
    events = [replace(each, what=fault) if each.kind == "fault" else each for each in EVENTS]
    rto = measure(plan, one_client(), events, BOOKS).figures[0]
    assert (rto.objective is None) is planned
    text = drawn(plan=plan, events=events)
    assert ("Planned: clients were moved by a decision" in text) is planned
    assert ("objective 120 s" in text) is not planned
    assert "unproven" in text
    assert "in a sandbox" not in text
    assert "in a sandbox" in drawn(plan=replace(plan, target="sandbox"), events=events)
