"""The failover's time is right for the designed figures, and behaves for all others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.environment import Environment
from shared.failover_time import (
    INTERVALS,
    MONTH,
    THRESHOLDS,
    YEAR,
    Allowance,
    DnsTiming,
    Fault,
    GreyBound,
    HealthCheckTiming,
    LatchTiming,
    bound,
    fitting,
    worst,
)

checks = st.builds(HealthCheckTiming, st.sampled_from(INTERVALS), st.sampled_from(list(THRESHOLDS)))
ttls = st.integers(1, 300)
faults = st.sampled_from(list(Fault))
dns_timings = st.builds(DnsTiming, ttls, st.integers(0, 60))

PAYMENTS = [HealthCheckTiming(30, 2), HealthCheckTiming(10, 3)]
TRADING = [HealthCheckTiming(30, 2), HealthCheckTiming(10, 2)]


@pytest.mark.parametrize(
    ("profile", "ttl", "fault", "detection", "total"),
    [
        (PAYMENTS, 30, Fault.REFUSED, 30, 70),
        (PAYMENTS, 30, Fault.ERROR, 30, 70),
        (PAYMENTS, 30, Fault.HANG, 42, 82),
        (PAYMENTS, 30, Fault.SLOW, 54, 94),
        (PAYMENTS, 30, Fault.DATA_LAYER, 40, 80),
        (TRADING, 60, Fault.REFUSED, 20, 90),
        (TRADING, 60, Fault.HANG, 28, 98),
        (TRADING, 60, Fault.SLOW, 36, 106),
        (TRADING, 60, Fault.DATA_LAYER, 30, 100),
        ([HealthCheckTiming(30, 3)], 60, Fault.ERROR, 90, 160),
        ([HealthCheckTiming(30, 3)], 60, Fault.SLOW, 114, 184),
        ([HealthCheckTiming(30, 2)], 30, Fault.HANG, 68, 108),
    ],
)
def test_the_designed_figures(profile, ttl, fault, detection, total):
    found = bound(profile, DnsTiming(ttl, 10), fault)
    assert (found.detection, found.total) == (detection, total)


@given(checks, dns_timings, faults)
def test_a_total_is_the_sum_of_its_parts(check, dns, fault):
    found = bound([check], dns, fault)
    assert found.total == found.detection + dns.propagation + dns.ttl
    assert found.detection == check.threshold * (check.interval + fault.attempt) + fault.staleness
    assert str(found).endswith(f"= {found.total} s")


@given(st.lists(checks, min_size=1), checks, dns_timings, faults)
def test_one_check_more_never_slows_a_failover(some, more, dns, fault):
    assert bound([*some, more], dns, fault).total <= bound(some, dns, fault).total


@given(checks, dns_timings, dns_timings, faults)
def test_a_slower_dns_never_quickens_a_failover(check, one, other, fault):
    quick = DnsTiming(min(one.ttl, other.ttl), min(one.propagation, other.propagation))
    slow = DnsTiming(max(one.ttl, other.ttl), max(one.propagation, other.propagation))
    assert bound([check], quick, fault).total <= bound([check], slow, fault).total


@given(st.lists(checks, min_size=1), dns_timings, faults)
def test_no_fault_takes_longer_than_the_worst(some, dns, fault):
    assert bound(some, dns, fault).total <= worst(some, dns).total


@given(checks, dns_timings)
def test_a_fault_that_hangs_is_never_noticed_before_one_that_refuses(check, dns):
    totals = [bound([check], dns, fault).total for fault in (Fault.REFUSED, Fault.HANG, Fault.SLOW)]
    assert totals == sorted(totals)


@given(st.integers(1, 1000), st.sets(ttls, min_size=1, max_size=5), st.integers(0, 60))
def test_what_is_said_to_fit_fits_and_nothing_else_does(objective, choices, propagation):
    said = set(fitting(objective, choices, propagation))
    every = {
        (HealthCheckTiming(interval, threshold), ttl)
        for interval in INTERVALS
        for threshold in THRESHOLDS
        for ttl in choices
    }
    assert said == {
        (check, ttl) for check, ttl in every if worst([check], DnsTiming(ttl, propagation)).total <= objective
    }


def test_nothing_fails_over_without_a_check():
    with pytest.raises(ValueError, match="at least one"):
        bound([], DnsTiming(30, 10), Fault.ERROR)


@given(st.integers(1, 10), dns_timings, st.integers(1, 2000))
def test_the_periods_that_fit_a_grey_failure_are_the_most(periods, dns, objective):
    most = GreyBound(periods, dns).periods_within(objective)
    if most:
        assert GreyBound(most, dns).total <= objective
    assert GreyBound(most + 1, dns).total > objective


@pytest.mark.parametrize(("percent", "month", "year"), [(99.99, 259, 3153), (99.9, 2592, 31536), (99.999, 25, 315)])
def test_an_availability_leaves_so_much(percent, month, year):
    assert (Allowance(percent).seconds(MONTH), Allowance(percent).seconds(YEAR)) == (month, year)


def test_one_grey_failure_may_take_more_than_a_month_has():
    spent = Allowance(99.99).after("grey failure", 275, 300)
    assert (spent.left_of_a_month, spent.left_of_a_year, spent.in_a_year) == (-41, 2853, 10)


@given(st.floats(90, 99.9999), st.integers(1, 1000))
def test_as_many_failures_as_are_said_fit_and_one_more_does_not(percent, promised):
    allowance = Allowance(percent)
    many = allowance.after("any", promised, promised).in_a_year
    assert many * promised <= allowance.seconds(YEAR) < (many + 1) * promised


def test_every_kind_of_failure_is_counted_against_the_availability():
    environment = Environment.load("payments")
    spent = {each.failure: each for each in environment.spending()}
    assert set(spent) == {fault.label for fault in Fault} | {"grey failure"}
    assert all(each.at_most <= each.promised for each in spent.values())
    assert {each.promised for each in spent.values()} == {120, 300}


def test_a_grey_failure_of_payments():
    assert GreyBound(2, DnsTiming(30, 10)).total == 280


@given(
    st.lists(checks, min_size=1, max_size=3),
    dns_timings,
)
def test_an_outage_that_always_lasts_is_longer_than_one_that_may(taken, dns):
    timing = LatchTiming(tuple(taken), dns)
    assert 0 <= timing.shortest <= timing.by_probes < timing.certain
    # The way back fits between the first and the last of the minutes, of which each may have a moment alone.
    assert (timing.lasting - 2) * 60 >= timing.returning > (timing.lasting - 3) * 60


def test_the_latch_of_the_payments_environment():
    timing = Environment.load("payments").edge.latch_timing
    assert (timing.returning, timing.lasting, timing.by_probes, timing.by_clients) == (100, 4, 140, 40)
