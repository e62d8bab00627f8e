"""The check of an environment says what its promises leave, beside them."""

from __future__ import annotations

import json

import pytest

from orchestration import commands
from orchestration.choice import Choice
from shared.errors import Problem


def test_the_check_counts_every_kind_of_failure_against_the_availability(capsys):
    assert commands.check(Choice(environment="payments")) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "environments/payments.yaml is consistent"
    assert said[1] == "99.99 % allows 259 s without service a month (30 days) and 3153 s a year"
    rows = {line.split("  ")[0]: line.split()[-9:] for line in said if line.endswith(tuple("0123456789"))}
    assert set(rows) == {"refused", "error", "hang", "slow", "data layer", "grey failure"}
    assert rows["grey failure"] == ["280", "s", "300", "s", "-41", "s", "2853", "s", "10"]
    assert said[-4] == "one grey failure of 300 s is more than the month allows: its 99.99 % is missed then"
    assert "noticed from 30 a minute on" in said[-3]
    assert said[-2].startswith("DNS is taken to follow the checkers within 10 s (assumed: ")
    assert said[-1] == (
        "clients go back by themselves after an outage of less than 40 s; from 454 s on they stay at the secondary "
        "until `restore`; between the two either may happen"
    )


def test_the_same_as_json(capsys):
    commands.check(Choice(environment="payments", json=True))
    found = json.loads(capsys.readouterr().out)
    assert found["allowed"] == {"month": 259, "year": 3153}
    assert found["latch"] == {"shortest_outage": 40, "certain_outage": 454}
    assert {each["failure"]: each["left_of_a_year"] for each in found["failures"]}["refused"] == 3033


def test_an_environment_that_is_not_there_is_one_line():
    with pytest.raises(Problem, match="unknown environment 'elsewhere'"):
        commands.check(Choice(environment="elsewhere"))
