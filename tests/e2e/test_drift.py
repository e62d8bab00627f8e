"""What is changed behind the programs' back is found and named, and what drift recommends repairs it."""

from __future__ import annotations

import json
import re

import boto3
import pytest

from sandbox.variables import CREDENTIALS
from tests.e2e.states import states
from tests.sampling import sampled

pytestmark = pytest.mark.xdist_group("running")

PRIMARY, SECONDARY = "us-east-1", "us-east-2"


class Cloud:
    """AWS's clients for somebody who knows nothing of the programs."""

    def __init__(self, checkout):
        self._endpoint = checkout.ok("sandbox.status", "--json").json["endpoint"]
        self._session = boto3.Session(**{name.lower(): value for name, value in CREDENTIALS.items()})
        self.outputs = checkout.ok("outputs", "--json").json

    def __call__(self, service, region=PRIMARY):
        return self._session.client(service, region_name=region, endpoint_url=self._endpoint)

    def alarm(self, region, part):
        alarms = self("cloudwatch", region).describe_alarms()["MetricAlarms"]
        return next(each for each in alarms if part in each["AlarmName"])

    def function(self, region, part):
        functions = self("lambda", region).list_functions()["Functions"]
        return next(each["FunctionName"] for each in functions if part in each["FunctionName"])

    def parameter(self, region, part):
        parameters = self("ssm", region).describe_parameters()["Parameters"]
        return next(each["Name"] for each in parameters if part in each["Name"])

    def security_group(self, part):
        groups = self("ec2").describe_security_groups()["SecurityGroups"]
        return next(each for each in groups if part in each["GroupName"])

    def data(self, name):
        return self.outputs["data/payments"][name]

    def edge(self, name):
        return self.outputs["edge/payments"][name]

    def secret(self):
        return self.data("api_keys_secret_arns")["primary"]


def raise_threshold(cloud):
    alarm = cloud.alarm(SECONDARY, "health-latency")
    kept = {"AlarmName", "Namespace", "MetricName", "Dimensions", "ExtendedStatistic", "Statistic", "Period"} & {*alarm}
    rest = {"EvaluationPeriods", "ComparisonOperator", "TreatMissingData", "AlarmActions", "OKActions", "Unit"} & {
        *alarm
    }
    cloud("cloudwatch", SECONDARY).put_metric_alarm(**{name: alarm[name] for name in kept | rest}, Threshold=99999)


def delete_alarm(cloud):
    """One that no composite alarm needs."""
    for region in (PRIMARY, SECONDARY):
        client = cloud("cloudwatch", region)
        composite = client.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        names = [each["AlarmName"] for each in client.describe_alarms()["MetricAlarms"]]
        alone = [name for name in names if name not in json.dumps([each["AlarmRule"] for each in composite])]
        if alone:
            client.delete_alarms(AlarmNames=alone[:1])
            return
    raise AssertionError("every alarm is part of a composite one")


