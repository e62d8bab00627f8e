"""Schedules that run by the clock, and mail that topics send."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING

from sandbox.faults.fault import InjectedFault
from sandbox.mail import Mailbox
from tests.sandbox.test_cloud_functions import Function
from tests.sandbox.virtual_time import VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

REGION = "us-west-1"
CALLED = """
def handler(event, context):
    print("called with", event.get("time") or event)
"""


class Scheduled:
    """A function that a rule calls."""

    def __init__(self, cloud: RunningCloud, expression: str) -> None:
        self.cloud, self.function = cloud, Function(cloud, CALLED, region=REGION)
        self.events, name = cloud.client("events", REGION), self.function.name
        self.rule = self.events.put_rule(Name=name, ScheduleExpression=expression)["RuleArn"]
        found = self.function.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        self.events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": found}])
        self.function.client.add_permission(
            FunctionName=name,
            StatementId="rule",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=self.rule,
        )
        self.time = VirtualTime(cloud.sandbox)

    def calls(self) -> list[str]:
        logs, group = self.cloud.client("logs", REGION), f"/aws/lambda/{self.function.name}"
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        found = logs.filter_log_events(logGroupName=group)["events"]
        return [each["message"] for each in found if each["message"].startswith("called with")]

    def end(self) -> None:
        self.events.remove_targets(Rule=self.function.name, Ids=["1"])
        self.events.delete_rule(Name=self.function.name)


def test_schedules_run_by_the_sandboxs_clock(cloud: RunningCloud) -> None:
    every_two, hourly = Scheduled(cloud, "rate(2 minutes)"), Scheduled(cloud, "cron(0 * * * ? *)")
    begun = every_two.time.now()
    for _ in range(8):
        every_two.time.pass_seconds(95)  # no faster than a machine can call
    passed = every_two.time.now() - begun
    calls = every_two.calls()
    assert passed / 120 - 2 <= len(calls) <= passed / 120
    assert len(set(calls)) == len(calls), "a moment is called once"
    assert len(hourly.calls()) <= 1
    every_two.events.disable_rule(Name=every_two.function.name)
    every_two.time.pass_seconds(300)
    assert len(every_two.calls()) <= len(calls) + 1
    every_two.end()
    hourly.end()


def test_a_rate_counts_from_the_moment_by_the_sandboxs_clock_at_which_its_rule_was_made(cloud: RunningCloud) -> None:
    clock = VirtualTime(cloud.sandbox)
    ahead = (450 - (clock.now() - time.time())) % 600
    clock.pass_seconds(ahead if ahead > 90 else ahead + 600)  # by the machine's time it would be due in 150 s
    scheduled = Scheduled(cloud, "rate(10 minutes)")
    clock.pass_seconds(250)
    assert scheduled.calls() == []
    clock.pass_seconds(450)
    until(scheduled.calls, 10)
    scheduled.end()


def test_a_region_that_is_out_calls_nothing(cloud: RunningCloud) -> None:
    scheduled = Scheduled(cloud, "rate(1 minute)")
    fault = cloud.sandbox.begin_fault(InjectedFault("5xx", REGION))
    try:
        scheduled.time.pass_seconds(300)
    finally:
        cloud.sandbox.heal(fault.number)
    assert scheduled.calls() == []
    scheduled.time.pass_seconds(130)
    assert scheduled.calls()
    scheduled.end()


def test_who_is_subscribed_by_mail_gets_what_an_alarm_tells(cloud: RunningCloud) -> None:
    sns, client, name = cloud.client("sns", REGION), cloud.client("cloudwatch", REGION), uuid.uuid4().hex
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="on-call@example.com")
    rule = {"EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    metric = {"Namespace": "N", "MetricName": name, "Statistic": "Sum", "Period": 60, "TreatMissingData": "ignore"}
    client.put_metric_alarm(AlarmName=name, **metric, **rule, AlarmActions=[topic])
    for state in ("ALARM", "ALARM", "OK"):
        client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="<because>")
    sns.publish(TopicArn=topic, Message="by hand", Subject="Hello")
    mail, by_hand = (each for each in Mailbox(cloud.sandbox.layout.mail).read() if each.topic == topic)
    assert (mail.to, mail.region, mail.alarm["NewStateValue"]) == ("on-call@example.com", REGION, "ALARM")
    assert mail.alarm["NewStateReason"] == "<because>"
    assert abs(mail.time - VirtualTime(cloud.sandbox).now()) < 10
    assert (by_hand.alarm, by_hand.subject, by_hand.message) == ({}, "Hello", "by hand")
    assert json.loads(mail.message)["AlarmName"] == name
