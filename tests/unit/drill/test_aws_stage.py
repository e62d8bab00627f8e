"""AWS as a stage: what it sees from outside, what it asks of AWS (by AWS's own models), and what it refuses."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from dnslib import CNAME, QTYPE, RR, DNSRecord

from drill import aws_stage, evacuation, play_command
from drill.aws_stage import FAULTS, AwsStage, PublicNetwork
from drill.play_command import DrillWish
from drill.records import EVACUATION, UNFENCED
from orchestration.choice import Choice
from orchestration.reach import Reach
from shared import grey_failure
from shared.environment import Environment
from shared.errors import Problem
from shared.root import ROOT
from tests.doubles.modelled_aws import ModelledAws

SETTINGS = Environment.load("payments", ROOT)
NAME = SETTINGS.failover_name
PRIMARY, SECONDARY = SETTINGS.regions.primary, SETTINGS.regions.secondary
WATCHED = ("standard", "fast", "stop_switch", *grey_failure.CHECKS["rest-api"], "gate", "secondary")
CHECKS = {name: f"id-{name}" for name in WATCHED}
PUBLISHED = {
    "health_check_ids": CHECKS,
    "name_servers": ["ns-1.example"],
    "alarm_arns": {"secondary-unhealthy": f"arn:aws:cloudwatch:{PRIMARY}:123456789012:alarm:secondary-unhealthy"},
    "private_subnet_ids": ["subnet-1", "subnet-2"],
}


class NameServer:
    """Answers every question for a name with a CNAME, by UDP."""

    def __init__(self, target):
        self.target = target
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self):
        return self.socket.getsockname()

    def _serve(self):
        while True:
            try:
                data, asker = self.socket.recvfrom(4096)
            except OSError:
                return
            reply = DNSRecord.parse(data).reply()
            if self.target:
                reply.add_answer(RR(NAME, QTYPE.CNAME, rdata=CNAME(self.target), ttl=30))
            self.socket.sendto(reply.pack(), asker)


@pytest.fixture
def server():
    made = NameServer(f"d-abc123.execute-api.{PRIMARY}.amazonaws.com")
    yield made
    made.socket.close()


class Checkers:
    """What Route 53 and CloudWatch tell: `good` of sixteen checkers find an endpoint well."""

    def __init__(self, **good):
        self.good = {"standard": 16, "fast": 16, "secondary": 16, "stop_switch": 0, **good}
        self.alarm = "OK"
        self.history = []

    def answers(self):
        return {
            ("route53", "GetHealthCheckStatus"): self.status,
            ("route53", "GetHealthCheck"): {
                "HealthCheck": {
                    "HealthCheckConfig": {
                        "Type": "CLOUDWATCH_METRIC",
                        "AlarmIdentifier": {"Region": PRIMARY, "Name": "errors"},
                    }
                }
            },
            ("cloudwatch", "DescribeAlarms"): lambda *_: {"MetricAlarms": [{"StateValue": self.alarm}]},
            ("cloudwatch", "DescribeAlarmHistory"): lambda region, asked: {
                "AlarmHistoryItems": self.history
                if region == SECONDARY and "CompositeAlarm" in asked["AlarmTypes"]
                else []
            },
            ("sts", "GetCallerIdentity"): {"ResponseMetadata": {"HTTPHeaders": {"date": self.date}}},
        }

    date = "Thu, 26 Nov 2026 12:00:00 GMT"

    def status(self, _, parameters):
        good = self.good[parameters["HealthCheckId"].removeprefix("id-")]
        words = ["Success: HTTP Status Code 200, OK"] * good + ["Failure: no answer"] * (16 - good)
        return {"HealthCheckObservations": [{"StatusReport": {"Status": each}} for each in words]}


def staged(monkeypatch, server, checkers=None, settings=SETTINGS, **options):
    aws = ModelledAws((checkers or Checkers()).answers())
    monkeypatch.setattr(aws_stage, "published", lambda _target, _stack, name: PUBLISHED[name])
    monkeypatch.setattr(aws_stage, "health_checks", lambda _target, _environment: CHECKS)
    monkeypatch.setattr(aws_stage, "Aws", lambda _: aws)
    monkeypatch.setattr(evacuation, "reach", lambda *_: Reach({}, where="AWS", checkers=list))
    target = SimpleNamespace(cli=SimpleNamespace(variables={}), name="aws", account="123456789012")
    network = PublicNetwork(("127.0.0.1", 9), [server.address], tls=None)
    return AwsStage(target, settings, network=network, **options), aws


@pytest.mark.parametrize(
    ("target", "role"),
    [
        (f"d-abc.execute-api.{PRIMARY}.amazonaws.com", "primary"),
        (f"d-abc.execute-api.{SECONDARY}.amazonaws.com", "secondary"),
        ("elsewhere.example", ""),
        ("", ""),
    ],
)
def test_the_zones_own_servers_say_which_region_is_answered(monkeypatch, server, target, role):
    server.target = target
    stage, _ = staged(monkeypatch, server)
    assert stage.answered() == role


def test_a_name_server_that_is_silent_leaves_it_to_the_next(monkeypatch, server):
    stage, _ = staged(monkeypatch, server)
    monkeypatch.setattr(aws_stage, "NAME_WITHIN", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        stage._network = replace(stage._network, servers=[silent.getsockname(), server.address])
        assert stage.answered() == "primary"


@pytest.mark.parametrize(
    ("good", "alarm", "gate"),
    [
        ({}, "OK", True),
        ({"fast": 3}, "OK", True),  # 18.75 % of the checkers
        ({"fast": 2}, "OK", False),  # 12.5 %
        ({"standard": 0}, "OK", False),
        ({"stop_switch": 16}, "OK", False),  # inverted: the words were found
        ({}, "ALARM", False),
        ({}, "INSUFFICIENT_DATA", True),
        ({"secondary": 0}, "OK", True),  # which is no part of the gate
    ],
)
def test_the_gate_is_what_its_children_come_to(monkeypatch, server, good, alarm, gate):
    checkers = Checkers(**good)
    checkers.alarm = alarm
    standing = staged(monkeypatch, server, checkers)[0].standing()
    assert standing.gate is gate
    assert standing.answered == "primary"
    assert standing.checks["stop-switch"] is not bool(good.get("stop_switch"))


def test_changes_are_written_down_when_they_are_seen_and_only_then(monkeypatch, server):
    checkers = Checkers()
    stage, aws = staged(monkeypatch, server, checkers)
    monkeypatch.setattr(aws_stage, "ASK_HEALTH_EVERY", 0.0)
    begun = time.time()
    stage.standing()
    before = len(list(stage.events(begun)))
    stage.standing()
    assert len(list(stage.events(begun))) == before
    checkers.good["fast"] = 0
    server.target = f"d-abc.execute-api.{SECONDARY}.amazonaws.com"
    checkers.history = [
        {
            "AlarmName": name,
            "Timestamp": datetime.fromtimestamp(begun + 1, UTC),
            "HistorySummary": "Successfully executed action arn:aws:sns:a:b:topic",
        }
        for name in (f"failover-traffic-secondary-{SETTINGS.suffix}", "another-system")
    ]
    stage.standing()
    found = [(each.kind, each.subject, each.what) for each in stage.events(begun)][before:]
    assert found == [
        ("dns", NAME, "secondary"),
        ("health", "fast", "unhealthy"),
        ("health", "gate", "unhealthy"),
        ("notification", SECONDARY, f"failover-traffic-secondary-{SETTINGS.suffix}"),
    ]
    assert {region for service, region, *_ in aws.asked if service == "route53"} == {"us-east-1"}


def test_route_53_is_not_asked_at_every_look(monkeypatch, server):
    stage, aws = staged(monkeypatch, server)
    for _ in range(5):
        stage.standing()
    assert aws.operations("route53").count("GetHealthCheckStatus") == 4  # once, of each check that asks somebody


def test_an_experiment_that_aws_ends_ends_the_drill(monkeypatch, server):
    stage, _ = staged(monkeypatch, server)
    stage._experiment = SimpleNamespace(ended_by_itself=lambda: "AWS ended the experiment by itself: stopped: an alarm")
    with pytest.raises(Problem, match="stopped: an alarm"):
        stage.standing()


def test_route_53_may_be_asked_too_often_for_a_moment(monkeypatch, server):
    stage, aws = staged(monkeypatch, server)
    monkeypatch.setattr(aws_stage, "ASK_HEALTH_EVERY", 0.0)
    before = stage.standing()

    def throttled(*_):
        raise Problem("cannot read the health checks: Throttling")

    aws.answers["route53", "GetHealthCheckStatus"] = throttled
    assert stage.standing() == before


def test_a_fence_that_stands_again_is_taken_down_again(monkeypatch, server):
    """By a write that was given up, and was made all the same."""
    stage, _ = staged(monkeypatch, server)
    stands, done = [datetime.now(UTC), None], []
    fence = SimpleNamespace(primary=PRIMARY, take_down=lambda: done.append("down"), standing=lambda: stands.pop(0))
    monkeypatch.setattr(type(stage._evacuation), "_hands", lambda _: (SimpleNamespace(say=done.append), fence))
    stage.restore()
    assert done == ["down", "down", "primary: run"]


def test_the_switch_says_run_though_the_fence_cannot_be_taken_down(monkeypatch, server):
    stage, _ = staged(monkeypatch, server)
    done = []

    def cannot():
        raise Problem("cannot take down the fence")

    fence = SimpleNamespace(primary=PRIMARY, take_down=cannot, standing=lambda: None)
    monkeypatch.setattr(type(stage._evacuation), "_hands", lambda _: (SimpleNamespace(say=done.append), fence))
    with pytest.raises(Problem, match="cannot take down the fence"):
        stage.restore()
    assert done == ["primary: run"]


def test_a_clock_that_is_not_awss_gives_no_figures(monkeypatch, server):
    stage, _ = staged(monkeypatch, server)
    assert "clock is" in stage.doubts()


@pytest.mark.parametrize(
    ("served", "why"),
    [({}, ""), ({PRIMARY: SECONDARY}, f"and not by {PRIMARY}"), ({SECONDARY: ""}, f"and not by {SECONDARY}")],
)
def test_each_regions_name_is_served_by_that_region(monkeypatch, server, served, why):
    roles = {PRIMARY: "primary", SECONDARY: "secondary"}

    def entry(_gateways, region, _name):
        by = served.get(region, region)
        headers = {"served-by": f"{by} ({roles[by]})" if by else ""}
        return SimpleNamespace(ask=lambda *_: SimpleNamespace(headers=headers))

    monkeypatch.setattr(aws_stage, "entry", entry)
    stage, _ = staged(monkeypatch, server)
    monkeypatch.setattr(type(stage._evacuation), "require", lambda _: None)
    now = datetime.strptime(Checkers.date, "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC).timestamp()
    monkeypatch.setattr(stage.clock, "now", lambda: now)
    assert why in stage.doubts()
    assert bool(stage.doubts()) == bool(why)


@pytest.mark.parametrize("fault", [EVACUATION, UNFENCED])
def test_an_evacuation_is_the_switch_and_the_fence_unless_it_is_to_have_none(monkeypatch, server, fault):
    done = []
    stage, _ = staged(monkeypatch, server)
    lever = SimpleNamespace(say=done.append)
    fence = SimpleNamespace(put_up=lambda at: done.append(at > time.time()), take_down=lambda: done.append("down"))
    fence.standing = lambda: None
    monkeypatch.setattr(type(stage._evacuation), "_hands", lambda _: (lever, fence))
    assert stage.begin(fault).what == fault
    assert done == ["primary: stop", *([True] if fault == EVACUATION else [])]
    stage.heal()
    stage.restore()
    assert done[-2:] == ["down", "primary: run"]  # first the fence: clients that come back must not be refused


def test_an_experiment_needs_the_alarm_of_its_own_region(monkeypatch, server):
    elsewhere = SETTINGS.model_copy(update={"regions": SETTINGS.regions.model_copy(update={"primary": "eu-west-1"})})
    with pytest.raises(Problem, match="cannot be ended by the alarm secondary-unhealthy"):
        staged(monkeypatch, server, settings=elsewhere, experiment_role="arn:aws:iam::123456789012:role/drills")
    stage, _ = staged(monkeypatch, server, experiment_role="arn:aws:iam::123456789012:role/drills")
    assert stage._experiment.subnets == [
        f"arn:aws:ec2:{PRIMARY}:123456789012:subnet/{each}" for each in ("subnet-1", "subnet-2")
    ]


def test_data_without_a_role_breaks_nothing(monkeypatch, server):
    stage, aws = staged(monkeypatch, server)
    with pytest.raises(Problem, match="--experiment-role"):
        stage.begin("data")
    assert not aws.asked


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"speed": 2.0}, "--speed 2: on aws time is what it is"),
        ({"fault": "hang"}, "unknown --fault 'hang': choose one of"),
        ({"fault": "data"}, "--experiment-role"),
        ({"experiment_role": "arn:aws:iam::123456789012:role/drills"}, "no other fault does"),
        ({"incident": "drill/incidents/2025-10-20-us-east-1.yaml"}, "is played in the sandbox"),
        ({"rate": 0.0}, "--rate 0"),
    ],
)
def test_a_wish_that_aws_cannot_grant_is_one_line_and_asks_nobody(monkeypatch, wish, why):
    monkeypatch.setattr(play_command, "choose", lambda *_: pytest.fail("nothing is to be asked"))
    plain = DrillWish("", 20.0, 300.0, 1.0, None, "")
    with pytest.raises(Problem, match=why.replace("(", r"\(")) as refused:
        play_command.drill(Choice(target="aws"), replace(plain, **wish))
    assert "\n" not in str(refused.value)


def test_the_sandbox_has_no_experiments(monkeypatch):
    monkeypatch.setattr(play_command, "choose", lambda *_: pytest.fail("nothing is to be asked"))
    wish = DrillWish("data", 20.0, 300.0, 1.0, None, "", experiment_role="arn:aws:iam::123456789012:role/drills")
    with pytest.raises(Problem, match="only AWS has experiments"):
        play_command.drill(Choice(), wish)


@pytest.mark.parametrize(("began", "at"), [(970.0, 970.0), (None, 1000.0)])
def test_an_experiment_is_measured_from_when_it_acts(monkeypatch, server, began, at):
    stage, _ = staged(monkeypatch, server)
    moment = [900.0]
    monkeypatch.setattr(stage.clock, "now", lambda: moment[0])

    def begin(_token):
        moment[0] = 1000.0  # it was made, started and waited for
        return began

    stage._experiment = SimpleNamespace(begin=begin)
    assert stage.begin("data").at == at


def test_an_evacuation_is_measured_from_when_the_switch_is_moved(monkeypatch, server):
    """Taking on the role takes seconds in which nobody has moved."""
    stage, _ = staged(monkeypatch, server)
    moment = [900.0]
    own = replace(stage._evacuation, now=lambda: moment[0])

    def hands(_):
        moment[0] = 1000.0
        return SimpleNamespace(say=lambda _: moment.__setitem__(0, 1010.0)), None

    monkeypatch.setattr(type(own), "_hands", hands)
    assert own.begin(UNFENCED).at == 1000.0


def test_every_fault_of_aws_is_one_of_the_sandboxs_too():
    from drill.sandbox_stage import FAULTS as SANDBOXS

    assert FAULTS.keys() <= SANDBOXS.keys()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# comment\nsearch example\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n", ("10.0.0.2", 53)),
        ("options edns0\nnameserver\n", None),
    ],
)
def test_the_resolver_is_the_machines_first(tmp_path, text, found):
    file = tmp_path / "resolv.conf"
    file.write_text(text)
    if found:
        assert aws_stage._resolver(file) == found
    else:
        with pytest.raises(Problem, match="names no resolver"):
            aws_stage._resolver(file)
    with pytest.raises(Problem, match="cannot find this machine's resolver"):
        aws_stage._resolver(tmp_path / "none")
