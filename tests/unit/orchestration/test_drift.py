"""Drift is what differs from what the programs ask for: not what they leave to others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.backend import Checkpoint
from engine.events import Events, ResourceChange
from orchestration.driver import Blaming, Drift, RunContext
from orchestration.execute import Executor, Outcome, StepStatus
from orchestration.operate import _exit_code
from orchestration.plan import Freshness, Judgement, Operation, Plan, Step
from shared.environment import Environment
from shared.errors import Problem
from shared.stack import Stack

DATA = Stack("data", "payments")
LOCKED = "another run is changing this stack (ci@runner, process 7, since 2026-11-27T05:17:00Z): wait for it to end"
STEP = Step(DATA, frozenset(), Judgement(Freshness.STALE, ""))
SECRET = "aws:secretsmanager/secretVersion:SecretVersion"


def drifted(*changes, ignored=("secretString", "versionStages"), withdrawn=False):
    events = Events(changes={"update": 9}, _refreshed={change.urn: change for change in changes})
    state = Checkpoint([{"urn": "urn::keys", "type": SECRET, "ignoreChanges": list(ignored)}])
    context: Any = SimpleNamespace(
        target=SimpleNamespace(backend=SimpleNamespace(checkpoint=lambda _: state)),
        operations=SimpleNamespace(run=lambda *_: events),
        fingerprints=SimpleNamespace(withdrawn=lambda _: withdrawn),
    )
    ran: RunContext = context
    return Drift(ran).run(STEP)


def update(*properties, urn="urn::keys"):
    return ResourceChange("update", urn, SECRET, properties=properties)


@pytest.mark.parametrize(
    ("properties", "left"),
    [
        (["secretString"], None),
        (["secretString", "versionStages[0]"], None),
        (["secretString", "kmsKeyId"], ["kmsKeyId"]),
        (["secretStringBinary"], ["secretStringBinary"]),
        ([], None),
    ],
)
def test_what_the_program_ignores_is_left_out(properties, left):
    work = drifted(update(*properties))
    assert [list(change.properties) for change in work.resources] == ([left] if left else [])
    assert dict(work.changes) == ({"update": 1} if left else {})


def test_what_is_inside_an_ignored_property_is_left_out():
    assert drifted(update("tags.Owner"), ignored=["tags"]).resources == ()
    assert drifted(update("tags.Owner"), ignored=["tags.CostCenter"]).resources != ()


def test_what_is_gone_is_drift_whatever_the_program_ignores():
    gone = ResourceChange("delete", "urn::keys", SECRET, properties=("secretString",))
    assert dict(drifted(gone).changes) == {"delete": 1}


def test_another_resource_ignores_nothing():
    assert dict(drifted(update("secretString", urn="urn::other")).changes) == {"update": 1}


SERVES = (
    ResourceChange("update", "urn::payment", "aws:lambda/alias:Alias", properties=("functionVersion",)),
    ResourceChange("update", "urn::api", "aws:apigateway/stage:Stage", properties=("deployment",)),
)
OTHER = ResourceChange("update", "urn::health", "aws:lambda/alias:Alias", properties=("description", "functionVersion"))


def test_after_a_rollback_what_serves_is_no_drift_and_is_told():
    work = drifted(*SERVES, withdrawn=True)
    assert (dict(work.changes), work.resources) == ({}, ())
    assert "rolled back" in work.remark


def test_after_a_rollback_anything_else_is_drift():
    work = drifted(*SERVES, OTHER, withdrawn=True)
    assert (dict(work.changes), work.resources) == ({"update": 1}, (OTHER,))


def test_without_a_rollback_what_serves_is_drift():
    work = drifted(*SERVES)
    assert (dict(work.changes), work.remark) == ({"update": 2}, "")


def test_a_stack_that_is_being_changed_is_not_compared_and_no_difference():
    """The kind: that nothing could be seen is told as something that was seen."""

    def locked(*_):
        raise Problem(LOCKED)

    context: Any = SimpleNamespace(
        target=SimpleNamespace(
            backend=SimpleNamespace(checkpoint=lambda _: Checkpoint()), trouble=lambda *_: "the cloud is out"
        ),
        operations=SimpleNamespace(run=locked),
    )
    ran: RunContext = context
    outcomes = outcome_of(Blaming(Drift(ran), context.target, Environment.load("payments")))
    assert [(each.status, each.message) for each in outcomes] == [(StepStatus.UNCOMPARED, LOCKED)]
    assert _exit_code(Operation.DRIFT, outcomes) == 75


def outcome_of(driver):
    seen: Any = SimpleNamespace(started=lambda *_: None, finished=lambda _: None)
    return Executor(driver, seen).run(Plan(Operation.DRIFT, (STEP,)))


@pytest.mark.parametrize(
    "others", [[Outcome(DATA, StepStatus.CHANGED, {"update": 1})], [Outcome(DATA, StepStatus.FAILED)]]
)
def test_what_differs_or_fails_beside_it_is_told_as_ever(others):
    assert _exit_code(Operation.DRIFT, [Outcome(DATA, StepStatus.UNCOMPARED), *others]) == 1
