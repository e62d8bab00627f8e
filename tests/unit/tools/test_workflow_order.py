"""In which order GitHub's workflows deploy: after what a layer reads, the secondary first, the newest commit last."""

from __future__ import annotations

import json

import pytest

from tests.doubles.github import documents, step, with_jq


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


def in_order(github_runner, runs, jobs, then=None, **given):
    """What comes of run 7 beside others with these jobs, and with those of `then` from the third look on."""
    github_runner.answers["gh"] = GITHUB
    said = {"RUNS": runs, "JOBS": {"jobs": jobs}, "OWN": {"jobs": played(GOOD, RUNNING)}}
    asked = {name: json.dumps(each) for name, each in said.items()}
    after, soon = json.dumps({"jobs": then}) if then else "", {"LONGEST": "5", "PAUSE": "0.01"}
    given = {**COMPUTE, **soon, **asked, "THEN": after, **given}
    return github_runner.run(step("order: keep the order of main"), **given)


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
def test_an_older_commit_does_not_go_over_a_newer_one(github_runner, runs, jobs, ends):
    ran = in_order(github_runner, runs, jobs)
    assert ran.code == int(ends), ran.said
    assert ran.said.startswith(f"::error::{NEWER} is newer, and compute (secondary) is") if ends else not ran.said


@with_jq
def test_a_revert_is_not_planned_while_what_it_reverts_is_being_deployed(github_runner):
    """It would find nothing to do, and what it reverts would be deployed afterwards."""
    deploying = [listed(6, OLDER, status="in_progress")]
    ran = in_order(github_runner, deploying, played(GOOD, RUNNING), then=played(GOOD, GOOD))
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
def test_nobody_waits_for_an_older_commit_that_is_not_being_deployed_there(github_runner, jobs):
    ran = in_order(github_runner, [listed(6, OLDER, status="in_progress")], jobs)
    assert (ran.code, ran.said) == (0, "")


@with_jq
def test_a_deployment_that_does_not_end_is_not_waited_for_for_ever(github_runner):
    deploying = [listed(6, OLDER, status="in_progress")]
    ran = in_order(github_runner, deploying, played(GOOD, RUNNING), LONGEST="1", PAUSE="0.3")
    assert ran.code == 1
    assert f"::error::{OLDER} is still being deployed after 1 s" in ran.said


def test_where_github_does_not_answer_nothing_is_deployed(github_runner):
    for silent in ("runs/17/jobs", "run list", "runs/80/jobs"):
        github_runner.answers["gh"] = f"""
            case $* in
                *"{silent}"*) exit 3 ;;
                "run list"*) echo "80 b" ;;
                *runs/17/jobs*) echo true ;;
                *) echo false ;;
            esac
        """
        ran = github_runner.run(step("order: keep the order of main"), **COMPUTE)
        assert ran.code, silent


@with_jq
def test_where_github_names_the_jobs_otherwise_it_is_said_and_nothing_is_deployed(github_runner):
    own = {"jobs": played(GOOD, RUNNING, "secondary region")}
    ran = in_order(github_runner, [], [], OWN=json.dumps(own))
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
def test_a_layer_is_deployed_after_what_it_reads(github_runner, states, code, said):
    github_runner.answers["gh"] = f"""
        [ "$1 $2 $5 $6" = "run list --commit $GITHUB_SHA" ] || exit 9
        {states}
        name=${{4%.yml}}; if [ -n "${{!name}}" ]; then echo "${{!name}}"; fi
    """
    waiting = step("deploy.plan: wait for the layers that it reads")
    given = {"GH_REPO": "payments-org/payments", "GH_TOKEN": "t", "LONGEST": "1", "PAUSE": "0.3"}
    ran = github_runner.run(waiting, UPSTREAM="network data", **given)
    assert ran.code == code, ran.said
    assert said in ran.said


def test_a_layer_waits_as_long_as_what_it_reads_is_being_deployed(github_runner):
    github_runner.answers["gh"] = (
        'seen=$RUNNER_TEMP/seen; echo x >> "$seen"\n'
        'if [ "$(wc -l < "$seen")" -lt 3 ]; then echo "in_progress "; else echo "completed success"; fi'
    )
    waiting = step("deploy.plan: wait for the layers that it reads")
    ran = github_runner.run(waiting, UPSTREAM="network", GH_REPO="a/b", GH_TOKEN="t", PAUSE="0.01")
    assert ran.code == 0, ran.said
    assert ran.said.splitlines() == ["network: in_progress "] * 2
