"""A test of the notifications tells of each way whether it arrived, and of nothing that it has not seen."""

from __future__ import annotations

import io
import json
import signal
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from orchestration import paging
from orchestration.choice import Choice
from orchestration.reach import Heard, Reach
from shared.errors import Problem

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
REGIONS = ("us-east-1", "us-east-2")
MAIL = {"Protocol": "email", "Endpoint": "on-call@example.com", "SubscriptionArn": "arn:aws:sns:mail"}
PAGER = {"Protocol": "https", "Endpoint": "https://pager.example.com/token", "SubscriptionArn": "arn:aws:sns:page"}
QUEUE = {"Protocol": "sqs", "Endpoint": "arn:aws:sqs:queue", "SubscriptionArn": "arn:aws:sns:queue"}


class Cloud:
    """Both regions: who is subscribed, what arrives where, and when (seconds after the alarm)."""

    def __init__(self):
        self.subscribed = {region: [MAIL, PAGER, QUEUE] for region in REGIONS}
        self.to_people = {region: {"mail": 1.0, "pager": 2.0} for region in REGIONS}
        self.filed_in = {region: set(REGIONS) for region in REGIONS}
        """By the topic's region: whose buckets get a record."""
        self.copied, self.refuses, self.metrics = set(), set(), {}
        self.fails = {}
        """What is raised once instead of an answer, by region and state that an alarm is set to."""
        self.states, self.clock, self.told = [], NOW.timestamp(), []

    def client(self, service, region):
        return Client(self, service, region)

    def now(self):
        self.clock += 1
        return self.clock

    def heard(self):
        return [each for each in self.told if each.time <= self.clock]


