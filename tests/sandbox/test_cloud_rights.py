"""Which right a request needs, and to what: as the Service Authorization Reference says."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from projects.edge.operations import trust
from shared.environment_sections import OperationsSettings
from tests.sandbox.test_cloud_authorization import ACCOUNT, REGION, Thief, allow, document

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import RunningCloud

    Asked = tuple[str, str, Callable[[Any], object]]
    """An action, the ARN of what it is about, and the request."""

REFUSED = r"AccessDenied|not authorized|UnauthorizedOperation|AuthorizationError"


@pytest.fixture(name="thief")
def a_thief(cloud: RunningCloud) -> Thief:
    return Thief(cloud)


def a_table(cloud: RunningCloud) -> Asked:
    made = cloud.client("dynamodb", REGION).create_table(
        TableName=uuid.uuid4().hex,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    arn = made["TableDescription"]["TableArn"]
    return "dynamodb:ListTagsOfResource", arn, lambda of: of("dynamodb").list_tags_of_resource(ResourceArn=arn)


def a_rule(cloud: RunningCloud) -> Asked:
    name = uuid.uuid4().hex
    arn = cloud.client("events", REGION).put_rule(Name=name, ScheduleExpression="rate(1 hour)")["RuleArn"]
    return "events:ListTargetsByRule", arn, lambda of: of("events").list_targets_by_rule(Rule=name)


def a_dashboard(cloud: RunningCloud) -> Asked:
    name = uuid.uuid4().hex
    cloud.client("cloudwatch", REGION).put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')
    arn = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"
    return "cloudwatch:GetDashboard", arn, lambda of: of("cloudwatch").get_dashboard(DashboardName=name)


def alarms(_: RunningCloud) -> Asked:
    name = uuid.uuid4().hex
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"
    return "cloudwatch:DeleteAlarms", arn, lambda of: of("cloudwatch").delete_alarms(AlarmNames=[name])


def a_health_check(cloud: RunningCloud) -> Asked:
    config = {"Type": "TCP", "IPAddress": "192.0.2.1", "Port": 80}
    made = cloud.client("route53").create_health_check(CallerReference=uuid.uuid4().hex, HealthCheckConfig=config)
    check = made["HealthCheck"]["Id"]
    ask = lambda of: of("route53").get_health_check(HealthCheckId=check)  # noqa: E731
    return "route53:GetHealthCheck", f"arn:aws:route53:::healthcheck/{check}", ask


def a_new_function(_: RunningCloud) -> Asked:
    name = uuid.uuid4().hex

    def make(of: Any) -> object:
        return of("lambda").create_function(FunctionName=name, Role="arn:aws:iam::x", Code={"ZipFile": b"x"})

    return "lambda:CreateFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}", make


def a_subnet(cloud: RunningCloud) -> Asked:
    ec2 = cloud.client("ec2", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{subnet}"
    return "ec2:DeleteSubnet", arn, lambda of: of("ec2").delete_subnet(SubnetId=subnet)


def an_ip_set(_: RunningCloud) -> Asked:
    name = uuid.uuid4().hex

    def make(of: Any) -> object:
        return of("wafv2").create_ip_set(Name=name, Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=[])

    return "wafv2:CreateIPSet", f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/ipset/{name}/*", make


@pytest.mark.parametrize(
    "made",
    [a_table, a_rule, a_dashboard, alarms, a_health_check, a_new_function, a_subnet, an_ip_set],
    ids=lambda made: made.__name__,
)
def test_a_right_to_one_resource_is_a_right_to_it_and_to_no_other(
    cloud: RunningCloud, thief: Thief, made: Callable[[RunningCloud], Asked]
) -> None:
    action, arn, ask = made(cloud)
    _, another, ask_another = made(cloud)
    thief.may(allow(action, arn))
    with pytest.raises(ClientError, match=REFUSED):
        ask_another(thief.client)
    thief.may(allow(action, another))
    with pytest.raises(ClientError, match=REFUSED):
        ask(thief.client)
    thief.may(allow(action, arn))
    try:
        ask(thief.client)
    except ClientError as error:  # what is wrong with it otherwise, it is told after its right
        assert "AccessDenied" not in error.response["Error"]["Code"]  # noqa: PT017 - nothing need be raised


def test_what_is_made_in_a_vpc_needs_a_right_to_both(cloud: RunningCloud, thief: Thief) -> None:
    vpc = cloud.client("ec2", REGION).create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    place = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    for resources in ([f"{place}:vpc/{vpc}"], [f"{place}:subnet/*"]):
        thief.may(allow("ec2:CreateSubnet", resources))
        with pytest.raises(ClientError, match=REFUSED):
            thief.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")
    thief.may(allow("ec2:CreateSubnet", [f"{place}:vpc/{vpc}", f"{place}:subnet/*"]))
    thief.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")


def test_a_policy_may_name_the_tags_of_a_network(cloud: RunningCloud, thief: Thief) -> None:
    ec2 = cloud.client("ec2", REGION)
    vpcs = [ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    ec2.create_tags(Resources=vpcs[:1], Tags=[{"Key": "Environment", "Value": "ours"}])
    condition = {"StringEquals": {"aws:ResourceTag/Environment": "ours"}}
    thief.may(allow("ec2:DeleteVpc", f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/*", Condition=condition))
    with pytest.raises(ClientError, match=REFUSED):
        thief.client("ec2").delete_vpc(VpcId=vpcs[1])
    thief.client("ec2").delete_vpc(VpcId=vpcs[0])


def test_an_alias_is_read_by_a_right_to_read_it(cloud: RunningCloud, thief: Thief) -> None:
    name = thief.function.name
    version = cloud.client("lambda", REGION).publish_version(FunctionName=name)["Version"]
    cloud.client("lambda", REGION).create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    thief.may(allow("lambda:GetAlias", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"))
    thief.client("lambda").get_alias(FunctionName=name, Name="live")
    with pytest.raises(ClientError, match=REFUSED):
        thief.client("lambda").list_aliases(FunctionName=name)


def test_who_makes_a_function_must_be_let_give_it_its_role(cloud: RunningCloud, thief: Thief) -> None:
    role = thief.function.role
    new = uuid.uuid4().hex
    made = allow("lambda:CreateFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{new}")

    def make() -> object:
        return thief.client("lambda").create_function(
            FunctionName=new,
            Role=role,
            Code={"ZipFile": b"PK\x05\x06" + bytes(18)},
            Handler="m.h",
            Runtime="python3.13",
        )

    to_another = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    for more in ([], [allow("iam:PassRole", role, Condition=to_another)]):
        thief.may(made, *more)
        with pytest.raises(ClientError, match=REFUSED):
            make()
    to_lambda = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    thief.may(made, allow("iam:PassRole", role, Condition=to_lambda))
    make()


class Person:
    """A user with a key, a device, and the operations role's trust in him."""

    def __init__(self, cloud: RunningCloud, *, mfa: bool) -> None:
        self.cloud, self.name = cloud, f"p{uuid.uuid4().hex[:10]}"
        iam = cloud.client("iam")
        iam.create_user(UserName=self.name)
        iam.put_user_policy(UserName=self.name, PolicyName="p", PolicyDocument=document(allow("sts:AssumeRole", "*")))
        key = iam.create_access_key(UserName=self.name)["AccessKey"]
        self.keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        made = iam.create_virtual_mfa_device(VirtualMFADeviceName=self.name)["VirtualMFADevice"]
        self.device = made["SerialNumber"]
        codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "234567"}
        iam.enable_mfa_device(UserName=self.name, SerialNumber=self.device, **codes)
        settings = OperationsSettings(operators=(f"user/{self.name}",), external_id="ours", mfa=mfa)
        iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=trust(ACCOUNT, settings))

    def sts(self, **keys: str) -> Any:
        return boto3.client("sts", region_name="us-east-2", endpoint_url=self.cloud.endpoint, **(keys or self.keys))

    def take_on(self, sts: Any, **more: str) -> object:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{self.name}"
        return sts.assume_role(RoleArn=arn, RoleSessionName="test", ExternalId="ours", **more)


