"""Metrics as CloudWatch has them: of every invocation, in logs, by dimensions, and late."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sandbox.faults.fault import InjectedFault
from tests.sandbox import protocols
from tests.sandbox.test_cloud_functions import Function
from tests.sandbox.virtual_time import METRICS_ARRIVE, VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import RunningCloud

CLOUDWATCH = protocols.PROTOCOLS["cloudwatch"]
REGION = "us-west-1"
MEASURING = """
import json, time

def handler(event, context):
    if event.get("do") == "raise":
        raise ValueError("as asked")
    directive = {
        "Namespace": "Mine",
        "Dimensions": [["Role"], ["Role", "Kind"], []],
        "Metrics": [{"Name": "Size", "Unit": "Bytes"}, {"Name": "Quick", "StorageResolution": 1}],
    }
    metadata = {"Timestamp": event["at"], "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": metadata, "Role": event["role"], "Kind": "a", "Size": [1, 2, 9], "Quick": 5}))
    print("no document: _aws")
    return context.invoked_function_arn
"""


@pytest.fixture(scope="module")
def measuring(cloud: RunningCloud) -> Function:
    return Function(cloud, MEASURING, region=REGION)


def read(cloud: RunningCloud, namespace: str, metric: str, period: int = 60, **dimensions: str) -> dict[str, float]:
    """The statistics of a metric's last hours, all periods together: sum, sample count, largest."""
    now = VirtualTime(cloud.sandbox).date()
    found = cloud.client("cloudwatch", REGION).get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(seconds=period * 1200),
        EndTime=now + timedelta(minutes=1),
        Period=period,
        Statistics=["Sum", "SampleCount", "Maximum"],
    )["Datapoints"]
    total = {name: sum(each[name] for each in found) for name in ("Sum", "SampleCount")}
    return total | {"Maximum": max((each["Maximum"] for each in found), default=0.0)}


def test_every_invocation_is_counted_whoever_calls(cloud: RunningCloud, measuring: Function) -> None:
    client, time = measuring.client, VirtualTime(cloud.sandbox)
    measuring(do="raise")
    client.invoke(FunctionName=measuring.name, InvocationType="Event", Payload=json.dumps({"at": 0, "role": "x"}))
    client.put_function_event_invoke_config(FunctionName=measuring.name, MaximumRetryAttempts=0)
    client.invoke(FunctionName=measuring.name, InvocationType="Event", Payload=json.dumps({"do": "raise"}))
    client.put_function_concurrency(FunctionName=measuring.name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError):
        measuring()
    client.delete_function_concurrency(FunctionName=measuring.name)

    def counted() -> dict[str, float]:
        names = ("Invocations", "Errors", "Throttles")
        return {name: read(cloud, "AWS/Lambda", name, FunctionName=measuring.name)["Sum"] for name in names}

    assert counted()["Invocations"] == 0, "what was measured comes late"

    def arrived() -> bool:
        time.pass_seconds(METRICS_ARRIVE)
        return counted() == {"Invocations": 3, "Errors": 2, "Throttles": 1}

    until(arrived, 10)
    duration = read(cloud, "AWS/Lambda", "Duration", FunctionName=measuring.name)
    assert duration["SampleCount"] == 3
    assert 0 < duration["Maximum"] < 1000
    assert read(cloud, "AWS/Lambda", "ConcurrentExecutions", FunctionName=measuring.name)["Maximum"] >= 1
    assert read(cloud, "AWS/Lambda", "Invocations")["Sum"] >= 3, "of all functions of the region"


