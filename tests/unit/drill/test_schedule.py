"""Who pays when is decided before anything is sent, by the seed alone."""

from __future__ import annotations

from itertools import pairwise, takewhile

from hypothesis import given
from hypothesis import strategies as st

from drill.schedule import KINDS, RAMP, STEADY, DrillSchedule, counts

seeds = st.integers(0, 10**6)


def until(schedule, end):
    return list(takewhile(lambda each: each.at < end, schedule.arrivals()))


@given(seeds)
def test_the_same_seed_is_the_same_drill(seed):
    one, other = DrillSchedule(seed, 2.0, 300.0), DrillSchedule(seed, 2.0, 300.0)
    assert until(one, 60.0) == until(other, 60.0)
    assert one.fault_at == other.fault_at


@given(seeds, st.floats(120, 3600))
def test_the_fault_comes_after_the_baseline(seed, duration):
    assert STEADY <= DrillSchedule(seed, 1.0, duration).fault_at <= max(STEADY, duration / 2)


def test_payments_come_at_the_rate_once_the_load_has_grown():
    found = [each for each in until(DrillSchedule(3, 10.0, 300.0), RAMP + 1000.0) if each.at >= RAMP]
    assert 9_600 < len(found) < 10_400
    gaps = [after.at - before.at for before, after in pairwise(found)]
    assert all(gap >= 0 for gap in gaps)
    assert max(gaps) > 3 * 0.1  # not one after another: at random moments


def test_no_seed_leaves_out_the_baseline():
    """At any rate that a drill has: a gap of the ramp that was drawn once, at its beginning, could outlast it."""
    for seed in [500093, *range(2000)]:
        found = [each.at for each in until(DrillSchedule(seed, 1.0, 120.0), STEADY)]
        assert sum(at >= RAMP for at in found) >= 15, seed


def test_the_load_grows_evenly():
    found = [each.at for seed in range(300) for each in until(DrillSchedule(seed, 1.0, 120.0), RAMP)]
    for begin in (0.0, 5.0, 10.0, 15.0):
        expected = sum(min(1.0, (begin + (step + 0.5) / 100 + 1.0) / RAMP) / 100 for step in range(500))
        assert abs(sum(begin <= at < begin + 5 for at in found) / 300 - expected) < 0.4, begin


def test_every_kind_of_client_pays():
    schedule = DrillSchedule(1, 20.0, 300.0)
    assert set(counts(schedule.kinds)) == set(KINDS)
    assert all(counts(schedule.kinds).values())
    assert {each.client for each in until(schedule, 60.0)} == set(range(len(schedule.kinds)))