def test_with_mfa_the_operations_role_is_taken_on_with_a_second_factor_alone(cloud: RunningCloud) -> None:
    person, another = Person(cloud, mfa=True), Person(cloud, mfa=True)
    with pytest.raises(ClientError, match="AccessDenied"):
        person.take_on(person.sts())
    with pytest.raises(ClientError, match="AccessDenied"):  # somebody else's device
        person.take_on(person.sts(), SerialNumber=another.device, TokenCode="123456")
    person.take_on(person.sts(), SerialNumber=person.device, TokenCode="123456")


def test_a_session_begun_with_a_second_factor_has_it(cloud: RunningCloud) -> None:
    """As for `./invoke evacuate`, which asks for no code: the session is begun before, by the region's own STS."""
    person = Person(cloud, mfa=True)

    def session(**more: str) -> Any:
        begun = person.sts().get_session_token(**more)["Credentials"]
        return person.sts(
            aws_access_key_id=begun["AccessKeyId"],
            aws_secret_access_key=begun["SecretAccessKey"],
            aws_session_token=begun["SessionToken"],
        )

    with pytest.raises(ClientError, match="AccessDenied"):
        person.take_on(session())
    person.take_on(session(SerialNumber=person.device, TokenCode="123456"))


def test_without_mfa_the_external_id_is_enough(cloud: RunningCloud) -> None:
    person = Person(cloud, mfa=False)
    person.take_on(person.sts())
