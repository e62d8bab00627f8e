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


class DeadLetterQueue:
    """A queue to which a service may send on behalf of one source."""

    def __init__(self, cloud: RunningCloud, service: str, source: str) -> None:
        self.sqs = cloud.client("sqs", REGION)
        self.url = self.sqs.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn = found["Attributes"]["QueueArn"]
        self.allow(service, source)

    def allow(self, service: str, source: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": source}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})

    def messages(self) -> list[str]:
        found = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [each["Body"] for each in found.get("Messages", ())]


def test_a_call_that_a_rule_cannot_deliver_is_a_dead_letter(cloud: RunningCloud) -> None:
    scheduled = Scheduled(cloud, "rate(1 minute)")
    name = scheduled.function.name
    kept = DeadLetterQueue(cloud, "events.amazonaws.com", scheduled.rule)
    arn = scheduled.function.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    target = {"Id": "1", "Arn": arn, "DeadLetterConfig": {"Arn": kept.arn}}
    scheduled.events.put_targets(Rule=name, Targets=[target])
    scheduled.time.pass_seconds(130)
    until(scheduled.calls, 30)
    assert kept.messages() == []
    scheduled.function.client.remove_permission(FunctionName=name, StatementId="rule")
    called = len(scheduled.calls())
    kept.allow("events.amazonaws.com", "arn:aws:events:us-west-1:000000000000:rule/another")
    scheduled.time.pass_seconds(130)
    assert kept.messages() == [], "the queue lets another rule in"
    kept.allow("events.amazonaws.com", scheduled.rule)
    scheduled.time.pass_seconds(130)
    until(kept.messages, 30)
    assert len(scheduled.calls()) <= called + 1
    scheduled.end()


def test_a_message_that_a_topic_cannot_deliver_is_a_dead_letter(cloud: RunningCloud) -> None:
    sns = cloud.client("sns", REGION)
    topic = sns.create_topic(Name=uuid.uuid4().hex)["TopicArn"]
    kept, reader = (DeadLetterQueue(cloud, "sns.amazonaws.com", topic) for _ in range(2))
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": kept.arn})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=reader.arn, Attributes=redrive)
    sns.publish(TopicArn=topic, Message="first")
    assert [json.loads(each)["Message"] for each in reader.messages()] == ["first"]
    assert kept.messages() == []
    reader.allow("sns.amazonaws.com", f"{topic}-another")
    sns.publish(TopicArn=topic, Message="second")
    assert [json.loads(each)["Message"] for each in kept.messages()] == ["second"]
    reader.sqs.delete_queue(QueueUrl=reader.url)
    sns.publish(TopicArn=topic, Message="third")
    assert {json.loads(each)["Message"] for each in kept.messages()} == {"second", "third"}
