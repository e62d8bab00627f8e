"""Burn rates are the workbook's, and so many failures as are too few tell nobody whatever the traffic."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.environment import Environment
from shared.service_levels import BURNS, ServiceLevel, decimal, least_percent, spelled

PERCENTS = st.integers(93_060, 99_999).map(lambda thousandths: thousandths / 1000)


def test_the_rates_are_those_of_the_workbook_of_its_windows():
    assert [(burn.name, float(burn.rate), burn.long, burn.short) for burn in BURNS] == [
        ("fast", 14.4, 3600, 300),
        ("slow", 6.0, 21600, 1800),
    ]


def test_the_budget_is_what_the_promise_leaves():
    assert ServiceLevel("availability", 99.99, "fail").budget == Fraction(1, 10_000)
    assert decimal(ServiceLevel("availability", 99.99, "fail").budget) == "0.0001"
    assert [spelled(seconds) for seconds in (300, 1800, 3600, 21600)] == ["5m", "30m", "1h", "6h"]


@given(PERCENTS, st.integers(1, 1000), st.sampled_from(BURNS), st.integers(1, 10**7))
def test_one_more_failure_than_the_least_tells_somebody_at_low_traffic_and_none_fewer(percent, least, burn, requests):
    """As the alarm computes it: in floating point, over the requests or what they count as."""
    level = ServiceLevel("availability", percent, "fail")
    counted = max(requests, level.least_requests(burn, least))
    budget = float(decimal(level.budget))
    assert not least / counted / budget > float(burn.rate)
    if requests <= counted == level.least_requests(burn, least):
        assert (least + 1) / counted / budget > float(burn.rate)


@given(PERCENTS)
def test_a_promise_that_loads_has_a_burn_that_can_be_told_from_a_failure_of_everything(percent):
    level = ServiceLevel("availability", percent, "fail")
    can = all(level.bad_share(burn) < 1 for burn in BURNS)
    assert can == (Fraction(str(percent)) > least_percent())


@pytest.mark.parametrize("name", ["payments", "trading"])
def test_each_profile_promises_both_levels(name):
    environment = Environment.load(name)
    assert [(level.name, level.percent) for level in environment.service_levels()] == [
        ("availability", environment.objectives.availability_percent),
        ("latency", environment.objectives.latency_percent),
    ]