class Client:
    def __init__(self, cloud, service, region):
        self.cloud, self.service, self.region = cloud, service, region

    def get_caller_identity(self):
        return {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/a"}

    def set_alarm_state(self, AlarmName, StateValue, StateReason):  # noqa: N803 - the SDK's
        refusal = self.cloud.fails.pop((self.region, StateValue), None)
        if refusal:
            raise refusal
        if self.region in self.cloud.refuses:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SetAlarmState")
        self.cloud.states.append((self.region, AlarmName, StateValue, StateReason))
        if StateValue == "ALARM":
            self.cloud.told += [
                Heard(by, "on-call@example.com" if by == "mail" else "pager.example.com", self.region, StateReason, at)
                for by, after in self.cloud.to_people[self.region].items()
                for at in [self.cloud.clock + after]
            ]

    def get_paginator(self, operation):
        self.operation = operation
        return self

    def paginate(self, **asked):
        if self.operation == "get_metric_data":
            return self.measured(**asked)
        if self.operation == "list_subscriptions_by_topic":
            return [{"Subscriptions": self.cloud.subscribed[self.region]}]
        raised = {region for region, _, state, _ in self.cloud.states if state == "ALARM"}
        keys = [region for region in sorted(raised) if self.region in self.cloud.filed_in[region]]
        at = NOW + timedelta(seconds=8)
        return [{"Contents": [{"Key": key, "LastModified": at} for key in keys]}] if keys else [{}]

    def measured(self, MetricDataQueries, StartTime, **_):  # noqa: N803 - the SDK's
        (query,) = MetricDataQueries
        told = self.cloud.metrics.get(query["MetricStat"]["Metric"]["MetricName"], [])
        if isinstance(told, BaseException):
            raise told
        return [{"MetricDataResults": [{"Timestamps": [StartTime for _ in told], "Values": told}]}]

    def get_object(self, Bucket, Key):  # noqa: N803 - the SDK's
        (said,) = [reason for region, _, state, reason in self.cloud.states if (region, state) == (Key, "ALARM")]
        text = json.dumps({"TopicArn": f"arn:aws:sns:{Key}:123456789012:t", "Message": said})
        copied = {"ReplicationStatus": "REPLICA"} if (Key, self.region) in self.cloud.copied else {}
        return {"Body": io.BytesIO(text.encode()), **copied}


@pytest.fixture
def cloud(monkeypatch):
    found = Cloud()
    monkeypatch.setattr(paging, "Aws", lambda _: found)
    monkeypatch.setattr(paging, "LOOKS", 0)
    monkeypatch.setattr(paging, "reach", lambda *_: Reach({}, "there", lambda: (), now=found.now, heard=found.heard))
    return found


def outcome(capsys, **choice):
    code = paging.page(Choice(environment="payments", json=True, **choice), test=True, waits=30)
    rows = {(way["region"], way["by"], way["to"]): way for way in json.loads(capsys.readouterr().out)}
    return code, rows


def test_each_way_of_both_regions_is_told_with_its_seconds(cloud, capsys):
    code, rows = outcome(capsys)
    assert code == 0
    assert set(rows) == {
        (region, by, to)
        for region in REGIONS
        for by, to in (
            ("mail", "on-call@example.com"),
            ("pager", "pager.example.com"),
            *(("evidence", each) for each in REGIONS),
        )
    }
    assert all(way["reached"] and way["seconds"] is not None for way in rows.values())
    assert rows["us-east-2", "pager", "pager.example.com"]["seconds"] == 2.0
    assert "token" not in json.dumps(list(rows.values()), default=str)


def test_the_alarms_say_that_they_are_a_test_and_end(cloud, capsys):
    outcome(capsys)
    assert [(region, state) for region, _, state, _ in cloud.states] == [
        ("us-east-2", "ALARM"), ("us-east-1", "ALARM"), ("us-east-2", "OK"), ("us-east-1", "OK")
    ]  # fmt: skip
    assert all(reason.startswith("TEST by ./invoke page --test") for *_, reason in cloud.states)
    assert {name for _, name, *_ in cloud.states} == {
        "payment-page-test-primary-x7k2",
        "payment-page-test-secondary-x7k2",
    }


@pytest.mark.parametrize("missing", ["mail", "pager"])
def test_a_way_that_reaches_nobody_is_named(cloud, capsys, missing):
    del cloud.to_people["us-east-2"][missing]
    code, rows = outcome(capsys)
    assert code == 1
    (silent,) = [way for way in rows.values() if not way["reached"]]
    assert (silent["region"], silent["by"], silent["said"]) == ("us-east-2", missing, "did not arrive within 30 s")


def test_a_record_that_was_only_copied_is_none_of_its_region(cloud, capsys):
    cloud.copied.add(("us-east-1", "us-east-2"))
    code, rows = outcome(capsys)
    assert code == 1
    assert not rows["us-east-1", "evidence", "us-east-2"]["reached"]
    assert rows["us-east-1", "evidence", "us-east-1"]["reached"]


def test_who_has_not_confirmed_is_named_and_not_waited_for(cloud, capsys):
    cloud.subscribed["us-east-1"] = [{**MAIL, "SubscriptionArn": "PendingConfirmation"}, PAGER, QUEUE]
    code, rows = outcome(capsys)
    assert code == 1
    assert rows["us-east-1", "mail", "on-call@example.com"]["said"] == "has not confirmed: it is told nothing"
    assert cloud.clock - NOW.timestamp() < 30


def test_an_environment_that_tells_nobody_is_found(cloud, capsys):
    cloud.subscribed["us-east-2"] = [QUEUE]
    code, rows = outcome(capsys)
    assert code == 1
    assert rows["us-east-2", "people", "nobody"]["said"] == "no mail and no pager is subscribed"


def test_a_region_that_is_out_does_not_keep_the_other_from_being_tested(cloud, capsys):
    cloud.refuses.add("us-east-1")
    code, rows = outcome(capsys)
    assert code == 1
    assert rows["us-east-1", "alarm", "payment-page-test-primary-x7k2"]["said"].startswith(
        "not set off: cannot set off"
    )
    assert all(way["reached"] for (region, *_), way in rows.items() if region == "us-east-2")


@pytest.mark.parametrize(
    ("delivered", "failed", "code", "said"),
    [(2, 0, 0, "SNS has delivered 2 and failed with none"), (1, 1, 1, "SNS could not deliver 1"), (0, 0, 1, "did not")],
)
def test_where_nobody_sees_the_mail_what_sns_counts_is_told(  # noqa: PLR0917 - fixtures and values
    cloud, capsys, monkeypatch, delivered, failed, code, said
):
    monkeypatch.setattr(paging, "reach", lambda *_: Reach({}, "AWS", lambda: (), now=cloud.now))
    cloud.metrics = {"NumberOfNotificationsDelivered": [delivered], "NumberOfNotificationsFailed": [failed]}
    found, rows = outcome(capsys)
    assert found == code
    assert rows["us-east-1", "mail", "on-call@example.com"]["said"].startswith(said)


def refused(operation):
    return ClientError({"Error": {"Code": "Throttling", "Message": "slowly"}}, operation)


def still_on(cloud):
    """Regions whose alarm was set off last."""
    last = {region: state for region, _, state, _ in cloud.states}
    return {region for region, state in last.items() if state == "ALARM"}


@pytest.fixture
def unseen(cloud, monkeypatch):
    """As on AWS: what arrives can only be counted."""
    monkeypatch.setattr(paging, "reach", lambda *_: Reach({}, "AWS", lambda: (), now=cloud.now))
    return cloud


def test_metrics_that_cannot_be_read_leave_no_alarm_on_and_are_told_of_the_ways(unseen, capsys):
    unseen.metrics = {"NumberOfNotificationsDelivered": refused("GetMetricData")}
    code, rows = outcome(capsys)
    assert (code, still_on(unseen)) == (1, set())
    assert rows["us-east-1", "mail", "on-call@example.com"]["said"].startswith("cannot be seen: cannot read")
    assert rows["us-east-1", "evidence", "us-east-1"]["reached"]


def test_ctrl_c_leaves_no_alarm_on(unseen):
    unseen.metrics = {"NumberOfNotificationsDelivered": KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        paging.page(Choice(environment="payments"), test=True, waits=30)
    assert {region for region, *_ in unseen.states} == set(REGIONS)
    assert still_on(unseen) == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_the_process_leaves_no_alarm_on(cloud, monkeypatch, number):
    def ended():
        signal.raise_signal(number)
        return []

    monkeypatch.setattr(paging, "reach", lambda *_: Reach({}, "there", lambda: (), now=cloud.now, heard=ended))
    with pytest.raises(KeyboardInterrupt):
        paging.page(Choice(environment="payments"), test=True, waits=30)
    assert still_on(cloud) == set()
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("region", REGIONS)
def test_ctrl_c_in_the_midst_of_a_reset_leaves_no_alarm_on(cloud, region):
    cloud.fails[region, "OK"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        paging.page(Choice(environment="payments"), test=True, waits=30)
    assert still_on(cloud) == set()


@pytest.mark.parametrize("region", REGIONS)
def test_an_alarm_that_cannot_be_reset_is_named_with_the_command_and_keeps_not_the_other_on(cloud, capsys, region):
    cloud.fails[region, "OK"] = refused("SetAlarmState")
    code, rows = outcome(capsys)
    assert (code, still_on(cloud)) == (1, {region})
    (left,) = [way for (_, by, _), way in rows.items() if by == "alarm"]
    assert left["region"] == region
    assert f"aws cloudwatch set-alarm-state --region {region} --alarm-name {left['to']}" in left["said"]


def test_an_alarm_that_cannot_be_reset_after_ctrl_c_is_told(unseen, capsys):
    unseen.metrics = {"NumberOfNotificationsDelivered": KeyboardInterrupt()}
    unseen.fails["us-east-2", "OK"] = refused("SetAlarmState")
    with pytest.raises(KeyboardInterrupt):
        paging.page(Choice(environment="payments"), test=True, waits=30)
    assert still_on(unseen) == {"us-east-2"}
    assert "us-east-2: payment-page-test-secondary-x7k2 may still be on" in capsys.readouterr().err


def test_an_alarm_of_which_nobody_knows_whether_it_was_set_off_is_reset(cloud, capsys):
    cloud.fails["us-east-2", "ALARM"] = ReadTimeoutError(endpoint_url="https://cloudwatch")
    code, _ = outcome(capsys)
    assert code == 1
    assert [state for region, _, state, _ in cloud.states if region == "us-east-2"] == ["OK"]


def test_nobody_is_woken_by_a_slip():
    with pytest.raises(Problem, match="say --test"):
        paging.page(Choice(environment="payments"), test=False)
