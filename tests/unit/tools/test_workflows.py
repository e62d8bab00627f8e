"""GitHub's workflows: what starts them, what they may do, and that their steps do it. docs/ownership.md."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from engine.find import cache_directory
from orchestration.foreseen import Forecast, ForeseenResource, ForeseenStack
from orchestration.made_of import Sources
from orchestration.smoke import CHECKED_LAYER
from orchestration.teams.roles import LONGEST_SESSION
from shared.contracts import layer_of
from shared.environment import Environment
from shared.packaging import packages
from shared.root import ROOT
from tests.doubles.github import EXPRESSION, Runner, documents, events, started_by, step, steps
from tools import plan_comment, workflows
from tools.workflows import OWNED

ACTIONLINT = "v1.7.12"
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
"""Steps that are run below, with a program in the place of `gh` or `aws` that answers as they do with an account, or of
`./invoke`, which would run these tests."""
NOT_RUN = {
    "actions/checkout",
    "actions/upload-artifact",
    "aws-actions/configure-aws-credentials",
}
"""Others' actions, which need GitHub or an account there and in AWS. They are read, and not run."""
PINNED = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "aws-actions/configure-aws-credentials": ("e6de054238d6b7531b4efff3b6587d9aade6a06c", "v6.2.3"),
}
"""The commit that each tag named in the action's repository when it was taken."""
WRITES = {"comment.comment": {"pull-requests"}, "drift.tell": {"issues"}}
"""Jobs with steps that may write something in the repository, and what."""


with_jq = pytest.mark.skipif(not shutil.which("jq"), reason="no jq to choose with")
ENVIRONMENTS = sorted(ROOT.glob("environments/*.yaml"))


@pytest.fixture
def runner(tmp_path):
    return Runner(ROOT, tmp_path / "runner")


def program(folder, code):
    """A checkout whose `./invoke` writes down what it is asked, and ends with a code."""
    (folder / "invoke").write_text(f'#!/bin/sh\necho "$@" > asked\nexit {code}\n')
    (folder / "invoke").chmod(0o755)
    return folder


def jobs():
    """(its name, its content) of every job of all workflows."""
    return [
        (f"{document['name']}.{name}", job)
        for document in documents().values()
        for name, job in document.get("jobs", {}).items()
    ]


# What starts them


@pytest.mark.parametrize("layer", OWNED)
def test_a_layers_workflow_is_what_follows_from_contracts_and_imports(layer):
    there = (ROOT / workflows.WORKFLOWS / f"{layer}.yml").read_text(encoding="utf-8")
    assert there == workflows.text(layer), "run `.venv/bin/python -m tools.workflows`"


@pytest.mark.parametrize("layer", OWNED)
def test_a_pull_request_and_a_merge_start_it_by_the_same_paths(layer):
    document = documents()[f".github/workflows/{layer}.yml"]
    started = events(document)
    assert started["pull_request"]["paths"] == started["push"]["paths"] == list(workflows.patterns(layer))
    assert started["push"]["branches"] == ["main"]
    given = document["jobs"][layer]["with"]
    assert (given["layer"], given["regional"]) == (layer, layer_of(layer).regional)
    assert tuple(given["upstream"].split()) == workflows.upstream(layer)
    assert given["watched"] == (layer == CHECKED_LAYER)


def test_a_layer_waits_for_all_that_it_reads_directly_or_not():
    assert {layer: workflows.upstream(layer) for layer in OWNED} == {
        "network": (),
        "data": (),
        "compute": ("network", "data"),
        "edge": ("network", "data", "compute"),
        "observability": ("network", "data", "compute", "edge"),
        "vault": ("data",),
    }


