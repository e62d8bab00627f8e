"""Alarms are evaluated by the clock, and tell when they change their state."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from drill import watchers
from sandbox.faults.fault import InjectedFault
from tests.sandbox.virtual_time import VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

ALARM = {
    "Namespace": "N",
    "Statistic": "Average",
    "EvaluationPeriods": 1,
    "Threshold": 0.5,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    "TreatMissingData": "notBreaching",
    "Period": 60,
}
REGION = "us-west-1"


class Watched:
    """An alarm on a metric of its own, the topic that it tells, and what a queue heard."""

    def __init__(self, cloud: RunningCloud, **more: Any) -> None:
        self.cloud, self.name = cloud, f"t{uuid.uuid4().hex[:10]}"
        self.client, sns, self.sqs = (cloud.client(each, REGION) for each in ("cloudwatch", "sns", "sqs"))
        self.topic = sns.create_topic(Name=self.name)["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy})
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        told = {kind: [self.topic] for kind in ("OKActions", "AlarmActions", "InsufficientDataActions")}
        dimensions = [{"Name": "D", "Value": "v"}]
        self.given = {
            **ALARM,
            "AlarmName": self.name,
            "MetricName": self.name,
            "Dimensions": dimensions,
            **told,
            **more,
        }
        self.client.put_metric_alarm(**self.given)
        self.time = VirtualTime(cloud.sandbox)

    def measure(self, value: float, dimension: str = "v") -> None:
        datum = {"MetricName": self.name, "Value": value, "Dimensions": [{"Name": "D", "Value": dimension}]}
        self.client.put_metric_data(Namespace="N", MetricData=[{**datum, "StorageResolution": 1}])

    def state(self) -> str:
        (found,) = self.client.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        return str(found["StateValue"])

    def heard(self) -> list[str]:
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(each["Body"])["NewStateValue"] for each in messages]
            for each in messages:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        return found


def test_an_alarm_is_of_its_dimensions_and_tells_when_it_changes_its_state(cloud: RunningCloud) -> None:
    watched = Watched(cloud)
    assert watched.state() == "INSUFFICIENT_DATA"
    watched.measure(1.0, dimension="another")
    assert watched.state() == "INSUFFICIENT_DATA", "a metric that is put evaluates nothing"
    watched.time.pass_seconds(130)
    assert (watched.state(), watched.heard()) == ("OK", ["OK"])
    watched.measure(1.0)
    watched.time.pass_seconds(130)
    assert (watched.state(), watched.heard()) == ("ALARM", ["ALARM"])
    watched.time.pass_seconds(300)
    assert (watched.state(), watched.heard()) == ("OK", ["OK"]), "the point has left the range"


def test_a_short_period_is_looked_at_every_ten_seconds(cloud: RunningCloud) -> None:
    watched = Watched(cloud, Period=10, EvaluationPeriods=12, DatapointsToAlarm=1, Statistic="Sum")
    watched.measure(1.0)
    until(lambda: watched.state() == "ALARM", 25)


def test_an_alarm_on_an_expression_has_no_point_where_nothing_was_asked(cloud: RunningCloud) -> None:
    name = f"t{uuid.uuid4().hex[:10]}"
    client, time = cloud.client("cloudwatch", REGION), VirtualTime(cloud.sandbox)
    metrics = [
        {"Id": each, "MetricStat": {"Metric": {"Namespace": name, "MetricName": each}, "Period": 60, "Stat": "Sum"}}
        for each in ("errors", "requests")
    ]
    rate = {"Id": "rate", "Expression": "FILL(errors, 0) / requests", "ReturnData": True}
    given = {key: ALARM[key] for key in ("EvaluationPeriods", "Threshold", "ComparisonOperator")}
    queries = [rate, *(each | {"ReturnData": False} for each in metrics)]
    client.put_metric_alarm(AlarmName=name, **given, Metrics=queries)

    def after(**values: float) -> tuple[str, list[float]]:
        measured = [{"MetricName": metric, "Value": value} for metric, value in values.items()]
        client.put_metric_data(Namespace=name, MetricData=measured)
        now = time.date()
        found = client.get_metric_data(
            MetricDataQueries=queries, StartTime=now - timedelta(minutes=1), EndTime=now + timedelta(minutes=1)
        )["MetricDataResults"]
        time.pass_seconds(130)
        (alarm,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return alarm["StateValue"], [value for each in found for value in each["Values"]]

    assert after(errors=3.0) == ("INSUFFICIENT_DATA", [])
    assert after(requests=4.0) == ("OK", [0.0])
    assert after(requests=4.0, errors=2.0) == ("ALARM", [0.5])


def test_a_drill_believes_an_alarm_on_alarms_that_follows_them(cloud: RunningCloud) -> None:
    watched = Watched(cloud)
    name, own = f"{watched.name}-all", f'ALARM("{watched.name}")'
    watched.client.put_composite_alarm(AlarmName=name, AlarmRule=own, AlarmActions=[watched.topic])
    begun = watched.time.date().timestamp()
    watched.time.pass_seconds(130)
    watched.measure(1.0)
    watched.time.pass_seconds(130)
    aws: Any = SimpleNamespace(client=cloud.client)
    read = {each.alarm: each.after for each in watchers._changes(watched.client, REGION, begun)}
    assert (read[watched.name], read[name]) == ("ALARM", "ALARM")
    now = watched.time.date().timestamp()
    judged = list(watchers.alarms(aws, REGION, "", begun, now, now=now, told=None))
    assert not [each for each in judged if watched.name in each]
    watched.client.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="a lie")
    watched.time.pass_seconds(15)
    now += 15
    lies = list(watchers.alarms(aws, REGION, "", begun, now, now=now, told=None))
    assert [each for each in lies if f"the alarm {name} did not fire" in each]


def test_a_region_that_is_out_evaluates_nothing(cloud: RunningCloud) -> None:
    watched = Watched(cloud)
    fault = cloud.sandbox.begin_fault(InjectedFault("5xx", REGION))
    try:
        watched.time.pass_seconds(130)
    finally:
        cloud.sandbox.heal(fault.number)
    assert watched.state() == "INSUFFICIENT_DATA"


def test_history_has_the_sandboxs_time(cloud: RunningCloud) -> None:
    watched = Watched(cloud)
    watched.time.pass_seconds(130)
    before = watched.time.now()
    watched.client.set_alarm_state(AlarmName=watched.name, StateValue="ALARM", StateReason="x")
    (last, *_) = watched.client.describe_alarm_history(AlarmName=watched.name)["AlarmHistoryItems"]
    assert abs(last["Timestamp"].timestamp() - before) < 10


def test_an_object_has_the_sandboxs_time(cloud: RunningCloud) -> None:
    """Else a function would take a switch that was moved a minute ago for one that was moved before."""
    s3, moments, name = cloud.client("s3"), VirtualTime(cloud.sandbox), uuid.uuid4().hex
    moments.pass_seconds(130)
    s3.create_bucket(Bucket=name)
    before = moments.now()
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    told = [s3.head_object(Bucket=name, Key="k"), *s3.list_objects_v2(Bucket=name)["Contents"]]
    assert all(abs(each["LastModified"].timestamp() - before) < 10 for each in told)


METRIC = {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {
                "Metrics": [
                    {"Id": "e", "Expression": "RATE(m)", "ReturnData": True},
                    {"Id": "m", "MetricStat": METRIC, "ReturnData": False},
                ]
            },
            r"Metrics: RATE\(m\) is not computed",
        ),
        ({"ThresholdMetricId": "a"}, "ThresholdMetricId: alarms on anomaly detection"),
        ({"ExtendedStatistic": "tm99", "Statistic": None}, "Statistic: an alarm on tm99"),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "ComparisonOperator: LessThanLowerThreshold"),
        ({"DatapointsToAlarm": 3, "EvaluationPeriods": 2}, "DatapointsToAlarm: 3 of 2"),
        ({"Period": 45}, "Period: 45 s"),
        ({"Period": 60, "EvaluationPeriods": 1441}, "longer than an alarm may look back"),
    ],
)
def test_a_shape_that_is_not_evaluated_is_refused_by_its_name(cloud: RunningCloud, change: Any, words: str) -> None:
    client, name = cloud.client("cloudwatch", REGION), f"t{uuid.uuid4().hex[:10]}"
    given = {**ALARM, "AlarmName": name, "MetricName": "M", **change}
    if "Metrics" in change:
        given = {
            key: value for key, value in given.items() if key not in {"Namespace", "MetricName", "Statistic", "Period"}
        }
    with pytest.raises(ClientError, match=words):
        client.put_metric_alarm(**{key: value for key, value in given.items() if value is not None})
    assert client.describe_alarms(AlarmNames=[name])["MetricAlarms"] == []
