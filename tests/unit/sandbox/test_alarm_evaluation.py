"""The states of alarms, by the tables in AWS's documentation and by rules that hold for all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloud.watch.evaluation import AlarmSettings, Missing, decide, evaluate
from sandbox.cloud.watch.points import Point

RULE = AlarmSettings("Average", 300, 3, 3, 1.0, "GreaterThanOrEqualToThreshold")
KEPT = None
MISSING = get_args(Missing)

TABLES = {
    3: {
        "0 - X - X": ("OK", "OK", "OK", "OK"),
        "0 - - - -": ("OK", "OK", "OK", "OK"),
        "- - - - 0": ("OK", "OK", "OK", "OK"),
        "- - - - -": ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
        "0 X X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
        "- - X - -": ("ALARM", KEPT, "ALARM", "OK"),
    },
    2: {
        "0 - X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
        "0 0 X 0 X": ("ALARM", "ALARM", "ALARM", "ALARM"),
        "0 - X - -": ("OK", "OK", "ALARM", "OK"),
        "- - - - 0": ("OK", "OK", "ALARM", "OK"),
        "- - - X -": ("ALARM", KEPT, "ALARM", "OK"),
    },
}
"""By datapoints to alarm: the states for missing, ignore, breaching and notBreaching."""


def values(row: str) -> list[float | None]:
    return [{"0": 0.0, "X": 1.0, "-": None}[each] for each in row.split()]


@pytest.mark.parametrize(
    ("to_alarm", "row", "missing", "state"),
    [
        (to_alarm, row, missing, state)
        for to_alarm, table in TABLES.items()
        for row, states in table.items()
        for missing, state in zip(("missing", "ignore", "breaching", "notBreaching"), states, strict=True)
    ],
)
def test_the_tables_of_awss_documentation(to_alarm, row, missing, state):
    assert decide(replace(RULE, to_alarm=to_alarm, missing=missing), values(row)).state == state


@pytest.mark.parametrize("row", ["- - - - X", "- - - X -"])
def test_one_young_breach_is_no_alarm_yet(row):
    assert decide(RULE, values(row)).state != "ALARM"


POINTS = st.lists(st.sampled_from([None, 0.0, 1.0]), min_size=14, max_size=14)
RULES = st.integers(1, 12).flatmap(
    lambda periods: st.builds(
        replace,
        st.just(RULE),
        periods=st.just(periods),
        to_alarm=st.integers(1, periods),
        missing=st.sampled_from(MISSING),
    )
)


def looked_at(rule: AlarmSettings, points: list[float | None]) -> list[float | None]:
    return points[-rule.range :]


@given(RULES, POINTS)
def test_without_gaps_only_the_newest_points_decide(rule, points):
    whole = [1.0 if each is None else each for each in points]
    breaching = sum(whole[-rule.periods :])
    assert decide(rule, looked_at(rule, whole)).state == ("ALARM" if breaching >= rule.to_alarm else "OK")


@given(RULES, POINTS)
def test_a_breach_more_never_ends_an_alarm_and_a_good_point_never_raises_one(rule, points):
    shown = looked_at(rule, points)
    before = decide(rule, shown).state
    for place, value in enumerate(shown):
        if value == 0.0 and before == "ALARM":
            assert decide(rule, [*shown[:place], 1.0, *shown[place + 1 :]]).state == "ALARM"
        if value == 1.0 and before == "OK":
            assert decide(rule, [*shown[:place], 0.0, *shown[place + 1 :]]).state == "OK"


@given(RULES, POINTS)
def test_treating_gaps_as_breaches_raises_at_least_the_alarms_of_treating_them_as_good(rule, points):
    shown = looked_at(rule, points)
    if decide(replace(rule, missing="notBreaching"), shown).state == "ALARM":
        assert decide(replace(rule, missing="breaching"), shown).state == "ALARM"


@given(RULES, POINTS)
def test_enough_points_leave_nothing_to_how_gaps_are_treated(rule, points):
    shown = looked_at(rule, points)
    if sum(each is not None for each in shown) >= rule.periods:
        assert len({decide(replace(rule, missing=missing), shown).state for missing in MISSING}) == 1


@pytest.mark.parametrize(("samples", "state"), [(999, None), (1000, "ALARM")])
def test_a_percentile_of_few_samples_keeps_the_state_where_that_is_wanted(samples, state):
    point = Point()
    point.add(700.0, samples)
    rule = replace(RULE, statistic="p99", threshold=500, periods=1, to_alarm=1, few_samples="ignore")
    assert evaluate(rule, [None, None, point]).state == state
    assert evaluate(replace(rule, few_samples="evaluate"), [None, None, point]).state == "ALARM"


def test_short_periods_are_evaluated_every_ten_seconds_and_all_others_every_minute():
    assert [replace(RULE, period=period).every for period in (10, 30, 60, 300, 10_800)] == [10, 10, 60, 60, 60]
