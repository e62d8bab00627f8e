from __future__ import annotations

import json
import subprocess
import sys

import pytest

from engine.events import ResourceChange
from orchestration import report
from orchestration.execute import Outcome, StepStatus
from orchestration.graph import Graph
from orchestration.plan import Freshness, Judgement, Operation, make
from shared.stack import Stack

GRAPH = Graph.of("payments")
DATA, EDGE = Stack("data", "payments"), Stack("edge", "payments")
PLAN = make(Operation.DEPLOY, GRAPH, [DATA, EDGE], lambda _: Judgement(Freshness.STALE, "new"))
OUTCOMES = (
    Outcome(DATA, StepStatus.CHANGED, {"create": 51, "update": 1}, 3.42),
    Outcome(EDGE, StepStatus.FAILED, {}, 1.0, "Record api[0]: is taken"),
)


def test_the_table_has_stack_result_changes_time_and_message(capsys):
    report.show(PLAN, OUTCOMES, "Next: ./invoke pay")
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["stack", "result", "changes", "time"]
    assert shown[1].split() == ["data/payments", "deployed", "+51", "~1", "3.4", "s"]
    assert shown[2].split(maxsplit=4) == ["edge/payments", "failed", "1.0", "s", "Record api[0]: is taken"]
    assert shown[-1] == "Next: ./invoke pay"


def test_lines_go_to_standard_error(capsys):
    lines = report.Lines(PLAN)
    lines.started(PLAN.steps[0], "new")
    for outcome in OUTCOMES:
        lines.finished(outcome)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "data/payments  deploying (new)",
        "data/payments  deployed, +51 ~1, 3.4 s",
        "edge/payments  failed, 1.0 s: Record api[0]: is taken",
    ]


def test_rows_are_json():
    (first, second) = json.loads(json.dumps(report.rows(OUTCOMES)))
    assert first["changes"] == {"create": 51, "update": 1}
    assert (second["status"], second["role"]) == ("failed", None)


def changed(operation, kind, name, *, known="", **differs):
    outputs = {"name": known, "region": "us-east-1"}
    return ResourceChange(operation, f"urn::{name}", kind, before={"id": known, "outputs": outputs}, **differs)


CHANGES = (
    changed("create", "aws:s3/bucket:Bucket", "new"),
    changed("update", "aws:lambda/function:Function", "payment", known="payment", properties=("code", "memorySize")),
    changed(
        "replace",
        "aws:dynamodb/table:Table",
        "payments",
        known="payments-x7k2",
        properties=("name",),
        forcing=("name",),
    ),
    changed("delete", "aws:iam/role:Role", "audit", known="audit"),
)
GONE = ["± aws:dynamodb/table:Table payments (payments-x7k2): name; holds data", "- aws:iam/role:Role audit"]
REST = ["~ aws:lambda/function:Function payment: code, memorySize", "+ aws:s3/bucket:Bucket new"]


@pytest.mark.parametrize(("details", "lines"), [(False, GONE), (True, [*GONE, *REST])])
def test_a_preview_names_what_goes_and_with_details_everything(capsys, details, lines):
    plan = make(Operation.PREVIEW, GRAPH, [DATA, EDGE], lambda _: Judgement(Freshness.STALE, ""))
    outcomes = (Outcome(DATA, StepStatus.CHANGED, {"create": 1}, resources=CHANGES), Outcome(EDGE, StepStatus.FRESH))
    report.show(plan, outcomes, "", details=details)
    shown = capsys.readouterr().out.splitlines()
    named = shown[shown.index("data/payments") + 1 :]
    assert sorted(line.strip() for line in named) == sorted(lines)
    assert [line.strip() for line in named[: len(GONE)]] == GONE
    assert "edge/payments" not in shown[3:]


def test_a_deployment_shows_its_table_alone(capsys):
    report.show(PLAN, (Outcome(DATA, StepStatus.CHANGED, {"create": 1}, resources=CHANGES),), "")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_json_has_every_resource():
    (row,) = json.loads(json.dumps(report.rows([Outcome(DATA, StepStatus.CHANGED, resources=CHANGES)])))
    assert [each["operation"] for each in row["resources"]] == ["replace", "delete", "update", "create"]
    replaced = row["resources"][0]
    assert (replaced["id"], replaced["properties"], replaced["forced_by"]) == ("payments-x7k2", ["name"], ["name"])
    assert [each["holds_data"] for each in row["resources"]] == [True, False, False, False]


@pytest.mark.parametrize("name", ["arn:aws:secretsmanager:us-east-1:1:secret:keys", "api[0]", "x" * 400])
def test_what_is_printed_can_be_copied(capsys, name):
    """Neither wrapped, nor taken for markup or for the name of an emoji."""
    change = changed("delete", "aws:iam/role:Role", "role", known=name)
    plan = make(Operation.PREVIEW, GRAPH, [DATA], lambda _: Judgement(Freshness.STALE, ""))
    report.show(plan, (Outcome(DATA, StepStatus.FAILED, message=name[:99], resources=(change,)),), f"Next: {name}")
    shown = capsys.readouterr().out.splitlines()
    assert f"  - aws:iam/role:Role role ({name})" in shown
    assert shown[-1] == f"Next: {name}"
    assert name[:99] in shown[1]


def test_the_picture_names_every_stack_and_what_it_reads():
    picture = report.picture(GRAPH).splitlines()
    assert len(picture) == 8
    assert picture[2] == "data/payments"
    assert "compute/payments-primary" in picture[4]
    assert picture[4].endswith("; released after compute/payments-secondary")


@pytest.mark.parametrize(
    "module",
    ["orchestration.commands", "orchestration.operate", "orchestration.targets.aws", "orchestration.targets.sandbox"],
)
def test_the_quick_path_imports_neither_pulumi_nor_the_sdk_of_aws(module):
    code = f"import sys, {module}; print({{'pulumi', 'boto3', 'botocore', 'grpc', 'rich'}} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "set()"


def test_a_table_that_goes_to_a_file_is_not_padded(capsys):
    report.show(PLAN, (*OUTCOMES, Outcome(EDGE, StepStatus.SKIPPED, message="x" * 500)), "Next: ./invoke pay")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert all(len(line) <= report.WIDE for line in lines)


def test_progress_has_units(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    lines = report.Lines(PLAN)
    lines.progress(DATA, 12)
    lines.progress(EDGE, 1)
    said = capsys.readouterr().err
    assert "data/payments: 12 resources" in said
    assert "edge/payments: 1 resource" in said.split("12 resources")[-1]
