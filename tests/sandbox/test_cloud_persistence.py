"""The cloud's state over restarts, kills and full disks."""

from __future__ import annotations

import io
import json
import os
import signal
import time
import zipfile
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from tests.doubles.disk import Disk
from tests.sandbox.conftest import RunningCloud, a_cloud, running
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOME, OTHER = "us-east-1", "us-east-2"
ACCOUNT = "000000000000"
FUNCTION = """
import os

def handler(event, context):
    return {"statusCode": 200, "body": os.environ["GREETING"] + " from " + os.environ["AWS_REGION"]}
"""


def zipped(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return packed.getvalue()


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_table(cloud: RunningCloud) -> None:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="payments",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "unfinished")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "unfinished",
                "KeySchema": [{"AttributeName": "unfinished", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    replica = {"Create": {"RegionName": OTHER}}
    witness = {"Create": {"RegionName": "us-west-2"}}
    dynamodb.update_table(
        TableName="payments",
        MultiRegionConsistency="STRONG",
        ReplicaUpdates=[replica],
        GlobalTableWitnessUpdates=[witness],
    )
    for number in range(20):
        put_item(cloud, number, unfinished={"S": "yes"})
    dynamodb.delete_item(TableName="payments", Key={"pk": {"S": "7"}, "sk": {"S": "payment"}})


def put_item(cloud: RunningCloud, number: int, **attributes: Any) -> None:
    item = {"pk": {"S": str(number)}, "sk": {"S": "payment"}, "amount": {"N": "1.50"}, **attributes}
    cloud.client("dynamodb").put_item(TableName="payments", Item=item)


def make_buckets(cloud: RunningCloud, role: str) -> None:
    for bucket, region in (("audit-home", HOME), ("audit-other", OTHER)):
        s3 = cloud.client("s3", region)
        where = {} if region == HOME else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **where)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {
        "ID": "all",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": "arn:aws:s3:::audit-other"},
    }
    s3 = cloud.client("s3")
    s3.put_bucket_replication(Bucket="audit-home", ReplicationConfiguration={"Role": role, "Rules": [rule]})
    for body in (b"one", b"two"):
        s3.put_object(Bucket="audit-home", Key="payments/1", Body=body, Tagging="a=b")
    s3.put_object(Bucket="audit-home", Key="payments/2", Body=b"gone")
    s3.delete_object(Bucket="audit-home", Key="payments/2")


def make_api(cloud: RunningCloud, role: str) -> None:
    functions, gateway = cloud.client("lambda", OTHER), cloud.client("apigateway", OTHER)
    functions.create_function(
        FunctionName="greet",
        Runtime="python3.13",
        Handler="greet.handler",
        Role=role,
        Code={"ZipFile": zipped(greet=FUNCTION)},
        Environment={"Variables": {"GREETING": "hello"}},
        Publish=True,
    )
    alias = functions.create_alias(FunctionName="greet", Name="live", FunctionVersion="1")["AliasArn"]
    api = gateway.create_rest_api(name="api")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    health = gateway.create_resource(restApiId=api, parentId=root, pathPart="health")["id"]
    place = {"restApiId": api, "resourceId": health, "httpMethod": "GET"}
    gateway.put_method(**place, authorizationType="NONE")
    uri = f"arn:aws:apigateway:{OTHER}:lambda:path/2015-03-31/functions/{alias}/invocations"
    gateway.put_integration(**place, integrationHttpMethod="POST", type="AWS_PROXY", uri=uri)
    gateway.create_request_validator(restApiId=api, name="all", validateRequestBody=True)
    deployment = gateway.create_deployment(restApiId=api)["id"]
    gateway.create_stage(restApiId=api, stageName="v1", deploymentId=deployment, variables={"x": "y"})


def make_messaging(cloud: RunningCloud) -> None:
    sqs, sns = cloud.client("sqs", OTHER), cloud.client("sns")
    url = sqs.create_queue(QueueName="notices", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    arn = f"arn:aws:sqs:{OTHER}:{ACCOUNT}:notices"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="it burns")


def make_everything(cloud: RunningCloud) -> bytes:
    """Something of each service that the stacks use; returns a ciphertext."""
    role = cloud.client("iam").create_role(RoleName="runs", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))
    arn = role["Role"]["Arn"]
    vpc = cloud.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    cloud.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")
    make_table(cloud)
    make_buckets(cloud, arn)
    make_api(cloud, arn)
    make_messaging(cloud)
    replicas = [{"Region": OTHER}]
    cloud.client("secretsmanager").create_secret(Name="keys", SecretString="s", AddReplicaRegions=replicas)
    cloud.client("ssm", OTHER).put_parameter(Name="/stop", Value="run", Type="SecureString")
    cloud.client("acm").request_certificate(DomainName="api.example.com", ValidationMethod="DNS")
    zone = cloud.client("route53").create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    record = {"Name": "api.example.com", "Type": "CNAME", "TTL": 30, "ResourceRecords": [{"Value": "a.example.com"}]}
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    cloud.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
    cloud.client("logs").create_log_group(logGroupName="/flow", tags={"a": "b"})
    cloud.client("events").put_rule(Name="sweep", ScheduleExpression="rate(1 hour)")
    key = cloud.client("kms").create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
    cloud.client("kms").replicate_key(KeyId=key, ReplicaRegion=OTHER)
    ciphertext: bytes = cloud.client("kms").encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    return ciphertext