def close_group(cloud):
    group = cloud.security_group("endpoints")
    rules = cloud("ec2").describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group["GroupId"]]}])
    rule = next(each for each in rules["SecurityGroupRules"] if not each["IsEgress"])
    cloud("ec2").revoke_security_group_ingress(
        GroupId=group["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]
    )


BEHIND_ITS_BACK = {
    "a function's memory": lambda cloud: cloud("lambda").update_function_configuration(
        FunctionName=cloud.function(PRIMARY, "processor"), MemorySize=512
    ),
    "a function's timeout": lambda cloud: cloud("lambda", SECONDARY).update_function_configuration(
        FunctionName=cloud.function(SECONDARY, "audit"), Timeout=3
    ),
    "a function's concurrency": lambda cloud: cloud("lambda", SECONDARY).delete_function_concurrency(
        FunctionName=cloud.function(SECONDARY, "health")
    ),
    "a gateway response": lambda cloud: cloud("apigateway").delete_gateway_response(
        restApiId=cloud.outputs["compute/payments-primary"]["rest_api"]["id"], responseType="INTEGRATION_FAILURE"
    ),
    "a log group": lambda cloud: cloud("logs").delete_log_group(
        logGroupName=f"/aws/lambda/{cloud.function(PRIMARY, 'health')}"
    ),
    "a log group's retention": lambda cloud: cloud("logs", SECONDARY).put_retention_policy(
        logGroupName=f"/aws/lambda/{cloud.function(SECONDARY, 'audit')}", retentionInDays=1
    ),
    "an alarm": delete_alarm,
    "an alarm's threshold": raise_threshold,
    "a parameter": lambda cloud: cloud("ssm").delete_parameter(Name=cloud.parameter(PRIMARY, "/endpoint")),
    "a parameter's value": lambda cloud: cloud("ssm", SECONDARY).put_parameter(
        Name=cloud.parameter(SECONDARY, "/endpoint"), Value="another", Overwrite=True
    ),
    "a bucket's versioning": lambda cloud: cloud("s3").put_bucket_versioning(
        Bucket=cloud.data("audit_bucket_names")["primary"], VersioningConfiguration={"Status": "Suspended"}
    ),
    "a bucket's lifecycle": lambda cloud: cloud("s3", SECONDARY).delete_bucket_lifecycle(
        Bucket=cloud.data("audit_bucket_names")["secondary"]
    ),
    "a bucket's public access": lambda cloud: cloud("s3", SECONDARY).delete_public_access_block(
        Bucket=cloud.data("audit_bucket_names")["secondary"]
    ),
    "a bucket's tags": lambda cloud: cloud("s3").put_bucket_tagging(
        Bucket=cloud.data("audit_bucket_names")["primary"], Tagging={"TagSet": [{"Key": "Owner", "Value": "nobody"}]}
    ),
    "a key's rotation": lambda cloud: cloud("kms").disable_key_rotation(KeyId=cloud.data("key_arns")["primary"]),
    "a queue's retention": lambda cloud: cloud("sqs").set_queue_attributes(
        QueueUrl=cloud.edge("queue_urls")["primary"], Attributes={"MessageRetentionPeriod": "60"}
    ),
    "a topic's policy": lambda cloud: cloud("sns").set_topic_attributes(
        TopicArn=cloud.edge("topic_arns")["primary"],
        AttributeName="Policy",
        AttributeValue=json.dumps({"Version": "2012-10-17", "Statement": []}),
    ),
    "a role's policy": lambda cloud: cloud("iam").delete_role_policy(
        RoleName=cloud.function(PRIMARY, "health"), PolicyName=cloud.function(PRIMARY, "health")
    ),
    "a schedule": lambda cloud: cloud("events").disable_rule(
        Name=next(each["Name"] for each in cloud("events").list_rules()["Rules"] if "sweep" in each["Name"])
    ),
    "a dashboard": lambda cloud: cloud("cloudwatch").delete_dashboards(
        DashboardNames=[cloud.outputs["observability/payments-primary"]["dashboard_name"]]
    ),
    "a security group's rule": close_group,
    "an alias": lambda cloud: cloud("lambda").delete_alias(FunctionName=cloud.function(PRIMARY, "health"), Name="live"),
    "a table's recovery": lambda cloud: cloud("dynamodb").update_continuous_backups(
        TableName=cloud.data("table_name"), PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    ),
}
"""What somebody may do in the console, by what it is done to."""

ON_PURPOSE = {
    "a rotated secret": lambda cloud: cloud("secretsmanager").put_secret_value(
        SecretId=cloud.secret(),
        SecretString=cloud("secretsmanager").get_secret_value(SecretId=cloud.secret())["SecretString"] + " ",
    ),
}
"""What the programs leave to others."""


def found(answer):
    """What a drift has found, one row a resource."""
    return [row for stack in answer.json["stacks"] for row in stack["resources"]]


VERSIONED = frozenset({"code", "functionVersion", "qualifier", "triggers", "versionStages"})
"""What names a function's version, or is it: one that was mended has another, which is rehearsed too."""


def declared(checkout):
    """What the programs have asked for, by stack and resource."""
    return {
        (name, resource["urn"]): {
            key: value for key, value in resource.get("inputs", {}).items() if key not in VERSIONED
        }
        for name, text in states(checkout).items()
        for resource in json.loads(text)["checkpoint"]["latest"]["resources"]
    }


def recommended(answer):
    """The command that a drift recommends."""
    (command,) = re.findall(r"^To repair it: \./invoke (.+)$", answer.out, re.MULTILINE)
    return command.split()


@pytest.mark.prove
def test_what_drift_recommends_repairs(running):
    running.ok("deploy-all", "--refresh")
    before, cloud = declared(running), Cloud(running)
    for change in (*BEHIND_ITS_BACK.values(), *ON_PURPOSE.values()):
        change(cloud)
    drifted = running.run("drift", "--json")
    assert drifted.code == 1
    rows = found(drifted)
    assert len(rows) >= len(BEHIND_ITS_BACK), [(row["type"], row["name"], row["properties"]) for row in rows]
    assert all(row["properties"] for row in rows if row["operation"] == "update")
    told = running.run("drift")
    assert told.code == 1
    for row in rows:
        assert f" {row['type']} {row['name']}" in told.out
    running.ok(*recommended(told))
    again = running.run("drift", "--json")
    assert found(again) == []
    assert again.code == 0
    now = declared(running)
    assert {k: (before.get(k), now.get(k)) for k in before | now if before.get(k) != now.get(k)} == {}, (
        "what was changed was taken over instead"
    )
    assert running.ok("pay", "--json").json["status"] == 201
    assert set(running.ok("deploy-all", "--json").statuses.values()) == {"fresh"}


@pytest.mark.parametrize("change", sampled(ON_PURPOSE))
def test_what_the_programs_leave_to_others_is_no_drift(running, change):
    ON_PURPOSE[change](Cloud(running))
    answer = running.ok("drift")
    assert answer.out.splitlines()[-1] == "No drift."
