"""The packaged functions in the running cloud, each with exactly the permissions that it needs."""

from __future__ import annotations

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING

import httpx
import pytest

from lambdas.adapters.clock import SystemClock, token
from lambdas.adapters.composition import Dependencies, compose
from lambdas.adapters.processor import HttpsProcessor
from lambdas.payment.api import Api
from lambdas.settings import Settings
from sandbox.processor.ledger import read
from shared.packaging import packages
from tests.doubles import openapi
from tests.doubles.payments import ListJournal, Region
from tests.sandbox.conftest import a_cloud

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

REGIONS = ("us-east-1", "us-east-2")
ACCOUNT = "000000000000"
LATCH = {"failed": 3, "probes": 5, "spread": 3, "clients": 50, "lasting": 4, "again": 30, "grace": 10}
numbers = itertools.count()


@dataclass
class System:
    """A table in both regions, a bucket and the functions in each."""

    cloud: RunningCloud
    name: str

    def invoke(self, region, function, event):
        answer = self.cloud.client("lambda", region, read_timeout=60).invoke(
            FunctionName=f"{self.name}-{function}", Payload=json.dumps(event).encode()
        )
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def post(self, region, key, body=None, api_key="storefront-key"):
        body = body or {"amount": 100, "currency": "USD", "customerId": "test-123"}
        answer = self.invoke(
            region,
            "payment",
            {
                "httpMethod": "POST",
                "path": "/payment",
                "headers": {"x-api-key": api_key, "Idempotency-Key": key, "Content-Type": "application/json"},
                "body": json.dumps(body),
                "requestContext": {"requestId": "r"},
            },
        )
        openapi.check("POST", "/payment", answer)
        return answer

    def items(self, region):
        return self.cloud.client("dynamodb", region).scan(TableName=self.name, ConsistentRead=True)["Items"]

    def objects(self, region):
        listed = self.cloud.client("s3", region).list_objects_v2(Bucket=f"{self.name}-{region}")
        return [found["Key"] for found in listed.get("Contents", [])]


