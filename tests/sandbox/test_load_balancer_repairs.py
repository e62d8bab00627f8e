"""What the API tells of load balancers, target groups and listeners, and refuses: a test, or more, for a repair."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.test_gateway import make_function

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

SERVICE = "elasticloadbalancing.amazonaws.com"


def named() -> str:
    return f"t{uuid.uuid4().hex[:10]}"


@pytest.fixture
def elb(cloud: RunningCloud) -> Any:
    return cloud.client("elbv2")


@pytest.fixture
def subnets(cloud: RunningCloud) -> dict[str, Any]:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
        for number, zone in enumerate("bc")
    ]
    return {"vpc": vpc, "ids": [each["SubnetId"] for each in made]}


@pytest.fixture
def balancer(elb: Any, subnets: dict[str, Any]) -> str:
    made = elb.create_load_balancer(Name=named(), Subnets=subnets["ids"])["LoadBalancers"][0]
    return str(made["LoadBalancerArn"])


def group(elb: Any) -> str:
    made = elb.create_target_group(Name=named(), TargetType="lambda")["TargetGroups"][0]
    return str(made["TargetGroupArn"])


def refusal(body: str) -> list[dict[str, Any]]:
    told = {"StatusCode": "404", "ContentType": "application/json", "MessageBody": body}
    return [{"Type": "fixed-response", "FixedResponseConfig": told}]


def test_a_load_balancer_is_where_its_subnets_are(elb: Any, balancer: str, subnets: dict[str, Any]) -> None:
    found = elb.describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"][0]
    assert found["VpcId"] == subnets["vpc"]
    assert [each["ZoneName"] for each in found["AvailabilityZones"]] == ["us-east-1b", "us-east-1c"]


def test_a_group_of_functions_has_no_port_and_asks_for_no_health(elb: Any) -> None:
    made = elb.create_target_group(Name=named(), TargetType="lambda")["TargetGroups"][0]
    found = elb.describe_target_groups(TargetGroupArns=[made["TargetGroupArn"]])["TargetGroups"][0]
    for told in (made, found):
        assert told.keys().isdisjoint({"Port", "Protocol", "VpcId", "HealthCheckPort", "HealthCheckProtocol"})
        assert (told["HealthCheckEnabled"], told["HealthCheckIntervalSeconds"]) == (False, 35)
    attributes = elb.describe_target_group_attributes(TargetGroupArn=made["TargetGroupArn"])["Attributes"]
    assert attributes == [{"Key": "lambda.multi_value_headers.enabled", "Value": "false"}]


def test_a_function_is_a_target_only_where_its_policy_lets_the_group_call_it(cloud: RunningCloud, elb: Any) -> None:
    lambdas, function, arn = cloud.client("lambda"), named(), group(elb)
    target = make_function(cloud, "us-east-1", function)
    with pytest.raises(ClientError, match=r"\(AccessDenied\).*does not have permission to invoke"):
        elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": target}])
    assert elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"] == []
    lambdas.add_permission(
        FunctionName=function,
        Qualifier="live",
        StatementId="elb",
        Action="lambda:InvokeFunction",
        Principal=SERVICE,
        SourceArn=arn,
    )
    elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": target}])
    assert len(elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]) == 1


def test_a_group_in_use_stays_and_a_load_balancer_takes_its_listeners_along(elb: Any, balancer: str) -> None:
    arn = group(elb)
    listener = elb.create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=refusal("{}"))[
        "Listeners"
    ][0]["ListenerArn"]
    elb.create_rule(
        ListenerArn=listener,
        Priority=1,
        Conditions=[{"Field": "path-pattern", "Values": ["/health"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": arn}],
    )
    with pytest.raises(ClientError, match="ResourceInUse"):
        elb.delete_target_group(TargetGroupArn=arn)
    elb.delete_load_balancer(LoadBalancerArn=balancer)
    assert elb.describe_listeners(ListenerArns=[listener])["Listeners"] == []
    elb.delete_target_group(TargetGroupArn=arn)


def test_a_protected_load_balancer_stays(elb: Any, balancer: str) -> None:
    def protect(value: str) -> None:
        attributes = [{"Key": "deletion_protection.enabled", "Value": value}]
        elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=attributes)

    protect("true")
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        elb.delete_load_balancer(LoadBalancerArn=balancer)
    protect("false")
    elb.delete_load_balancer(LoadBalancerArn=balancer)


def test_a_fixed_response_may_say_anything(elb: Any, balancer: str) -> None:
    body = json.dumps({"detail": "a & b < c"})
    made = elb.create_listener(LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=refusal(body))
    listener = made["Listeners"][0]["ListenerArn"]
    found = elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]["DefaultActions"][0]
    assert found["FixedResponseConfig"]["MessageBody"] == body


def test_a_load_balancer_logs_only_into_a_bucket_where_it_may_write(
    cloud: RunningCloud, elb: Any, balancer: str
) -> None:
    s3, bucket = cloud.client("s3"), named()
    account = balancer.split(":")[4]

    def log(into: str) -> None:
        told = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": into}
        attributes = [{"Key": key, "Value": value} for key, value in told.items()]
        elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=attributes)

    def policy(source: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{bucket}/AWSLogs/{account}/*",
            "Condition": {"ArnLike": {"aws:SourceArn": source}},
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    def refused() -> bool:
        with pytest.raises(ClientError, match=f"Access Denied for bucket: {bucket}"):
            log(bucket)
        attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
        return {"Key": "access_logs.s3.enabled", "Value": "false"} in attributes

    assert refused(), "there is no bucket"
    s3.create_bucket(Bucket=bucket)
    assert refused(), "it has no policy"
    policy(balancer.replace("/app/", "/app/another-"))
    assert refused(), "it names another load balancer"
    policy(balancer)
    log(bucket)
