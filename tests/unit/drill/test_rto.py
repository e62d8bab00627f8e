"""The table of what failovers may take, and the sum of a history."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drill import rto
from drill.records import DrillOutcome
from shared.environment import Environment
from shared.root import ROOT
from tests.unit.drill.test_figures import PLAN

SETTINGS = Environment.load("payments", ROOT)


def figures(measured, *, lost=0, acknowledged=400):
    rows = [
        {"name": "RTO, worst client that honours the TTL", "measured": measured, "objective": 120, "bound": 85},
        {"name": "payments lost", "measured": lost},
        {"name": "payments doubled", "measured": 0},
    ]
    return {"figures": rows, "acknowledged": acknowledged}


def drill(status, measured=50.0, fault="refuse", **more):
    return replace(PLAN, fault=fault), DrillOutcome(status, 0), figures(measured, **more)


seconds = st.integers(0, 600)


@given(seconds, seconds, seconds)
def test_more_time_in_dns_never_makes_a_failover_shorter(propagation, floor, more):
    found = rto.allowed(SETTINGS, propagation, floor)
    assert found == rto.allowed(SETTINGS, 0, floor) + propagation
    assert rto.allowed(SETTINGS, propagation + more, floor) == found + more
    assert rto.allowed(SETTINGS, propagation, floor + more) >= found


def test_the_environments_own_values_give_its_bound():
    assert rto.allowed(SETTINGS, SETTINGS.edge.propagation.seconds, 0) == SETTINGS.failover_bound
    assert rto.allowed(SETTINGS, SETTINGS.edge.propagation.seconds, SETTINGS.edge.ttl) == SETTINGS.failover_bound


def test_a_history_is_summed_up_fault_by_fault():
    history = [
        drill("passed", 50.0),
        drill("missed", 130.0, lost=1),
        drill("inconclusive", 900.0, acknowledged=7),
        drill("passed", 60.0, "hang"),
        (replace(PLAN, fault="hang"), DrillOutcome("aborted", 130), {}),
    ]
    hang, refuse = rto.by_fault(history)
    assert (refuse.drills, refuse.passed, refuse.missed, refuse.inconclusive) == (3, 1, 1, 1)
    assert (refuse.worst, refuse.bound, refuse.objective) == (130.0, 85, 120)
    assert (refuse.acknowledged, refuse.lost, refuse.doubled) == (807, 1, 0)
    assert (hang.fault, hang.drills, hang.inconclusive, hang.worst) == ("hang", 2, 1, 60.0)
    assert rto.cells(refuse)[-3:] == ("807", "1", "0")


def test_a_client_that_never_came_back_is_the_worst():
    (found,) = rto.by_fault([drill("missed", None), drill("passed", 60.0)])
    assert found.worst == math.inf
    assert "never" in rto.cells(found)


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([], "no drill has come to a verdict"),
        ([drill("inconclusive")], "no drill has come to a verdict"),
        ([drill("passed", acknowledged=300)] * 20, "fewer than 0.05% of payments, and than 15% of faults"),
        ([drill("passed")], "than 100% of faults"),
        ([drill("missed", lost=2)], "2 of 400 acknowledged payments were lost"),
    ],
)
def test_what_was_never_seen_is_said_with_what_it_means(history, words):
    assert words in rto.never_seen(rto.by_fault(history))


def test_the_shortest_outage_that_lasts_is_a_number_where_something_makes_it_last():
    found = rto.latch(SETTINGS)
    assert found is not None
    assert 0 < found["shortest"] < found["certain"]
    automatic = SETTINGS.model_copy(update={"edge": SETTINGS.edge.model_copy(update={"failback": "automatic"})})
    assert rto.latch(automatic) is None


def test_a_payment_lost_in_a_drill_without_a_verdict_is_counted():
    (record,) = rto.by_fault([(PLAN, DrillOutcome("inconclusive", 3), figures(50.0, lost=2))])
    assert (record.inconclusive, record.lost) == (1, 2)


def test_of_payments_whose_books_were_not_compared_nothing_is_said():
    history = [drill("passed", acknowledged=300), drill("passed"), drill("inconclusive")]
    for _, _, told in history[1:]:
        told["figures"] = [each for each in told["figures"] if each["name"] != "payments doubled"]
    history[1][2]["figures"].append({"name": "payments doubled", "measured": "not compared with the processor's books"})
    assert "none of 300 acknowledged payments was lost or doubled in 1 drill." in rto.never_seen(rto.by_fault(history))
    assert "nothing is known" in rto.never_seen(rto.by_fault(history[1:]))


def test_moves_and_loads_say_nothing_of_faults():
    passed = DrillOutcome("passed", 0)
    history = [(replace(PLAN, fault=each), passed, figures(0.0)) for each in ("none", "evacuate", "hang")]
    said = rto.never_seen(rto.by_fault(history))
    assert "in 1 drill." in said
    assert "none of 1200 acknowledged payments" in said
