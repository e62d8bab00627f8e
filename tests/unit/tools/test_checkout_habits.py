"""What a clone, an editor and a commit do by themselves, in every checkout alike."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import yaml

from shared.root import ROOT
from tools import checkout, checks

TABS = (".go", ".mod")


@pytest.fixture
def clone(tmp_path):
    """Clones this working copy as on a machine where git is set to carriage returns; without some of the files."""

    def make(*without):
        source, target = tmp_path / "source", tmp_path / "clone"
        for name in set(checkout.tracked(ROOT)) - set(without):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
        for command in (
            ["init", "--quiet"],
            ["-c", "core.autocrlf=false", "add", "--all"],
            ["-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=all"],
        ):
            subprocess.check_call(["git", *command], cwd=source)
        subprocess.check_call(["git", "clone", "--quiet", "--config", "core.autocrlf=true", source, target])
        (target / ".venv").symlink_to(ROOT / ".venv")  # the packages are the same; the sources are the clone's
        return target

    return make


def test_a_copy_is_of_the_checkout_whatever_repository_a_hook_of_git_is_in(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    subprocess.check_call(["git", "init", "--quiet"], cwd=tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert "tasks.py" in checkout.tracked(ROOT)
    assert not {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} & checkout.inherited().keys()


def test_no_test_works_in_another_repository():
    """pytest may run in a hook of git, and many tests run git."""
    command = [sys.executable, "-c", "import tests.conftest, os; print('GIT_DIR' in os.environ)"]
    variables = {**os.environ, "GIT_DIR": "/nowhere"}
    assert subprocess.check_output(command, cwd=ROOT, env=variables, text=True) == "False\n"


def graph(root):
    return subprocess.run(["./invoke", "graph"], cwd=root, capture_output=True, text=True, check=False)


def test_a_clone_with_carriage_returns_switched_on_has_the_same_bytes_and_starts(clone):
    target = clone()
    assert [name for name in checkout.tracked(ROOT) if (target / name).read_bytes() != (ROOT / name).read_bytes()] == []
    ran = graph(target)
    assert ran.returncode == 0, ran.stderr
    assert "data/payments" in ran.stdout


def test_without_the_attributes_it_would_not_start(clone):
    target = clone(".gitattributes")
    assert b"\r\n" in (target / "invoke").read_bytes()
    with pytest.raises(FileNotFoundError):  # there is no /bin/sh\r
        graph(target)


def test_every_file_is_as_editors_are_told_to_keep_it():
    wrong = []
    for name in checkout.tracked(ROOT):
        lines = (ROOT / name).read_bytes().decode("utf-8").split("\n")
        trailing = any(line != line.rstrip() for line in lines)
        tabs = any("\t" in line for line in lines) and not name.endswith(TABS)
        if trailing or tabs or lines[-1]:
            wrong.append(name)
    assert wrong == []


def test_a_commit_is_checked_as_by_the_tests():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["name"]: hook["entry"] for hook in repository["hooks"]}
    python = ".venv/bin/python"
    assert hooks == {
        name: " ".join((python, "-m", *words)).replace(sys.executable, python) for name, words in checks.STATIC.items()
    }
    assert {(hook["language"], hook["pass_filenames"]) for hook in repository["hooks"]} == {("system", False)}
