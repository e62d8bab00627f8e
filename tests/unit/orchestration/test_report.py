from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