def test_a_function_is_counted_by_the_alias_by_which_it_was_called(cloud: RunningCloud) -> None:
    function = Function(cloud, MEASURING, region=REGION)
    client, events = function.client, cloud.client("events", REGION)
    version = client.publish_version(FunctionName=function.name)["Version"]
    arn = client.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)["AliasArn"]
    sns = cloud.client("sns", REGION)
    topic = sns.create_topic(Name=function.name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    client.invoke(FunctionName=arn, Payload=json.dumps({"at": 0, "role": "x"}))
    sns.publish(TopicArn=topic, Message="x")
    assert events.list_rules()["Rules"] is not None

    def arrived() -> bool:
        VirtualTime(cloud.sandbox).pass_seconds(METRICS_ARRIVE)
        dimensions = {"FunctionName": function.name, "Resource": f"{function.name}:live"}
        return read(cloud, "AWS/Lambda", "Invocations", **dimensions)["Sum"] >= 2

    until(arrived, 10)


def test_what_a_functions_log_measures_is_a_metric(cloud: RunningCloud, measuring: Function) -> None:
    time, role = VirtualTime(cloud.sandbox), uuid.uuid4().hex
    assert measuring(at=int(time.now() * 1000), role=role)["error"] is None
    time.pass_seconds(METRICS_ARRIVE)
    for dimensions in ({"Role": role}, {"Role": role, "Kind": "a"}):
        assert read(cloud, "Mine", "Size", **dimensions) == {"Sum": 12, "SampleCount": 3, "Maximum": 9}
    assert read(cloud, "Mine", "Size")["Sum"] >= 12, "an empty set of dimensions is one"
    assert read(cloud, "Mine", "Size", Kind="a")["Sum"] == 0
    assert read(cloud, "Mine", "Quick", 1, Role=role)["Sum"] == 5
    assert read(cloud, "Mine", "Size", 1, Role=role)["Sum"] == 0, "it is kept by the minute only"


@pytest.mark.parametrize("rights", ["denied", "not_allowed", "no_role"])
def test_a_function_that_may_make_no_log_group_leaves_none(cloud: RunningCloud, rights: str) -> None:
    """Also one that still runs when its role has gone: a group that it made would outlive what is destroyed."""
    iam, logs = cloud.client("iam"), cloud.client("logs")
    function = Function(cloud, "def handler(event, context):\n    print('said')")
    iam.delete_role_policy(RoleName=function.name, PolicyName="logs")
    if rights == "denied":
        deny = {"Effect": "Deny", "Action": "logs:CreateLogGroup", "Resource": "*"}
        statements = [{"Effect": "Allow", "Action": "logs:*", "Resource": "*"}, deny]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=function.name, PolicyName="none", PolicyDocument=document)
    elif rights == "no_role":
        iam.delete_role(RoleName=function.name)
    assert function()["error"] is None
    assert logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{function.name}")["logGroups"] == []


@pytest.mark.parametrize("protocol", CLOUDWATCH)
def test_metrics_are_told_by_dimensions_in_each_protocol(cloud: RunningCloud, protocol: str) -> None:
    client, name = protocols.client(cloud, "cloudwatch", protocol), uuid.uuid4().hex
    now = VirtualTime(cloud.sandbox).date()
    given: dict[str, Any] = {"MetricName": name, "Timestamp": now, "Unit": "Bytes"}
    of = [{"Name": "D", "Value": "v"}]
    client.put_metric_data(
        Namespace="N",
        MetricData=[
            {**given, "Value": 1.0},
            {**given, "Dimensions": of, "Values": [1.0, 3.0], "Counts": [1.0, 99.0]},
        ],
    )
    span = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=5)}
    asked = {"Namespace": "N", "MetricName": name, "Period": 60, **span}
    (plain,) = client.get_metric_statistics(**asked, Statistics=["Sum", "Average"])["Datapoints"]
    assert (plain["Sum"], plain["Average"], plain["Unit"]) == (1.0, 1.0, "Bytes")
    (of_dimension,) = client.get_metric_statistics(**asked, Dimensions=of, Statistics=["Sum", "Minimum"])["Datapoints"]
    assert (of_dimension["Sum"], of_dimension["Minimum"]) == (298.0, 1.0)
    assert abs(of_dimension["Timestamp"] - now) < timedelta(minutes=1)
    assert client.get_metric_statistics(**asked, Dimensions=of, Unit="Count", Statistics=["Sum"])["Datapoints"] == []
    metrics = client.list_metrics(Namespace="N", MetricName=name, Dimensions=[{"Name": "D"}])["Metrics"]
    assert metrics == [{"Namespace": "N", "MetricName": name, "Dimensions": of}]
    metric = {"Namespace": "N", "MetricName": name, "Dimensions": of}
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p50"}}
    (result,) = client.get_metric_data(MetricDataQueries=[query], **span)["MetricDataResults"]
    assert (result["StatusCode"], result["Label"], result["Values"]) == ("Complete", name, [3.0])
    assert abs(result["Timestamps"][0] - now) < timedelta(minutes=1)
    queries = [{"Id": "e", "Expression": "a * 2", "Label": "Twice"}, query | {"ReturnData": False}]
    (result,) = client.get_metric_data(MetricDataQueries=queries, **span)["MetricDataResults"]
    assert (result["Id"], result["Label"], result["Values"]) == ("e", "Twice", [6.0])
    filled = [{"Id": "e", "Expression": "FILL(a, 7)"}, query | {"ReturnData": False}]
    (result,) = client.get_metric_data(MetricDataQueries=filled, **span)["MetricDataResults"]
    assert len(result["Values"]) == 11
    assert sorted(result["Values"]) == [3.0, *[7.0] * 10]
    with pytest.raises(ClientError, match="SUM"):
        client.get_metric_data(MetricDataQueries=[query, {"Id": "e", "Expression": "SUM(a)"}], **span)


