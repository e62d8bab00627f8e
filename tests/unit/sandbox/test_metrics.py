"""Points, their delays, and metrics in log lines."""

from __future__ import annotations

import json
import math
import statistics
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloud.watch import points
from sandbox.cloud.watch.embedded import measured
from sandbox.cloud.watch.metrics import SERIES, Metrics, Name, Scope
from sandbox.cloud.watch.points import KEPT, STATISTICS, Point, Series
from shared.failover_time import METRIC_DELAY_SECONDS

VALUES = st.lists(st.integers(0, 10_000).map(float), min_size=2, max_size=200)
SCOPE, NAME = Scope("0", "us-east-1"), Name.of("N", "M", {"b": "2", "a": "1"})
MINUTE = 1_700_000_040


def point_of(values: list[float]) -> Point:
    point = Point()
    for value in values:
        point.add(value)
    return point


@given(VALUES)
def test_statistics_are_those_of_all_values(values):
    found = [point_of(values).statistic(name) for name in STATISTICS]
    assert found == pytest.approx([len(values), sum(values), statistics.fmean(values), min(values), max(values)])


@given(VALUES, st.integers(1, 99))
def test_a_percentile_lies_between_the_nearest_ranks(values, rank):
    expected = statistics.quantiles(values, n=100, method="inclusive")[rank - 1]
    assert point_of(values).statistic(f"p{rank}") == pytest.approx(expected)


