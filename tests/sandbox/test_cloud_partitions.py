"""What regions that do not hear each other answer, and what they send on afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sandbox.distances import round_trip
from sandbox.faults.fault import InjectedFault as Fault
from sandbox.faults.network import cuts
from tests.sandbox.conftest import a_cloud, running
from tests.sandbox.test_cloud_functions import Function
from tests.sandbox.virtual_time import METRICS_ARRIVE, VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.sandbox.conftest import RunningCloud

ONE, TWO, WITNESS = "us-east-1", "us-east-2", "us-west-2"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud for these tests: they cut off regions that others use."""
    with a_cloud(tmp_path_factory.mktemp("partitions")) as made:
        yield made


@pytest.fixture(autouse=True)
def healed(own: RunningCloud) -> Iterator[None]:
    yield
    own.sandbox.heal()


@dataclass(frozen=True)
class Table:
    """A global table, asked in one region or the other."""

    cloud: RunningCloud
    name: str

    def put(self, region: str, key: str, value: str) -> None:
        item = {"pk": {"S": key}, "value": {"S": value}}
        self.cloud.client("dynamodb", region).put_item(TableName=self.name, Item=item)

    def get(self, region: str, key: str, *, strongly: bool = True) -> str | None:
        answer = self.cloud.client("dynamodb", region).get_item(
            TableName=self.name, Key={"pk": {"S": key}}, ConsistentRead=strongly
        )
        return answer["Item"]["value"]["S"] if "Item" in answer else None

    def refuses(self, region: str) -> bool:
        """Whether a region refuses strong reads and writes, and answers others."""
        self.get(region, "any", strongly=False)
        found = [_error(ask) for ask in (lambda: self.put(region, "refused", "x"), lambda: self.get(region, "any"))]
        assert found in (["500 InternalServerError"] * 2, [""] * 2)
        return any(found)


def _error(ask: Callable[[], object]) -> str:
    try:
        ask()
    except ClientError as error:
        return f"{error.response['ResponseMetadata']['HTTPStatusCode']} {error.response['Error']['Code']}"
    return ""


