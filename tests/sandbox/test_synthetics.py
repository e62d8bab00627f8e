"""Canaries run on their schedule, with their role, and what they found is in their bucket and in CloudWatch."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sandbox.faults.fault import InjectedFault
from tests.sandbox.conftest import a_cloud
from tests.sandbox.virtual_time import VirtualTime
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox.conftest import RunningCloud

REGION = "us-west-1"
SCRIPT = """
import os
import helpers.words

def handler(event, context):
    print(helpers.words.SAID, os.environ["KIND"])
    if os.environ["KIND"] == "fails":
        raise ValueError("the API answers 503")
    if os.environ["KIND"] == "hangs":
        import time
        time.sleep(60)
    return "paid"
"""


def packed(script: str = SCRIPT) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("python/pays.py", script)
        archive.writestr("python/helpers/words.py", 'SAID = "said"')
    return target.getvalue()


class MadeCanary:
    """A canary with a role and a bucket of its own; `may` is what its role may do."""

    def __init__(
        self, cloud: RunningCloud, kind: str = "passes", may: tuple[str, ...] | None = None, **more: Any
    ) -> None:
        self.cloud, self.name = cloud, f"t{uuid.uuid4().hex[:10]}"
        self.client, self.s3 = cloud.client("synthetics", REGION), cloud.client("s3", REGION)
        self.bucket = f"{self.name}-artifacts"
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        iam = cloud.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        may = ("s3:PutObject", "s3:GetBucketLocation", "cloudwatch:PutMetricData") if may is None else may
        statements = [
            *({"Effect": "Allow", "Action": each, "Resource": "*"} for each in may),
            {"Effect": "Deny", "Action": "logs:CreateLogGroup", "Resource": "*"},
        ]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=self.name, PolicyName="x", PolicyDocument=policy)
        self.given = {
            "Name": self.name,
            "Code": {"Handler": "pays.handler", "ZipFile": packed()},
            "ArtifactS3Location": f"s3://{self.bucket}/results/",
            "ExecutionRoleArn": role,
            "Schedule": {"Expression": "rate(5 minutes)"},
            "RunConfig": {"TimeoutInSeconds": 5, "EnvironmentVariables": {"KIND": kind}},
            "RuntimeVersion": "syn-python-selenium-14.0",
            **more,
        }
        self.client.create_canary(**self.given)
        self.time = VirtualTime(cloud.sandbox)

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client.get_canary_runs(Name=self.name)["CanaryRuns"]
        return found

    def first_run(self) -> dict[str, Any]:
        self.client.start_canary(Name=self.name)
        self.time.pass_seconds(90)
        until(self.runs, 45)
        return self.runs()[-1]

    def measured(self, metric: str) -> list[float]:
        found = self.cloud.client("cloudwatch", REGION).get_metric_statistics(
            Namespace="CloudWatchSynthetics",
            MetricName=metric,
            Dimensions=[{"Name": "CanaryName", "Value": self.name}],
            StartTime=self.time.date() - timedelta(hours=6),
            EndTime=self.time.date() + timedelta(minutes=1),
            Period=300,
            Statistics=["Average"],
        )["Datapoints"]
        return [each["Average"] for each in found]

    def end(self) -> None:
        if self.client.get_canary(Name=self.name)["Canary"]["Status"]["State"] == "RUNNING":
            self.client.stop_canary(Name=self.name)
        self.client.delete_canary(Name=self.name, DeleteLambda=True)


def test_a_canary_runs_on_its_schedule_and_keeps_what_it_found(cloud: RunningCloud) -> None:
    canary = MadeCanary(cloud)
    assert canary.client.get_canary(Name=canary.name)["Canary"]["Status"]["State"] == "READY"
    run = canary.first_run()
    assert run["Status"] == {"State": "PASSED"}
    assert run["Timeline"]["Started"] <= run["Timeline"]["Completed"]
    bucket, _, prefix = run["ArtifactS3Location"].partition("/")
    assert (bucket, prefix.startswith(f"results/canary/{REGION}/{canary.name}/20")) == (canary.bucket, True)
    read = lambda name: canary.s3.get_object(Bucket=bucket, Key=f"{prefix}/{name}")["Body"].read().decode()  # noqa: E731
    assert json.loads(read("SyntheticsReport-PASSED.json"))["executionStatus"] == "PASSED"
    assert "said passes" in read(f"{canary.name}-log.txt")
    assert canary.measured("SuccessPercent") == [100.0]
    assert canary.measured("Failed") == [0.0]
    for _ in range(3):
        canary.time.pass_seconds(300)
        canary.time.pass_seconds(0)
    until(lambda: len(canary.runs()) >= 3, 10)
    before = len(canary.runs())
    (last,) = canary.client.describe_canaries_last_run(Names=[canary.name])["CanariesLastRun"]
    runs = canary.runs()
    newest = runs[: len(runs) - before + 1]  # a run may end while it is asked for
    assert last["LastRun"]["Id"] in [each["Id"] for each in newest]
    canary.client.stop_canary(Name=canary.name)
    before = len(canary.runs())
    canary.time.pass_seconds(700)
    assert len(canary.runs()) <= before + 1
    groups = cloud.client("logs", REGION).describe_log_groups(logGroupNamePrefix="/aws/lambda/cwsyn-")["logGroups"]
    assert [each for each in groups if canary.name in each["logGroupName"]] == [], "its role is denied to make one"
    canary.end()


def test_a_run_that_fails_says_what_a_client_met(cloud: RunningCloud) -> None:
    canary = MadeCanary(cloud, "fails")
    run = canary.first_run()
    assert run["Status"]["State"] == "FAILED"
    assert run["Status"]["StateReason"] == "ValueError: the API answers 503"
    assert run["Status"]["StateReasonCode"] == "CANARY_FAILURE"
    assert canary.measured("SuccessPercent") == [0.0]
    assert canary.measured("Failed") == [1.0]
    canary.end()


def test_a_run_that_does_not_end_has_failed(cloud: RunningCloud) -> None:
    canary = MadeCanary(cloud, "hangs", RunConfig={"TimeoutInSeconds": 3, "EnvironmentVariables": {"KIND": "hangs"}})
    run = canary.first_run()
    assert run["Status"]["StateReasonCode"] == "EXECUTION_FAILURE"
    assert "timed out" in run["Status"]["StateReason"]
    assert canary.measured("SuccessPercent") == [0.0]
    canary.end()


def test_a_canary_keeps_and_measures_with_its_role_alone(cloud: RunningCloud) -> None:
    canary = MadeCanary(cloud, may=())
    run = canary.first_run()
    assert run["Status"]["State"] == "PASSED", "what it found is so all the same"
    assert canary.s3.list_objects_v2(Bucket=canary.bucket).get("Contents", []) == []
    assert canary.measured("SuccessPercent") == []
    canary.end()


@pytest.mark.parametrize(("namespace", "measured"), [("CloudWatchSynthetics", [100.0]), ("Another", [])])
def test_a_role_may_measure_under_the_namespace_of_its_condition_alone(
    cloud: RunningCloud, namespace: str, measured: list[float]
) -> None:
    canary = MadeCanary(cloud, may=("s3:PutObject", "s3:GetBucketLocation"))
    condition = {"StringEquals": {"cloudwatch:namespace": namespace}}
    statement = {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": condition}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("iam").put_role_policy(RoleName=canary.name, PolicyName="measures", PolicyDocument=policy)
    canary.first_run()
    assert canary.measured("SuccessPercent") == measured
    canary.end()


def test_a_canary_of_a_region_that_is_out_does_not_run(cloud: RunningCloud) -> None:
    canary = MadeCanary(cloud)
    canary.client.start_canary(Name=canary.name)
    fault = cloud.sandbox.begin_fault(InjectedFault("5xx", REGION))
    try:
        canary.time.pass_seconds(400)
    finally:
        cloud.sandbox.heal(fault.number)
    assert canary.runs() == []
    canary.end()


def test_a_changed_canary_runs_its_new_script(cloud: RunningCloud) -> None:
    canary = MadeCanary(cloud, "fails")
    canary.client.update_canary(
        Name=canary.name,
        Code={"Handler": "pays.handler", "ZipFile": packed("def handler(event, context): return 1")},
        RunConfig={"TimeoutInSeconds": 9},
    )
    told = canary.client.get_canary(Name=canary.name)["Canary"]
    assert told["RunConfig"]["TimeoutInSeconds"] == 9
    assert canary.first_run()["Status"]["State"] == "PASSED"
    with pytest.raises(ClientError, match="RUNNING"):
        canary.client.delete_canary(Name=canary.name)
    functions = cloud.client("lambda", REGION)
    engine = told["EngineArn"].rpartition(":")[0]
    assert functions.get_function(FunctionName=engine)["Configuration"]["Timeout"] == 9
    canary.end()
    with pytest.raises(ClientError, match="not found"):
        functions.get_function(FunctionName=engine)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        canary.client.get_canary(Name=canary.name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"RuntimeVersion": "syn-python-selenium-5.1"}, "deprecated"),
        ({"RuntimeVersion": "syn-nodejs-puppeteer-17.0"}, "not run in the sandbox"),
        ({"Schedule": {"Expression": "rate(2 hours)"}}, "no schedule"),
        ({"Schedule": {"Expression": "rate(5 minutes)", "RetryConfig": {"MaxRetries": 1}}}, "RetryConfig"),
        ({"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, "VpcConfig"),
        ({"Code": {"Handler": "pays.handler", "ZipFile": b"no zip"}}, "no zip file"),
    ],
)
def test_what_is_not_run_is_refused_by_its_name(cloud: RunningCloud, change: Any, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        MadeCanary(cloud, **change)


def test_the_runtimes_that_canaries_are_made_of_are_listed(cloud: RunningCloud) -> None:
    told = cloud.client("synthetics", REGION).describe_runtime_versions()["RuntimeVersions"]
    assert {"syn-python-selenium-6.0", "syn-python-selenium-14.0"} <= {each["VersionName"] for each in told}
    assert not any("DeprecationDate" in each for each in told)


def test_canaries_outlive_the_cloud(tmp_path: Path) -> None:
    with a_cloud(tmp_path) as cloud:
        canary = MadeCanary(cloud)
        canary.first_run()
        until(lambda: canary.client.get_canary(Name=canary.name)["Canary"], 5)
    with a_cloud(tmp_path) as again:
        client = again.client("synthetics", REGION)
        assert client.get_canary(Name=canary.name)["Canary"]["Status"]["State"] == "RUNNING"
        assert client.get_canary_runs(Name=canary.name)["CanaryRuns"]