def statements(name, region):
    """IAM of each function, as narrow as it gets."""
    table = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{name}"
    bucket = f"arn:aws:s3:::{name}-{region}"
    keys = ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{name}-*")
    return {
        "payment": [
            (["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], table),
            (["s3:PutObject"], f"{bucket}/*"),
            keys,
        ],
        "health": [(["dynamodb:GetItem"], table)],
        "audit": [
            (["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], table),
            (["dynamodb:Query"], f"{table}/index/unfinished"),
            (["s3:PutObject"], f"{bucket}/*"),
        ],
        "failover_control": [
            (["s3:GetObject", "s3:PutObject"], f"{bucket}/stop-switch"),
            (["s3:ListBucket"], bucket),
            (["cloudwatch:GetMetricData"], "*"),
            keys,
        ],
    }


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """One of its own: in the shared one virtual time may be far ahead, and the latch compares moments with S3's."""
    with a_cloud(tmp_path_factory.mktemp("payments")) as made:
        yield made


@pytest.fixture(scope="module")
def system(cloud):
    made = System(cloud, f"functions-{next(numbers)}")
    create_table(cloud, made.name)
    iam = cloud.client("iam")
    for region, role in zip(REGIONS, ("primary", "secondary"), strict=True):
        s3 = cloud.client("s3", region)
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=f"{made.name}-{region}", **place)
        clients = {"storefront": {"current": "storefront-key", "previous": None}, "canary": {"current": "c"}}
        secret = cloud.client("secretsmanager", region).create_secret(
            Name=f"{made.name}-keys", SecretString=json.dumps({"clients": clients})
        )
        for function, allowed in statements(made.name, region).items():
            name = f"{made.name}-{function}-{region}"
            service = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [service]}))["Role"][
                "Arn"
            ]
            document = [{"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in allowed]
            iam.put_role_policy(
                RoleName=name,
                PolicyName="own",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": document}),
            )
            cloud.client("lambda", region).create_function(
                FunctionName=f"{made.name}-{function}",
                Runtime="python3.13",
                Role=arn,
                Handler=packages.handler(function),
                Timeout=60 if function == "audit" else 10,
                Code={"ZipFile": packages.package(function).read_bytes()},
                Environment={
                    "Variables": {
                        "ENVIRONMENT": "payments",
                        "SUFFIX": made.name,
                        "ROLE": role,
                        "RELEASE": "r1",
                        "CONSISTENCY": "MRSC",
                        "TABLE_NAME": made.name,
                        "PROCESSOR": f"{region}.processor.example",
                        "AUDIT_BUCKET": f"{made.name}-{region}",
                        "API_KEYS_SECRET_ARN": secret["ARN"],
                        "FAILOVER_NAME": "api.payments.example",
                        "STOP_SWITCH_BUCKET": f"{made.name}-{region}",
                        "STOP_SWITCH_KEY": "stop-switch",
                        "PRIMARY_URL": "http://127.0.0.1:9",
                        "LATCH": json.dumps(LATCH),
                    }
                },
            )
    return made


def create_table(cloud, name):
    dynamodb = cloud.client("dynamodb", "us-east-1")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": kind}
            for attribute, kind in (("pk", "S"), ("sk", "S"), ("unfinished", "S"), ("due", "N"))
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "unfinished",
                "KeySchema": [
                    {"AttributeName": "unfinished", "KeyType": "HASH"},
                    {"AttributeName": "due", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    dynamodb.update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": "us-east-2"}}])


def test_a_payment_is_paid_in_one_region_and_replayed_in_the_other(system):
    first = system.post("us-east-1", "once")
    again = system.post("us-east-2", "once")
    assert (first["statusCode"], again["statusCode"]) == (201, 201)
    assert first["body"] == again["body"]
    assert again["headers"]["Idempotent-Replayed"] == "true"
    assert first["headers"]["Served-By"] == "us-east-1 (primary)"
    assert again["headers"]["Served-By"] == "us-east-2 (secondary)"
    payment_id = json.loads(first["body"])["paymentId"]
    assert [key for key in system.objects("us-east-1") if payment_id in key]


@pytest.mark.parametrize("region", REGIONS)
def test_health_reads_and_says_who_it_is(system, region):
    answer = system.invoke(region, "health", {"httpMethod": "GET", "path": "/health", "headers": {}})
    assert answer["statusCode"] == 200
    openapi.check("GET", "/health", answer)
    assert json.loads(answer["body"])["region"] == region


def test_the_sweep_finishes_what_a_client_left(system):
    answer = system.post("us-east-1", "left", {"amount": 5, "currency": "EUR", "customerId": "timeout-1"})
    assert answer["statusCode"] == 202
    payment_id = json.loads(answer["body"])["paymentId"]
    dynamodb = system.cloud.client("dynamodb", "us-east-1")
    # The clock is real here: make it due.
    dynamodb.update_item(
        TableName=system.name,
        Key={"pk": {"S": payment_id}, "sk": {"S": "payment"}},
        UpdateExpression="SET due = :past, retry_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    assert system.invoke("us-east-2", "audit", {"source": "aws.events"}) == {"resolved": 1}
    assert [(line["endpoint"], line["what"]) for line in ledger(system, payment_id)] == [
        ("us-east-1.processor.example", "charge"),
        ("us-east-1.processor.example", "lost"),
        ("us-east-1.processor.example", "charge"),
        ("us-east-1.processor.example", "approved"),
    ]
    assert (
        system.post("us-east-1", "left", {"amount": 5, "currency": "EUR", "customerId": "timeout-1"})["statusCode"]
        == 201
    )
    assert [key for key in system.objects("us-east-2") if payment_id in key]


@pytest.mark.parametrize(
    ("customer", "status", "lines"),
    [
        ("decline-1", 402, ["charge", "declined"]),
        ("late-1", 202, ["charge", "approved"]),
        ("twice-1", 201, ["charge", "charge", "approved"]),
        ("anybody", 201, ["charge", "approved"]),
    ],
)
def test_a_region_asks_its_own_endpoint_by_https(system, customer, status, lines):
    body = {"amount": 5, "currency": "EUR", "customerId": customer}
    answer = system.post("us-east-2", f"endpoint {customer}", body)
    assert answer["statusCode"] == status
    told = ledger(system, json.loads(answer["body"])["paymentId"])
    assert [(line["endpoint"], line["what"]) for line in told] == [("us-east-2.processor.example", it) for it in lines]


def test_a_canary_pays_with_play_money(system):
    answer = system.post("us-east-2", "canary", api_key="c")
    payment_id = json.loads(answer["body"])["paymentId"]
    assert answer["statusCode"] == 201
    assert ledger(system, payment_id) == []
    assert f"canary-charge#{payment_id}" in {item["pk"]["S"] for item in system.items("us-east-1")}


def ledger(system, payment_id):
    """What the processor was asked for a payment, and decided."""
    return [line for line in read(system.cloud.sandbox.layout.processor_ledger) if line["key"] == payment_id]


def test_notifications_are_filed(system):
    record = {
        "messageId": "m1",
        "body": "{}",
        "eventSource": "aws:sqs",
        "attributes": {"SentTimestamp": "1795000000000"},
    }
    assert system.invoke("us-east-2", "audit", {"Records": [record]}) == {"batchItemFailures": []}
    assert "notifications/2026/11/18/m1.json" in system.objects("us-east-2")


@pytest.fixture
def balancer(system):
    """A load balancer in the first region before payment and health, with headers of several values; its name."""
    elb = system.cloud.client("elbv2", REGIONS[0])
    arn, name = itemgetter("LoadBalancerArn", "DNSName")(
        elb.create_load_balancer(Name=system.name, Type="application")["LoadBalancers"][0]
    )
    nothing = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    listener = elb.create_listener(LoadBalancerArn=arn, Protocol="HTTPS", Port=443, DefaultActions=[nothing])
    listener = listener["Listeners"][0]["ListenerArn"]
    for number, function in enumerate(("payment", "health"), 1):
        group = elb.create_target_group(Name=f"{system.name}-{function}", TargetType="lambda")["TargetGroups"][0]
        group = group["TargetGroupArn"]
        several = {"Key": "lambda.multi_value_headers.enabled", "Value": "true"}
        elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[several])
        place = {"FunctionName": f"{system.name}-{function}"}
        functions = system.cloud.client("lambda", REGIONS[0])
        functions.add_permission(
            **place,
            StatementId="balancer",
            Action="lambda:InvokeFunction",
            Principal="elasticloadbalancing.amazonaws.com",
            SourceArn=group,
        )
        target = functions.get_function(**place)["Configuration"]["FunctionArn"]
        elb.register_targets(TargetGroupArn=group, Targets=[{"Id": target}])
        elb.create_rule(
            ListenerArn=listener,
            Priority=number,
            Conditions=[{"Field": "path-pattern", "Values": [f"/{function}"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
    yield name
    elb.delete_listener(ListenerArn=listener)
    elb.delete_load_balancer(LoadBalancerArn=arn)


def test_a_payment_comes_through_a_load_balancer(system, balancer):
    url = system.cloud.gateways[REGIONS[0]]
    key = [("Host", balancer), ("X-API-Key", "storefront-key"), ("Idempotency-Key", "balanced")]
    body = {"amount": 100, "currency": "USD", "customerId": "test-123"}
    first = httpx.post(f"{url}/payment", json=body, headers=key, timeout=30)
    again = httpx.post(f"{url}/payment", json=body, headers=key, timeout=30)
    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert first.headers["Served-By"] == "us-east-1 (primary)"
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    twice = [*key, ("Idempotency-Key", "another")]
    assert httpx.post(f"{url}/payment", json=body, headers=twice, timeout=30).status_code == 400
    health = httpx.get(f"{url}/health", headers={"Host": balancer}, timeout=30)
    assert (health.status_code, health.json()["region"]) == (200, "us-east-1")
    for path, answer in (("/payment", first), ("/health", health)):
        told = {"statusCode": answer.status_code, "headers": answer.headers, "body": answer.text}
        openapi.check("POST" if path == "/payment" else "GET", path, told)


def failover_of_minutes(system, minutes):
    """What the functions of the secondary would have measured: clients came, and the primary failed each probe."""
    dimensions = {"Environment": "payments", "Suffix": system.name, "Role": "secondary"}
    now = datetime.now(UTC)
    system.cloud.client("cloudwatch", "us-east-2").put_metric_data(
        Namespace="Payments",
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                "Timestamp": now - timedelta(minutes=ago),
                "Value": 1,
            }
            for ago in range(minutes)
            for metric in ("FailoverTraffic", "ProbeFailed")
        ],
    )


def test_a_primary_that_does_not_serve_its_clients_is_stopped(system):
    """Also when the switch was deleted: there is nothing then that would say that it is stopped already."""
    place = {"Bucket": f"{system.name}-us-east-2", "Key": "stop-switch"}
    s3 = system.cloud.client("s3", "us-east-2")
    assert system.invoke("us-east-2", "failover_control", {}) == {"primary": "no failover traffic"}
    failover_of_minutes(system, 5)
    s3.put_object(**place, Body=b"primary: run")
    assert system.invoke("us-east-2", "failover_control", {}) == {"primary": "waiting"}, "it was just restored"
    s3.delete_object(**place)
    assert system.invoke("us-east-2", "failover_control", {}) == {"primary": "stopped"}
    assert s3.get_object(**place)["Body"].read() == b"primary: stop"
    assert system.invoke("us-east-2", "failover_control", {}) == {"primary": "already stopped"}
    s3.put_object(**place, Body=b"primary: run, as deployed")
    assert system.invoke("us-east-2", "failover_control", {}) == {"primary": "stopped"}
    assert s3.get_object(**place)["Body"].read() == b"primary: stop"


def test_64_clients_with_one_key_over_both_regions(system):
    """The payment code 64 times at once, against the cloud's tables: more than it can start functions for at a time."""
    outside = Region(clock=SystemClock())
    regions = [connected(system, region, outside) for region in REGIONS]
    start = threading.Barrier(64)

    def pay(number):
        start.wait(30)
        return regions[number % 2].post("race")

    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(pay, range(64)))
    paid = [answer for answer in answers if answer["statusCode"] == 201]
    assert {answer["statusCode"] for answer in answers} <= {201, 409}
    assert len({answer["body"] for answer in paid}) == 1
    assert sum("Idempotent-Replayed" not in answer["headers"] for answer in paid) == 1
    payment_id = json.loads(paid[0]["body"])["paymentId"]
    for region in REGIONS:
        named = [item for item in system.items(region) if payment_id in item["pk"]["S"]]
        assert sorted(item["sk"]["S"] for item in named) == ["payment"]
    assert outside.charges() == [f"charge#{payment_id}"]
    records = [key for region in REGIONS for key in system.objects(region) if payment_id in key]
    assert len(records) == 1
    assert {region.post("race")["body"] for region in regions} == {paid[0]["body"]}


def connected(system, name, outside):
    """A region's API in this process, on the cloud's table and bucket."""
    region = Region(name)
    journal = ListJournal(clock := SystemClock(), {}, "payments", "x7k2", "primary")
    journal.lines = []
    world = Dependencies(
        table=system.cloud.client("dynamodb", name, max_pool_connections=64),
        table_name=system.name,
        objects=system.cloud.client("s3", name, max_pool_connections=64),
        bucket=f"{system.name}-{name}",
        processor=lambda endpoint: HttpsProcessor(endpoint, outside._send),
        endpoint=f"{name}.processor.example",
        clock=clock,
        token=token,
        journal=journal,
    )
    service = compose(Settings("payments", "x7k2", "primary", name, "1", strong=True), world)
    region.api = Api(service.payments, region.keys.client_of, journal, "api.payments.example", service.fence)
    return region
