"""How things stand is told in time, whatever hangs, and nothing that is known is kept back."""

from __future__ import annotations

import io
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from orchestration import operator, questions, situation
from orchestration.choice import Choice
from orchestration.reach import Reach
from shared import grey_failure
from shared.errors import Problem

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
JSON = Choice(target="aws", json=True)
DEADLINE = 2.0
SECONDARY_ROWS = {
    "stop switch",
    "fence",
    "clients, secondary",
    "alarms, secondary",
    "unfinished payments, secondary",
    "table's lag",
    "budget, secondary",
}


class Cloud:
    """AWS by service and region. `hanging`: what gives no answer; `out`: what refuses to; `values`: of metrics, by name
    and minutes ago.
    """

    def __init__(self):
        self.hanging, self.values, self.text = set(), {}, b"primary: run"
        self.out = set()
        self.released = threading.Event()
        self.asked_for_tags = self.other_checks = 0
        self.fence = {}

    def client(self, service, region):
        return Client(self, service, region)


class Client:
    def __init__(self, cloud, service, region):
        self.cloud, self.service, self.region = cloud, service, region

    def _answer(self):
        if {self.service, self.region, (self.service, self.region)} & self.cloud.hanging:
            self.cloud.released.wait(120)
        if (self.service, self.region) in self.cloud.out:
            raise ConnectTimeoutError(endpoint_url=f"https://{self.service}.{self.region}")

    def get_caller_identity(self):
        self._answer()
        return {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/a"}

    def assume_role(self, **_):
        return {"Credentials": {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}}

    def get_object(self, **_):
        self._answer()
        return {"Body": io.BytesIO(self.cloud.text), "LastModified": NOW - timedelta(minutes=7)}

    def get_item(self, **_):
        self._answer()
        return {"Item": self.cloud.fence} if self.cloud.fence else {}

    def list_tags_for_resources(self, ResourceType, ResourceIds):  # noqa: N803 - the SDK's
        assert ResourceType == "healthcheck"
        assert 1 <= len(ResourceIds) <= 10
        self.cloud.asked_for_tags += 1
        return {
            "ResourceTagSets": [
                {"ResourceId": each, "Tags": [{"Key": "Name", "Value": NAMES.get(each, "another-systems")}]}
                for each in ResourceIds
            ]
        }

    def get_paginator(self, operation):
        return Pages(self, operation)


class Pages:
    def __init__(self, client, operation):
        self.client, self.operation = client, operation

    def paginate(self, **arguments):
        self.client._answer()
        yield getattr(self, self.operation)(**arguments)

    def list_health_checks(self):
        others = [f"other-{number}" for number in range(self.client.cloud.other_checks)]
        return {"HealthChecks": [{"Id": each} for each in (*others, *NAMES)]}

    def describe_alarms(self, **arguments):
        assert arguments["StateValue"] == "ALARM"
        names = [f"payment-failover-traffic-x7k2 of {self.client.region}-x7k2", "another-systems"]
        return {"MetricAlarms": [{"AlarmName": name, "StateUpdatedTimestamp": NOW} for name in names]}

    def get_metric_data(self, MetricDataQueries, **_):  # noqa: N803 - the SDK's
        metric = MetricDataQueries[0]["MetricStat"]["Metric"]
        dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        told = self.client.cloud.values.get((metric["MetricName"], dimensions.get("Role", "")), {})
        told = told or self.client.cloud.values.get((metric["MetricName"], dimensions.get("HealthCheckId", "")), {})
        times = [NOW - timedelta(minutes=ago) for ago in told]
        return {"MetricDataResults": [{"Timestamps": times, "Values": list(told.values())}]}


NAMES = {
    "gate": "payment-api-primary-x7k2-gate",
    "standard": "payment-api-primary-x7k2-standard",
    "fast": "payment-api-primary-x7k2-fast",
    "stop": "payment-api-secondary-x7k2-stop-switch",
    **{check: f"payment-api-primary-x7k2-{check}" for check in grey_failure.CHECKS["rest-api"]},
    "another": "another-systems-gate",
}


@pytest.fixture
def cloud(monkeypatch):
    found = Cloud()
    monkeypatch.setattr(operator, "Aws", lambda _: found)
    place = Reach({}, "AWS", list, asks_first=True, now=NOW.timestamp)
    monkeypatch.setattr(situation, "reach", lambda *_: place)
    for role in ("primary", "secondary"):
        found.values["OldestUnfinished", role] = {1: 0.0}
    for name in NAMES:
        found.values["HealthCheckStatus", name] = {3: 1.0, 2: 1.0, 1: 1.0}
    yield found
    found.released.set()


@pytest.fixture
def told(cloud, capsys):
    """What is found, by row, with the code and the seconds that it took."""

    def tell(deadline=60.0):
        begun = time.monotonic()
        code = situation.situation(JSON, deadline=deadline)
        return {row["what"]: row for row in json.loads(capsys.readouterr().out)}, code, time.monotonic() - begun

    return tell


def test_without_the_primarys_region_and_the_global_endpoints_the_secondarys_rows_are_right_and_in_time(cloud, told):
    cloud.hanging = {"us-east-1", "route53"}
    cloud.text = b"primary: stop"
    cloud.values["FailoverTraffic", "secondary"] = {9: 3.0, 2: 5.0, 1: 4.0, 120: 7.0}
    found, code, took = told(DEADLINE)
    assert took < 10
    assert code == 1
    assert {what for what, row in found.items() if row["known"]} == SECONDARY_ROWS
    assert found["stop switch"]["said"] == "keeps the primary out, since 2026-11-26 11:53:00Z"
    assert found["clients, secondary"]["said"].startswith("serves them since 2026-11-26 11:58:00Z")
    assert "us-east-2" in found["alarms, secondary"]["said"]
    assert "another-systems" not in found["alarms, secondary"]["said"]
    assert found["gate"]["said"] == f"unknown: no answer within {DEADLINE:g} s"


def test_without_the_secondary_it_ends_in_time_too(cloud, told):
    """The fence is known by the primary as well: it refuses the clients that come back from a lost secondary."""
    cloud.hanging = {"us-east-2"}
    cloud.fence = {"from": {"N": str(int(NOW.timestamp() - 60) * 1000)}}
    found, code, took = told(DEADLINE * 2)
    assert took < 10
    assert code == 1
    assert {what for what, row in found.items() if not row["known"]} == SECONDARY_ROWS - {"table's lag", "fence"}
    assert found["fence"]["said"] == (
        "the primary refuses new payments from 2026-11-26 11:59:00Z on until 2026-11-26 12:59:00Z"
    )


def test_a_fence_that_is_over_is_told_as_one(cloud, told):
    cloud.fence = {"from": {"N": str(int(NOW.timestamp() - 7200) * 1000)}}
    assert told()[0]["fence"]["said"] == "over since 2026-11-26 11:00:00Z: the primary takes payments"


@pytest.mark.parametrize("how", ["hanging", "out"])
def test_without_the_secondarys_sts_every_row_is_known_that_does_not_need_it(cloud, told, how):
    """Each would wait for the role: the primary's STS gives it as well."""
    getattr(cloud, how).add(("sts", "us-east-2"))
    found, code, took = told(DEADLINE * 2)
    assert took < 10
    assert [row for row in found.values() if not row["known"]] == []
    assert code == 0


@pytest.mark.parametrize("how", ["hanging", "out"])
def test_without_any_sts_the_rows_are_asked_for_as_who_one_is(cloud, told, how):
    getattr(cloud, how).update({("sts", "us-east-1"), ("sts", "us-east-2")})
    found, code, took = told(DEADLINE * 2)
    assert took < 10
    assert {what for what, row in found.items() if not row["known"]} == {"stop switch"}
    assert "account" in found["stop switch"]["said"]
    assert code == 1


def test_of_several_ways_the_next_is_tried_when_one_fails_or_is_late():
    released = threading.Event()

    def fails():
        raise Problem("no")

    def hangs():
        released.wait(30)

    try:
        assert questions.first_answer([fails, lambda: "b"], 30, 60) == "b"
        assert questions.first_answer([hangs, fails, lambda: "c"], 0.05, 60) == "c"
        assert questions.first_answer([lambda: "a", fails], 30, 60) == "a"
        assert questions.first_answer([fails, hangs], 0.05, 0.2) == questions.Unanswered("no")
        assert questions.first_answer([hangs], 0.05, 0.1) == questions.Unanswered("no answer within 0.1 s")
    finally:
        released.set()


def test_when_all_answer_all_is_known(cloud, told):
    cloud.values["HealthCheckStatus", "fast"] = {4: 1.0, 3: 1.0, 2: 0.0, 1: 0.0}
    found, code, _ = told()
    assert code == 0, [row for row in found.values() if not row["known"]]
    assert found["gate: fast"]["said"] == "UNHEALTHY since 2026-11-26 11:58:00Z"
    assert found["gate"]["said"] == "healthy since 2026-11-26 11:57:00Z or earlier"


def test_an_account_with_many_checks_is_not_asked_for_each(cloud, told):
    """Route 53 answers five requests a second for a whole account: asked one by one, none would be known in time."""
    cloud.other_checks = 92
    found, code, _ = told()
    assert code == 0, [row for row in found.values() if not row["known"]]
    assert cloud.asked_for_tags == 10


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "none by the shared name in 3 h"),
        ({30: 2.0, 20: 1.0}, "none since 2026-11-26 11:40:00Z"),
        ({3: 0.0, 2: 1.0}, "serves them since 2026-11-26 11:58:00Z (1 requests in the last full minute)"),
    ],
)
def test_who_serves_is_told_by_the_clients_that_came(cloud, told, values, said):
    cloud.values["FailoverTraffic", "primary"] = values
    assert told()[0]["clients, primary"]["said"] == said


def test_what_is_refused_is_one_line_of_its_own_row(cloud, told, monkeypatch):
    refusal = ClientError({"Error": {"Code": "AccessDenied", "Message": "not\nyou"}}, "DescribeAlarms")

    def describe_alarms(*_, **__):
        raise refusal

    monkeypatch.setattr(Pages, "describe_alarms", describe_alarms)
    found, code, _ = told()
    assert code == 1
    assert {what for what, row in found.items() if not row["known"]} == {"alarms, primary", "alarms, secondary"}
    assert "\n" not in found["alarms, primary"]["said"]


def test_a_value_that_hangs_keeps_no_other_value_waiting():
    """One that is asked for in a dead region must not hold those of the others: functools.cached_property did."""
    released = threading.Event()
    dead, alive = questions.Once(lambda: released.wait(30)), questions.Once(lambda: "alive")
    hanging = threading.Thread(target=dead, daemon=True)
    hanging.start()
    told = []
    asking = threading.Thread(target=lambda: told.append(alive()), daemon=True)
    asking.start()
    asking.join(5)
    released.set()
    hanging.join(5)
    assert told == ["alive"]
