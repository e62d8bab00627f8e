"""Around a drill: alone, at its speed, and in order at its end, whatever ends it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from drill import records, session
from shared.errors import Problem
from tests.unit.drill.test_figures import PLAN


def test_a_second_drill_is_kept_out_until_the_first_is_over(tmp_path):
    with (
        session._alone(tmp_path / "drills"),
        pytest.raises(Problem, match="another drill"),
        session._alone(tmp_path / "drills"),
    ):
        pytest.fail("both play")
    with session._alone(tmp_path / "drills"):
        pass


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
