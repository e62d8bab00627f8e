"""Metric math, by the tables in AWS's documentation and by rules that hold for all series; alarms on it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloud.watch.alarms import verdict_of
from sandbox.cloud.watch.expressions import Expression, UnknownExpression, Values
from sandbox.cloud.watch.metrics import Metrics, Name, Scope
from sandbox.cloud.watch.points import Point
from sandbox.cloud.watch.queries import Queries
from sandbox.cloud.watch.shapes import UnknownShape, shape_of

PERIODS = range(0, 300, 60)
SERIES = st.dictionaries(st.sampled_from(PERIODS), st.integers(-9, 9).map(float))


def series(row: str) -> Values:
    return {period: float(each) for period, each in zip(PERIODS, row.split(), strict=False) if each != "-"}


def over(text: str, **known: Values) -> Values:
    return Expression.of(text).over(known, PERIODS)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("m1 < m2", "0 0 1 0"),
        ("m1 >= 30", "1 0 0 0"),
        ("m1 + m2", "50 20 20 0"),
        ("m1 / m2", "1.5 - 0 -"),
        ("100 / m1", "3.3333333333333335 5 - -"),
        ("-m1 * 2 - 1", "-61 -41 -1 -1"),
        ("FILL(m2, 7)", "20 7 20 7 7"),
        ("FILL(m2, -1.5)", "20 -1.5 20 -1.5 -1.5"),
        ("m1 * (1 / 0)", "0 0 0 0"),
    ],
)
def test_operators_and_gaps_as_awss_page_has_them(text, row):
    assert over(text, m1=series("30 20 0 0"), m2=series("20 - 20 -")) == series(row)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("IF(m1, m2, m3)", "30 0 20 - -"),
        ("IF(m1, 5, m3)", "5 5 20 - -"),
        ("IF(m1, m2, 5)", "30 0 5 5 -"),
        ("IF(m1, m2)", "30 0 - - -"),
        ("IF(1, m2, m3)", "30 - 0 0 30"),
        ("IF(0, m2, m3)", "0 0 20 - 20"),
        ("IF(0, m2)", "- - - - -"),
        ("IF(m2 > 10, 1, 0)", "1 - 0 0 1"),
    ],
)
def test_the_tables_of_if(text, row):
    assert over(text, m1=series("1 1 0 0 -"), m2=series("30 - 0 0 30"), m3=series("0 0 20 - 20")) == series(row)


@given(SERIES, SERIES)
def test_a_rate_is_there_exactly_where_something_was_asked(errors, requests):
    found = over("FILL(errors, 0) / requests", errors=errors, requests=requests)
    assert found.keys() == {period for period, value in requests.items() if value}
    assert all(value * requests[period] == pytest.approx(errors.get(period, 0.0)) for period, value in found.items())


@given(SERIES, SERIES)
def test_a_missing_value_counts_as_nothing_where_the_other_is_there(one, other):
    found = over("one - other", one=one, other=other)
    assert found.keys() == one.keys() | other.keys()
    assert found == {period: one.get(period, 0.0) - other.get(period, 0.0) for period in found}


@given(SERIES)
def test_what_is_filled_has_no_gaps(some):
    assert over("FILL(some, 3)", some=some) == dict.fromkeys(PERIODS, 3.0) | some


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SUM(m1)", "SUM"),
        ("FILL(m1, REPEAT)", "REPEAT"),
        ("FILL(m1, m2)", "FILL with m2"),
        ("FILL(2, 1)", "FILL with 1"),
        ("m1 ^ 2", r"m1 \^ 2"),
        ("1 < m1 < 2", "1 < m1 < 2"),
        ("m1 AND m2", "m1 AND m2"),
        ("not m1", "not m1"),
        ("[m1, m2]", r"\[m1, m2\]"),
        ("m1 * True", "True"),
        ("'text'", "text"),
        ("M1 + 1", "M1"),
        ("m1.real", "m1.real"),
        ("__import__('os')", "__import__"),
        ("2 * 3", "number"),
        ("m1 +", r"m1 \+"),
    ],
)
def test_what_is_not_computed_is_refused_by_its_name(text, words):
    with pytest.raises(UnknownExpression, match=words):
        Expression.of(text)


def metric(name: str, **more: Any) -> dict[str, Any]:
    stat = {"Metric": {"Namespace": "N", "MetricName": name}, "Period": 60, "Stat": "Sum"}
    return {"Id": name, "MetricStat": {**stat, **more}, "ReturnData": False}


def math(*queries: dict[str, Any], **more: Any) -> dict[str, Any]:
    rule = {"EvaluationPeriods": 2, "Threshold": 0.5, "ComparisonOperator": "GreaterThanThreshold"}
    return {**rule, "Metrics": list(queries), **more}


RATE = {"Id": "rate", "Expression": "(FILL(errors, 0) + FILL(failed, 0)) / requests", "ReturnData": True}
PARTS = (metric("errors"), metric("failed"), metric("requests"))


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        (math(RATE, *PARTS, Period=60), "not together with Period"),
        (math(RATE, *PARTS[1:]), "errors is no id"),
        (math(RATE | {"ReturnData": False}, *PARTS), "none to return data"),
        (math(RATE, *PARTS[:2], PARTS[2] | {"ReturnData": True}), "rate, requests to return data"),
        (math(RATE, *PARTS[:2], {key: value for key, value in PARTS[2].items() if key != "ReturnData"}), "requests"),
        (math(RATE, *PARTS[:2], metric("requests", Period=300)), "60, 300 s"),
        (math(RATE | {"Period": 300}, *PARTS), "period of 300 s"),
        (math(RATE, *PARTS, PARTS[0]), "errors is no id of one query"),
        (math(RATE, *PARTS[:2], metric("requests", Stat="tm99")), "alarm on tm99"),
        (math(RATE, *PARTS, EvaluateLowSampleCountPercentile="ignore"), "EvaluateLowSampleCountPercentile"),
        (math(RATE, *PARTS[:2], PARTS[2] | {"AccountId": "1"}), "requests names an account"),
        (math(RATE | {"Expression": "rate / errors"}, *PARTS), "rate is over itself"),
        (math(RATE | {"MetricStat": PARTS[0]["MetricStat"]}, *PARTS), "either an expression or a metric"),
        (math(RATE | {"Expression": "RATE(errors)"}, *PARTS), "RATE"),
        (math(RATE | {"Id": "Rate"}, *PARTS), "Rate is no id"),
    ],
)
def test_math_that_is_not_evaluated_is_refused_by_its_name(alarm, words):
    with pytest.raises(UnknownShape, match=words):
        shape_of(alarm)


def test_expressions_may_be_over_expressions():
    told = [metric("m"), {"Id": "a", "Expression": "m * 2"}, {"Id": "b", "Expression": "a + m"}]
    assert Queries.of(told).values("b", lambda _: {0: 1.0, 120: 2.0}, PERIODS) == {0: 3.0, 120: 6.0}


@pytest.mark.parametrize(
    ("errors", "failed", "requests", "missing", "state"),
    [
        ("9 9 -", "- - -", "10 10 10", "missing", "OK"),
        ("- 3 9", "- 3 -", "10 10 10", "missing", "ALARM"),
        ("- - -", "- - -", "- - -", "missing", "INSUFFICIENT_DATA"),
        ("9 9 9", "- - -", "0 0 0", "notBreaching", "OK"),
        ("9 9 -", "- - -", "10 10 -", "notBreaching", "ALARM"),
    ],
)
def test_an_alarm_on_a_rate(errors, failed, requests, missing, state):
    scope, kept = Scope("0", "us-east-1"), Metrics({}, lambda: 0.0)
    for name, row in (("errors", errors), ("failed", failed), ("requests", requests)):
        for period, value in series(row).items():
            point = Point()
            point.add(value)
            kept.keep(scope, Name.of("N", name, {}), point, "Count", period)
    shape = shape_of(math(RATE, *PARTS, TreatMissingData=missing))
    verdict = verdict_of(kept, scope, shape, 180.0)
    assert verdict.state == state
    assert verdict.reason