def everything(cloud: RunningCloud, ciphertext: bytes) -> dict[str, Any]:
    """All of it as it reads back."""
    zone = cloud.client("route53").list_hosted_zones()["HostedZones"][0]["Id"]
    api = cloud.client("apigateway", OTHER).get_rest_apis()["items"][0]["id"]
    queue = cloud.client("sqs", OTHER).get_queue_url(QueueName="notices")["QueueUrl"]
    asked: dict[str, Callable[[], Any]] = {
        "role": lambda: cloud.client("iam").get_role(RoleName="runs")["Role"],
        "subnets": lambda: cloud.client("ec2").describe_subnets()["Subnets"],
        "network ACLs": lambda: cloud.client("ec2").describe_network_acls()["NetworkAcls"],
        "table": lambda: cloud.client("dynamodb").describe_table(TableName="payments")["Table"],
        "items": lambda: cloud.client("dynamodb").scan(TableName="payments")["Items"],
        "replica": lambda: cloud.client("dynamodb", OTHER).scan(TableName="payments")["Items"],
        "index": lambda: cloud.client("dynamodb", OTHER).query(
            TableName="payments",
            IndexName="unfinished",
            KeyConditionExpression="unfinished = :yes",
            ExpressionAttributeValues={":yes": {"S": "yes"}},
        )["Count"],
        "versions": lambda: {
            bucket: {
                kind: [(each["Key"], each["VersionId"], each["IsLatest"]) for each in found.get(kind, [])]
                for found in [cloud.client("s3").list_object_versions(Bucket=bucket)]
                for kind in ("Versions", "DeleteMarkers")
            }
            for bucket in ("audit-home", "audit-other")
        },
        "object": cloud.client("s3", OTHER).get_object(Bucket="audit-other", Key="payments/1")["Body"].read,
        "tags": lambda: cloud.client("s3").get_object_tagging(Bucket="audit-home", Key="payments/1")["TagSet"],
        "replication": lambda: cloud.client("s3").get_bucket_replication(Bucket="audit-home")[
            "ReplicationConfiguration"
        ],
        "function": lambda: cloud.client("lambda", OTHER).get_alias(FunctionName="greet", Name="live")[
            "FunctionVersion"
        ],
        "validators": lambda: cloud.client("apigateway", OTHER).get_request_validators(restApiId=api)["items"],
        "greeting": lambda: httpx.get(cloud.gateways[OTHER] + "/health").text,
        "messages": lambda: [
            json.loads(each["Body"])["Message"]
            for each in cloud.client("sqs", OTHER).receive_message(QueueUrl=queue)["Messages"]
        ],
        "subscriptions": lambda: cloud.client("sns").list_subscriptions()["Subscriptions"],
        "secret": lambda: cloud.client("secretsmanager", OTHER).get_secret_value(SecretId="keys")["SecretString"],
        "parameter": lambda: cloud.client("ssm", OTHER).get_parameter(Name="/stop", WithDecryption=True)["Parameter"],
        "certificates": lambda: cloud.client("acm").list_certificates()["CertificateSummaryList"],
        "records": lambda: cloud.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"],
        "log groups": lambda: cloud.client("logs").describe_log_groups(logGroupNamePrefix="/flow")["logGroups"],
        "rules": lambda: cloud.client("events").list_rules()["Rules"],
        "decrypted": lambda: cloud.client("kms", OTHER).decrypt(CiphertextBlob=ciphertext)["Plaintext"],
    }
    return {name: ask() for name, ask in asked.items()}


def kill(cloud: RunningCloud) -> None:
    os.kill(cloud.sandbox.status().pids["cloud"], signal.SIGKILL)


