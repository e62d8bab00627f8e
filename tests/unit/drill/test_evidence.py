"""What gets into evidence, and that every file, every link of its chain and its head hold as they were made."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from drill import commands, records, session
from drill import evidence as evidence_module
from drill.anchor import PublishedHead
from drill.evidence import FILES, bind, gather
from orchestration.choice import Choice
from shared.errors import Problem
from tests.unit.drill.left_by_a_drill import (
    ONE_CLIENT,
    left,
    verify,
)
from tests.unit.drill.test_figures import PLAN


@pytest.fixture
def evidence(drill_folder, tmp_path):
    out = tmp_path / "evidence"
    head = gather(drill_folder, out)
    return out, head


def test_it_holds_as_it_was_made(evidence):
    out, head = evidence
    answer = verify(out, head)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "2 payments acknowledged, 0 lost, 0 doubled; worst RTO fresh 45.0 s" in answer.stdout


def test_it_is_refused_without_the_head_that_was_published(evidence):
    out, head = evidence
    assert verify(out).returncode == 2
    assert verify(out, "0" * 64).returncode == 1
    assert verify(out, head[:-1]).returncode == 2


@pytest.mark.parametrize("name", [*FILES, "verify.py"])
def test_a_file_that_was_changed_is_named(evidence, name):
    out, head = evidence
    with (out / name).open("a") as file:
        file.write(" \n" if name.endswith(".json") else "# \n")
    answer = verify(out, head)
    assert answer.returncode == 1
    assert f"{name}: was changed" in answer.stderr
    (out / name).unlink()
    if name != "verify.py":
        assert f"{name}: is missing" in verify(out, head).stderr


def test_a_file_more_is_refused(evidence):
    out, head = evidence
    (out / "more.txt").write_text("x")
    assert "more.txt'] is not in the chain" in verify(out, head).stderr


@pytest.mark.parametrize("name", ["more", "json", "clients.jsonl.d"])
@pytest.mark.parametrize("full", [False, True])
def test_a_folder_more_is_refused(evidence, name, full):
    out, head = evidence
    (out / name).mkdir()
    if full:
        (out / name / "clients.jsonl").write_text("x")
    assert f"{name}'] is not in the chain" in verify(out, head).stderr


def test_a_link_to_nowhere_is_refused(evidence):
    out, head = evidence
    (out / "more").symlink_to(out / "nowhere")
    assert "'more'] is not in the chain" in verify(out, head).stderr


SHADOWS = ("__future__", "hashlib", "json", "math", "base64", "collections", "pathlib", "typing", "encodings", "site")


@pytest.mark.parametrize("name", SHADOWS)
@pytest.mark.parametrize("how", ["{}.py", "{}/__init__.py"])
def test_nothing_in_the_folder_runs_in_place_of_pythons_own(evidence, name, how):
    out, _ = evidence
    file = out / how.format(name)
    file.parent.mkdir(exist_ok=True)
    file.write_text("import sys\nprint('holds')\nsys.exit(0)\n")
    (out / records.CLIENTS).write_text("")
    for cwd in ("/", out):
        told = subprocess.run(
            [sys.executable, "-S", str(out / "verify.py"), "0" * 64],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            env={},
        )
        assert (told.returncode, told.stdout, "REFUSED" in told.stderr) == (1, "", True), told.stdout + told.stderr


def test_another_copy_of_it_checks_a_folder(evidence, tmp_path):
    """Of somebody who trusts neither who gathered it nor the program in it."""
    out, head = evidence
    for folder, code in ((out, 0), (tmp_path / "nowhere", 1)):
        told = subprocess.run(
            [sys.executable, "-I", "drill/verify.py", head, folder], capture_output=True, text=True, check=False
        )
        assert (told.returncode, "holds" in told.stdout) == (code, not code), told.stderr


@pytest.mark.parametrize("link", ["", "0" * 64, None])
def test_a_link_of_the_chain_that_is_another_is_refused(evidence, link):
    out, head = evidence
    chain = [json.loads(line) for line in (out / "chain.jsonl").read_text().splitlines()]
    for number in range(len(chain)):
        lines = [{**each, "link": link} if at == number else each for at, each in enumerate(chain)]
        (out / "chain.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
        assert "REFUSED: chain.jsonl: " in verify(out, head).stderr


def test_files_in_another_order_are_others(evidence):
    out, head = evidence
    chain = (out / "chain.jsonl").read_text().splitlines()
    link, lines = "", []
    for each in map(json.loads, [chain[1], chain[0], *chain[2:]]):
        link = hashlib.sha256(f"{link} {each['file']} {each['sha256']}".encode()).hexdigest()
        lines.append(json.dumps({**each, "link": link}))
    (out / "chain.jsonl").write_text("\n".join(lines) + "\n")
    assert "head is another one" in verify(out, head).stderr


def test_a_drill_without_a_verdict_has_no_evidence(drill_folder, tmp_path):
    (drill_folder / records.FIGURES).unlink()
    with pytest.raises(Problem, match="no verdict"):
        gather(drill_folder, tmp_path / "out")


def test_the_settings_are_those_that_were_drilled(tmp_path, monkeypatch):
    """They are copied when a drill begins: a file that is mended afterwards was never drilled."""
    (tmp_path / "environments").mkdir()
    file = tmp_path / "environments" / "payments.yaml"
    file.write_text("ttl: 60\n")
    monkeypatch.setattr(session, "ROOT", tmp_path)
    target = SimpleNamespace(state=tmp_path / "orchestration")
    session.home(target).mkdir()
    played = session._folder(target, PLAN)
    file.write_text("ttl: 30\n")
    for each in left(tmp_path / "drill", ONE_CLIENT).iterdir():
        if each.name != "payments.yaml":
            (played / each.name).write_bytes(each.read_bytes())
    head = gather(played, tmp_path / "out")
    assert (tmp_path / "out" / "payments.yaml").read_text() == "ttl: 60\n"
    assert verify(tmp_path / "out", head).returncode == 0
    (played / "payments.yaml").unlink()
    with pytest.raises(Problem, match=r"has no payments\.yaml: nobody knows what was drilled"):
        gather(played, tmp_path / "again")


def test_a_drill_of_another_environment_is_none_of_this_ones(tmp_path, monkeypatch):
    place = SimpleNamespace(state=tmp_path / "orchestration", ledger=None)
    monkeypatch.setattr(commands, "choose", lambda *_: place)
    for name, environment in (("a", "payments"), ("b", "trading")):
        (session.home(place) / name).mkdir(parents=True)
        records.write(
            session.home(place) / name / records.PLAN, replace(PLAN, id=name, environment=environment).to_json()
        )
    asked = []
    monkeypatch.setattr(commands, "gather", lambda drill, *_: asked.append(drill.name) or "head")
    monkeypatch.setattr(commands, "publish", lambda *_: PublishedHead("head", "out"))
    assert commands.drill_evidence(Choice(), "", str(tmp_path / "out")) == 0
    assert asked == ["a"]
    with pytest.raises(Problem, match="there is no drill 'b' of payments"):
        commands.drill_evidence(Choice(), "b", str(tmp_path / "out"))


def test_nothing_old_gets_into_it(drill_folder, tmp_path):
    with pytest.raises(Problem, match="is there already"):
        gather(drill_folder, tmp_path)


def test_verify_is_short_and_needs_nothing_of_ours():
    text = Path("drill/verify.py").read_text()
    assert len(text.splitlines()) < 150
    assert "drill" not in {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("from", "import"))
    }


@pytest.mark.parametrize(
    "text",
    ["there", "there/file/below", "a" * 300, "nul\0inside", "dangling", "locked/below"],
    ids=["there", "below a file", "too long", "no name", "a dangling link", "locked"],
)
def test_a_folder_that_cannot_be_new_is_refused_before_anything_is_measured(tmp_path, monkeypatch, text):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path.name != "locked")  # for root too
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem) as refused:
        evidence_module.new_folder("--evidence", text)
    assert str(refused.value).startswith("--evidence")
    assert len(list(tmp_path.iterdir())) == 3


def test_evidence_is_its_owners_alone(drill_folder, tmp_path):
    gather(drill_folder, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0


def test_evidence_that_cannot_be_written_is_one_line(drill_folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "out" / "plan.json"))

    monkeypatch.setattr(type(tmp_path), "write_bytes", full)
    with pytest.raises(Problem, match=r"cannot write .*plan\.json: No space left on device"):
        gather(drill_folder, tmp_path / "out")


@pytest.mark.parametrize("gone", ["figures.json", "plan.json"])
def test_a_drill_without_its_plan_or_figures_is_no_failover(drill_folder, tmp_path, gone):
    """Left out of the chain too, so that nothing else is missing."""
    gather(drill_folder, tmp_path / "out")
    rest = [each for each in (tmp_path / "out").iterdir() if each.name not in {gone, "chain.jsonl", "verify.py"}]
    head = bind(tmp_path / "again", rest)
    assert "REFUSED" in verify(tmp_path / "again", head).stderr
