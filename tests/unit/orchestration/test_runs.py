from __future__ import annotations

import json
import multiprocessing

import pytest

from orchestration import runs
from shared.errors import Problem
from shared.stack import Stack

DATA, EDGE, COMPUTE = Stack("data", "payments"), Stack("edge", "payments"), Stack("compute", "payments", "primary")


def begin(state, changing=(DATA, COMPUTE)):
    return runs.begin(state, "deploy", "payments", "sandbox", changing=changing)


def test_a_run_keeps_a_record(tmp_path):
    with begin(tmp_path) as run:
        assert json.loads((run.folder / "run.json").read_text())["operation"] == "deploy"
        run.finish([{"stack": "data/payments", "status": "changed"}], 0)
    record = json.loads((run.folder / "run.json").read_text())
    assert record["exit_code"] == 0
    assert record["stacks"] == [{"stack": "data/payments", "status": "changed"}]
    assert "@" in record["by"]
    assert record["ended"] >= record["began"]


def test_two_runs_do_not_change_one_stack_at_once(tmp_path):
    with (
        begin(tmp_path),
        pytest.raises(Problem, match=r"another run is changing data/payments .deploy by .*process"),
        begin(tmp_path, (EDGE, DATA)),
    ):
        pass
    with begin(tmp_path, (EDGE, DATA)):
        pass


def test_two_runs_change_different_stacks_at_once(tmp_path):
    with begin(tmp_path), begin(tmp_path, (EDGE,)):
        pass


def test_a_preview_may_run_beside_a_deployment(tmp_path):
    with begin(tmp_path), begin(tmp_path, ()):
        pass


def test_only_a_dead_runs_engines_are_left_over(tmp_path):
    with begin(tmp_path) as run:
        run.sessions.mkdir()
        (run.sessions / "data.payments").write_text("1\n")
        assert elsewhere(tmp_path) == []
    assert elsewhere(tmp_path) == [run.folder.name]


def test_old_runs_are_forgotten_and_those_with_engines_on_record_are_not(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "KEPT", 2)
    with begin(tmp_path) as first:
        first.sessions.mkdir()
        (first.sessions / "data.payments").write_text("1\n")
    for _ in range(4):
        with begin(tmp_path) as newest:
            pass
    kept = {folder.name for folder in (tmp_path / "runs").iterdir()}
    assert first.id in kept
    assert newest.id in kept
    assert len(kept) == 3


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"[1]", b"\xff\xfe", b"[" * 100_000], ids=range(6))
def test_a_damaged_record_is_left_out_and_a_damaged_lock_is_just_begun(tmp_path, content):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "run.json").write_bytes(content)
    (tmp_path / "runs" / "b").mkdir()
    (tmp_path / "runs" / "b" / "run.json").write_text("{}")
    assert list(runs.records(tmp_path)) == [{}]
    assert runs._holder(content.decode("latin-1")) == "just begun"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(Problem, match=r"cannot write .*runs.*nothing was changed"), begin(tmp_path):
        pass


def test_the_message_of_an_update_says_who_and_why(tmp_path):
    with begin(tmp_path) as run:
        message = json.loads(run.message("abc", "new"))
    assert message == {"update": "abc", "run": run.id, "by": run.record["by"], "why": "new"}


def elsewhere(state):
    """Dead runs as another process sees them: a lock does not stop the process that holds it."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_dead, (state,))


def _dead(state):
    return [folder.name for folder in runs.dead(state)]
