"""What a real failover has left is gathered, and what cannot be had is unknown and holds nothing up."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from drill import aftermath, reading
from drill.aftermath import Aftermath, Window
from drill.books import Books
from drill.evidence import bind
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PerRole
from shared.root import ROOT

SETTINGS = Environment.load("payments", ROOT)
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WINDOW = Window((NOW - timedelta(minutes=30)).timestamp(), NOW.timestamp())
IDS = {"gate": "id-gate", "fast": "id-fast"}


def ago(minutes):
    return NOW - timedelta(minutes=minutes)


class Cloud:
    """AWS by service and region; `hanging` is a region that gives no answer, `refusing` a service that says no."""

    def __init__(self):
        self.hanging, self.refusing, self.released = "", "", threading.Event()

    def client(self, service, region):
        if service == self.refusing:
            raise Problem(f"cannot ask {service} in {region}: it is not for you")
        return Client(self, service, region)


class Client:
    def __init__(self, cloud, service, region):
        self.cloud, self.service, self.region = cloud, service, region

    def _answer(self):
        if self.region == self.cloud.hanging:
            self.cloud.released.wait(60)

    def get_paginator(self, operation):
        return Pages(self, operation)

    def get_caller_identity(self):
        self._answer()
        return {"Account": "123456789012"}

    def get_object(self, Key, VersionId="", **_):  # noqa: N803 - the SDK's
        self._answer()
        text = {"v1": "primary: run", "v2": "primary: stop", "v3": "primary: run"}.get(
            VersionId, json.dumps({"of": Key})
        )
        return {"Body": io.BytesIO(text.encode())}


class Pages:
    def __init__(self, client, operation):
        self.client, self.operation = client, operation

    def paginate(self, **arguments):
        self.client._answer()
        found = getattr(self, self.operation)(arguments)
        yield from found if isinstance(found, list) else [found]

    def list_object_versions(self, _):
        """Two pages: what began a long window is on the last one."""
        told = [[("v3", 5), ("v2", 20)], [("v1", 9000)]]
        return [
            {"Versions": [{"Key": "stop-switch", "VersionId": v, "LastModified": ago(m)} for v, m in page]}
            for page in told
        ]

    def get_metric_data(self, arguments):
        gate = {25: 1.0, 22: 0.0, 21: 0.0, 6: 0.0, 3: 1.0, 2: 1.0}
        labels = [each["Label"] for each in arguments["MetricDataQueries"]]
        (period,) = {each["MetricStat"]["Period"] for each in arguments["MetricDataQueries"]}
        age = (NOW - arguments["StartTime"]).days
        assert (period, arguments["StartTime"].timestamp() % period) == (
            (3600, 0) if age >= 63 else (300, 0) if age >= 15 else (60, 0)
        ), "AWS tells of other periods nothing at all"
        assert labels == sorted(IDS)
        points = {"gate": gate, "fast": {25: 1.0}}
        return {
            "MetricDataResults": [
                {"Label": name, "Timestamps": [ago(m) for m in points[name]], "Values": list(points[name].values())}
                for name in labels
            ]
        }

    def describe_alarm_history(self, arguments):
        names = {
            "us-east-1": "payment-errors-primary-x7k2",
            "us-east-2": "payment-failover-traffic-secondary-x7k2",
            "us-west-2": "trading-us-west-2-production-failover-traffic-t9m4",
        }
        told = {
            "MetricAlarm": [(names[self.client.region], 21), ("somebody-elses", 20), (names[self.client.region], 300)],
            "CompositeAlarm": [(f"both-{names[self.client.region]}", 20)],
        }
        # Of what it is not asked for by name, AWS tells of alarms of one metric alone.
        asked = [each for kind in arguments.get("AlarmTypes", ["MetricAlarm"]) for each in told[kind]]
        return {
            "AlarmHistoryItems": [{"Timestamp": ago(m), "AlarmName": n, "HistorySummary": "to ALARM"} for n, m in asked]
        }

    def list_objects_v2(self, arguments):
        if arguments["Prefix"] != "notifications/2026/11/26/":
            return {}
        keys = [("one", 20), ("two", 19), ("old", 200)]
        return {"Contents": [{"Key": f"{arguments['Prefix']}{k}.json", "LastModified": ago(m)} for k, m in keys]}

    def lookup_events(self, arguments):
        (asked,) = arguments["LookupAttributes"]
        assert asked["AttributeKey"] == "ResourceName"
        taken = {"EventTime": ago(20), "Username": "anna", "EventName": "AssumeRole", "EventId": "1"}
        changed = {"EventTime": ago(25), "Username": "bob", "EventName": "PutRolePolicy", "EventId": "2"}
        # CloudTrail compares the whole name: of who takes a role on it is the role's ARN, of a change of it its name.
        by_name = {
            "arn:aws:iam::123456789012:role/payment-dr-operations-x7k2": [taken],
            "payment-dr-operations-x7k2": [changed],
        }
        return {"Events": by_name[asked["AttributeValue"]]}


@pytest.fixture
def cloud(monkeypatch):
    found = Cloud()
    where = reading.Places(found, PerRole("us-east-1", "us-east-2"), "table", PerRole("one", "two"), 1)
    monkeypatch.setattr(reading, "places", lambda *_: where)
    monkeypatch.setattr(reading, "read", lambda *_, **__: Books(10, PerRole({}, {})))
    monkeypatch.setattr(aftermath, "health_checks", lambda *_: IDS)
    yield found
    found.released.set()


class Target:
    ledger = None


def gathered(deadline=30.0, window=WINDOW, settings=SETTINGS):
    return Aftermath(Target(), settings, window).gather(deadline)


def test_all_that_a_failover_has_left_is_there(cloud):
    found = gathered()
    assert [each.name for each in found if each.unknown] == []
    known = {each.name: each.value for each in found}
    assert [each["says"] for each in known["switch"]] == ["primary: run", "primary: stop", "primary: run"]
    assert [each["alarm"] for each in known["alarms-secondary"]] == [
        "payment-failover-traffic-secondary-x7k2",
        "both-payment-failover-traffic-secondary-x7k2",
    ], "also the alarm of a rule with two parts, which alone tells people"
    assert [each["told"] for each in known["notifications-primary"]] == [
        {"of": f"notifications/2026/11/26/{name}.json"} for name in ("one", "two")
    ]
    assert known["who-primary"] == [
        {"at": "2026-11-26T11:35:00Z", "who": "bob", "what": "PutRolePolicy"},
        {"at": "2026-11-26T11:40:00Z", "who": "anna", "what": "AssumeRole"},
    ]
    assert [each.name for each in found if each.partly] == []
    come_to = aftermath.summed_up(found, WINDOW)
    assert (come_to.detected, come_to.well_again) == ("2026-11-26T11:38:00Z", "2026-11-26T11:57:00Z")
    assert (come_to.stopped, come_to.notified) == ("2026-11-26T11:40:00Z", 2)
    assert come_to.found.clean


def test_alarms_whose_names_have_no_role_are_there_too(cloud):
    found = {each.name: each.value for each in gathered(settings=Environment.load("trading", ROOT))}
    own = "trading-us-west-2-production-failover-traffic-t9m4"
    assert [each["alarm"] for each in found["alarms-secondary"]] == [own, f"both-{own}"]


ALARMS, WHO = {"alarms-primary", "alarms-secondary"}, {"who-primary", "who-secondary"}


@pytest.mark.parametrize(
    ("days", "partly"), [(1, set()), (13, set()), (20, ALARMS), (70, ALARMS), (100, ALARMS | WHO), (399, ALARMS | WHO)]
)
def test_what_aws_does_not_keep_for_so_long_is_told_as_unknown(cloud, days, partly):
    """A source that is empty because nobody keeps it looks like a failover that did not happen."""
    found = gathered(window=Window((NOW - timedelta(days=days, seconds=17)).timestamp(), NOW.timestamp()))
    assert {each.name for each in found if each.partly} == partly
    told = json.loads(aftermath.files(found)["unknown.json"])
    assert told.keys() == partly
    assert all(f"begins {days} days ago" in why for why in told.values())
    assert {f"{name}.json" for name in partly} <= aftermath.files(found).keys(), "what there is of it is there"


@pytest.mark.parametrize(("days", "first"), [(1, "11:59"), (20, "11:55"), (70, "11:00")])
def test_what_was_ill_before_the_window_is_not_of_it(days, first):
    """Of what is old only longer periods are kept: the one before that of the window's begin is asked for, too."""
    since = datetime(2026, 11, 26, 11, 59, 30, tzinfo=UTC)
    window = Window(since.timestamp(), (since + timedelta(days=days)).timestamp())
    gate = [(f"2026-11-26T{at}:00Z", 0.0) for at in ("10:00", "10:55", "11:00", "11:55", "11:59", "12:00")]
    ill = [each for each in gate if int(each[0][14:16]) * 60 % aftermath.period_of(window.age) == 0]
    found = aftermath.summed_up([aftermath.Gathered("health", "CloudWatch", {"gate": ill})], window)
    assert found.detected == f"2026-11-26T{first}:00Z"


