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

    def list_object_versions(self, **_):
        self._answer()
        told = [("v3", 5, "run"), ("v2", 20, "stop"), ("v1", 9000, "run")]
        return {"Versions": [{"Key": "stop-switch", "VersionId": v, "LastModified": ago(m)} for v, m, _ in told]}

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
        yield getattr(self, self.operation)(arguments)

    def get_metric_data(self, arguments):
        gate = {25: 1.0, 22: 0.0, 21: 0.0, 6: 0.0, 3: 1.0, 2: 1.0}
        labels = [each["Label"] for each in arguments["MetricDataQueries"]]
        assert labels == sorted(IDS)
        points = {"gate": gate, "fast": {25: 1.0}}
        return {
            "MetricDataResults": [
                {"Label": name, "Timestamps": [ago(m) for m in points[name]], "Values": list(points[name].values())}
                for name in labels
            ]
        }

    def describe_alarm_history(self, arguments):
        names = {"us-east-1": "payment-errors-primary-x7k2", "us-east-2": "payment-failover-traffic-secondary-x7k2"}
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
        assert arguments["Prefix"] == "notifications/2026/11/26/"
        keys = [("one", 20), ("two", 19), ("old", 200)]
        return {"Contents": [{"Key": f"{arguments['Prefix']}{k}.json", "LastModified": ago(m)} for k, m in keys]}

    def lookup_events(self, arguments):
        assert arguments["LookupAttributes"][0]["AttributeValue"] == "payment-dr-operations-x7k2"
        return {"Events": [{"EventTime": ago(20), "Username": "anna", "EventName": "AssumeRole"}]}


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


def gathered(deadline=30.0):
    return Aftermath(Target(), SETTINGS, WINDOW).gather(deadline)


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
    assert known["who-primary"] == [{"at": "2026-11-26T11:40:00Z", "who": "anna", "what": "AssumeRole"}]
    come_to = aftermath.summed_up(found, WINDOW)
    assert (come_to.detected, come_to.well_again) == ("2026-11-26T11:38:00Z", "2026-11-26T11:57:00Z")
    assert (come_to.stopped, come_to.notified) == ("2026-11-26T11:40:00Z", 2)
    assert come_to.found.clean


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