def settled(cloud: RunningCloud) -> None:
    """Return when what has changed so far is saved: no later than a second, the promise."""
    time.sleep(1)


def test_everything_is_there_after_a_restart_and_after_a_kill(own_cloud: RunningCloud) -> None:
    ciphertext = make_everything(own_cloud)
    time.sleep(0.1)  # replication and delivery are done in the background
    before = everything(own_cloud, ciphertext)
    first = own_cloud.sandbox.status()

    own_cloud.sandbox.down()
    restarted = running(own_cloud.sandbox)
    assert everything(restarted, ciphertext) == before
    second = restarted.sandbox.status()
    assert (second.generation, second.recoveries) == (first.generation, 0)
    assert second.endpoint == first.endpoint

    settled(restarted)
    kill(restarted)
    said: list[str] = []
    third = restarted.sandbox.up(progress=said.append)
    assert everything(running(restarted.sandbox), ciphertext) == before
    assert (third.generation, third.recoveries) == (first.generation, 0)
    # A port of its own is free while the cloud is not there: another program may have taken it, and that is told too.
    assert said[-1] == "the cloud was killed: it has lost nothing"


def test_a_kill_after_a_change_that_was_not_saved_counts_and_one_after_reads_and_items_does_not(
    own_cloud: RunningCloud,
) -> None:
    """Whatever was acknowledged and is not there again was counted: a deployment then looks at everything anew."""
    make_table(own_cloud)
    settled(own_cloud)
    recoveries = 0
    for attempt in range(6):
        lossy = attempt % 2 == 0
        put_item(own_cloud, attempt)
        own_cloud.client("dynamodb").describe_table(TableName="payments")
        if lossy:
            own_cloud.client("ssm").put_parameter(Name=f"/p/{attempt}", Value="x", Type="String")
        kill(own_cloud)
        own_cloud = running(own_cloud.sandbox)
        status = own_cloud.sandbox.status()
        assert status.recoveries == recoveries + lossy
        recoveries = status.recoveries
        settled(own_cloud)


@pytest.mark.parametrize("seconds", [0.45, *(pytest.param(each, marks=pytest.mark.prove) for each in (0.05, 0.9))])
def test_kill_loses_no_item_or_object_and_at_most_a_second_of_the_rest(own_cloud: RunningCloud, seconds: float) -> None:
    make_table(own_cloud)
    make_buckets(own_cloud, f"arn:aws:iam::{ACCOUNT}:role/none")
    settled(own_cloud)
    written: list[tuple[int, float]] = []
    end = time.monotonic() + seconds
    for number in range(1000, 10000):
        put_item(own_cloud, number)
        own_cloud.client("s3").put_object(Bucket="audit-home", Key=f"payments/{number}", Body=b"x")
        own_cloud.client("ssm").put_parameter(Name=f"/p/{number}", Value="x", Type="String")
        written.append((number, time.monotonic()))
        if time.monotonic() > end:
            break
    kill(own_cloud)
    killed = time.monotonic()
    cloud = running(own_cloud.sandbox)
    keys = {item["pk"]["S"] for item in cloud.client("dynamodb", OTHER).scan(TableName="payments")["Items"]}
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket="audit-home", Prefix="payments/")
    objects = {each["Key"] for page in pages for each in page.get("Contents", [])}
    found = cloud.client("ssm").get_paginator("describe_parameters").paginate()
    parameters = {each["Name"] for page in found for each in page["Parameters"]}
    for number, at in written:
        assert str(number) in keys
        assert f"payments/{number}" in objects
        assert f"/p/{number}" in parameters or killed - at < 1


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.fixture
def cloud_on_disk(tmp_path: Path, disk: Disk) -> Iterator[RunningCloud]:
    """A cloud of the test's own, whose disk it can fill."""
    with a_cloud(tmp_path, **disk.settings) as made:
        yield made


def test_full_disk_is_told_and_a_kill_then_starts_an_empty_cloud(cloud_on_disk: RunningCloud, disk: Disk) -> None:
    make_buckets(cloud_on_disk, f"arn:aws:iam::{ACCOUNT}:role/none")
    settled(cloud_on_disk)
    before = cloud_on_disk.sandbox.status()
    disk.fill("state")
    cloud_on_disk.client("sqs").create_queue(QueueName="q")
    until(lambda: cloud_on_disk.sandbox.status().trouble, 20)
    assert "No space left on device" in cloud_on_disk.sandbox.status().trouble
    kill(cloud_on_disk)
    disk.clear()
    said: list[str] = []
    after = cloud_on_disk.sandbox.up(progress=said.append)
    assert after.generation != before.generation
    assert len(said) == 1
    assert said[0].startswith("the cloud starts empty: ")
    cloud = running(cloud_on_disk.sandbox)
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert cloud.client("sqs").list_queues().get("QueueUrls", []) == []


