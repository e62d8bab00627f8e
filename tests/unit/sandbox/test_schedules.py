"""When a rule with a schedule is due."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sandbox.cloud.watch.schedules import SPREAD, after

KEYS = st.tuples(st.just("0"), st.sampled_from(["us-east-1", "us-east-2"]), st.text(min_size=1, max_size=8))
CREATED = 1_700_000_000.0
MOMENTS = st.floats(CREATED, CREATED + 1e6)


@given(KEYS, st.integers(1, 300), MOMENTS)
def test_a_rate_counts_from_the_making_of_its_rule_and_every_moment_has_one_next(key, minutes, now):
    unit = "minute" if minutes == 1 else "minutes"
    due = after(f"rate({minutes} {unit})", CREATED, key, now)
    assert now < due <= max(now, CREATED) + 60 * minutes + SPREAD
    assert 0 <= (due - CREATED) % (60 * minutes) < SPREAD
    assert due >= CREATED + 60 * minutes, "not at once"
    assert after(f"rate({minutes} {unit})", CREATED, key, due) - due == 60 * minutes


@given(KEYS, MOMENTS)
def test_cron_is_due_within_its_minute(key, now):
    due = after("cron(15 10 * * ? *)", CREATED, key, now)
    found = datetime.fromtimestamp(due, UTC)
    assert now < due
    assert (found.hour, found.minute) == (10, 15)
    assert after("cron(15 10 * * ? *)", CREATED, key, due) - due == 86_400


def test_rules_that_are_due_together_are_not_called_at_the_same_instant():
    dues = {after("rate(1 minute)", CREATED, ("0", "us-east-1", f"rule-{each}"), CREATED) for each in range(30)}
    assert len(dues) > 10


def test_what_is_no_schedule_is_never_due():
    assert after("at(2027-01-01T00:00:00)", CREATED, ("0", "us-east-1", "x"), CREATED) == float("inf")
