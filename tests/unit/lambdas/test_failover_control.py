from __future__ import annotations

import json

import pytest

from lambdas.adapters.retry import Retry
from lambdas.domain.errors import Unavailable
from lambdas.failover_control.latch import PAYMENTS, Latch, alarms
from lambdas.failover_control.ranges import RangeWatch
from lambdas.failover_control.switch import Switch
from lambdas.probing import Prober, Reply, Unhealthy, send
from tests.doubles.payments import CANARY, ListJournal, ManualClock, Region, refused, timed_out


class Body:
    """Of an answer: `error` breaks it off."""

    def __init__(self, text, error):
        self.text, self.error = text, error

    def read(self, amount):
        if self.error:
            raise self.error
        return self.text[:amount]


class Objects:
    """A bucket with the switch in it. `text`: what it says, None when it is not there."""

    def __init__(self):
        self.text = b"primary: run"
        self.writes = []
        self.error = None
        self.broken = []

    def get_object(self, **arguments):
        if self.error:
            raise self.error
        assert arguments == {"Bucket": "bucket", "Key": "stop-switch"}
        if self.text is None:
            raise refused("NoSuchKey", 404)
        return {"Body": Body(self.text, self.broken.pop(0) if self.broken else None)}

    def put_object(self, **arguments):
        if self.error:
            raise self.error
        self.writes.append(arguments)
        self.text = arguments["Body"]
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
    clock, objects, primary = ManualClock(), Objects(), Primary()
    journal = ListJournal(clock, {}, "payments", "secondary")
    journal.lines = []
    switch = Switch(objects, "bucket", "stop-switch", Retry(clock))
    tokens = iter(range(1000))
    latch = Latch(switch, lambda: Prober("https://primary", CANARY, lambda: f"t{next(tokens)}", primary.send), journal)
    return latch, objects, primary


@pytest.mark.parametrize(
    ("text", "stopped"),
    [
        (b"primary: run", False),
        (b"primary: stop", True),
        (b"primary: stop\n", True),
        (b"since 12:30\nprimary: stop, by order", True),
        (b" " * 5_107 + b"primary: stop", True),
        (b" " * 5_108 + b"primary: stop", False),
        (b"", False),
        (b"stop", False),
        (b"PRIMARY: STOP", False),
        (b"\xff\xfe", False),
        (None, False),
    ],
)
def test_the_switch_is_read_as_the_checkers_read_it(world, text, stopped):
    """Words anywhere in the first 5,120 bytes; what is not there, or says anything else, stops nothing."""
    latch, objects, _ = world
    objects.text = text
    assert latch.switch.stopped() is stopped


@pytest.mark.parametrize("error", [timed_out(), refused("AccessDenied", 403), refused("NoSuchBucket", 404)])
def test_a_switch_that_cannot_be_read_is_not_taken_for_run(world, error):
    latch, objects, _ = world
    objects.text, objects.error = b"primary: stop", error
    with pytest.raises(Unavailable):
        latch.switch.stopped()


def test_an_answer_that_breaks_off_is_asked_for_again(world):
    latch, objects, _ = world
    objects.text, objects.broken = b"primary: stop", [timed_out()]
    assert latch.switch.stopped()
    assert not objects.broken


def test_a_primary_that_serves_is_left_alone(world):
    latch, objects, primary = world
    assert latch.close() == "serving"
    assert objects.writes == []
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
    latch, objects, primary = world
    primary.broken = broken
    assert latch.close() == "stopped"
    assert objects.writes == [
        {
            "Bucket": "bucket",
            "Key": "stop-switch",
            "Body": b"primary: stop",
            "ContentType": "text/plain",
            "ServerSideEncryption": "AES256",
        }
    ]
    assert latch.switch.stopped()
    line = latch.journal.lines[-1]
    assert line["PrimaryStopped"] == 1
    assert CANARY not in json.dumps(line)


def test_a_stopped_primary_is_not_probed(world):
    latch, objects, primary = world
    objects.text = b"primary: stop"
    assert latch.close() == "already stopped"
    assert primary.requests == objects.writes == []


def test_a_switch_that_cannot_be_moved_is_tried_again_by_lambda(world):
    latch, objects, primary = world
    primary.broken = {"GET": Unhealthy("refused")}
    objects.error = refused("AccessDenied", 403)
    with pytest.raises(Unavailable):
        latch.close()


class Policies:
    """The bucket's policy. `ranges`: who may read the switch by it."""

    def __init__(self, *ranges):
        self.ranges = list(ranges)
        self.error = None

    def get_bucket_policy(self, **arguments):
        assert arguments == {"Bucket": "bucket"}
        if self.error:
            raise self.error
        address = {"IpAddress": {"aws:SourceIp": self.ranges}}
        reading = {"Sid": "CheckersRead", "Effect": "Allow", "Condition": address}
        return {"Policy": json.dumps({"Statement": [{"Effect": "Deny"}, reading]})}


def document(*ranges):
    published = [{"ip_prefix": each, "service": "ROUTE53_HEALTHCHECKS"} for each in ranges]
    other = {"ip_prefix": "52.95.36.0/22", "service": "AMAZON"}
    return json.dumps({"prefixes": [*published, other]}).encode()


def watching(policies, published):
    clock = ManualClock()
    journal = ListJournal(clock, {}, "payments", "secondary")
    journal.lines = []

    def fetch():
        if isinstance(published, Exception):
            raise published
        return published

    return RangeWatch(policies, "bucket", Retry(clock), fetch, journal)


@pytest.mark.parametrize(
    ("ranges", "published", "stale"),
    [
        (["15.177.0.0/18"], ["15.177.0.0/18"], 0),
        (["15.177.0.0/18", "107.23.255.0/26"], ["15.177.0.0/18"], 0),
        (["15.177.0.0/16"], ["15.177.0.0/18"], 0),
        (["15.177.0.0/19", "15.177.32.0/19"], ["15.177.0.0/18"], 0),
        (["15.177.0.0/19"], ["15.177.0.0/18"], 1),
        (["15.177.0.0/18"], ["15.177.0.0/18", "107.23.255.0/26"], 1),
        ([], ["15.177.0.0/18"], 1),
        (["2600:1f18:3fff:f800::/56"], ["15.177.0.0/18"], 1),
    ],
)
def test_a_checker_that_may_not_read_the_switch_is_measured(ranges, published, stale):
    watch = watching(Policies(*ranges), document(*published))
    assert watch.look() == ("stale" if stale else "current")
    (line,) = watch.journal.lines
    assert line["SwitchRangesStale"] == stale
    assert line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] == "SwitchRangesStale"


@pytest.mark.parametrize(
    ("published", "error"),
    [
        (OSError("no route"), None),
        (b"<html>", None),
        (b"{}", None),
        (b"[]", None),
        (document(), None),
        (document("no range"), None),
        (document("15.177.0.0/18"), refused("AccessDenied", 403)),
        (document("15.177.0.0/18"), refused("NoSuchBucketPolicy", 404)),
        (document("15.177.0.0/18"), timed_out()),
    ],
)
def test_what_cannot_be_compared_is_neither_current_nor_stale(published, error):
    """Nothing is measured, which the alarm takes for a breach when it lasts."""
    policies = Policies("15.177.0.0/18")
    policies.error = error
    watch = watching(policies, published)
    assert watch.look() == "unknown"
    (line,) = watch.journal.lines
    assert "SwitchRangesStale" not in line
    assert line["reason"]


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