def test_data_is_told_newest_first_and_refused_where_aws_refuses_it(cloud: RunningCloud) -> None:
    client, name, now = cloud.client("cloudwatch"), uuid.uuid4().hex, VirtualTime(cloud.sandbox).date()
    for ago in (3, 1, 2):
        datum = {"MetricName": name, "Timestamp": now - timedelta(minutes=ago), "Value": float(ago)}
        client.put_metric_data(Namespace="N", MetricData=[datum])
    stat = {"Metric": {"Namespace": "N", "MetricName": name}, "Period": 60, "Stat": "Sum"}
    asked = {
        "StartTime": now - timedelta(minutes=9),
        "EndTime": now,
        "MetricDataQueries": [{"Id": "a", "MetricStat": stat}],
    }
    assert client.get_metric_data(**asked)["MetricDataResults"][0]["Values"] == [1.0, 2.0, 3.0]
    ascending = client.get_metric_data(**asked, ScanBy="TimestampAscending")
    assert ascending["MetricDataResults"][0]["Values"] == [3.0, 2.0, 1.0]
    with pytest.raises(ClientError, match="AWS/Lambda"):
        client.put_metric_data(Namespace="AWS/Lambda", MetricData=[{"MetricName": "Errors", "Value": 1.0}])
    with pytest.raises(ClientError, match="Period"):
        client.get_metric_statistics(
            Namespace="N", MetricName=name, Period=7, Statistics=["Sum"], StartTime=now - timedelta(1), EndTime=now
        )


def test_a_queues_messages_are_measured_every_minute(cloud: RunningCloud) -> None:
    sqs, name = cloud.client("sqs", REGION), uuid.uuid4().hex
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    for _ in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody="x")
    VirtualTime(cloud.sandbox).pass_seconds(60 + METRICS_ARRIVE)
    assert read(cloud, "AWS/SQS", "ApproximateNumberOfMessagesVisible", QueueName=name)["Maximum"] == 3
    assert read(cloud, "AWS/SQS", "ApproximateAgeOfOldestMessage", QueueName=name)["Maximum"] > 0
    sqs.delete_queue(QueueUrl=queue)


def test_what_dynamodb_refuses_is_counted_by_kind(cloud: RunningCloud) -> None:
    """Of the account in the region what the caller did wrong; of the table throttles, conditions and server errors."""
    table, time = uuid.uuid4().hex, VirtualTime(cloud.sandbox)
    dynamodb = cloud.client("dynamodb", REGION)
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"pk": {"S": "a"}}

    def refused(ask: Callable[[], Any], code: str) -> None:
        with pytest.raises(ClientError) as told:
            ask()
        assert told.value.response["Error"]["Code"] == code

    def user_errors() -> float:
        time.pass_seconds(METRICS_ARRIVE)
        return read(cloud, "AWS/DynamoDB", "UserErrors")["Sum"]

    before = user_errors()
    dynamodb.put_item(TableName=table, Item=item)
    refused(lambda: dynamodb.get_item(TableName="there-is-none", Key=item), "ResourceNotFoundException")
    only_new = {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    refused(lambda: dynamodb.put_item(**only_new), "ConditionalCheckFailedException")
    for code in ("ThrottlingException", "AccessDeniedException", "InternalServerError"):
        fault = cloud.sandbox.begin_fault(InjectedFault("operation", REGION, "dynamodb:PutItem", code, 1.0))
        try:
            refused(lambda: dynamodb.put_item(TableName=table, Item=item), code)
        finally:
            cloud.sandbox.heal(number=fault.number)
    assert user_errors() - before == 2  # no table of this name, and access denied

    def of(metric: str, **dimensions: str) -> float:
        return read(cloud, "AWS/DynamoDB", metric, TableName=table, **dimensions)["Sum"]

    assert of("ConditionalCheckFailedRequests") == 1
    tries = of("WriteThrottleEvents")
    assert tries >= 1  # the SDK asks again
    assert of("ThrottledRequests", Operation="PutItem") == tries
    assert of("ReadThrottleEvents") == 0
    assert of("SystemErrors", Operation="PutItem") >= 1
