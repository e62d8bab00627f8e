"""What GitHub's workflows may do: whose actions they take, with which permissions, and in whose role."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from engine.find import cache_directory
from orchestration.teams.roles import LONGEST_SESSION
from shared.root import ROOT
from tests.doubles.github import EXPRESSION, documents, steps
from tools import workflows

ACTIONLINT = "v1.7.12"
PINNED = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "aws-actions/configure-aws-credentials": ("e6de054238d6b7531b4efff3b6587d9aade6a06c", "v6.2.3"),
}
"""The commit that each tag named in the action's repository when it was taken."""
WRITES = {"comment.comment": {"pull-requests"}, "drift.tell": {"issues"}}
"""Jobs with steps that may write something in the repository, and what."""


def jobs():
    """(its name, its content) of every job of all workflows."""
    return [
        (f"{document['name']}.{name}", job)
        for document in documents().values()
        for name, job in document.get("jobs", {}).items()
    ]


def test_what_is_unknown_to_github_is_found(tmp_path):
    """actionlint is built once for all checkouts of this user."""
    if not shutil.which("go"):
        pytest.skip("no Go to build actionlint with")
    folder = cache_directory().parent / "actionlint" / ACTIONLINT
    program = folder / "actionlint"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as made:
                built = subprocess.run(
                    ["go", "install", f"github.com/rhysd/actionlint/cmd/actionlint@{ACTIONLINT}"],
                    env={**os.environ, "GOBIN": made, "GOFLAGS": ""},
                    cwd=tmp_path,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if built.returncode:
                    pytest.skip(f"Go cannot get actionlint: {built.stderr.strip().splitlines()[-1]}")
                Path(made, "actionlint").rename(program)
    command = [program, "-no-color", "-oneline", *sorted((ROOT / workflows.WORKFLOWS).glob("*.yml"))]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_actions_of_others_are_pinned_by_their_whole_commit():
    used = {}
    for path in documents():
        for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
            if found := re.fullmatch(r"\s*(?:- )?uses: (\S+)(?: # (\S+))?", line):
                used.setdefault(found[1], set()).add(found[2])
    ours = {name for name in used if name.startswith("./")}
    assert all((ROOT / name).exists() for name in ours)
    assert {name: said for name, said in used.items() if name not in ours} == {
        f"{name}@{commit}": {version} for name, (commit, version) in PINNED.items()
    }


def test_nothing_that_somebody_types_becomes_a_part_of_a_script():
    """A pull request's title, branch or file name reaches a step as a variable, never as text of its script."""
    assert [each.name for each in steps() if EXPRESSION in each.script] == []


def test_nothing_is_started_with_the_rights_of_main_by_a_strangers_pull_request_and_no_secret_is_kept():
    for path, document in documents().items():
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not re.search(r"pull_request_target|workflow_run|secrets\.|secrets:", text), path
        if "jobs" in document:
            assert document["permissions"] == {}, path


def test_each_job_has_the_permissions_that_it_needs_and_no_more():
    for name, job in jobs():
        granted = {scope for scope, level in job["permissions"].items() if level == "write"} - {"id-token"}
        if "steps" in job:
            assert granted == WRITES.get(name, set()), name
    for name, job in jobs():
        if name in WRITES:
            assert not any("uses" in each for each in job["steps"]), f"{name} may write, and takes others' code"


def test_a_role_is_taken_on_in_an_environment_only_whose_approval_and_trust_apply():
    taking = [(name, job) for name, job in jobs() if "id-token" in job["permissions"] and "steps" in job]
    assert {name for name, _ in taking} == {"layer.plan", "deploy.plan", "deploy.deploy", "drift.drift"}
    for name, job in taking:
        assert job["environment"], name
        assert "./.github/actions/aws" in {each.get("uses") for each in job["steps"]}, name
    for name, job in jobs():
        if "steps" in job and "id-token" not in job["permissions"]:
            assert "./.github/actions/aws" not in {each.get("uses") for each in job["steps"]}, name


def session(job):
    """Seconds for which a job has its role."""
    ((given),) = [each["with"] for each in job["steps"] if each.get("uses") == "./.github/actions/aws"]
    by_default = documents()[".github/actions/aws/action.yml"]["inputs"]["seconds"]["default"]
    return int(given.get("seconds", by_default))


def waits(job):
    """Seconds that a job may pass before it takes its role on."""
    used = [f"{each['uses']}/action.yml".removeprefix("./") for each in job["steps"] if "uses" in each]
    within = [inner for each in used if each in documents() for inner in documents()[each]["runs"]["steps"]]
    return sum(int(each.get("env", {}).get("LONGEST", 0)) for each in (*job["steps"], *within))


def test_no_job_outlasts_the_session_of_its_role():
    for name, job in jobs():
        if "id-token" in job["permissions"] and "steps" in job:
            assert job["timeout-minutes"] * 60 - waits(job) <= session(job) <= LONGEST_SESSION, name


def test_a_layers_role_is_taken_on_for_as_long_as_the_roles_allow():
    assert session(documents()[".github/workflows/deploy.yml"]["jobs"]["deploy"]) == LONGEST_SESSION
    (used,) = [each for each in steps() if str(each.content.get("uses")).startswith("aws-actions/")]
    assert used.content["with"]["role-duration-seconds"] == "${{ inputs.seconds }}"


def test_all_that_asks_aws_asks_for_the_environment_that_a_variable_names():
    asking = [each for each in steps() if "$TARGET" in each.script]
    assert {each.name for each in asking} == {
        *("layer.plan: plan", "deploy.plan: plan", "deploy.deploy: deploy", "drift.drift: compare")
    }
    for each in asking:
        assert each.content["env"]["ENVIRONMENT"] == f"${{{{ vars.ENVIRONMENT || '{workflows.ENVIRONMENT}' }}}}"
        calls = re.findall(r"\./invoke (?:plan|deploy|drift) (?:[^\n]|\\\n)*", each.script)
        assert calls, each.name
        assert all('--environment "$ENVIRONMENT"' in call for call in calls), each.name


def test_a_checkout_leaves_no_token_behind():
    found = [each for each in steps() if str(each.content.get("uses")).startswith("actions/checkout@")]
    assert len(found) > 4
    assert all(each.content["with"] == {"persist-credentials": False} for each in found)