@pytest.mark.parametrize(
    ("path", "layers"),
    [
        ("projects/network/vpc.py", {"network", "compute", "edge", "observability"}),
        ("projects/data/table.py", {"data", "compute", "edge", "observability", "vault"}),
        ("projects/vault/daily_copies.py", {"vault"}),
        ("projects/observability/alarms.py", {"observability"}),
        ("projects/observability/README.md", set()),
        ("lambdas/canary/main.py", {"observability"}),
        ("shared/contracts.py", set(OWNED)),
        ("policies/rules/README.md", set()),
        (".github/workflows/deploy.yml", set(OWNED)),
        (".github/workflows/edge.yml", {"edge"}),
        ("sandbox/clock.py", set()),
        ("environments/payments.yaml", set(OWNED)),
        ("environments/live.yaml", set(OWNED)),  # a variable says which one is deployed
    ],
)
def test_a_change_starts_the_workflows_of_those_that_it_may_concern(path, layers):
    assert {layer for layer in OWNED if started_by(Path(path), workflows.patterns(layer))} == layers


def test_all_tests_are_run_on_each_pull_request_and_merge_whatever_it_changes():
    document = documents()[".github/workflows/test.yml"]
    started = events(document)
    assert (started["pull_request"], started["push"]) == (None, {"branches": ["main"]})
    (job,) = document["jobs"].values()
    assert (job.get("if"), job["permissions"]) == (None, {"contents": "read"}), "forks included"


@pytest.mark.parametrize("layer", OWNED)
def test_the_same_files_start_it_whatever_environment_is_deployed(layer):
    found = {file.stem: Sources(ROOT, Environment.load(file.stem)).files(layer) for file in ENVIRONMENTS}
    assert len(found) > 1
    assert set(found.values()) == {found[workflows.ENVIRONMENT]}


def test_a_drill_is_played_on_each_pull_request_whatever_it_changes():
    assert events(documents()[".github/workflows/drill.yml"])["pull_request"] is None


def test_drift_is_looked_for_every_day():
    (entry,) = events(documents()[".github/workflows/drift.yml"])["schedule"]
    minute, hour, *days = entry["cron"].split()
    assert minute.isdecimal()
    assert hour.isdecimal()
    assert days == ["*", "*", "*"]


# What they may do


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


def test_one_deployment_at_a_time_in_an_environment_and_none_is_broken_off():
    job = documents()[".github/workflows/deploy.yml"]["jobs"]["deploy"]
    assert job["concurrency"] == {"group": f"deploy-{job['environment']}", "cancel-in-progress": False}


def test_the_primary_comes_after_the_secondary_and_only_from_main():
    layer = documents()[".github/workflows/layer.yml"]["jobs"]
    assert layer["primary"]["needs"] == "secondary"
    assert layer["secondary"]["needs"] == layer["plan"]["needs"] == "test"
    assert "github.ref == 'refs/heads/main'" in layer["secondary"]["if"]
    assert layer["primary"]["with"]["region"] == "primary"


def test_a_bake_is_asked_for_in_the_secondary_of_the_layer_whose_releases_are_watched():
    layer = documents()[".github/workflows/layer.yml"]["jobs"]
    assert layer["secondary"]["with"]["bake"] == "${{ inputs.watched && vars.BAKE || '' }}"
    assert not layer["primary"]["with"]["bake"], "it comes after the secondary's bake, and has none of its own"


def test_what_is_deployed_is_the_plan_that_was_there_to_be_approved():
    jobs = documents()[".github/workflows/deploy.yml"]["jobs"]
    plan, deploy = jobs["plan"], jobs["deploy"]
    assert deploy["needs"] == "plan"
    assert deploy["if"] == "needs.plan.outputs.changes == 'true'"
    names = [each.get("name") for each in plan["steps"]]
    assert names.index("wait for the layers that it reads") < names.index("plan"), "their outputs are in the plan"
    (kept,) = [each["with"] for each in plan["steps"] if each.get("name") == "keep the plan"]
    (fetched,) = [each["env"] for each in deploy["steps"] if each.get("name") == "fetch the plan"]
    assert kept["name"] == fetched["PLAN"]
    assert (kept["path"], kept["overwrite"]) == ("plan.json", True)
    (asked,) = [each["if"] for each in plan["steps"] if each.get("name") == "keep the plan"]
    assert asked == "steps.plan.outputs.changes == 'true'", "there is none of a layer that is not there"
    assert "--out plan.json" in step("deploy.plan: plan").script
    assert "--plan plan.json" in step("deploy.deploy: deploy").script