def test_notifications_that_are_too_many_are_told_to_be_cut(cloud, monkeypatch):
    monkeypatch.setattr(aftermath, "MOST", 1)
    cut = {each.name: each.partly for each in gathered() if each.partly}
    assert cut.keys() == {"notifications-primary", "notifications-secondary"}
    assert cut["notifications-primary"] == "cut after the first 1"


@pytest.mark.parametrize(
    ("region", "unknown"),
    [
        ("us-east-1", {"health", "alarms-primary", "notifications-primary", "who-primary"}),
        ("us-east-2", {"switch", "alarms-secondary", "notifications-secondary", "who-secondary"}),
    ],
)
def test_a_region_that_hangs_makes_its_own_unknown_and_holds_up_nothing_else(cloud, region, unknown):
    cloud.hanging = region
    found = gathered(1.0)
    assert {each.name for each in found if each.unknown} == unknown
    assert "no answer within 1 s" in {each.unknown for each in found}
    come_to = aftermath.summed_up(found, WINDOW)
    assert come_to.notified == 2, "each region's bucket has both regions' notifications"


def test_what_is_refused_is_told_with_its_reason(cloud, tmp_path):
    cloud.refusing = "cloudtrail"
    found = gathered()
    texts = aftermath.files(found)
    assert set(json.loads(texts["unknown.json"])) == {"who-primary", "who-secondary"}
    assert "not for you" in texts["unknown.json"]
    head = bind(tmp_path / "evidence", [], {"window.json": "{}", **texts})
    for word, code in ((head, 0), ("0" * 64, 1)):
        told = subprocess.run(
            [sys.executable, "verify.py", word], cwd=tmp_path / "evidence", capture_output=True, text=True, check=False
        )
        assert told.returncode == code, told.stdout + told.stderr
    (tmp_path / "evidence" / "switch.json").write_text("[]")
    told = subprocess.run(
        [sys.executable, "verify.py", head], cwd=tmp_path / "evidence", capture_output=True, check=False
    )
    assert told.returncode == 1
