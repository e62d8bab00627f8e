"""The rule that makes a failover last, on minutes written down by hand; `simulation/failover.py` has the rest."""

from __future__ import annotations

import pytest

from lambdas.failover_control.rule import MINUTE, LatchRule, Minute

RULE = LatchRule(failed=3, probes=5, spread=3, clients=50, lasting=4, again=30, grace=10)
BEGIN = 30_000_000 * MINUTE
LONG_AGO = BEGIN - 1_000 * MINUTE


def minutes(text, *, requests=9):
    """A character is a minute: `.` quiet, `p` a probe passed, `f` failed, `C` a crowd, passed, `F` a crowd, failed."""
    sources = {"C": 200.0, "F": 200.0}
    failed = {"p": False, "C": False, "f": True, "F": True}
    return [
        Minute(BEGIN + at * MINUTE, 0 if each == "." else requests, sources.get(each, 3.0), failed.get(each))
        for at, each in enumerate(text)
    ]


def reason(text, *, since=LONG_AGO, into=20_000):
    """What the rule says in the last of these minutes."""
    found = minutes(text)
    return RULE.reason(found, found[-1].start + into, since)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "....",
        "pppppppp",
        "f",
        "ppppf",
        "fff",  # two minutes lie between the first and the last only in the next one
        "ffp",
        "fpppff",  # the first is none of the last five
        "f.........f..........f",  # nor are these: probes of long ago say nothing of now
        "CCCC",  # the last one is not over
        "CCC.C",
        "pppCCCp....ppp",  # clients went back
        "Cppppf",  # one failed probe is no second failover
        "fppppC",  # nor a first one
        "CCp....",
        "CCppC",  # too little calm: the same failover
        "CC" + "p" * 35 + "C",  # the second comes long after the first
    ],
)
def test_what_does_not_last(text):
    assert reason(text or ".") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ffff", "4 of the last 4 probes"),
        ("fpff", "3 of the last 4 probes"),
        ("fppff", "3 of the last 5 probes"),
        ("ppffpf", "3 of the last 5 probes"),
        ("f.ff", "3 of the last 3 probes"),
        ("CCCCp", "50 source addresses or more were served here for 4 minutes"),
        ("CCCCpp", "50 source addresses"),  # the last minute's metrics are late
        ("CCppppC", "a second failover 5 minutes after the first"),
        ("CCpppC", "a second failover 4 minutes after the first"),
        ("Fppppff", "a second failover"),
        ("ffppppff", "a second failover"),
        ("C" + "p" * 29 + "C", "a second failover 30 minutes after the first"),
    ],
)
def test_what_lasts(text, why):
    assert why in (reason(text) or "")


@pytest.mark.parametrize(("sources", "lasts"), [(49.9, False), (50.0, True)])
def test_the_floor_of_sources_is_a_crowd(sources, lasts):
    found = [Minute(BEGIN + at * MINUTE, 9, sources, failed=False) for at in range(RULE.lasting + 1)]
    assert (RULE.reason(found, found[-1].start, LONG_AGO) is not None) is lasts


def test_after_run_was_said_clients_are_given_time_to_go_back():
    assert reason("FFFFFFF", since=BEGIN) is None
    assert RULE.waits(BEGIN + 10 * MINUTE - 1, BEGIN)
    assert not RULE.waits(BEGIN + 10 * MINUTE, BEGIN)


def test_what_happened_before_and_while_they_went_back_counts_for_nothing():
    """Only what comes after the grace: else a restoration would be undone by the failover that it ended."""
    text = "F" * 12
    assert reason(text, since=BEGIN - 10 * MINUTE) is not None
    assert reason(text, since=BEGIN - 2 * MINUTE) is not None
    assert reason(text, since=BEGIN) is None
    assert reason("FFFFFF......" + "C", since=BEGIN) is None


@pytest.mark.parametrize(("text", "seen"), [("p", True), ("p..", True), ("p...", False), ("....", False)])
def test_the_primary_is_probed_while_clients_are_here(text, seen):
    found = minutes(text)
    assert RULE.seen(found, found[-1].start + 30_000) is seen


def test_it_remembers_two_failovers_and_the_time_between():
    assert RULE.memory >= RULE.again + 2 * RULE.lasting
    assert LatchRule.of(dict.fromkeys(LatchRule.__slots__, 7)).grace == 7
    with pytest.raises(KeyError):
        LatchRule.of({})
