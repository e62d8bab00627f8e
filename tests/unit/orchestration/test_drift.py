"""Drift is what differs from what the programs ask for: not what they leave to others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from engine.backend import Checkpoint
from engine.events import Events, ResourceChange
from orchestration.driver import Drift, RunContext
from orchestration.plan import Freshness, Judgement, Step
from shared.stack import Stack

DATA = Stack("data", "payments")
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
