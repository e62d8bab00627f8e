"""An outage is a file: what it says is played in its order, and what it says wrong is one line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from drill import play_command, session
from drill.incident import Incident
from drill.play_command import DrillWish
from drill.records import DrillPlan
from drill.sandbox_stage import SandboxStage
from orchestration.choice import Choice
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT
from tests.unit.drill.test_session import copied

FILES = sorted((ROOT / "drill" / "incidents").glob("*.yaml"))
FAULT = {"at": 0, "until": 5, "kind": "refuse", "says": "out", "source": "https://example.com/a"}
WHOLE = {"name": "a", "begins": "2025-10-20T06:48:00Z", "source": "https://example.com/a", "faults": [FAULT]}


@pytest.fixture
def load(tmp_path):
    def loading(**changes):
        path = tmp_path / "incident.yaml"
        path.write_text(yaml.safe_dump({**WHOLE, **changes}), encoding="utf-8")
        return Incident.load(path)

    return loading


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_fault_of_a_published_outage_can_be_played(path):
    stage = SandboxStage.__new__(SandboxStage)
    stage._environment = Environment.load("payments")
    stage.require(Incident.load(path).planned(1))


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "function", "part": "paymnt"},
        {"kind": "function", "part": "payment", "region": "witness"},
        {"kind": "operation", "part": "dynamodb:Putitem"},
        {"kind": "operation", "part": "dynamo:PutItem"},
        {"kind": "name", "part": "dynamodb.us-east1.amazonaws.com"},
        {"kind": "grey", "region": "witness"},
        {"kind": "throttle", "part": "api", "region": "witness"},
    ],
)
def test_an_outage_of_which_a_step_would_break_nothing_is_refused_before_it_begins(load, changed):
    """It would pass: nobody is hurt by what is not broken."""
    stage = SandboxStage.__new__(SandboxStage)
    stage._environment = Environment.load("payments")
    with pytest.raises(Problem, match="'out' cannot be played here") as caught:
        stage.require(load(faults=[{**FAULT, **changed}]).planned(1))
    assert "\n" not in str(caught.value)


def test_the_outage_of_october_2025_comes_in_waves():
    (path,) = [each for each in FILES if each.stem == "2025-10-20-us-east-1"]
    incident = Incident.load(path)
    kinds = [(seconds / 60, [each.kind for each in faults]) for seconds, faults in incident.steps()]
    assert kinds == [
        (0, ["name", "partition"]),
        (3, ["name", "partition", "function"]),
        (157, ["partition", "operation"]),
        (164, ["operation"]),
        (172, []),
        (342, ["lossy"]),
        (436, ["lossy", "function"]),
        (588, ["function", "lossy"]),
        (699, ["lossy"]),
        (861, []),
    ]
    assert incident.moment(incident.faults[3]).isoformat() == "2025-10-20T09:25:00+00:00"


def test_faults_overlap_and_the_last_may_stay(load):
    late = {**FAULT, "at": 3, "until": None, "kind": "hang"}
    steps = [(seconds, [each.kind for each in faults]) for seconds, faults in load(faults=[FAULT, late]).steps()]
    assert steps == [(0, ["refuse"]), (180, ["refuse", "hang"]), (300, ["hang"])]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"faults": []}, "faults: "),
        ({"faults": [{**FAULT, "until": 0}]}, "faults.0: .*until 0 is not after at 0"),
        ({"faults": [{**FAULT, "at": 1}]}, "no fault begins at 0"),
        ({"faults": [{**FAULT, "source": "I heard it"}]}, "faults.0.source: "),
        ({"faults": [{key: value for key, value in FAULT.items() if key != "source"}]}, "faults.0.source: Field req"),
        ({"faults": [{**FAULT, "region": "us-east-1"}]}, "faults.0.region: "),
        ({"faults": [{**FAULT, "probability": 2}]}, "faults.0.probability: "),
        ({"begins": "2025-10-20T06:48:00"}, "begins: .*timezone"),
        ({"zones": 1}, "zones: Extra"),
    ],
)
def test_what_is_wrong_is_one_line(load, changes, line):
    with pytest.raises(Problem, match=line) as caught:
        load(**changes)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(Problem, match=r"none\.yaml"):
        Incident.load(tmp_path / "none.yaml")


def test_it_is_planned_in_virtual_seconds_and_shortened(load):
    incident = load(faults=[FAULT, {**FAULT, "at": 3, "until": None, "kind": "hang"}])
    assert incident.seconds == 300
    steps = incident.planned(2.0)
    assert [(step["at"], [each["kind"] for each in step["faults"]]) for step in steps] == [
        (0, ["refuse"]),
        (90, ["refuse", "hang"]),
        (150, ["hang"]),
    ]
    assert steps[0]["faults"][0]["source"] == FAULT["source"]


@pytest.mark.parametrize("consistency", ["strong", "eventual"])
def test_the_plan_of_an_outage_is_measured_by_its_first_fault(load, consistency):
    settings = copied(consistency)
    plain = session.plan(settings, fault="none", rate=1, duration=300, speed=1, seed=1, target="sandbox")
    planned = session.of_incident(plain, settings, load(faults=[{**FAULT, "kind": "data"}]), "a.yaml", 1.0)
    assert (planned.fault, planned.consistency) == ("incident", consistency)
    assert planned.bounds == session.bounds(settings, "data")
    zone = load(faults=[{**FAULT, "kind": "zone", "part": "use1-az1"}])
    unknown = session.of_incident(plain, settings, zone, "a.yaml", 1.0)
    assert unknown.bounds == {"noticed": 54.0}
    again = DrillPlan.read(json.loads(json.dumps(planned.to_json())))
    assert again.steps == planned.steps


def test_what_is_changed_by_shortening_is_told(load):
    settings = Environment.load("payments", ROOT)
    plain = session.plan(settings, fault="none", rate=1, duration=300, speed=1, seed=7, target="sandbox")
    partition = {**FAULT, "kind": "partition", "until": 164}
    outage = load(faults=[{**FAULT, "kind": "name", "until": 157}, partition])

    def planned(compression):
        return session.of_incident(plain, settings, outage, "drill/a.yaml", compression)

    assert planned(1.0).caution == ""
    latched = planned(1.0).bounds["latched"]
    assert planned(2.0).first_lasts == 157 * 60 / 2
    enough = 157 * 60 / latched
    assert "go back by themselves" not in planned(enough).caution
    assert "2 times shorter" in planned(2.0).caution
    short = planned(enough * 1.01).caution
    assert f"--compress {enough:.3g} or less" in short
    assert "took 157 minutes" in short
    brief = session.of_incident(plain, settings, load(faults=[{**FAULT, "kind": "name"}]), "a.yaml", 4.0)
    assert "go back by themselves" not in brief.caution  # five minutes were too short for the latch then, too
    assert planned(40.0).again == "--incident drill/a.yaml --compress 40 --rate 1 --duration 300 --speed 1 --seed 7"
    assert (planned(40.0).title, plain.title) == ("incident a", "none")
    assert plain.again.startswith("--fault none --rate 1 ")


def test_an_outage_that_begins_elsewhere_is_measured_by_its_first_fault_in_the_primary(load):
    settings = Environment.load("payments", ROOT)
    plain = session.plan(settings, fault="none", rate=1, duration=300, speed=1, seed=7, target="sandbox")
    faults = [{**FAULT, "region": "secondary"}, {**FAULT, "at": 10, "until": 30, "kind": "hang"}]
    planned = session.of_incident(plain, settings, load(faults=faults), "a.yaml", 2.0)
    assert planned.bounds == session.bounds(settings, "hang")
    assert (planned.first_lasts, planned.measured, planned.measured_at) == (600, "hang", 300)
    nowhere = session.of_incident(plain, settings, load(faults=faults[:1]), "a.yaml", 1.0)
    assert (nowhere.first_lasts, nowhere.bounds) == (0, {"noticed": 54.0})


@pytest.mark.parametrize(("kind", "objective"), [("grey", "grey_failure"), ("hang", "failover"), ("zone", "failover")])
def test_an_outage_has_the_objective_of_the_fault_that_is_measured(load, kind, objective):
    settings = Environment.load("payments", ROOT)
    plain = session.plan(settings, fault="none", rate=1, duration=300, speed=1, seed=7, target="sandbox")
    part = "use1-az1" if kind == "zone" else ""
    planned = session.of_incident(plain, settings, load(faults=[{**FAULT, "kind": kind, "part": part}]), "a.yaml", 1.0)
    assert planned.objective == planned.objectives[objective]


def test_a_first_fault_that_stays_lasts_for_ever(load):
    settings = Environment.load("payments", ROOT)
    plain = session.plan(settings, fault="none", rate=1, duration=300, speed=1, seed=7, target="sandbox")
    endless = {key: value for key, value in FAULT.items() if key != "until"}
    assert session.of_incident(plain, settings, load(faults=[endless]), "a.yaml", 3.0).first_lasts == float("inf")


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        ({"fault": "hang", "incident": "a.yaml"}, "--fault or --incident, not both"),
        ({"fault": "hang", "compression": 2.0}, "only an --incident"),
        ({"fault": "", "incident": "a.yaml", "compression": 0.5}, "--compress 0.5: it is between 1 and 1000"),
        ({"fault": "", "incident": "nowhere.yaml"}, "nowhere.yaml"),
        ({"fault": "flood"}, "unknown --fault 'flood'"),
    ],
)
def test_what_is_wished_wrongly_is_one_line(wish, line):
    plain = DrillWish("", 1.0, 300.0, 1.0, 1, "")
    with pytest.raises(Problem, match=line):
        play_command.drill(Choice(), replace(plain, **wish))
