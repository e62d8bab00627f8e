"""Which failovers the latch makes last, in simulated time: none without a failover, all of a certain length."""

from __future__ import annotations

import json

import pytest

from lambdas.failover_control import latch, rule
from lambdas.failover_control.rule import LatchRule
from shared.environment import Environment
from shared.errors import Problem
from shared.failover_time import MINUTE
from simulation.claims import BEGINS, Claim, claims, outage, pinned, restored, simulate_failover, twice
from simulation.failover import run

EDGE = Environment.load("payments").edge
TIMING, RULE = EDGE.latch_timing, EDGE.latch_rule or {}
DAY = 24 * 60 * MINUTE


def stopped(scenario, seed, values=RULE):
    return run(scenario, values, TIMING, seed)


def test_clients_that_stay_at_the_secondary_do_not_latch():
    assert stopped(pinned(DAY // 6, 0.0001), 1) is None


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(30))
def test_they_do_not_in_a_whole_day(seed):
    assert stopped(pinned(DAY, 0.0001), seed) is None


def test_pinned_clients_and_a_primary_that_loses_one_request_in_a_hundred_do_not_latch():
    assert stopped(pinned(4 * 60 * MINUTE, 0.01), 3) is None


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("clients", [200, 5])
def test_an_outage_of_the_computed_length_always_lasts(seed, clients):
    at = stopped(outage(TIMING.certain, clients=clients, rest=0), seed)
    assert at is not None
    assert at <= BEGINS + TIMING.certain


@pytest.mark.parametrize("seed", range(20))
def test_a_shorter_outage_than_the_computed_one_never_lasts(seed):
    assert stopped(outage(TIMING.shortest - 1), seed) is None
    assert stopped(outage(TIMING.by_probes - 1, clients=20), seed) is None


@pytest.mark.parametrize("seed", range(10))
def test_payments_that_fail_where_probes_do_not_last(seed):
    assert stopped(outage(40 * MINUTE, grey=True, rest=0), seed) is not None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("between", "lasts"), [(15, True), (60, False)])
def test_a_second_failover_soon_after_the_first_lasts_at_once(seed, between, lasts):
    """Each alone is too short."""
    length = TIMING.shortest - 1
    second = BEGINS + length + between * MINUTE
    at = stopped(twice(length, between * MINUTE), seed)
    assert (at is not None) is lasts
    if at is not None:
        assert second < at < second + length + TIMING.returning + 2 * MINUTE


@pytest.mark.parametrize("seed", range(5))
def test_after_a_restoration_the_way_back_is_no_failover(seed):
    assert stopped(restored(RULE), seed) is None
    assert stopped(outage(9 * MINUTE), seed) is not None


MISTAKES = {
    "one failed probe is enough": {"failed": 1, "spread": 0},
    "two failed probes in a row are enough": {"failed": 2, "spread": 0},
    "any traffic is a failover": {"clients": 1},
    "a minute of clients is enough": {"lasting": 1},
    "clients are never enough": {"clients": 10**9},
    "failed probes are never enough": {"failed": 10**9},
    "the second failover is like the first": {"again": 0},
    "any failover of the day is the first": {"again": 1000},
    "no time to go back": {"grace": 0},
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_condition_of_the_rule_is_needed(mistake):
    """Left out, some of the claims above fail."""
    values = {**RULE, **MISTAKES[mistake]}
    assert any(
        (stopped(claim.scenario, seed, values) is not None) is not claim.lasts
        for seed in range(6)
        for claim in claims(TIMING, RULE, hours=1)
    )


@pytest.mark.parametrize("hours", [1, pytest.param(24, marks=pytest.mark.prove)])
def test_the_command_tells_what_lasts(capsys, hours):
    assert simulate_failover("payments", 2, hours, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["shortest_s"], told["certain_s"], told["holds"]) == (TIMING.shortest, TIMING.certain, True)
    assert {row["lasted"] for row in told["runs"] if row["lasts"]} == {2}
    assert {row["lasted"] for row in told["runs"] if not row["lasts"]} == {0}


def test_a_claim_that_does_not_hold_is_an_exit_code(capsys, monkeypatch):
    monkeypatch.setattr("simulation.claims.claims", lambda *_: [Claim("an hour", pinned(60, 0), lasts=True)])
    assert simulate_failover("payments", 1, 1) == 1
    assert "does not hold" in capsys.readouterr().out


@pytest.mark.parametrize(("seeds", "hours"), [(0, 1), (1, 0)])
def test_nothing_to_play_is_refused(seeds, hours):
    with pytest.raises(Problem, match="nothing to play"):
        simulate_failover("payments", seeds, hours)


def test_a_probe_that_fails_by_one_request_is_noticed(monkeypatch):
    monkeypatch.setattr(latch, "FAILURES", 1)
    monkeypatch.setattr(latch, "HEALTH_ATTEMPTS", 1)
    worse = pinned(4 * 60 * MINUTE, 0.02)
    assert any(stopped(worse, seed) is not None for seed in range(3))


def test_the_rule_has_no_more_fields_than_are_broken_here():
    assert {name for values in MISTAKES.values() for name in values} | {"probes"} == set(LatchRule.__slots__)
    assert rule.MINUTE == MINUTE * 1000
