"""The steps of GitHub's workflows that plan, deploy, compare and drill, in a checkout: not in AWS, in the sandbox."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.doubles.github import Ran, Runner, step
from tests.e2e.test_drift import BEHIND_ITS_BACK, Cloud

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Checkout

HERE = {"BAKE": "", "ENVIRONMENT": "payments", "TARGET": "sandbox"}
PROGRAM = "regions, settings = both_regions(DataSettings)\n"
"""A line of data's program."""
running_group = pytest.mark.xdist_group("running")


def ran(checkout: Checkout, folder: Path, name: str, seconds: float = 600, **given: str) -> Ran:
    return Runner(checkout.root, folder / "runner").run(step(name), seconds, **given)


@running_group
@pytest.mark.prove
def test_a_changed_layer_is_planned_on_its_pull_request_and_deployed_by_a_plan_of_each_region(
    running: Checkout, tmp_path: Path
) -> None:
    with running.edited("projects/network/flow_logs.py", "AGGREGATION_SECONDS = 60", "AGGREGATION_SECONDS = 600"):
        told = ran(running, tmp_path, "layer.plan: plan", LAYER="network", **HERE)
        assert told.code == 0, told.said
        assert told.outputs["changes"] == "true"
        assert "| **network/payments-secondary** | changes | ±1 |" in told.outputs["text"]
        gone = "- network/payments-primary: replace aws:ec2/flowLog:FlowLog `flow-logs`: maxAggregationInterval"
        assert gone in told.outputs["text"]
        assert told.summary.strip() == told.outputs["text"].strip()
        assert "\x1b" not in told.said + told.summary
        for region in ("secondary", "primary"):
            planned = ran(running, tmp_path, "deploy.plan: plan", LAYER="network", REGION=region, **HERE)
            assert planned.code == 0, planned.said
            assert planned.outputs["changes"] == "true"
            assert f"| **network/payments-{region}** | changes | ±1 |" in planned.summary
            answer = ran(running, tmp_path, "deploy.deploy: deploy", LAYER="network", REGION=region, **HERE)
            assert answer.code == 0, answer.said
            assert f"network/payments-{region}" in answer.said
            again = ran(running, tmp_path, "deploy.plan: plan", LAYER="network", REGION=region, **HERE)
            assert again.outputs["changes"] == "false", again.said
    assert running.ok("deploy", "--layer", "network", "--json").statuses.keys() == {
        "network/payments-secondary",
        "network/payments-primary",
    }


@running_group
def test_a_plan_that_a_policy_refuses_is_told_and_ends_the_job(running: Checkout, tmp_path: Path) -> None:
    with running.edited("shared/components/queues.py", "sqs_managed_sse_enabled=True", "sqs_managed_sse_enabled=False"):
        told = ran(running, tmp_path, "layer.plan: plan", LAYER="compute", **HERE)
    assert told.code == 1
    refused = "- compute/payments-secondary: aws:sqs/queue:Queue functions-dead-letters: encryption:"
    assert refused in told.outputs["text"]


@running_group
@pytest.mark.prove
def test_a_layer_that_spans_both_regions_is_deployed_by_one_job(running: Checkout, tmp_path: Path) -> None:
    with running.edited("projects/data/__main__.py", PROGRAM, f"# changed\n{PROGRAM}"):
        planned = ran(running, tmp_path, "deploy.plan: plan", LAYER="data", REGION="", **HERE)
        assert planned.code == 0, planned.said
        answer = ran(running, tmp_path, "deploy.deploy: deploy", LAYER="data", REGION="", **HERE)
    assert answer.code == 0, answer.said
    assert "data/payments" in answer.said


@running_group
@pytest.mark.prove
def test_what_differs_from_the_cloud_is_told_and_ends_the_job(running: Checkout, tmp_path: Path) -> None:
    none = ran(running, tmp_path, "drift.drift: compare", **HERE)
    assert none.code == 0, none.said
    assert "timeout" not in none.outputs["text"]
    BEHIND_ITS_BACK["a function's timeout"](Cloud(running))
    try:
        found = ran(running, tmp_path, "drift.drift: compare", **HERE)
    finally:
        running.ok("deploy-all", "--refresh")
    assert found.code == 1, found.said
    assert re.search(r"aws:lambda/function:Function audit.*: timeout", found.outputs["text"])
    assert found.summary.strip() == found.outputs["text"].strip()


@pytest.mark.prove
def test_lint_and_tests_of_a_layer_pass(running: Checkout, tmp_path: Path) -> None:
    answer = ran(running, tmp_path, "layer.test: lint and tests", seconds=3000)
    assert answer.code == 0, answer.said[-3000:]


@pytest.mark.prove
def test_a_pull_request_gets_a_drill_with_its_verdict_and_its_picture(checkout: Checkout, tmp_path: Path) -> None:
    deployed = ran(checkout, tmp_path, "drill.drill: deploy the sandbox", seconds=1200)
    assert deployed.code == 0, deployed.said
    played = ran(checkout, tmp_path, "drill.drill: drill", seconds=2400, FAULT="hang")
    assert played.outputs == {"code": "0"}, played.said
    page = (checkout.root / "drill-report.html").read_text()
    assert "<svg" in page
    told = ran(checkout, tmp_path, "drill.drill: verdict", CODE="0", FAULT="hang", REPORT="https://github.com/x")
    assert told.code == 0, told.said
    assert "### Drill (hang): every objective held" in told.outputs["text"]
    assert ran(checkout, tmp_path, "drill.drill: stop the sandbox").code == 0
    assert checkout.run("sandbox.status").code == 3