def global_table(cloud: RunningCloud, **settings: Any) -> Table:
    table = Table(cloud, f"t{uuid.uuid4().hex[:8]}")
    cloud.client("dynamodb").create_table(
        TableName=table.name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    replicas = [{"Create": {"RegionName": TWO}}]
    cloud.client("dynamodb").update_table(TableName=table.name, ReplicaUpdates=replicas, **settings)
    return table


@pytest.fixture
def strong(own: RunningCloud) -> Table:
    return global_table(
        own, MultiRegionConsistency="STRONG", GlobalTableWitnessUpdates=[{"Create": {"RegionName": WITNESS}}]
    )


@pytest.fixture
def eventual(own: RunningCloud) -> Table:
    return global_table(own)


def cut(cloud: RunningCloud, region: str, *others: str, how: str = "both") -> Fault:
    return cloud.sandbox.begin_fault(Fault("partition", region, cut=cuts(region, others, how)))


@pytest.mark.parametrize("how", ["both", "outbound", "inbound"])
def test_an_isolated_region_refuses_what_the_others_go_on_with_and_catches_up(strong: Table, how: str) -> None:
    strong.put(ONE, "a", "before")
    cut(strong.cloud, ONE, "*", how=how)
    assert strong.refuses(ONE)
    assert not strong.refuses(TWO)
    strong.put(TWO, "a", "meanwhile")
    assert strong.get(ONE, "a", strongly=False) == "before"
    assert strong.get(TWO, "a") == "meanwhile"
    strong.cloud.sandbox.heal()
    assert strong.get(ONE, "a", strongly=False) == "meanwhile"
    assert strong.get(ONE, "a") == "meanwhile"
    assert strong.get(ONE, "refused") == "x", "written by the other, before"


@pytest.mark.parametrize("kind", ["refuse", "hang", "data"])
def test_a_region_that_is_out_receives_nothing_until_it_is_back(strong: Table, kind: str) -> None:
    strong.cloud.sandbox.begin_fault(Fault(kind, ONE, how="5xx" if kind == "data" else ""))
    strong.put(TWO, "a", "meanwhile")
    strong.cloud.sandbox.heal()
    assert strong.get(ONE, "a", strongly=False) == "meanwhile"


def test_the_witness_keeps_two_regions_in_agreement_that_do_not_hear_each_other(strong: Table) -> None:
    cut(strong.cloud, ONE, TWO)
    for number, region in enumerate((ONE, TWO, ONE)):
        strong.put(region, "a", str(number))
        assert [strong.get(each, "a") for each in (ONE, TWO)] == [str(number)] * 2


def test_without_the_witness_two_regions_that_do_not_hear_each_other_refuse(strong: Table) -> None:
    strong.cloud.sandbox.begin_fault(Fault("refuse", WITNESS))
    assert not strong.refuses(ONE)
    assert not strong.refuses(TWO)
    cut(strong.cloud, ONE, TWO)
    assert strong.refuses(ONE)
    assert strong.refuses(TWO)


def test_what_one_side_knew_the_other_learns_when_the_sides_change(strong: Table) -> None:
    """The region that was cut off goes on with the witness, which has all that was acknowledged."""
    isolated = cut(strong.cloud, ONE, "*")
    strong.put(TWO, "a", "by the majority")
    cut(strong.cloud, TWO, "*")
    strong.cloud.sandbox.heal(isolated.number)
    assert strong.get(ONE, "a") == "by the majority"
    assert strong.refuses(TWO)


def killed(cloud: RunningCloud) -> None:
    until((cloud.sandbox.layout.cloud / "saved").exists)
    os.kill(cloud.sandbox.status().pids["cloud"], signal.SIGKILL)
    running(cloud.sandbox)


def test_what_a_replica_lacks_is_known_after_a_kill(strong: Table, eventual: Table) -> None:
    cut(strong.cloud, ONE, "*")
    strong.put(TWO, "a", "meanwhile")
    eventual.put(TWO, "a", "meanwhile")
    killed(strong.cloud)
    strong.put(TWO, "b", "after")
    killed(strong.cloud)
    assert strong.refuses(ONE)
    assert eventual.get(ONE, "a") is None
    strong.cloud.sandbox.heal()
    assert [strong.get(ONE, key) for key in "ab"] == ["meanwhile", "after"]
    assert eventual.get(ONE, "a") == "meanwhile"


def test_eventual_consistency_goes_on_on_both_sides_and_the_last_writer_wins(eventual: Table) -> None:
    cut(eventual.cloud, ONE, TWO)
    eventual.put(ONE, "a", "early")
    eventual.put(TWO, "a", "late")
    eventual.put(TWO, "b", "there")
    assert [eventual.get(region, "a") for region in (ONE, TWO)] == ["early", "late"]
    assert eventual.get(ONE, "b") is None
    assert eventual.name not in eventual.cloud.sandbox.status().lost_writes
    eventual.cloud.sandbox.heal()
    assert [eventual.get(region, "a") for region in (ONE, TWO)] == ["late", "late"]
    assert eventual.get(ONE, "b") == "there"
    assert eventual.cloud.sandbox.status().lost_writes[eventual.name] == 1


def test_one_direction_goes_on_where_the_other_is_cut(eventual: Table) -> None:
    cut(eventual.cloud, ONE, TWO, how="outbound")
    eventual.put(ONE, "a", "waits")
    eventual.put(TWO, "b", "arrives")
    assert eventual.get(TWO, "a") is None
    assert eventual.get(ONE, "b") == "arrives"


def test_a_deletion_waits_too(eventual: Table) -> None:
    eventual.put(ONE, "a", "there")
    cut(eventual.cloud, ONE, TWO)
    eventual.cloud.client("dynamodb", ONE).delete_item(TableName=eventual.name, Key={"pk": {"S": "a"}})
    assert eventual.get(TWO, "a") == "there"
    eventual.cloud.sandbox.heal()
    assert eventual.get(TWO, "a") is None


def took(ask: Callable[[], object]) -> float:
    """Milliseconds, the shortest of some."""
    found = []
    for _ in range(5):
        began = time.monotonic()
        ask()
        found.append((time.monotonic() - began) * 1000)
    return min(found)


def test_strong_reads_and_writes_take_the_way_to_the_nearest_other_region(strong: Table) -> None:
    strong.get(ONE, "a", strongly=False)
    near, far = (round_trip(ONE, other) * 1000 for other in (TWO, WITNESS))
    assert took(lambda: strong.get(ONE, "a", strongly=False)) < near
    for ask in (lambda: strong.get(ONE, "a"), lambda: strong.put(ONE, "a", "x")):
        assert near <= took(ask) < far
    strong.cloud.sandbox.begin_fault(Fault("refuse", TWO))
    assert far <= took(lambda: strong.put(ONE, "a", "x")) < 2 * far


def test_two_regions_cannot_write_an_item_at_the_same_moment(strong: Table) -> None:
    """The way to the other region is longer than what lies between the two requests."""

    def write(region: str) -> str:
        return _error(lambda: strong.put(region, "a", region))

    write(ONE)
    write(TWO)
    strong.cloud.sandbox.begin_fault(Fault("refuse", WITNESS))
    with ThreadPoolExecutor() as threads:
        found = {result for _ in range(10) for result in threads.map(write, (ONE, TWO))}
    assert found == {"", "400 ReplicatedWriteConflictException"}


def largest(
    cloud: RunningCloud, region: str, namespace: str, metric: str, dimensions: Mapping[str, str]
) -> float | None:
    """The largest value of a metric's last half hour; None when there is none."""
    now = VirtualTime(cloud.sandbox).date()
    found = cloud.client("cloudwatch", region).get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=now - timedelta(minutes=30),
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max((float(each["Maximum"]) for each in found), default=None)


def test_writes_that_wait_are_measured(eventual: Table) -> None:
    virtual = VirtualTime(eventual.cloud.sandbox)
    cut(eventual.cloud, ONE, TWO)
    eventual.put(ONE, "a", "waits")
    virtual.pass_seconds(120)
    eventual.put(ONE, "b", "waits, too")
    virtual.pass_seconds(METRICS_ARRIVE)
    dimensions = {"TableName": eventual.name, "ReceivingRegion": TWO}
    late = largest(eventual.cloud, ONE, "AWS/DynamoDB", "ReplicationLatency", dimensions)
    assert late is not None
    assert 120_000 <= late < 300_000


def test_objects_wait_for_the_way_to_their_replicas(own: RunningCloud) -> None:
    s3 = {region: own.client("s3", region) for region in (ONE, TWO)}
    names = {region: f"b-{uuid.uuid4().hex[:8]}" for region in s3}
    for region, client in s3.items():
        place = {} if region == ONE else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=names[region], **place)
        client.put_bucket_versioning(Bucket=names[region], VersioningConfiguration={"Status": "Enabled"})
    rule = {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {
            "Bucket": f"arn:aws:s3:::{names[TWO]}",
            "Metrics": {"Status": "Enabled"},
        },
    }
    replication = {"Role": "arn:aws:iam::000000000000:role/r", "Rules": [rule]}
    s3[ONE].put_bucket_replication(Bucket=names[ONE], ReplicationConfiguration=replication)

    def there(key: str) -> bytes | None:
        with contextlib.suppress(ClientError):
            body: bytes = s3[TWO].get_object(Bucket=names[TWO], Key=key)["Body"].read()
            return body
        return None

    s3[ONE].put_object(Bucket=names[ONE], Key="before", Body=b"1")
    assert there("before") == b"1"
    cut(own, ONE, TWO)
    for body in (b"2", b"3"):
        s3[ONE].put_object(Bucket=names[ONE], Key="meanwhile", Body=body, Tagging="of=us")
    s3[ONE].delete_object(Bucket=names[ONE], Key="before")
    assert s3[ONE].head_object(Bucket=names[ONE], Key="meanwhile")["ReplicationStatus"] == "PENDING"
    assert (there("meanwhile"), there("before")) == (None, b"1")
    late = {"SourceBucket": names[ONE], "DestinationBucket": names[TWO], "RuleId": "all"}
    VirtualTime(own.sandbox).pass_seconds(960 + METRICS_ARRIVE)
    assert (largest(own, TWO, "AWS/S3", "ReplicationLatency", late) or 0.0) > 900  # seconds, where copies arrive
    assert largest(own, TWO, "AWS/S3", "OperationsPendingReplication", late) == 3
    assert largest(own, ONE, "AWS/S3", "ReplicationLatency", late) is None
    own.sandbox.heal()
    assert s3[ONE].head_object(Bucket=names[ONE], Key="meanwhile")["ReplicationStatus"] == "COMPLETED"
    assert (there("meanwhile"), there("before")) == (b"3", None)
    assert len(s3[TWO].list_object_versions(Bucket=names[TWO], Prefix="meanwhile")["Versions"]) == 2
    assert s3[TWO].get_object_tagging(Bucket=names[TWO], Key="meanwhile")["TagSet"] == [{"Key": "of", "Value": "us"}]


