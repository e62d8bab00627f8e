"""Grey failures are noticed at the stated rate and above, and at any rate where the probes fail too."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.environment import Environment
from shared.grey_failure import CERTAINTY, ByShare

ENVIRONMENT = Environment.load("payments")
GREY = ENVIRONMENT.edge.grey_failure
OURS = ByShare(percent=GREY.error_percent or 0, periods=GREY.periods)
CHECKERS = 128
"""Health answers a minute: 16 checkers, every 10 and every 30 s."""

percents = st.integers(1, 100)
shares = st.floats(0, 1)
rates = st.floats(0, 1000)
detections = st.builds(ByShare, percent=percents, periods=st.integers(1, 10), probe_payments=st.integers(0, 12))


def test_the_stage_as_a_whole_hides_what_the_route_shows():
    """The figure that made the alarm watch the route: all of 100 payments a minute fail, and health dilutes them."""
    alone = ByShare(percent=50, periods=2, probe_payments=0)
    assert not alone.noticed(100, 1, probes_fail=False, other=CHECKERS)
    assert not alone.noticed(127, 1, probes_fail=False, other=CHECKERS)
    assert alone.noticed(128, 1, probes_fail=False, other=CHECKERS)
    assert alone.noticed(1, 1, probes_fail=False)


@given(shares, st.booleans())
def test_nobody_pays_and_only_the_probes_tell(failing, probes_fail):
    assert OURS.noticed(0, failing, probes_fail=probes_fail) == probes_fail
    assert not ByShare(percent=50, periods=2, probe_payments=0).noticed(0, failing, probes_fail=probes_fail)


@given(detections, rates)
def test_where_everything_fails_any_rate_is_noticed(detection, rate):
    if rate or detection.probe_payments:
        assert detection.noticed(rate, 1, probes_fail=True)


@given(detections, rates, shares, shares, st.booleans())
def test_more_failures_are_never_noticed_less(detection, rate, one, other, probes_fail):
    fewer, more = sorted((one, other))
    if detection.noticed(rate, fewer, probes_fail=probes_fail):
        assert detection.noticed(rate, more, probes_fail=probes_fail)


@given(detections, rates, rates)
def test_good_answers_of_others_never_help(detection, rate, other):
    if not detection.noticed(rate, 1, probes_fail=False):
        assert not detection.noticed(rate, 1, probes_fail=False, other=other)


@given(detections, st.integers(1, 500))
def test_what_is_needed_to_outweigh_green_probes_is_needed_and_enough(detection, payments):
    needed = detection.payments_needed
    enough = needed is not None and payments >= needed
    assert detection.noticed(payments, 1, probes_fail=False) == enough


@given(detections)
def test_the_lowest_rate_is_certain_and_one_less_is_not(detection):
    lowest = detection.lowest_rate()
    if lowest is None:
        assert detection.certainty(100_000) < CERTAINTY
    else:
        assert detection.certainty(lowest) >= CERTAINTY
        assert lowest == 1 or detection.certainty(lowest - 1) < CERTAINTY


@given(detections, st.lists(st.floats(0.1, 500), min_size=2, max_size=6))
def test_more_payments_are_never_less_certain(detection, some):
    found = [detection.certainty(rate) for rate in sorted(some)]
    assert all(less <= more + 1e-9 for less, more in pairwise(found))


def alarm_after(rate, failing, *, probes_fail, seed, minutes=10):
    """A region minute by minute: payments arrive at random, each fails by chance; when the alarm goes off, or None."""
    chance = random.Random(seed)
    bad = 0
    for minute in range(1, minutes + 1):
        at, payments = chance.expovariate(rate), 0
        while at < 1:
            payments += 1
            at += chance.expovariate(rate)
        errors = sum(chance.random() < failing for _ in range(payments))
        errors += OURS.probe_payments if probes_fail else 0
        answers = payments + OURS.probe_payments
        bad = bad + 1 if errors * 100 >= OURS.percent * answers else 0
        if bad == OURS.periods:
            return minute
    return None


@pytest.mark.parametrize("rate", [GREY.lowest_payment_rate, 2 * GREY.lowest_payment_rate])
def test_at_the_stated_rate_a_played_grey_failure_is_noticed_in_time(rate):
    late = [seed for seed in range(500) if alarm_after(rate, 1, probes_fail=False, seed=seed) != OURS.periods]
    assert not late


@pytest.mark.parametrize("rate", [0.1, 1, 5, 29])
def test_below_it_a_played_grey_failure_is_noticed_by_the_probes(rate):
    late = [seed for seed in range(200) if alarm_after(rate, 1, probes_fail=True, seed=seed) != OURS.periods]
    assert not late


@pytest.mark.parametrize("rate", [0.1, 5, 30, 500])
def test_errors_that_are_always_there_take_no_region_out(rate):
    """One in ten payments fails, for hours, and probes are green: a count of errors is wrong at 500 a minute."""
    wrong = [seed for seed in range(50) if alarm_after(rate, 0.1, probes_fail=False, seed=seed, minutes=120)]
    assert not wrong
