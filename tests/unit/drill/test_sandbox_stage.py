"""The sandbox as a drill's stage: of a cloud in which other systems are deployed too, it sees its own alone."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from drill import asking, reading, sandbox_stage, watchers
from drill.records import Event
from drill.sandbox_stage import SandboxStage, spare_region
from sandbox import addresses
from shared.environment import Environment
from tests.unit.drill.test_figures import PLAN

PAYMENTS, TRADING = (Environment.load(name) for name in ("payments", "trading"))
CHECKS = {
    "payments": {
        "p-gate": "payment-api-primary-x7k2-gate",
        "p-fast": "payment-api-primary-x7k2-fast",
        "p-stop": "payment-api-secondary-x7k2-stop-switch",
    },
    "trading": {
        "t-gate": "trading-us-east-1-production-api-t9m4-gate",
        "t-fast": "trading-us-east-1-production-api-t9m4-fast",
        "t-stop": "trading-us-west-2-production-api-t9m4-stop-switch",
    },
}


@pytest.fixture(params=[(PAYMENTS, TRADING), (TRADING, PAYMENTS)], ids=["payments", "trading"])
def both(request, monkeypatch, tmp_path):
    """A stage, and the checks of the other system that is deployed in the same checkout: those are told first."""
    own, other = request.param
    names = {**CHECKS[other.name], **CHECKS[own.name]}
    stage = SandboxStage.__new__(SandboxStage)
    layout = SimpleNamespace(traffic_events=tmp_path / "events.jsonl", mail=tmp_path / "mail")
    stage._environment, stage._target, stage._box = own, None, SimpleNamespace(layout=layout)
    ill = set(CHECKS[other.name])
    checks = [{"id": each, "name": name, "healthy": each not in ill} for each, name in names.items()]
    told = {"checks": checks, "answers": {own.foundation().failover_name: "primary"}}
    monkeypatch.setattr(stage, "_told", lambda: told)
    monkeypatch.setattr(
        sandbox_stage, "health_checks", lambda _, name: {each.partition("-")[2]: each for each in CHECKS[name]}
    )
    stage._names = stage._checks()
    return stage, [*CHECKS[other.name]], [*CHECKS[own.name]]


def test_another_systems_checks_are_none_of_ours(both):
    """One that is latched from a drill before, or whose gate is ill, says nothing of this one."""
    stage, _, own = both
    standing = stage.standing()
    assert standing.gate is True
    assert len(standing.checks) == len(own)
    assert all(standing.checks.values())
    assert set(stage._names) == {*own}, "the checkers that are asked before the load"


def test_what_another_systems_checks_found_is_no_event_of_ours(both):
    """Its faster checks would else have found out for ours, too soon or in time."""
    stage, others, own = both
    lines = [
        {"at": 1000.0 + at, "what": "status", "check": check, "healthy": False, "checkers": 2}
        for at, check in enumerate([*others, *own, "of-nobody"])
    ]
    stage._box.layout.traffic_events.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    found = list(stage.events(0.0))
    assert [(each.at, each.kind, each.what) for each in found] == [
        (1000.0 + at, "health", "unhealthy") for at in range(len(others), len(others) + len(own))
    ]
    assert all(isinstance(each, Event) and each.subject != "of-nobody" for each in found)


@pytest.mark.parametrize(("region", "accused"), [("primary", True), ("secondary", False)])
def test_a_latch_whose_own_region_is_broken_may_stand_still(both, monkeypatch, region, accused):
    """An outage may take the secondary out for a while: nothing runs there then."""
    stage, _, _ = both
    stage.clock = SimpleNamespace(now=lambda: 1_500.0)
    stage._target = SimpleNamespace(gateways={})
    stage._box.layout.traffic_events.touch()
    monkeypatch.setattr(reading, "places", lambda *_: SimpleNamespace(aws=None))
    monkeypatch.setattr(asking, "regions", lambda *_: "")
    monkeypatch.setattr(watchers, "alarms", lambda *_, **__: iter(()))
    monkeypatch.setattr(watchers, "runs", lambda *_, metric: 4.0 if metric == "Invocations" else 0.0)
    steps: Any = [{"at": 0.0, "faults": [{"region": region}]}]
    outage = replace(PLAN, steps=steps)
    told = [each for each in stage.lies(outage, 1_000.0, 1_480.0) if each]
    assert told == (["the latch ran 4 times in 480 s, and is to run every minute"] if accused else [])


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING], ids=["payments", "trading"])
def test_no_system_is_served_through_the_region_that_the_self_test_refuses(environment):
    """Each one's witness is the other's secondary."""
    serving = {each.region(role) for each in (PAYMENTS, TRADING) for role in ("primary", "secondary")}
    assert environment.regions.witness in serving
    assert spare_region(environment, addresses.endpoints(4566)) not in serving


def test_the_witness_is_refused_where_nobody_is_served_there(tmp_path):
    (tmp_path / "environments").mkdir()
    assert spare_region(PAYMENTS, addresses.endpoints(4566), tmp_path) == PAYMENTS.regions.witness