def test_disk_with_room_again_is_no_trouble_any_more(cloud_on_disk: RunningCloud, disk: Disk) -> None:
    before = cloud_on_disk.sandbox.status()
    disk.fill("state")
    cloud_on_disk.client("sqs").create_queue(QueueName="q")
    until(lambda: cloud_on_disk.sandbox.status().trouble, 20)
    disk.clear()
    until(lambda: not cloud_on_disk.sandbox.status().trouble, 20)
    kill(cloud_on_disk)
    cloud = running(cloud_on_disk.sandbox)
    assert cloud.sandbox.status().generation == before.generation
    assert len(cloud.client("sqs").list_queues()["QueueUrls"]) == 1


def test_object_that_could_not_be_written_makes_the_next_start_an_empty_one(own_cloud: RunningCloud) -> None:
    make_buckets(own_cloud, f"arn:aws:iam::{ACCOUNT}:role/none")
    folder = own_cloud.sandbox.layout.cloud / "s3" / ACCOUNT / "audit-home" / "payments"
    (folder / "3.tmp").symlink_to("/dev/full")
    own_cloud.client("s3").put_object(Bucket="audit-home", Key="payments/3", Body=b"x")
    until(lambda: own_cloud.sandbox.status().trouble, 20)
    own_cloud.sandbox.down()
    said: list[str] = []
    own_cloud.sandbox.up(progress=said.append)
    assert said[0].startswith("the cloud starts empty: ")


@pytest.mark.parametrize("damage", ["state", "generation.json"])
def test_damaged_state_starts_an_empty_cloud(own_cloud: RunningCloud, damage: str) -> None:
    own_cloud.client("sqs").create_queue(QueueName="q")
    before = own_cloud.sandbox.status()
    own_cloud.sandbox.down()
    file: Path = own_cloud.sandbox.layout.cloud / damage
    file.write_bytes(file.read_bytes()[:-10])
    said: list[str] = []
    after = own_cloud.sandbox.up(progress=said.append)
    assert after.generation != before.generation
    assert len(said) == 1
    assert running(own_cloud.sandbox).client("sqs").list_queues().get("QueueUrls", []) == []


def test_deleted_and_recreated_table_keeps_nothing_of_the_first_one(own_cloud: RunningCloud) -> None:
    make_table(own_cloud)
    settled(own_cloud)
    put_item(own_cloud, 99)
    dynamodb = own_cloud.client("dynamodb")
    for region in (OTHER, HOME):
        own_cloud.client("dynamodb", region).delete_table(TableName="payments")
    dynamodb.create_table(
        TableName="payments",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    settled(own_cloud)
    kill(own_cloud)
    assert running(own_cloud.sandbox).client("dynamodb").scan(TableName="payments")["Items"] == []


def test_saving_stops_nothing(own_cloud: RunningCloud) -> None:
    """Requests are answered while the state is being saved."""
    make_table(own_cloud)
    dynamodb, sqs = own_cloud.client("dynamodb"), own_cloud.client("sqs")
    for first in range(0, 2000, 25):
        items = [{"pk": {"S": f"n{first + i}"}, "sk": {"S": "payment"}, "text": {"S": "x" * 5000}} for i in range(25)]
        dynamodb.batch_write_item(RequestItems={"payments": [{"PutRequest": {"Item": item}} for item in items]})
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    daemon = psutil.Process(own_cloud.sandbox.status().pids["cloud"])

    def answered_while_saving() -> bool:
        sqs.send_message(QueueUrl=url, MessageBody="x")
        saving = [child for child in daemon.children() if child.status() != psutil.STATUS_ZOMBIE]
        dynamodb.get_item(TableName="payments", Key={"pk": {"S": "n1"}, "sk": {"S": "payment"}})
        return any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in saving)

    until(answered_while_saving, 20)


def test_what_a_kill_left_of_a_saving_is_removed(own_cloud: RunningCloud) -> None:
    folder = own_cloud.sandbox.layout.cloud
    kill(own_cloud)
    (folder / ".state.1-0123abcd.draft").write_text("half of a state")
    running(own_cloud.sandbox)
    assert list(folder.glob(".*")) == []
