"""The steps of GitHub's workflows do what they are there for: each is run by a test, or named as one that is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doubles.github import step, steps, with_jq

LIVE = {
    "deploy.deploy: deploy",
    "deploy.plan: plan",
    "drift.drift: compare",
    "drill.drill: deploy the sandbox",
    "drill.drill: drill",
    "drill.drill: stop the sandbox",
    "layer.plan: plan",
    "layer.test: lint and tests",
}
"""Steps that tests/e2e/test_workflows.py runs, in the sandbox where they name AWS."""
HERE = {
    "aws: find the engine",
    "drill.drill: verdict",
    "layer.no-account: say that nothing is planned",
}
"""Steps that are run below."""
PLAYED = {
    "aws: read the passphrase",
    "comment.comment: comment",
    "deploy.deploy: fetch the plan",
    "deploy.plan: wait for the layers that it reads",
    "drift.tell: open an issue, or add to it",
    "order: keep the order of main",
    "test.test: lint and all tests",
}
"""Steps that are run below and in test_workflow_order.py, with a program in the place of `gh` or `aws` that answers as
they do with an account, or of `./invoke`, which would run these tests."""
NOT_RUN = {
    "actions/checkout",
    "actions/upload-artifact",
    "aws-actions/configure-aws-credentials",
}
"""Others' actions, which need GitHub or an account there and in AWS. They are read, and not run."""


def program(folder, code):
    """A checkout whose `./invoke` writes down what it is asked, and ends with a code."""
    (folder / "invoke").write_text(f'#!/bin/sh\necho "$@" > asked\nexit {code}\n')
    (folder / "invoke").chmod(0o755)
    return folder


def test_the_plan_is_fetched_from_the_run_itself(github_runner, tmp_path):
    github_runner.checkout = tmp_path
    github_runner.answers["gh"] = '[ "$*" = "run download $GITHUB_RUN_ID --name plan-edge" ] && echo "{}" > plan.json'
    ran = github_runner.run(step("deploy.deploy: fetch the plan"), GH_REPO="a/b", GH_TOKEN="t", PLAN="plan-edge")
    assert (ran.code, ran.said) == (0, "")
    assert (tmp_path / "plan.json").exists()


def test_each_step_is_run_by_a_test_or_named_as_one_that_is_not():
    everything = {each.name: each for each in steps()}
    assert {name for name, each in everything.items() if each.script} == LIVE | HERE | PLAYED
    used = {str(each.content["uses"]).partition("@")[0] for each in everything.values() if not each.script}
    assert {name for name in used if not name.startswith("./")} == NOT_RUN


def test_without_an_account_it_is_said_that_nothing_is_planned(github_runner):
    ran = github_runner.run(step("layer.no-account: say that nothing is planned"))
    assert ran.code == 0
    assert ran.said.startswith("::notice::no AWS account")


@pytest.mark.parametrize(
    ("region", "bake", "asked"),
    [
        ("", "", "--layer data"),
        ("secondary", "15", "--layer data --region secondary --bake 15"),
        ("primary", "", "--layer data --region primary"),
    ],
)
def test_a_deployment_is_asked_for_by_its_plan_and_with_its_bake(github_runner, tmp_path, region, bake, asked):
    github_runner.checkout = program(tmp_path, 0)
    given = {"ENVIRONMENT": "live", "LAYER": "data", "REGION": region, "BAKE": bake}
    assert github_runner.run(step("deploy.deploy: deploy"), **given).code == 0
    words = (tmp_path / "asked").read_text().split()
    assert sorted(words) == sorted(f"deploy {asked} --environment live --target aws --plan plan.json --yes".split())


@pytest.mark.parametrize("code", [0, 1])
def test_all_tests_are_run_and_the_job_ends_as_they_end(github_runner, tmp_path, code):
    github_runner.checkout = program(tmp_path, code)
    assert github_runner.run(step("test.test: lint and all tests")).code == code
    assert (tmp_path / "asked").read_text() == "test\n"


def test_a_layer_that_the_environment_does_not_have_is_not_planned_and_ends_well(github_runner):
    given = {"ENVIRONMENT": "payments", "LAYER": "vault", "REGION": ""}
    ran = github_runner.run(step("deploy.plan: plan"), **given)
    assert (ran.code, ran.outputs) == (0, {"changes": "false"}), ran.said
    assert "::notice::environment payments has no vault" in ran.said


def test_without_a_graph_no_layer_counts_as_missing(github_runner):
    ran = github_runner.run(step("deploy.plan: plan"), ENVIRONMENT="nowhere", LAYER="vault", REGION="")
    assert ran.code == 1
    assert not ran.outputs


def test_an_engine_is_found(github_runner):
    ran = github_runner.run(step("aws: find the engine"))
    assert ran.code == 0, ran.said
    assert "executable" in ran.said


