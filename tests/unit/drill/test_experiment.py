"""An experiment of AWS FIS: every request fits the service's model, and whatever happens nothing of it stays."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drill.experiment import ACTION, ENDS_WITHIN, ConnectivityExperiment
from shared.errors import Problem
from tests.doubles.modelled_aws import ModelledAws

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/drills"
SUBNETS = [f"arn:aws:ec2:{REGION}:123456789012:subnet/subnet-{number}" for number in (1, 2)]
ALARM = f"arn:aws:cloudwatch:{REGION}:123456789012:alarm:secondary-unhealthy"


class Fis:
    """The service: an experiment goes through these states, one at each question."""

    def __init__(self, *states, acts_since=None):
        self.states = list(states)
        self.acts_since = acts_since
        self.slept = 0.0
        self.aws = ModelledAws(
            {
                ("fis", "CreateExperimentTemplate"): {"experimentTemplate": {"id": "EXT1"}},
                ("fis", "StartExperiment"): {"experiment": {"id": "EXP1"}},
                ("fis", "GetExperiment"): self.state,
                ("fis", "StopExperiment"): self.stop,
                ("fis", "DeleteExperimentTemplate"): {},
                ("fis", "ListExperiments"): lambda _, asked: {
                    "experiments": [
                        {"id": "EXP9", "state": {"status": "running"}}
                        if "nextToken" in asked
                        else {"id": "EXP0", "state": {"status": "completed"}}
                    ],
                    **({} if "nextToken" in asked else {"nextToken": "more"}),
                },
            }
        )
        self.experiment = ConnectivityExperiment(self.aws, REGION, ROLE, SUBNETS, [ALARM], "drill-x7k2", self.sleep)

    def state(self, *_):
        status = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        action = {} if self.acts_since is None else {"startTime": datetime.fromtimestamp(self.acts_since, UTC)}
        told = {"state": {"status": status, "reason": f"it is {status}"}}
        return {"experiment": {**told, "actions": {ACTION: action}} if status == "running" else told}

    def stop(self, *_):
        self.states = ["stopping", "stopped"]
        return {}

    def sleep(self, seconds):
        self.slept += seconds


def test_it_takes_dynamodb_from_the_primarys_subnets_alone_and_the_secondarys_alarm_ends_it():
    template = Fis("running").experiment.template("token")
    (action,) = template["actions"].values()
    assert action["actionId"] == "aws:network:disrupt-connectivity"
    assert action["parameters"]["scope"] == "dynamodb"
    (target,) = template["targets"].values()
    assert target["resourceArns"] == SUBNETS
    assert template["stopConditions"] == [{"source": "aws:cloudwatch:alarm", "value": ALARM}]


def test_it_is_in_force_when_it_has_begun_and_over_when_it_has_ended():
    fis = Fis("pending", "initiating", "running")
    fis.experiment.begin("token")
    assert fis.slept > 0
    fis.experiment.end()
    assert fis.aws.operations("fis")[-3:] == ["GetExperiment", "GetExperiment", "DeleteExperimentTemplate"]
    assert "StopExperiment" in fis.aws.operations("fis")
    assert fis.experiment.ended_by_itself() == ""


@pytest.mark.parametrize("acts_since", [None, 1000.5])
def test_it_tells_when_its_action_began_and_not_when_it_was_asked_for(acts_since):
    """Making and starting it takes seconds in which nothing is broken: no drill may be measured from before."""
    fis = Fis("pending", "initiating", "running", acts_since=acts_since)
    assert fis.experiment.begin("token") == acts_since


@pytest.mark.parametrize("ended", ["failed", "stopped", "completed", "cancelled"])
def test_one_that_does_not_begin_leaves_no_template(ended):
    fis = Fis("initiating", ended)
    with pytest.raises(Problem, match=f"is {ended}: it is {ended}"):
        fis.experiment.begin("token")
    assert fis.aws.operations("fis")[-1] == "DeleteExperimentTemplate"
    assert "StopExperiment" not in fis.aws.operations("fis")


def test_one_that_never_begins_is_stopped():
    fis = Fis("initiating")
    with pytest.raises(Problem, match="is initiating"):
        fis.experiment.begin("token")
    assert fis.aws.operations("fis").count("StopExperiment") == 1
    assert fis.slept < ENDS_WITHIN + 120


def test_one_that_aws_has_ended_is_told_and_not_stopped_again():
    fis = Fis("running", "stopped")
    fis.experiment.begin("token")
    assert "by itself: stopped" in fis.experiment.ended_by_itself()
    fis.experiment.end()
    assert "StopExperiment" not in fis.aws.operations("fis")


def test_what_somebody_else_has_under_way_is_listed():
    assert Fis("running").experiment.running() == ["EXP9"]
