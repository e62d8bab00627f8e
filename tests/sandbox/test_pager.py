"""Endpoints by https: a topic offers itself, the pager confirms, and is told from then on."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from sandbox.cloud.account import PAGER
from sandbox.mail import Mailbox
from shared.environment import Environment, environment_names
from tests.waiting import until

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

ADDRESS = "https://pager.example.com/integration/a-token/enqueue"
REGION = "us-east-2"
"""Not the one that the cloud takes where a request names none."""


def subscribed(cloud: RunningCloud, address: str = ADDRESS) -> tuple[str, str]:
    """A topic, and the ARN of its subscription."""
    sns = cloud.client("sns", REGION)
    topic = sns.create_topic(Name=uuid.uuid4().hex)["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=address, ReturnSubscriptionArn=True)
    return topic, answer["SubscriptionArn"]


def pending(cloud: RunningCloud, subscription: str) -> bool:
    found = cloud.client("sns", REGION).get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    return bool(found["PendingConfirmation"] == "true")


def pages(cloud: RunningCloud, topic: str) -> list[str]:
    return [each.message for each in Mailbox(cloud.sandbox.layout.pages).read() if each.topic == topic]


def test_a_subscription_that_nobody_has_confirmed_has_an_arn_for_who_asks(cloud: RunningCloud) -> None:
    topic, subscription = subscribed(cloud)
    assert subscription.startswith(f"{topic}:")
    answer = cloud.client("sns", REGION).subscribe(
        TopicArn=topic, Protocol="https", Endpoint="https://pager.example.com/another"
    )
    assert answer["SubscriptionArn"] == "pending confirmation"


def test_the_pager_confirms_by_the_address_that_it_is_given_and_is_told_what_an_alarm_tells(
    cloud: RunningCloud,
) -> None:
    topic, subscription = subscribed(cloud)
    until(lambda: not pending(cloud, subscription), 10)
    client, name = cloud.client("cloudwatch", REGION), uuid.uuid4().hex
    rule = {"EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    metric = {"Namespace": "N", "MetricName": name, "Statistic": "Sum", "Period": 60, "TreatMissingData": "ignore"}
    client.put_metric_alarm(AlarmName=name, **metric, **rule, AlarmActions=[topic])
    client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="because")
    (page,) = until(lambda: pages(cloud, topic), 10)
    assert json.loads(page)["AlarmName"] == name


def test_a_page_tells_nobody_the_token_of_its_address(cloud: RunningCloud) -> None:
    topic, subscription = subscribed(cloud)
    until(lambda: not pending(cloud, subscription), 10)
    cloud.client("sns", REGION).publish(TopicArn=topic, Message="by hand")
    until(lambda: pages(cloud, topic), 10)
    kept = cloud.sandbox.layout.pages.read_text()
    assert "by hand" in kept
    assert "a-token" not in kept


def test_every_region_has_the_parameter_that_the_environments_name(cloud: RunningCloud) -> None:
    assert {Environment.load(name).edge.pager for name in environment_names()} == {PAGER}
    found = [
        cloud.client("ssm", region).get_parameter(Name=PAGER, WithDecryption=True)["Parameter"]
        for region in ("us-east-1", "us-east-2", "us-west-2")
    ]
    assert all(each["Type"] == "SecureString" for each in found)
    assert all(each["Value"].startswith("https://pager.example.com/") for each in found)
