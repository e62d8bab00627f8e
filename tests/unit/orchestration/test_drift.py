"""Drift is what differs from what the programs ask for: not what they leave to others."""

from __future__ import annotations

import re
import socket
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from engine.backend import Checkpoint, FileBackend
from engine.events import Events, ResourceChange
from orchestration.driver import Blaming, Drift, RunContext
from orchestration.execute import Executor, Outcome, StepStatus
from orchestration.operate import _exit_code
from orchestration.plan import Freshness, Judgement, Operation, Plan, Step
from orchestration.recovery import LONGEST
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT
from shared.stack import Stack
from tests.doubles import locks

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


def compared(folder, *answers, held=(), trouble="the cloud is out"):
    """What becomes of a comparison that the engine answers so, one time after another, beside these locks."""
    left = list(answers)

    def run(*_):
        if (answer := left.pop(0)) is None:
            return Events()
        raise Problem(answer)

    for pid, host, hours in held:
        locks.lock(folder, DATA, pid, host, datetime.now(UTC) - timedelta(hours=hours))
    backend = FileBackend(folder)
    shown: Any = SimpleNamespace(checkpoint=lambda _: Checkpoint(), locks=backend.locks, unlock=backend.unlock)
    context: Any = SimpleNamespace(
        target=SimpleNamespace(backend=shown, state=folder / "state", trouble=lambda *_: trouble),
        operations=SimpleNamespace(run=run),
        fingerprints=SimpleNamespace(withdrawn=lambda _: False),
    )
    ran: RunContext = context
    (outcome,) = outcomes = outcome_of(Blaming(Drift(ran), context.target, Environment.load("payments")))
    assert left == []
    return outcome.status, outcome.message, _exit_code(Operation.DRIFT, outcomes)


AT_WORK = (4711, "another-machine", 4.9)
LEFT = (4711, "another-machine", 5.1)
DEAD = (9_999_999, socket.gethostname(), 0)


def test_a_stack_that_is_being_changed_is_not_compared_and_no_difference(tmp_path):
    """The kind: that nothing could be seen is told as something that was seen."""
    assert compared(tmp_path, LOCKED, held=[AT_WORK]) == (StepStatus.UNCOMPARED, LOCKED, 75)


@pytest.mark.parametrize("held", [[], [DEAD]], ids=["released meanwhile", "of a dead engine"])
def test_a_lock_that_nobody_holds_is_no_reason_not_to_compare(tmp_path, held):
    assert compared(tmp_path, LOCKED, None, held=held) == (StepStatus.UNCHANGED, "", 0)
    assert compared(tmp_path, LOCKED, LOCKED) == (StepStatus.UNCOMPARED, LOCKED, 75)


def test_a_lock_that_is_older_than_any_run_was_left_behind_and_somebody_is_told(tmp_path):
    """The kind: trouble that does not go by itself is told as trouble that will."""
    status, message, code = compared(tmp_path, LOCKED, held=[AT_WORK, LEFT], trouble="")
    assert (status, code) == (StepStatus.FAILED, 1)
    assert message.startswith(f"{DATA} is locked (ci@another-machine, process 4711, since ")
    assert "for 5 h), for longer than any run takes" in message
    assert f"`pulumi cancel --yes --stack {DATA.reference}`" in message


def test_no_run_of_the_workflows_takes_longer_than_a_lock_is_believed():
    texts = [path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")]
    minutes = [int(found) for text in texts for found in re.findall(r"timeout-minutes: (\d+)", text)]
    assert timedelta(minutes=max(minutes)) == LONGEST


def outcome_of(driver):
    seen: Any = SimpleNamespace(started=lambda *_: None, finished=lambda _: None)
    return Executor(driver, seen).run(Plan(Operation.DRIFT, (STEP,)))


@pytest.mark.parametrize(
    "others", [[Outcome(DATA, StepStatus.CHANGED, {"update": 1})], [Outcome(DATA, StepStatus.FAILED)]]
)
def test_what_differs_or_fails_beside_it_is_told_as_ever(others):
    assert _exit_code(Operation.DRIFT, [Outcome(DATA, StepStatus.UNCOMPARED), *others]) == 1