def test_the_order_is_looked_at_before_a_commit_is_planned_and_again_once_it_is_approved():
    """Again, because a newer one that found nothing to do, a revert, leaves the older one's plan valid."""
    layer, deploying = (documents()[f".github/workflows/{each}.yml"]["jobs"] for each in ("layer", "deploy"))
    named = {each.get("name", name) for name, each in layer.items()}
    assert named >= {"${{ inputs.regional && 'secondary' || 'both regions' }}", "primary"}
    for name, job in deploying.items():
        used = [each.get("uses", each.get("name")) for each in job["steps"]]
        assert used.index("./.github/actions/order") < used.index("./.github/actions/aws"), name
        (given,) = [each["with"] for each in job["steps"] if each.get("uses") == "./.github/actions/order"]
        assert given["where"] == "${{ inputs.region || 'both regions' }}"
        assert job["permissions"]["actions"] == "read"
    waits_first = [each.get("uses", each.get("name")) for each in deploying["plan"]["steps"]]
    assert waits_first.index("wait for the layers that it reads") < waits_first.index("./.github/actions/order")


def test_the_plan_is_fetched_from_the_run_itself(runner, tmp_path):
    runner.checkout = tmp_path
    runner.answers["gh"] = '[ "$*" = "run download $GITHUB_RUN_ID --name plan-edge" ] && echo "{}" > plan.json'
    ran = runner.run(step("deploy.deploy: fetch the plan"), GH_REPO="a/b", GH_TOKEN="t", PLAN="plan-edge")
    assert (ran.code, ran.said) == (0, "")
    assert (tmp_path / "plan.json").exists()


def test_a_checkout_leaves_no_token_behind():
    found = [each for each in steps() if str(each.content.get("uses")).startswith("actions/checkout@")]
    assert len(found) > 4
    assert all(each.content["with"] == {"persist-credentials": False} for each in found)


# Who owns what