def test_the_passphrase_is_in_a_file_of_the_runners_and_in_no_log(github_runner):
    asked = "secretsmanager get-secret-value --secret-id arn:x --query SecretString --output text"
    github_runner.answers["aws"] = f'[ "$*" = "{asked}" ] && echo open-sesame'
    ran = github_runner.run(
        step("aws: read the passphrase"), BACKEND="s3://states?region=us-west-2", PASSPHRASE="arn:x", KEY=""
    )
    assert (ran.code, ran.said) == (0, "")
    assert ran.variables["PULUMI_BACKEND_URL"] == "s3://states?region=us-west-2"
    file = Path(ran.variables["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert file.read_text() == "open-sesame\n"
    assert file.stat().st_mode & 0o077 == 0
    assert "open-sesame" not in str(ran.variables)


def test_where_a_key_encrypts_the_secrets_no_passphrase_is_read(github_runner):
    github_runner.answers["aws"] = "exit 254"
    key = "awskms://alias/pulumi-state?region=us-west-2"
    ran = github_runner.run(
        step("aws: read the passphrase"), BACKEND="s3://states?region=us-west-2", KEY=key, PASSPHRASE=""
    )
    assert (ran.code, ran.said) == (0, "")
    assert ran.variables == {"PULUMI_BACKEND_URL": "s3://states?region=us-west-2", "PULUMI_SECRETS_PROVIDER": key}


def test_without_the_passphrase_the_job_ends(github_runner):
    github_runner.answers["aws"] = "echo AccessDenied >&2; exit 254"
    ran = github_runner.run(step("aws: read the passphrase"), BACKEND="s3://states", PASSPHRASE="arn:x", KEY="")
    assert ran.code == 254
    assert ran.variables == {}


RECORDED = """
    printf "%s\\n" "$*" >> "$RUNNER_TEMP/asked"
    for word in "$@"; do case $word in body=@*) cat "${word#body=@}" >> "$RUNNER_TEMP/asked" ;; esac; done
"""
HOSTILE = "`$(touch stolen)` ${HOME} \"'; touch stolen\n| a | b |"


@pytest.mark.parametrize(
    ("known", "does"),
    [
        ("", "POST repos/payments-org/payments/issues/5/comments"),
        ("77", "PATCH repos/payments-org/payments/issues/comments/77"),
    ],
)
def test_a_comment_is_written_once_and_replaced_from_then_on(github_runner, tmp_path, known, does):
    github_runner.checkout = tmp_path
    github_runner.answers["gh"] = RECORDED + f'case $* in *--paginate*) echo "{known}";; esac'
    ran = github_runner.run(step("comment.comment: comment"), ABOUT="drill", GH_TOKEN="t", NUMBER="5", TEXT=HOSTILE)
    assert (ran.code, ran.said) == (0, "")
    asked = (github_runner.temporary / "asked").read_text()
    assert f"--method {does}" in asked
    assert f"<!-- drill -->\n{HOSTILE}\n" in asked
    assert not (tmp_path / "stolen").exists()


@with_jq
def test_only_its_own_comment_is_replaced(github_runner):
    """What `gh` is told to choose, chosen by jq as by the one that it has in it."""
    bot, person = {"login": "github-actions[bot]"}, {"login": "somebody"}
    comments = [
        {"id": 1, "user": person, "body": "<!-- drill -->\nmine"},
        {"id": 2, "user": bot, "body": "<!-- plan of edge -->\n"},
        {"id": 3, "user": bot, "body": "<!-- drill -->\n"},
        {"id": 4, "user": bot, "body": "<!-- drill -->\nlater"},
    ]
    choose = 'case $* in *--paginate*) echo "$COMMENTS" | jq -r "$5";; esac'
    github_runner.answers["gh"] = RECORDED + choose
    given = {"ABOUT": "drill", "GH_TOKEN": "t", "NUMBER": "5", "TEXT": "x", "COMMENTS": json.dumps(comments)}
    ran = github_runner.run(step("comment.comment: comment"), **given)
    assert (ran.code, ran.said) == (0, "")
    assert "PATCH repos/payments-org/payments/issues/comments/3 " in (github_runner.temporary / "asked").read_text()


@pytest.mark.parametrize(("code", "ends"), [("0", 0), ("1", 1), ("75", 0), ("130", 130)])
def test_a_stack_that_is_being_changed_is_a_warning_and_no_difference(github_runner, tmp_path, code, ends):
    """75: another run was changing a stack, and nothing else differs."""
    github_runner.checkout = program(tmp_path, code)
    ran = github_runner.run(step("drift.drift: compare"), ENVIRONMENT="payments", TARGET="aws")
    assert ran.code == ends
    assert ("::warning::another run was changing a stack" in ran.said) == (code == "75")


@pytest.mark.parametrize(("known", "does"), [("", "issue create --title"), ("12", "issue comment 12 --body-file")])
def test_drift_is_one_issue_as_long_as_it_is_open(github_runner, known, does):
    github_runner.answers["gh"] = RECORDED + f'case $* in "issue list"*) echo "{known}";; esac'
    ran = github_runner.run(step("drift.tell: open an issue, or add to it"), GH_REPO="a/b", GH_TOKEN="t", TEXT=HOSTILE)
    assert (ran.code, ran.said) == (0, "")
    assert does in (github_runner.temporary / "asked").read_text()
    told = (github_runner.temporary / "drift.md").read_text()
    assert told == f"https://github.com/payments-org/payments/actions/runs/17\n\n{HOSTILE}\n"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [("0", "every objective held"), ("1", "an objective did not hold"), ("3", "nothing can be said (exit code 3)")],
)
def test_a_verdict_names_the_fault_links_the_picture_and_ends_the_job_as_the_drill_ended(
    github_runner, tmp_path, code, verdict
):
    github_runner.checkout = tmp_path
    (tmp_path / "drill.txt").write_text("RTO, worst  55.0 s\ntext<<end\n")
    report = "https://github.com/a/b/actions/runs/17/artifacts/3"
    ran = github_runner.run(step("drill.drill: verdict"), CODE=code, FAULT="hang", REPORT=report)
    assert str(ran.code) == code
    assert f"### Drill (hang): {verdict}" in ran.outputs["text"]
    assert f"]({report})" in ran.outputs["text"]
    assert "RTO, worst  55.0 s\ntext<<end" in ran.outputs["text"]
    assert ran.summary.rstrip("\n") == ran.outputs["text"].rstrip("\n")
