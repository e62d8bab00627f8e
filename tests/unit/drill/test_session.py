"""Around a drill: alone, at its speed, and in order at its end, whatever ends it."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from drill import reading, records, session
from drill.books import REPLICATED, Books
from drill.play import Played
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PerRole
from shared.root import ROOT
from tests.unit.drill.test_figures import PLAN
from tests.unit.drill.test_reconcile import DRAINS, NOW, charge, paid, record


def copied(consistency):
    """The payments environment, with copies of this consistency."""
    settings = Environment.load("payments", ROOT)
    return settings.model_copy(update={"data": settings.data.model_copy(update={"consistency": consistency})})


def test_a_second_drill_is_kept_out_until_the_first_is_over(tmp_path):
    with (
        session._alone(tmp_path / "drills"),
        pytest.raises(Problem, match="another drill"),
        session._alone(tmp_path / "drills"),
    ):
        pytest.fail("both play")
    with session._alone(tmp_path / "drills"):
        pass


@pytest.mark.parametrize(
    ("fault", "consistency", "bounded"),
    [
        ("refuse", "strong", True),
        ("lossy", "strong", False),
        ("lossy", "eventual", False),
        ("partition", "strong", True),
        ("partition", "eventual", False),
        ("data", "eventual", True),
    ],
)
def test_what_chance_decides_or_nobody_need_notice_has_no_bound(fault, consistency, bounded):
    """One answered request in ten keeps a checker from failing three times in a row, for as long as chance has it."""
    found = session.bounds(copied(consistency), fault)
    assert ({"detection", "total"} <= found.keys(), "noticed" in found) == (bounded, not bounded)
    assert {"propagation", "ttl", "client", "latched"} <= found.keys(), "what the drill waits for"


@pytest.mark.parametrize("ended", [KeyboardInterrupt, Problem, RuntimeError])
def test_time_passes_as_before_whatever_has_ended_a_drill(ended):
    speeds = []
    stage = SimpleNamespace(clock=SimpleNamespace(speed=1.0), set_speed=speeds.append)
    with pytest.raises(ended), session._speed(stage, 5.0):
        raise ended
    assert speeds == [5.0, 1.0]


@pytest.mark.parametrize("identifier", ["taken", "a" * 300])
def test_a_drill_that_cannot_be_written_down_does_not_begin(tmp_path, identifier):
    target = SimpleNamespace(state=tmp_path / "orchestration")
    (session.home(target) / "taken").mkdir(parents=True)
    with pytest.raises(Problem, match="nothing was broken"):
        session._folder(target, replace(PLAN, id=identifier))


@pytest.mark.parametrize(("grace", "looks_every"), [(0.0, 0.0), (0.0, 5.0), (PLAN.fault_at + 70, 5.0)])
def test_what_is_seen_late_is_bounded_as_late_and_clients_are_not(grace, looks_every):
    """Where health checks are looked at now and then, the checkers' own time is not the drill's."""
    stage = SimpleNamespace(grace=lambda: grace, looks_every=looks_every)
    added = {"latched": max(0.0, grace - PLAN.fault_at), "detection": looks_every}
    found = session._bounds_on(stage, PLAN)
    assert found == {name: value + added.get(name, 0.0) for name, value in PLAN.bounds.items()}
    assert found["total"] == PLAN.bounds["total"]
    assert session._bounds_on(stage, replace(PLAN, bounds={})) == {}


def test_a_damaged_record_is_left_out_of_the_history(tmp_path):
    for name, plan in (("a", PLAN.to_json()), ("b", {"id": "b"}), ("c", [])):
        (tmp_path / name).mkdir()
        records.write(tmp_path / name / records.PLAN, plan)
    (tmp_path / "lock").write_text("")
    assert [plan.id for plan, *_ in session.history(tmp_path)] == ["id"]


@pytest.mark.parametrize("line", [b"{", b"null", b"[1]", b"\xff", b"[" * 100_000], ids=range(5))
def test_a_damaged_line_of_a_journal_is_one_line_with_its_place(tmp_path, line):
    path = tmp_path / "clients.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b"\n")
    with pytest.raises(Problem, match=rf"^{path}:2: [^\n]*$"):
        list(records.lines(path))
    path.write_bytes(b"[" * 100_000)
    assert records.read(path) is None


@pytest.mark.parametrize("name", [records.PLAN, records.OUTCOME])
def test_a_drill_whose_records_are_damaged_cannot_be_drawn_and_one_line_says_so(tmp_path, name):
    for file in (records.PLAN, records.OUTCOME):
        records.write(tmp_path / file, {"no": "field"} if file == name else PLAN.to_json())
    with pytest.raises(Problem, match=rf"^{tmp_path}: [^\n]*damaged[^\n]*$"):
        session.write_page(tmp_path)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "--fault refuse --rate 1 --duration 300 --speed 1 --seed 1"),
        ({"seed": 1_234_567, "rate": 25.65}, "--fault refuse --rate 25.65 --duration 300 --speed 1 --seed 1234567"),
        ({"environment": "mine"}, "--seed 1 --environment mine"),
        ({"target": "aws"}, "--seed 1 --target aws"),
        (
            {"file": "my outages/one.yaml", "compression": 1.5},
            "--incident 'my outages/one.yaml' --compress 1.5 --rate 1",
        ),
    ],
)
def test_a_drill_is_played_again_by_what_it_says(more, words):
    assert words in replace(PLAN, **more).again


class Passing:
    """Books that are read again and again while time passes, a second each time. `become` changes them."""

    def __init__(self, monkeypatch, become):
        self.now, self.asked, self.become = NOW, [], become
        monkeypatch.setattr(reading, "places", lambda *_: None)
        monkeypatch.setattr(reading, "read", self.read)
        monkeypatch.setattr(time, "sleep", self.sleep)
        monkeypatch.setattr(time, "monotonic", lambda: self.now / 1000)

    def sleep(self, seconds):
        self.now += int(seconds * 1000)

    def read(self, _, *, now, **asked):
        self.asked.append(asked)
        last = paid("last", NOW - 1000)
        known = self.become((now - NOW) // 1000, record(last))
        tables = [{last.id: last} if there else {} for there in known["tables"]]
        return Books(
            now,
            PerRole(*tables),
            charges=[charge(last)],
            audits=PerRole(*({last.id: each} if each else {} for each in known["audits"])),
            drains=DRAINS,
            lag=REPLICATED,
        )

    def reconciled(self, started=NOW / 1000 - 300):
        stage = SimpleNamespace(clock=SimpleNamespace(now=lambda: self.now / 1000))
        self.played = Played([], [], [])
        planned = replace(PLAN, started=started)
        return session._reconciled(planned, SimpleNamespace(ledger=None), None, stage, self.played)[1]


@pytest.mark.parametrize(
    ("become", "seconds", "kinds"),
    [
        (lambda now, told: {"tables": (1, 1), "audits": (told, told)}, range(1), set()),
        (lambda now, told: {"tables": (1, 1), "audits": (told, told if now > 40 else None)}, range(41, 43), set()),
        (lambda now, told: {"tables": (1, 1), "audits": (None, told)}, range(239, 302), {"unaudited"}),
        (lambda now, told: {"tables": (1, now > 4), "audits": (told, told)}, range(5, 7), set()),
        (lambda now, told: {"tables": (1, 0), "audits": (told, told)}, range(14, 17), {"lost"}),
    ],
    ids=["all there", "a record comes", "no record comes", "a replica has it later", "a replica never has it"],
)
def test_a_drills_books_are_compared_once_each_payment_is_everywhere_or_late(monkeypatch, become, seconds, kinds):
    passing = Passing(monkeypatch, become)
    assert {each.kind for each in passing.reconciled().findings} == kinds
    assert (passing.now - NOW) // 1000 in seconds
    assert passing.played.trouble == []


def test_what_could_not_be_waited_for_is_trouble(monkeypatch):
    passing = Passing(monkeypatch, lambda now, told: {"tables": (1, 1), "audits": (None, told)})
    monkeypatch.setattr(time, "monotonic", lambda: 2 * passing.now / 1000)  # the machine is slow
    assert passing.reconciled().findings == ()
    assert passing.played.trouble == ["1 payments may still have got what a book has not: it was not waited for"]


def test_a_drill_compares_the_books_of_its_own_time_alone(monkeypatch):
    passing = Passing(monkeypatch, lambda now, told: {"tables": (1, 1), "audits": (told, told)})
    passing.reconciled(started=1000.25)
    assert (passing.asked[0]["since"], passing.asked[0]["alone"]) == (1_000_250, True)