def owners(path):
    """Whom GitHub asks for a review: the last pattern that matches."""
    found = []
    for line in (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern, *named = line.split()
            if pattern == "*" or f"/{path}".startswith(pattern):
                found = named
    return {name.partition("/")[2] for name in found}


def readme_owner(layer):
    said = (ROOT / "projects" / layer / "README.md").read_text(encoding="utf-8")
    (team,) = re.findall(r"\*\*Owner:\*\* (\w+ team)\.", said)
    return team.replace(" ", "-")


def functions(layer):
    """The functions whose change starts a layer's workflow."""
    started = (path.split("/") for path in workflows.patterns(layer) if path.startswith("lambdas/"))
    return {name for _, name, *_ in started} & set(packages.functions())


@pytest.mark.parametrize("layer", OWNED)
def test_a_layer_is_its_teams_its_functions_too_and_its_contract_everybodys(layer):
    team = readme_owner(layer)
    assert owners(f"projects/{layer}/__main__.py") == {team}
    others = {function for each in workflows.upstream(layer) for function in functions(each)}
    for function in functions(layer) - others:
        assert owners(f"lambdas/{function}/main.py") == {team}
    assert team in owners("shared/contracts.py")


def test_every_project_has_a_workflow_and_somebody_who_owns_it():
    programs = {path.parent.name for path in ROOT.glob("projects/*/Pulumi.yaml")}
    assert set(OWNED) == programs
    assert {layer for layer in programs if owners(f"projects/{layer}/x.py") == owners("x.py")} == set()


def test_who_may_deploy_is_no_layers_team_alone():
    assert owners(".github/workflows/network.yml") == owners("shared/naming.py") == {"platform-team"}


def test_every_owned_path_is_there():
    lines = (ROOT / ".github" / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    named = [line.split()[0] for line in lines if line.startswith("/")]
    assert [path for path in named if not (ROOT / path.strip("/")).exists()] == []


# Their steps


def test_each_step_is_run_by_a_test_or_named_as_one_that_is_not():
    everything = {each.name: each for each in steps()}
    assert {name for name, each in everything.items() if each.script} == LIVE | HERE | PLAYED
    used = {str(each.content["uses"]).partition("@")[0] for each in everything.values() if not each.script}
    assert {name for name in used if not name.startswith("./")} == NOT_RUN


def test_without_an_account_it_is_said_that_nothing_is_planned(runner):
    ran = runner.run(step("layer.no-account: say that nothing is planned"))
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
def test_a_deployment_is_asked_for_by_its_plan_and_with_its_bake(runner, tmp_path, region, bake, asked):
    runner.checkout = program(tmp_path, 0)
    given = {"ENVIRONMENT": "live", "LAYER": "data", "REGION": region, "BAKE": bake}
    assert runner.run(step("deploy.deploy: deploy"), **given).code == 0
    words = (tmp_path / "asked").read_text().split()
    assert sorted(words) == sorted(f"deploy {asked} --environment live --target aws --plan plan.json --yes".split())


@pytest.mark.parametrize("code", [0, 1])
def test_all_tests_are_run_and_the_job_ends_as_they_end(runner, tmp_path, code):
    runner.checkout = program(tmp_path, code)
    assert runner.run(step("test.test: lint and all tests")).code == code
    assert (tmp_path / "asked").read_text() == "test\n"


def test_a_layer_that_the_environment_does_not_have_is_not_planned_and_ends_well(runner):
    given = {"ENVIRONMENT": "payments", "LAYER": "vault", "REGION": ""}
    ran = runner.run(step("deploy.plan: plan"), **given)
    assert (ran.code, ran.outputs) == (0, {"changes": "false"}), ran.said
    assert "::notice::environment payments has no vault" in ran.said


def test_without_a_graph_no_layer_counts_as_missing(runner):
    ran = runner.run(step("deploy.plan: plan"), ENVIRONMENT="nowhere", LAYER="vault", REGION="")
    assert ran.code == 1
    assert not ran.outputs


def test_an_engine_is_found(runner):
    ran = runner.run(step("aws: find the engine"))
    assert ran.code == 0, ran.said
    assert "executable" in ran.said


def test_the_passphrase_is_in_a_file_of_the_runners_and_in_no_log(runner):
    asked = "secretsmanager get-secret-value --secret-id arn:x --query SecretString --output text"
    runner.answers["aws"] = f'[ "$*" = "{asked}" ] && echo open-sesame'
    ran = runner.run(
        step("aws: read the passphrase"), BACKEND="s3://states?region=us-west-2", PASSPHRASE="arn:x", KEY=""
    )
    assert (ran.code, ran.said) == (0, "")
    assert ran.variables["PULUMI_BACKEND_URL"] == "s3://states?region=us-west-2"
    file = Path(ran.variables["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert file.read_text() == "open-sesame\n"
    assert file.stat().st_mode & 0o077 == 0
    assert "open-sesame" not in str(ran.variables)


def test_where_a_key_encrypts_the_secrets_no_passphrase_is_read(runner):
    runner.answers["aws"] = "exit 254"
    key = "awskms://alias/pulumi-state?region=us-west-2"
    ran = runner.run(step("aws: read the passphrase"), BACKEND="s3://states?region=us-west-2", KEY=key, PASSPHRASE="")
    assert (ran.code, ran.said) == (0, "")
    assert ran.variables == {"PULUMI_BACKEND_URL": "s3://states?region=us-west-2", "PULUMI_SECRETS_PROVIDER": key}


def test_without_the_passphrase_the_job_ends(runner):
    runner.answers["aws"] = "echo AccessDenied >&2; exit 254"
    ran = runner.run(step("aws: read the passphrase"), BACKEND="s3://states", PASSPHRASE="arn:x", KEY="")
    assert ran.code == 254
    assert ran.variables == {}


OLDER, SAME, NEWER = "a" * 40, "0123456789012345678901234567890123456789", "b" * 40


def listed(number, commit=NEWER, event="push", status="completed"):
    """A run of a layer's workflow, as `gh run list --json` says it."""
    return {"databaseId": number * 10, "event": event, "headSha": commit, "number": number, "status": status}


def played(plan, deploy, where="secondary"):
    """The jobs of a run in one place, as GitHub says them: (status, conclusion) of each."""
    jobs = {"test": ("completed", "success"), f"{where} / plan": plan, f"{where} / deploy": deploy}
    return [
        {"name": f"compute / {name}", "status": status, "conclusion": conclusion}
        for name, (status, conclusion) in jobs.items()
    ]


COMPUTE = {"GH_REPO": "payments-org/payments", "GH_TOKEN": "t", "LAYER": "compute", "WHERE": "secondary"}
GOOD, SKIPPED, FAILED, RUNNING, ASKED = (
    *(("completed", "success"), ("completed", "skipped"), ("completed", "failure")),
    *(("in_progress", None), ("waiting", None)),
)


GITHUB = """
    choice=${@: -1}
    case $* in
        "run list --workflow compute.yml --branch main "*) printf "%s" "$RUNS" | jq -r "$choice" ;;
        "api repos/payments-org/payments/actions/runs/17/jobs"*) printf "%s" "$OWN" | jq -r "$choice" ;;
        "api repos/payments-org/payments/actions/runs/"?0"/jobs"*)
            echo x >> "$RUNNER_TEMP/looked"
            if [ -n "$THEN" ] && [ "$(wc -l < "$RUNNER_TEMP/looked")" -gt 2 ]; then JOBS=$THEN; fi
            printf "%s" "$JOBS" | jq -r "$choice" ;;
        *) exit 9 ;;
    esac
"""
"""What `gh` is told to choose is chosen by jq, as by the one that it has in it."""


def in_order(runner, runs, jobs, then=None, **given):
    """What comes of run 7 beside others with these jobs, and with those of `then` from the third look on."""
    runner.answers["gh"] = GITHUB
    said = {"RUNS": runs, "JOBS": {"jobs": jobs}, "OWN": {"jobs": played(GOOD, RUNNING)}}
    asked = {name: json.dumps(each) for name, each in said.items()}
    after, soon = json.dumps({"jobs": then}) if then else "", {"LONGEST": "5", "PAUSE": "0.01"}
    return runner.run(step("order: keep the order of main"), **{**COMPUTE, **soon, **asked, "THEN": after, **given})


@with_jq
@pytest.mark.parametrize(
    ("runs", "jobs", "ends"),
    [
        pytest.param([], [], False, id="there is no other run"),
        pytest.param([listed(6, OLDER)], played(GOOD, GOOD), False, id="an older one has deployed"),
        pytest.param([listed(8)], played(GOOD, GOOD), True, id="a newer one has deployed"),
        pytest.param([listed(8)], played(GOOD, RUNNING), True, id="a newer one is deploying"),
        pytest.param([listed(8)], played(GOOD, FAILED), True, id="a newer one has ended in the middle"),
        pytest.param([listed(8)], played(GOOD, SKIPPED), True, id="a newer one, a revert, had nothing to do"),
        pytest.param([listed(8)], played(FAILED, SKIPPED), False, id="the plan of a newer one was refused"),
        pytest.param([listed(8)], played(GOOD, ASKED), False, id="a newer one waits for approval"),
        pytest.param([listed(8)], played(GOOD, GOOD, "primary"), False, id="a newer one has deployed elsewhere"),
        pytest.param([listed(8)], [], False, id="a newer one is being tested"),
        pytest.param([listed(8, SAME)], played(GOOD, GOOD), False, id="the same commit was run by hand"),
        pytest.param([listed(8, event="pull_request")], played(GOOD, GOOD), False, id="a fork's main"),
        pytest.param([listed(9), listed(8)], played(GOOD, GOOD), True, id="two newer ones"),
    ],
)
def test_an_older_commit_does_not_go_over_a_newer_one(runner, runs, jobs, ends):
    ran = in_order(runner, runs, jobs)
    assert ran.code == int(ends), ran.said
    assert ran.said.startswith(f"::error::{NEWER} is newer, and compute (secondary) is") if ends else not ran.said


@with_jq
def test_a_revert_is_not_planned_while_what_it_reverts_is_being_deployed(runner):
    """It would find nothing to do, and what it reverts would be deployed afterwards."""
    deploying = [listed(6, OLDER, status="in_progress")]
    ran = in_order(runner, deploying, played(GOOD, RUNNING), then=played(GOOD, GOOD))
    assert ran.code == 0, ran.said
    assert ran.said.splitlines() == [f"compute (secondary): {OLDER} is being deployed"] * 2


@with_jq
@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param(played(GOOD, ASKED), id="waits for approval"),
        pytest.param(played(GOOD, RUNNING, "primary"), id="is deployed elsewhere"),
    ],
)
def test_nobody_waits_for_an_older_commit_that_is_not_being_deployed_there(runner, jobs):
    ran = in_order(runner, [listed(6, OLDER, status="in_progress")], jobs)
    assert (ran.code, ran.said) == (0, "")


@with_jq
def test_a_deployment_that_does_not_end_is_not_waited_for_for_ever(runner):
    deploying = [listed(6, OLDER, status="in_progress")]
    ran = in_order(runner, deploying, played(GOOD, RUNNING), LONGEST="1", PAUSE="0.3")
    assert ran.code == 1
    assert f"::error::{OLDER} is still being deployed after 1 s" in ran.said


def test_where_github_does_not_answer_nothing_is_deployed(runner):
    for silent in ("runs/17/jobs", "run list", "runs/80/jobs"):
        runner.answers["gh"] = f"""
            case $* in
                *"{silent}"*) exit 3 ;;
                "run list"*) echo "80 b" ;;
                *runs/17/jobs*) echo true ;;
                *) echo false ;;
            esac
        """
        ran = runner.run(step("order: keep the order of main"), **COMPUTE)
        assert ran.code, silent


@with_jq
def test_where_github_names_the_jobs_otherwise_it_is_said_and_nothing_is_deployed(runner):
    own = {"jobs": played(GOOD, RUNNING, "secondary region")}
    ran = in_order(runner, [], [], OWN=json.dumps(own))
    assert ran.code == 1
    assert "this run has no job called .../ secondary / plan" in ran.said


@pytest.mark.parametrize(
    ("states", "code", "said"),
    [
        ("network='completed success' data='completed success'", 0, ""),
        ("network='' data=''", 0, ""),  # neither was started by this commit
        ("network='completed failure' data=''", 1, "network ended with failure"),
        ("network='completed cancelled' data=''", 1, "network ended with cancelled"),
        ("network='' data='waiting '", 1, "data is not deployed after 1 s (waiting )"),
    ],
)
def test_a_layer_is_deployed_after_what_it_reads(runner, states, code, said):
    runner.answers["gh"] = f"""
        [ "$1 $2 $5 $6" = "run list --commit $GITHUB_SHA" ] || exit 9
        {states}
        name=${{4%.yml}}; if [ -n "${{!name}}" ]; then echo "${{!name}}"; fi
    """
    waiting = step("deploy.plan: wait for the layers that it reads")
    given = {"GH_REPO": "payments-org/payments", "GH_TOKEN": "t", "LONGEST": "1", "PAUSE": "0.3"}
    ran = runner.run(waiting, UPSTREAM="network data", **given)
    assert ran.code == code, ran.said
    assert said in ran.said


def test_a_layer_waits_as_long_as_what_it_reads_is_being_deployed(runner):
    runner.answers["gh"] = (
        'seen=$RUNNER_TEMP/seen; echo x >> "$seen"\n'
        'if [ "$(wc -l < "$seen")" -lt 3 ]; then echo "in_progress "; else echo "completed success"; fi'
    )
    waiting = step("deploy.plan: wait for the layers that it reads")
    ran = runner.run(waiting, UPSTREAM="network", GH_REPO="a/b", GH_TOKEN="t", PAUSE="0.01")
    assert ran.code == 0, ran.said
    assert ran.said.splitlines() == ["network: in_progress "] * 2


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
def test_a_comment_is_written_once_and_replaced_from_then_on(runner, tmp_path, known, does):
    runner.checkout = tmp_path
    runner.answers["gh"] = RECORDED + f'case $* in *--paginate*) echo "{known}";; esac'
    ran = runner.run(step("comment.comment: comment"), ABOUT="drill", GH_TOKEN="t", NUMBER="5", TEXT=HOSTILE)
    assert (ran.code, ran.said) == (0, "")
    asked = (runner.temporary / "asked").read_text()
    assert f"--method {does}" in asked
    assert f"<!-- drill -->\n{HOSTILE}\n" in asked
    assert not (tmp_path / "stolen").exists()


@with_jq
def test_only_its_own_comment_is_replaced(runner):
    """What `gh` is told to choose, chosen by jq as by the one that it has in it."""
    bot, person = {"login": "github-actions[bot]"}, {"login": "somebody"}
    comments = [
        {"id": 1, "user": person, "body": "<!-- drill -->\nmine"},
        {"id": 2, "user": bot, "body": "<!-- plan of edge -->\n"},
        {"id": 3, "user": bot, "body": "<!-- drill -->\n"},
        {"id": 4, "user": bot, "body": "<!-- drill -->\nlater"},
    ]
    choose = 'case $* in *--paginate*) echo "$COMMENTS" | jq -r "$5";; esac'
    runner.answers["gh"] = RECORDED + choose
    given = {"ABOUT": "drill", "GH_TOKEN": "t", "NUMBER": "5", "TEXT": "x", "COMMENTS": json.dumps(comments)}
    ran = runner.run(step("comment.comment: comment"), **given)
    assert (ran.code, ran.said) == (0, "")
    assert "PATCH repos/payments-org/payments/issues/comments/3 " in (runner.temporary / "asked").read_text()


@pytest.mark.parametrize(("code", "ends"), [("0", 0), ("1", 1), ("75", 0), ("130", 130)])
def test_a_stack_that_is_being_changed_is_a_warning_and_no_difference(runner, tmp_path, code, ends):
    """75: another run was changing a stack, and nothing else differs."""
    runner.checkout = program(tmp_path, code)
    ran = runner.run(step("drift.drift: compare"), ENVIRONMENT="payments", TARGET="aws")
    assert ran.code == ends
    assert ("::warning::another run was changing a stack" in ran.said) == (code == "75")


@pytest.mark.parametrize(("known", "does"), [("", "issue create --title"), ("12", "issue comment 12 --body-file")])
def test_drift_is_one_issue_as_long_as_it_is_open(runner, known, does):
    runner.answers["gh"] = RECORDED + f'case $* in "issue list"*) echo "{known}";; esac'
    ran = runner.run(step("drift.tell: open an issue, or add to it"), GH_REPO="a/b", GH_TOKEN="t", TEXT=HOSTILE)
    assert (ran.code, ran.said) == (0, "")
    assert does in (runner.temporary / "asked").read_text()
    told = (runner.temporary / "drift.md").read_text()
    assert told == f"https://github.com/payments-org/payments/actions/runs/17\n\n{HOSTILE}\n"


@pytest.mark.parametrize(
    ("code", "verdict"),
    [("0", "every objective held"), ("1", "an objective did not hold"), ("3", "nothing can be said (exit code 3)")],
)
def test_a_verdict_names_the_fault_links_the_picture_and_ends_the_job_as_the_drill_ended(
    runner, tmp_path, code, verdict
):
    runner.checkout = tmp_path
    (tmp_path / "drill.txt").write_text("RTO, worst  55.0 s\ntext<<end\n")
    report = "https://github.com/a/b/actions/runs/17/artifacts/3"
    ran = runner.run(step("drill.drill: verdict"), CODE=code, FAULT="hang", REPORT=report)
    assert str(ran.code) == code
    assert f"### Drill (hang): {verdict}" in ran.outputs["text"]
    assert f"]({report})" in ran.outputs["text"]
    assert "RTO, worst  55.0 s\ntext<<end" in ran.outputs["text"]
    assert ran.summary.rstrip("\n") == ran.outputs["text"].rstrip("\n")


# A plan as a comment


REPLACED = ForeseenResource(
    "replace",
    "urn:pulumi:payments::data::aws:dynamodb/table:Table::payments",
    "aws:dynamodb/table:Table",
    "payments",
    forced_by=["hashKey"],
    danger="holds data (table)",
)


def stack(layer, state="fresh", **said):
    return ForeseenStack(
        f"{layer}/payments", layer, **{"planned": True, "why": "its sources have changed", **said}, state=state
    )


def forecast(*stacks, broken=()):
    return Forecast("payments", "aws", "", "", "ana@laptop", "2026-11-25T08:00:00Z", list(stacks), list(broken))


def test_a_plan_says_what_changes_what_goes_who_reads_it_and_who_else_would_run():
    made = forecast(
        stack("network"),
        stack(
            "data",
            "changes",
            resources=[REPLACED],
            outputs={"table_name": "changes", "kms_key_arn": "changes"},
            readers={"compute": ["table_name"], "edge": ["table_name"]},
            update="1",
        ),
        stack("edge", "unchanged", planned=False),
    )
    said = plan_comment.comment("data", made)
    assert "| **data/payments** | changes | ±1 | its sources have changed |" in said
    assert "| edge/payments | stale (unchanged) |" in said
    assert "network/payments" not in said
    assert "- data/payments: replace aws:dynamodb/table:Table `payments`: hashKey, **holds data (table)**" in said
    assert "- data/payments: `table_name` changes, read by compute, edge" in said
    assert "kms_key_arn" not in said
    assert made.summary() in said
    assert plan_comment.changes("data", made)
    assert not plan_comment.changes("network", made)
    assert not plan_comment.changes("edge", made), "it is not this plan's to deploy"


def test_all_outputs_of_a_new_stack_are_new_and_not_listed():
    new = stack("data", "changes", outputs={"table_name": "is new"}, readers={"compute": ["table_name"]})
    assert "table_name" not in plan_comment.comment("data", forecast(new))


def test_a_policy_that_is_violated_and_a_contract_that_is_broken_are_said():
    made = forecast(
        stack("data", "refused", refused=["policy violated: a | b\nopen to all"]), broken=["compute reads data.x"]
    )
    said = plan_comment.comment("data", made)
    assert "- data/payments: policy violated: a \\| b open to all\n- compute reads data.x\n" in said


def test_a_layer_that_the_environment_does_not_have_is_said():
    said = plan_comment.comment("vault", forecast(stack("data", "changes")))
    assert "Environment payments has no vault" in said
    assert "| data/payments | changes |" in said


def test_nothing_to_do_is_said():
    assert "Nothing of this layer would change." in plan_comment.comment("data", forecast(stack("data")))


def test_a_plan_is_read_as_it_was_printed(tmp_path):
    made = forecast(stack("data", "changes", resources=[REPLACED]))
    path = tmp_path / "told.json"
    path.write_text(json.dumps(made.to_json()))
    assert plan_comment.read(path).to_json() == json.loads(path.read_text())


def test_a_plan_that_never_came_is_said_and_deploys_nothing(tmp_path, capsys):
    path = tmp_path / "plan.json"
    path.write_text("")
    assert plan_comment.main(["data", str(path), "--outputs"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("changes=false\ntext<<end-")
    assert "the log of this run says why" in told


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"format": 1}', '{"format": 1, "stacks": [7]}', "\xff", "[" * 100_000, None],
    ids=range(8),
)
def test_what_is_no_plan_is_one_line(tmp_path, capsys, content):
    path = tmp_path / "plan.json"
    path.mkdir() if content is None else path.write_bytes(content.encode("latin-1"))
    assert plan_comment.main(["data", str(path)]) == 1
    said = "holds no plan" if content is not None else "Is a directory"
    assert capsys.readouterr().err == f"error: {path}: {said}; write it with ./invoke plan --json\n"


def test_a_comment_is_never_longer_than_github_takes():
    made = forecast(stack("data", "changes", resources=[REPLACED] * 2_000))
    assert len(plan_comment.comment("data", made)) <= plan_comment.LONGEST + 1