def test_replicas_of_a_secret_wait_for_its_value(own: RunningCloud) -> None:
    secrets, there, name = own.client("secretsmanager", ONE), own.client("secretsmanager", TWO), uuid.uuid4().hex
    secrets.create_secret(Name=name, SecretString="one", AddReplicaRegions=[{"Region": TWO}])
    cut(own, ONE, TWO)
    secrets.put_secret_value(SecretId=name, SecretString="two")
    assert there.get_secret_value(SecretId=name)["SecretString"] == "one"
    assert secrets.describe_secret(SecretId=name)["ReplicationStatus"][0]["Status"] == "InProgress"
    own.sandbox.heal()
    assert there.get_secret_value(SecretId=name)["SecretString"] == "two"
    assert secrets.describe_secret(SecretId=name)["ReplicationStatus"][0]["Status"] == "InSync"


def test_messages_to_a_queue_in_the_other_region_wait(own: RunningCloud) -> None:
    topic = own.client("sns", ONE).create_topic(Name=uuid.uuid4().hex)["TopicArn"]
    queues = own.client("sqs", TWO)
    url = queues.create_queue(QueueName=uuid.uuid4().hex)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    queues.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    own.client("sns", ONE).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def told() -> list[str]:
        messages = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ())
        for each in messages:
            queues.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(each["Body"])["Message"] for each in messages]

    own.client("sns", ONE).publish(TopicArn=topic, Message="before")
    assert told() == ["before"]
    cut(own, ONE, TWO)
    for word in ("first", "second"):
        own.client("sns", ONE).publish(TopicArn=topic, Message=word)
    assert told() == []
    own.sandbox.heal()
    assert told() == ["first", "second"]
    assert told() == []


def test_a_function_reads_no_queue_in_a_region_that_is_out(own: RunningCloud) -> None:
    reading = Function(own, 'def handler(event, context):\n    import time\n    print("read", time.time())\n', TWO)
    sqs, logs = own.client("sqs", TWO), own.client("logs", TWO)
    url = sqs.create_queue(QueueName=reading.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    reading.client.create_event_source_mapping(EventSourceArn=arn, FunctionName=reading.name)
    sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=1)
    own.sandbox.begin_fault(Fault("hang", TWO))
    time.sleep(2.5)
    own.sandbox.heal()
    healed_at = time.time()

    def read_at() -> list[float]:
        with contextlib.suppress(ClientError):
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{reading.name}")["events"]
            return [float(each["message"].split()[1]) for each in events if each["message"].startswith("read")]
        return []

    until(read_at)
    assert read_at()[0] >= healed_at - 0.5