@given(VALUES, st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_percentile_rank_is_the_share_of_values_within_its_limits(values, low, high):
    """The lower limit is outside, the upper one inside (AWS's "CloudWatch statistics definitions")."""
    point = point_of(values)
    assert point.statistic(f"PR(:{high})") == pytest.approx(100 * sum(v <= high for v in values) / len(values))
    assert point.statistic(f"PR({low}:)") == pytest.approx(100 * sum(v > low for v in values) / len(values))
    between = sum(low < v <= high for v in values) / len(values)
    assert point.statistic(f"PR({low}:{high})") == pytest.approx(100 * between)
    assert [point.statistic(name) for name in ("PR(:)", "PR(a:)", "PR 5")] == [None] * 3
    assert [points.known(name) for name in ("PR(:0.5)", "PR(:)", "tm99")] == [True, False, False]


@given(st.lists(st.floats(0.01, 1e6), min_size=2 * points.DISTINCT, max_size=3 * points.DISTINCT))
def test_many_different_values_cost_a_hundredth_and_no_memory_without_end(values):
    point = point_of(values)
    expected = statistics.quantiles(values, n=100, method="inclusive")[98]
    found = point.statistic("p99")
    assert found is not None
    assert math.isclose(found, expected, rel_tol=0.02)
    assert point.values is not None
    assert len(point.values) <= points.DISTINCT + math.log(1e8) / points.WIDTH


@given(VALUES, VALUES)
def test_points_merge_to_that_of_all_their_values(some, others):
    merged = point_of(some)
    merged.merge(point_of(others))
    names = (*STATISTICS, "p50", "p99.9")
    whole = point_of(some + others)
    assert [merged.statistic(name) for name in names] == pytest.approx([whole.statistic(name) for name in names])


def test_a_statistic_set_and_a_negative_value_have_no_percentiles():
    told = Point()
    told.add_set(3, 6, 1, 3)
    assert (told.statistic("Average"), told.statistic("p50")) == (2, None)
    same = Point()
    same.add_set(3, 6, 2, 2)
    assert same.statistic("p50") == 2
    assert point_of([-1.0, 1.0]).statistic("p50") is None
    assert Point().statistic("Sum") is None


def test_a_series_keeps_its_newest_points():
    series = Series({}, "Count")
    for minute in range(KEPT + 5):
        series.take(MINUTE + 60 * minute, point_of([1.0]), fine=True)
    assert len(series.minutes) == len(series.seconds) == KEPT
    assert min(series.minutes) == MINUTE + 5 * 60


def test_periods_begin_at_their_multiples_and_short_ones_know_only_what_is_kept_by_the_second():
    series = Series({}, "Count")
    series.take(MINUTE + 7, point_of([1.0]), fine=True)
    series.take(MINUTE + 61, point_of([2.0]), fine=False)
    assert {at: each.total for at, each in series.read(0, 2e9, 60).items()} == {MINUTE: 1, MINUTE + 60: 2}
    assert {at: each.total for at, each in series.read(0, 2e9, 10).items()} == {MINUTE: 1}
    assert series.read(MINUTE + 60, MINUTE + 60, 60) == {}


def test_a_service_tells_of_a_minute_when_it_is_over_and_within_the_delay_all_at_once():
    moment = [MINUTE + 10.0]
    metrics = Metrics({}, lambda: moment[0], Random(1))

    def read() -> dict[int, float]:
        return {at: each.total for at, each in metrics.read(SCOPE, NAME, 0, 2e9, 60).items()}

    for _ in range(3):
        metrics.count(SCOPE, NAME, 2.0, "Count")
        moment[0] += 10
    seen = []
    for _ in range(30 + METRIC_DELAY_SECONDS):
        moment[0] += 1
        seen.append(read())
    assert [each for each in seen if each not in ({}, {MINUTE: 6.0})] == [], "in parts"
    assert seen[18] == {}, "before the minute was over"
    assert seen[-1] == {MINUTE: 6.0}


def test_what_a_log_line_measured_arrives_under_its_own_time():
    moment = [MINUTE + 10.0]
    metrics = Metrics({}, lambda: moment[0], Random(2))
    metrics.tell(SCOPE, NAME, point_of([1.0]), "Count", MINUTE - 100, fine=True)
    assert metrics.find(SCOPE, NAME) is None
    moment[0] += METRIC_DELAY_SECONDS + 1
    assert list(metrics.read(SCOPE, NAME, 0, 2e9, 1)) == [MINUTE - 100]
    assert list(metrics.all_of(Scope("0", "us-east-2"))) == []


def test_metrics_are_bounded_and_the_one_told_longest_ago_goes_first():
    metrics = Metrics({}, lambda: MINUTE)
    for number in range(SERIES + 2):
        metrics.keep(SCOPE, Name.of("N", str(number), {}), point_of([1.0]), "None", MINUTE)
        if number == 5:
            metrics.keep(SCOPE, Name.of("N", "0", {}), point_of([1.0]), "None", MINUTE)
    assert len(metrics.series) == SERIES
    assert metrics.find(SCOPE, Name.of("N", "0", {})) is not None
    assert metrics.find(SCOPE, Name.of("N", "1", {})) is None


METRICS = [{"Name": "Size", "Unit": "Bytes"}, {"Name": "Count"}]
DIRECTIVE = {"Namespace": "N", "Dimensions": [["Role"], []], "Metrics": METRICS}


def line(directive: object = DIRECTIVE, **more: object) -> str:
    metadata = {"Timestamp": 1_700_000_000_000, "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, "Role": "primary", "Size": [1, 2.5], "Count": 3, **more})


def test_each_metric_of_a_line_is_there_for_each_set_of_dimensions():
    found = list(measured(f"START\n{line()}\nEND"))
    assert [(each.name.metric, each.name.dimensions, each.values, each.unit) for each in found] == [
        ("Size", (("Role", "primary"),), (1.0, 2.5), "Bytes"),
        ("Count", (("Role", "primary"),), (3.0,), "None"),
        ("Size", (), (1.0, 2.5), "Bytes"),
        ("Count", (), (3.0,), "None"),
    ]
    assert {(each.at, each.fine) for each in found} == {(1_700_000_000.0, False)}


def test_a_metric_may_be_kept_by_the_second():
    fine = {**DIRECTIVE, "Metrics": [{"Name": "Count", "StorageResolution": 1}]}
    assert {each.fine for each in measured(line(fine))} == {True}


@pytest.mark.parametrize(
    "wrong",
    [
        '{"_aws": ',
        'words "_aws"',
        line(Role=5),
        line(Count="3"),
        line(Count=True),
        line(Size=[]),
        line(Size=[1] * 101),
        line({**DIRECTIVE, "Dimensions": [["Gone"]]}),
        line({**DIRECTIVE, "Namespace": ""}),
        line({**DIRECTIVE, "Metrics": [{"Name": "Count", "StorageResolution": 10}]}),
        line({**DIRECTIVE, "Dimensions": [[f"d{number}" for number in range(31)]]}),
        line({**DIRECTIVE, "Metrics": METRICS * 51}),
        line(_aws={"CloudWatchMetrics": [DIRECTIVE]}),
        line(_aws=[]),
    ],
)
def test_a_line_that_the_specification_does_not_allow_measures_nothing(wrong):
    assert list(measured(f"{wrong}\n{line()}"))[:-4] == []
