"""Readiness as a whole: what is fit, and for how long; what nobody knows, in time; and in which words it is told."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest

from orchestration import commands
from orchestration.choice import Choice
from orchestration.readiness import command, ending
from shared.errors import Problem
from tests.doubles.fit_cloud import NOW
from tests.doubles.fit_scene import DAY, DEADLINE, FitScene
from tests.unit.orchestration.planting import (
    answers,
    certificate,
    deployed_since,
    drill,
    fenced,
    in_every_stack,
    keys,
    runtime,
    said_of_switch,
)


@pytest.mark.parametrize("name", ["payments", "trading"])
def test_what_is_fit_is_told_so(name, tmp_path, monkeypatch, capsys):
    found, code, told = FitScene(name, tmp_path / "orchestration", monkeypatch, capsys).ask()
    assert {what: row for what, row in found.items() if row["verdict"] != "ok"} == {}
    assert (code, told["fit_now"], told["days"]) == (0, True, 30)
    assert found["drift"]["age_seconds"] == pytest.approx(2 * 3600, abs=60)
    assert found["last drill"]["age_seconds"] == pytest.approx(5 * DAY, abs=60)
    assert found["fence"]["age_seconds"] == 0


def test_what_is_kept_of_the_stacks_is_read_once_for_each_and_for_all_at_once(fit_scene):
    """The kind: what takes a moment where stacks are in files takes longer than a row has, where they are far away."""
    asked, together = Counter(), threading.Barrier(len(fit_scene.stacks), timeout=5)
    backend = fit_scene.backend

    def counting(name, read):
        def ask(stack):
            asked[name, stack] += 1
            if name == "newest_update":
                together.wait()
            return read(stack)

        return ask

    vars(backend).update({name: counting(name, read) for name, read in vars(backend).items()})
    assert fit_scene.ask()[0]["stacks"]["verdict"] == "ok"
    assert set(asked.values()) == {1}
    assert len(asked) == 4 * len(fit_scene.stacks)


def test_a_backend_that_does_not_answer_is_not_known(fit_scene):
    def out(_):
        raise Problem("no answer within 60 s")

    fit_scene.backend.tags = out
    row = fit_scene.ask()[0]["stacks"]
    assert (row["verdict"], "no answer within 60 s" in json.dumps(row)) == ("unknown", True)


@pytest.mark.parametrize(
    ("days", "plant", "fact"),
    [
        (60, drill(45), "last drill"),
        (60, keys(45), "break-glass credentials"),
        (60, certificate(NotAfter=NOW + timedelta(days=45)), "certificate, secondary"),
        (1200, runtime("python3.13"), "functions' runtime, secondary"),
    ],
)
def test_how_long_it_is_to_be_fit_is_asked(fit_scene, days, plant, fact):
    plant(fit_scene)
    found, code, _ = fit_scene.ask(days=30)
    assert (found[fact]["verdict"], code) == ("ok", 0)
    found, code, told = fit_scene.ask(days=days)
    assert (found[fact]["verdict"], code, told["fit_now"]) == ("attention", 1, True)


def test_a_runtime_that_has_ended_is_not_fit(fit_scene, monkeypatch):
    monkeypatch.setattr(ending, "LAMBDA_ENDS", {"python3.13": NOW.date()})
    found, _, _ = fit_scene.ask()
    assert found["functions' runtime, primary"]["verdict"] == "not fit"


def test_a_comparison_of_more_than_a_day_ago_is_told(fit_scene):
    fit_scene.forget_runs()
    fit_scene.ran("drift", dict.fromkeys(fit_scene.stacks, "unchanged"), hours_ago=25)
    fit_scene.ran("drift", dict.fromkeys(fit_scene.stacks, "changed"), hours_ago=1, target="aws")
    found, code, _ = fit_scene.ask()
    assert (found["drift"]["verdict"], code) == ("attention", 1)
    assert found["drift"]["age_seconds"] > 24 * 3600


def test_a_deployment_that_changed_nothing_leaves_the_comparison_valid(fit_scene):
    deployed_since("unchanged")(fit_scene)
    assert fit_scene.ask()[1] == 0


def test_one_health_answer_of_three_is_enough_as_for_a_health_check(fit_scene):
    fit_scene.health["primary"] = [Problem("no answer"), 503, 200]
    assert fit_scene.ask()[1] == 0


def test_a_fence_before_a_primary_that_is_out_of_dns_is_as_it_should_be(fit_scene):
    answers("get_item", fenced)(fit_scene)
    said_of_switch("primary: stop")(fit_scene)
    found, _, _ = fit_scene.ask()
    assert found["fence"]["verdict"] == "ok"
    assert found["stop switch"]["verdict"] == "not fit"


@pytest.mark.parametrize("lost", ["primary", "secondary"])
def test_without_a_region_what_it_alone_can_tell_is_unknown_in_time(fit_scene, lost, monkeypatch):
    monkeypatch.setattr(command, "WHOSE", 1.0)
    fit_scene.cloud.hanging = {fit_scene.environment.region(lost)}
    begun = time.monotonic()
    found, code, told = fit_scene.ask(deadline=3.0)
    assert time.monotonic() - begun < 10
    assert (code, told["fit_now"]) == (1, False)
    rest = "secondary" if lost == "primary" else "primary"
    own = {what: row["verdict"] for what, row in found.items() if what.endswith(f", {lost}")}
    assert set(own.values()) == {"unknown"}
    others = {
        what: row["verdict"]
        for what, row in found.items()
        if what.endswith(f", {rest}") and "copies" not in what  # of which either region tells a part
    }
    assert set(others.values()) == {"ok"}
    assert found["regions alike: functions"]["verdict"] == "unknown"
    assert found["drift"]["verdict"] == "ok"


@pytest.fixture
def comparing(fit_scene, monkeypatch):
    """Plant what comes of the comparison of all stacks."""

    def plant(code=0, error=None):
        def compared(*_, **__):
            if error:
                raise error
            return SimpleNamespace(code=code)

        place = SimpleNamespace(cli=SimpleNamespace(variables={}), backend=SimpleNamespace(checkpoint=lambda _: {}))
        monkeypatch.setattr(commands, "choose", lambda *_: place)
        monkeypatch.setattr(commands, "operate", compared)

    return plant


def test_a_comparison_that_is_broken_off_ends_it_and_no_fact_is_asked(fit_scene, comparing):
    comparing(code=130)
    with pytest.raises(KeyboardInterrupt):
        fit_scene.ask(compare=True)
    assert fit_scene.capsys.readouterr().out == ""
    assert fit_scene.cloud.asked == set()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Problem("the states are lost"), "the states are lost"),
        (FileNotFoundError(2, "gone", "/state"), "cannot use /state: gone; fix it and run this again"),
    ],
)
def test_where_nothing_can_be_compared_that_alone_is_unknown_and_why(fit_scene, comparing, error, said):
    comparing(error=error)
    found, code, _ = fit_scene.ask(compare=True)
    assert {what: row["verdict"] for what, row in found.items() if row["verdict"] != "ok"} == {"drift": "unknown"}
    assert (found["drift"]["value"], found["drift"]["todo"], code) == (said, "./invoke drift", 1)


def test_a_comparison_that_found_something_is_told_by_its_record(fit_scene, comparing):
    comparing(code=1)
    in_every_stack("changed")(fit_scene)
    found, _, _ = fit_scene.ask(compare=True)
    assert found["drift"]["verdict"] == "not fit"


@pytest.mark.parametrize("days", [-1, 3651])
def test_days_that_are_none_are_refused(fit_scene, days):
    with pytest.raises(Problem, match=f"--days {days}"):
        fit_scene.ask(days=days)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"ok": 9}, "Fit to take over now, and for 30 days."),
        ({"ok": 9, "attention": 2}, "Fit to take over now, but not for 30 days: 2 attention."),
        ({"ok": 9, "attention": 2, "unknown": 1}, "Not known to be fit to take over: 1 unknown, 2 attention."),
        ({"not fit": 1}, "Not known to be fit to take over: 1 not fit."),
    ],
)
def test_it_is_summed_up_in_a_sentence(counts, said):
    assert command.summed_up(counts, 30) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "now"), (59, "now"), (300, "5 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds, said):
    assert command.shown_age(seconds) == said


def test_people_get_a_table_with_what_to_do(fit_scene):
    drill(3, passed=False)(fit_scene)
    assert command.readiness(Choice("payments"), 30, lambda _: fit_scene.drilled, deadline=DEADLINE) == 1
    out = fit_scene.capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("last drill")]
    assert "not fit" in line
    assert line.endswith("./invoke drill")
    assert out.endswith("Not known to be fit to take over: 1 not fit.\n")
