"""The benchmark measures what it says: percentiles, own time without I/O, modules that are really imported."""

from __future__ import annotations

import itertools
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.api import ApiResponse, EntryPoint, Merchant
from shared.errors import Problem
from tools.bench import imports, own_code
from tools.bench.figures import Meter, percentile


class ManualClock:
    """Nanoseconds that pass when they are told to."""

    def __init__(self):
        self.time = 1_000

    def __call__(self):
        return self.time

    def passes(self, nanoseconds):
        self.time += nanoseconds


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1), (50, 50), (50.5, 51), (99, 99), (99.1, 100), (100, 100), (0.1, 1)]
)
def test_percentile_by_nearest_rank(percent, expected):
    assert percentile([*range(100, 0, -1)], percent) == expected


@given(st.lists(st.integers(), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_measured_value_that_covers_its_share(values, percent):
    found = percentile(values, percent)
    needed = math.ceil(len(values) * percent / 100)
    assert found in values
    assert sum(value <= found for value in values) >= needed
    assert sum(value < found for value in values) < needed


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1], 0), ([1], 101)])
def test_no_percentile_is_made_up(values, percent):
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_own_time_leaves_out_what_passes_inside_calls():
    clock = ManualClock()
    meter = Meter(clock)
    call = meter.wrap(lambda **arguments: clock.passes(arguments["takes"]) or {"took": arguments["takes"]})

    def act():
        clock.passes(3)
        assert call(takes=1_000) == {"took": 1_000}
        clock.passes(4)
        call(takes=500)

    assert (meter.own_time(act), meter.calls) == (7, 2)
    assert (meter.own_time(lambda: clock.passes(9)), meter.calls) == (9, 0), "each act begins at nothing"


def test_a_call_that_fails_is_io_too():
    clock = ManualClock()
    meter = Meter(clock)

    def fails(**_):
        clock.passes(1_000)
        raise ConnectionError

    def act():
        clock.passes(2)
        with pytest.raises(ConnectionError):
            meter.wrap(fails)()

    assert (meter.own_time(act), meter.calls) == (2, 1)


def test_the_payment_function_is_measured_with_all_its_calls(capsys):
    kinds = own_code.measure(3)
    # Created, charged, decided, recorded in S3, record acknowledged; a repetition is one write that loses.
    assert [(kind.kind, kind.calls, len(kind.nanoseconds)) for kind in kinds] == [
        ("POST, new", 5, 3),
        ("POST, repeated", 1, 3),
        ("GET", 1, 3),
    ]
    assert min(itertools.chain.from_iterable(kind.nanoseconds for kind in kinds)) > 0
    assert capsys.readouterr().out == ""


def test_milliseconds_of_a_kind():
    kind = own_code.OwnTime("GET", 1, [3_000_000, 1_000_000, 2_000_000])
    assert (kind.milliseconds(50), kind.milliseconds(99)) == (2.0, 3.0)


def test_cold_imports_are_medians_in_milliseconds(tmp_path):
    subject = imports.ColdImport("one", tmp_path, "one", [(9_000_000, 3_000_000), (1_000_000, 1_000_000)])
    assert (subject.wall, subject.processor) == (5.0, 2.0)


def test_a_cold_import_is_a_fresh_interpreter_with_only_that_folder(tmp_path):
    (tmp_path / "lonely.py").write_text("import sys; assert 'pytest' not in sys.modules; import time; time.sleep(0.05)")
    wall, processor = imports._import(imports.ColdImport("lonely", tmp_path, "lonely"))
    assert wall >= 50_000_000, "it sleeps so long"
    assert processor > 0
    assert wall >= 50_000_000, "it sleeps so long"
    assert processor > 0
    assert "lonely" not in sys.modules
    (tmp_path / "needy.py").write_text("import pytest")
    with pytest.raises(Problem, match="needy cannot be imported: ModuleNotFoundError: No module named 'pytest'"):
        imports._import(imports.ColdImport("needy", tmp_path, "needy"))


def test_a_merchant_sends_its_key_and_the_payments(monkeypatch):
    asked = []
    monkeypatch.setattr(
        EntryPoint, "ask", lambda entry, *request: asked.append((entry, *request)) or ApiResponse(201, {}, None)
    )
    entry = EntryPoint("http://127.1.0.1:1", "primary.example")
    answer = Merchant(entry, "secret").pay({"amount": 1}, "key-1")
    assert answer.status == 201
    assert asked == [
        (entry, "POST", "/payment", {"amount": 1}, {"x-api-key": "secret", "Idempotency-Key": "key-1"}),
    ]
