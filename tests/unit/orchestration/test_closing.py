"""The line under a run's table can be typed as it is, and says nothing that is not so."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

import tasks
from engine.backend import Checkpoint
from engine.events import ResourceChange
from orchestration import remains as left_behind
from orchestration.choice import Choice
from orchestration.closing import closing, discarding
from orchestration.execute import Outcome, StepStatus
from orchestration.graph import Graph
from orchestration.holdings import Holder
from orchestration.operate import Result
from orchestration.plan import Freshness, Judgement, Operation, make
from shared.stack import Stack

GRAPH = Graph.of("payments")
DATA = Stack("data", "payments")
TABLE = "aws:dynamodb/table:Table"
DEPLOYED = Checkpoint([{"type": "pulumi:pulumi:Stack", "outputs": {"a": 1}}])


def closed(operation, status=StepStatus.CHANGED, *, code=0, state=DEPLOYED, resources=(), keeps="", **chosen):
    place = SimpleNamespace(
        backend=SimpleNamespace(checkpoint=lambda _: state), where="the sandbox", after_destroy="sandbox.down"
    )
    place.cli, place.keeps = SimpleNamespace(variables={}), keeps
    plan = make(operation, GRAPH, GRAPH.stacks, lambda _: Judgement(Freshness.STALE, ""))
    outcomes = [Outcome(DATA, status, resources=resources)]
    return closing(Result(plan, outcomes, code, Path("/runs/1"), {}), place, GRAPH, Choice(**chosen))


@pytest.fixture(autouse=True)
def left(monkeypatch):
    """What AWS has made by itself and nobody owns any more."""
    found = []
    monkeypatch.setattr(left_behind, "remains", lambda *_: found)
    return found


def test_what_remains_is_said_when_something_was_destroyed(left):
    left.append("aws logs delete-log-group --region us-east-1 --log-group-name '/aws/lambda/a-x7k2'")
    said = closed(Operation.DESTROY, keeps="AWS keeps a backup.").splitlines()
    assert said == [
        "Log groups that AWS made remain:",
        f"  {left[0]}",
        "AWS keeps a backup.",
        "Next: ./invoke sandbox.down",
    ]
    assert closed(Operation.DESTROY, StepStatus.UNCHANGED, keeps="x") == "Next: ./invoke sandbox.down"


@pytest.mark.parametrize("operation", [*Operation])
@pytest.mark.parametrize("status", [StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.INTERRUPTED])
def test_only_what_changes_something_goes_on_from_here(operation, status):
    line = closed(operation, status, code=1)
    assert ("goes on from here" in line) == (operation in {Operation.DEPLOY, Operation.DESTROY})
    if status is not StepStatus.INTERRUPTED:
        assert "/runs/1" in line


@pytest.mark.parametrize(
    ("operation", "options", "line"),
    [
        (Operation.DEPLOY, {}, "Next: ./invoke pay --amount 100 --currency USD --customer test-123"),
        (Operation.DEPLOY, {"state": None}, "Next: ./invoke deploy-all"),
        (Operation.PREVIEW, {}, "Next: ./invoke deploy-all"),
        (Operation.DRIFT, {}, "No drift."),
        (Operation.DRIFT, {"code": 1}, "To repair it: ./invoke deploy-all --refresh"),
        (Operation.DRIFT, {"state": None}, "Nothing is deployed in the sandbox. Next: ./invoke deploy-all"),
        (Operation.DESTROY, {}, "Next: ./invoke sandbox.down"),
    ],
)
def test_what_comes_next(operation, options, line):
    assert closed(operation, **options) == line


@pytest.mark.parametrize("operation", [Operation.DEPLOY, Operation.PREVIEW])
def test_what_comes_next_is_in_the_same_environment_and_target(operation):
    line = closed(operation, environment="trading", target="aws")
    assert line.endswith(" --environment trading --target aws")


def test_a_preview_without_changes_asks_for_no_deployment():
    assert closed(Operation.PREVIEW, StepStatus.FRESH) == "Nothing would change."


def test_a_preview_says_what_a_deployment_refuses():
    gone = ResourceChange("replace", "urn", TABLE, before={"id": "payments", "outputs": {"name": "payments"}})
    line = closed(Operation.PREVIEW, resources=(gone,))
    assert line.startswith("deploy-all refuses this")
    assert line.endswith("./invoke deploy-all --discard-data table/payments")


@pytest.mark.parametrize(
    "chosen",
    [{}, {"layer": "data"}, {"layer": "compute", "region": "secondary"}, {"target": "aws", "environment": "x"}],
)
def test_the_command_that_lets_data_go_is_the_one_that_was_typed_with_one_option_more(chosen):
    state = {"id": "payments", "outputs": {"name": "payments"}}
    holder = Holder.of(DATA, TABLE, state)
    assert holder is not None
    words = shlex.split(discarding([holder], Choice(**chosen)).partition("./invoke ")[2])
    task = tasks.deploy if "layer" in chosen else tasks.deploy_all
    known = {f"--{argument.name.replace('_', '-')}" for argument in task.get_arguments()}
    assert {word for word in words if word.startswith("--")} <= known
    given = dict(zip(words[1::2], words[2::2], strict=True))
    assert given == {f"--{name}": value for name, value in chosen.items()} | {"--discard-data": "table/payments"}
