from __future__ import annotations

import json

import pytest

from lambdas.adapters.retry import Retry
from lambdas.domain.errors import Unavailable
from lambdas.failover_control.latch import PAYMENTS, Latch, alarms
from lambdas.failover_control.switch import CACHED, Switch
from lambdas.probing import Prober, Reply, Unhealthy, send
from tests.doubles.payments import CANARY, ListJournal, ManualClock, Region, refused, timed_out


class Parameters:
    def __init__(self):
        self.value = "run"
        self.reads = 0
        self.writes = []
        self.error = None

    def get_parameter(self, **arguments):
        self.reads += 1
        if self.error:
            raise self.error
        assert arguments == {"Name": "/switch"}
        return {"Parameter": {"Value": self.value}}

    def put_parameter(self, **arguments):
        if self.error:
            raise self.error
        self.writes.append(arguments)
        self.value = arguments["Value"]
        return {}


class Primary:
    """The primary's API as a client meets it, on the real payment function."""

    def __init__(self):
        self.region = Region()
        self.requests = []
        self.broken = {}

    def send(self, method, url, headers, body):
        path = url.removeprefix("https://primary")
        self.requests.append((method, path.rsplit("/", 1)[0] if "pay_" in path else path))
        broken = self.broken.get((method, len(self.requests)), self.broken.get(method))
        if isinstance(broken, Exception):
            raise broken
        if broken is not None:
            return broken
        if path == "/health":
            return Reply(200, {}, b"{}")
        answer = self.region.send(method, path, dict(headers), body.decode() if body else None)
        return Reply(
            answer["statusCode"],
            {name.lower(): value for name, value in answer["headers"].items()},
            answer["body"].encode(),
        )


@pytest.fixture
def world():
    clock, parameters, primary = ManualClock(), Parameters(), Primary()
    journal = ListJournal(clock, {}, "payments", "secondary")
    journal.lines = []
    switch = Switch(parameters, "/switch", Retry(clock))
    tokens = iter(range(1000))
    latch = Latch(switch, lambda: Prober("https://primary", CANARY, lambda: f"t{next(tokens)}", primary.send), journal)
    return latch, parameters, primary, clock


def test_the_page_says_run_or_stop(world):
    latch, parameters, _, clock = world
    page = latch.switch.page()
    assert (page.status, page.body) == (200, "primary: run")
    parameters.value = "stop"
    assert latch.switch.page().body == "primary: run", "cached"
    clock.time += CACHED
    assert latch.switch.page().body == "primary: stop"
    assert parameters.reads == 2


@pytest.mark.parametrize("value", ["", "STOP", "stopped", "anything"])
def test_only_stop_stops(world, value):
    latch, parameters, _, _ = world
    parameters.value = value
    assert latch.switch.page().body == "primary: run"


def test_a_switch_that_cannot_be_read_stops_nothing(world):
    latch, parameters, _, _ = world
    parameters.value, parameters.error = "stop", timed_out()
    page = latch.switch.page()
    assert page.status == 503
    assert "primary: stop" not in page.body
    parameters.error = refused("ParameterNotFound")
    assert latch.switch.page().status == 503


def test_a_primary_that_serves_is_left_alone(world):
    latch, parameters, primary, _ = world
    assert latch.close() == "serving"
    assert parameters.writes == []
    assert primary.requests == [
        ("GET", "/health"),
        *[("POST", "/payment"), ("POST", "/payment"), ("GET", "/payment")] * PAYMENTS,
    ]
    assert len(primary.region.payments()) == PAYMENTS
    assert latch.journal.lines[-1]["result"] == "serving"


@pytest.mark.parametrize(
    "broken",
    [
        {"GET": Unhealthy("refused")},
        {("GET", 1): Reply(503, {}, b"{}")},
        {"POST": Reply(500, {}, b"{}")},
        {("POST", 8): Reply(202, {}, b"{}")},
        {("POST", 3): Reply(201, {"idempotent-replayed": "true"}, b"another")},
        {("POST", 3): Reply(201, {}, b"{}")},
        {("GET", 10): Reply(404, {}, b"{}")},
        {"POST": Reply(201, {"idempotent-replayed": "true"}, b"[]")},
        {"POST": Reply(201, {"idempotent-replayed": "true"}, b"no json")},
    ],
)
def test_a_primary_that_fails_once_is_stopped(world, broken):
    latch, parameters, primary, _ = world
    primary.broken = broken
    assert latch.close() == "stopped"
    assert parameters.writes == [{"Name": "/switch", "Value": "stop", "Type": "String", "Overwrite": True}]
    assert latch.switch.page().body == "primary: stop", "not cached"
    line = latch.journal.lines[-1]
    assert line["PrimaryStopped"] == 1
    assert CANARY not in json.dumps(line)


def test_a_stopped_primary_is_not_probed(world):
    latch, parameters, primary, _ = world
    parameters.value = "stop"
    assert latch.close() == "already stopped"
    assert primary.requests == parameters.writes == []


def test_a_switch_that_cannot_be_moved_is_tried_again_by_lambda(world):
    latch, parameters, primary, _ = world
    primary.broken = {"GET": Unhealthy("refused")}
    parameters.error = refused("AccessDeniedException")
    with pytest.raises(Unavailable):
        latch.close()


def sns(state):
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps({"NewStateValue": state})}}]}


@pytest.mark.parametrize("state", ["ALARM", "OK", "INSUFFICIENT_DATA"])
def test_only_an_alarm_closes_the_latch(state):
    direct = {"source": "aws.cloudwatch", "alarmData": {"alarmName": "x", "state": {"value": state}}}
    assert alarms(direct) == alarms(sns(state)) == (state == "ALARM")
    assert not alarms({})


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:9"])
def test_a_region_that_cannot_be_asked_is_unhealthy(url):
    with pytest.raises(Unhealthy):
        send("GET", url, {}, None)
