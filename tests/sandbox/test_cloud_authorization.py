"""What AWS asks for beside the action itself: the key of what is encrypted, the VPC's endpoint, the function's name."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from shared.packaging import packages
from tests.sandbox.test_cloud_functions import Function, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import RunningCloud

REGION = "us-east-1"
ACCOUNT = "000000000000"
HEALTH = {"httpMethod": "GET", "path": "/health", "headers": {}}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture(scope="module")
def key(cloud: RunningCloud) -> str:
    """The ARN of a key that the account's principals may use, as far as their own policies go."""
    owner = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    made = cloud.client("kms", REGION).create_key(Policy=document(allow("kms:*", "*", Principal=owner)))
    return str(made["KeyMetadata"]["Arn"])


class Thief:
    """Somebody with the keys of a function, who calls from elsewhere."""

    def __init__(self, cloud: RunningCloud) -> None:
        self.cloud = cloud
        self.function = Function(cloud)
        self.session = session_of(self.function)

    def may(self, *statements: dict[str, Any]) -> None:
        role = {"RoleName": self.function.name, "PolicyName": "p"}
        self.cloud.client("iam").put_role_policy(**role, PolicyDocument=document(*statements))

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.cloud.endpoint)


@pytest.fixture
def thief(cloud: RunningCloud) -> Thief:
    return Thief(cloud)


def an_object_written(cloud: RunningCloud, thief: Thief, key: str) -> tuple[str, str, Callable[[], object]]:
    s3, name = cloud.client("s3", REGION), uuid.uuid4().hex
    s3.create_bucket(Bucket=name)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    write = lambda: thief.client("s3").put_object(Bucket=name, Key="k", Body=b"")  # noqa: E731
    return "s3:PutObject", f"arn:aws:s3:::{name}/k", write


def an_object_read(cloud: RunningCloud, thief: Thief, key: str) -> tuple[str, str, Callable[[], object]]:
    _, arn, _ = an_object_written(cloud, thief, key)
    bucket = arn.removeprefix("arn:aws:s3:::").removesuffix("/k")
    cloud.client("s3", REGION).put_object(Bucket=bucket, Key="k", Body=b"")
    return "s3:GetObject", arn, lambda: thief.client("s3").get_object(Bucket=bucket, Key="k")


def a_secret(cloud: RunningCloud, thief: Thief, key: str) -> tuple[str, str, Callable[[], object]]:
    made = cloud.client("secretsmanager", REGION).create_secret(Name=uuid.uuid4().hex, SecretString="x", KmsKeyId=key)
    arn = made["ARN"]
    return "secretsmanager:GetSecretValue", arn, lambda: thief.client("secretsmanager").get_secret_value(SecretId=arn)


def a_parameter(cloud: RunningCloud, thief: Thief, key: str) -> tuple[str, str, Callable[[], object]]:
    name = f"/{uuid.uuid4().hex}"
    cloud.client("ssm", REGION).put_parameter(Name=name, Value="x", Type="SecureString", KeyId=key)
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}"
    return "ssm:GetParameter", arn, lambda: thief.client("ssm").get_parameter(Name=name, WithDecryption=True)


def an_item(cloud: RunningCloud, thief: Thief, key: str) -> tuple[str, str, Callable[[], object]]:
    name = uuid.uuid4().hex
    a_table(cloud, name, key)
    wanted = {"TableName": name, "Key": {"pk": {"S": "x"}, "sk": {"S": "x"}}}
    arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"
    return "dynamodb:GetItem", arn, lambda: thief.client("dynamodb").get_item(**wanted)


def a_table(cloud: RunningCloud, name: str, key: str) -> None:
    cloud.client("dynamodb", REGION).create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("pk", "sk")],
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )


@pytest.mark.parametrize(
    ("make", "needs"),
    [
        (an_object_written, "kms:GenerateDataKey"),
        (an_object_read, "kms:Decrypt"),
        (a_secret, "kms:Decrypt"),
        (a_parameter, "kms:Decrypt"),
        (an_item, "kms:Decrypt"),
    ],
)
def test_what_is_encrypted_needs_its_key_through_its_service(
    cloud: RunningCloud, thief: Thief, key: str, make: Any, needs: str
) -> None:
    action, resource, use = make(cloud, thief, key)
    own = allow(action, resource)
    other = "kms:Decrypt" if needs == "kms:GenerateDataKey" else "kms:GenerateDataKey"
    through = {"StringEquals": {"kms:ViaService": f"{action.partition(':')[0]}.{REGION}.amazonaws.com"}}
    elsewhere = {"StringEquals": {"kms:ViaService": f"sns.{REGION}.amazonaws.com"}}
    for refused in ([], [allow(other, key, Condition=through)], [allow(needs, key, Condition=elsewhere)]):
        thief.may(own, *refused)
        with pytest.raises(ClientError, match="AccessDenied"):
            use()
    thief.may(own, allow(needs, key, Condition=through))
    use()


def test_a_key_lets_nobody_in_whom_its_policy_leaves_out(cloud: RunningCloud, thief: Thief) -> None:
    nobody = allow("kms:*", "*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/another"})
    key = cloud.client("kms", REGION).create_key(Policy=document(nobody))["KeyMetadata"]["Arn"]
    action, resource, use = a_secret(cloud, thief, key)
    thief.may(allow(action, resource), allow("kms:Decrypt", key))
    with pytest.raises(ClientError, match="AccessDenied"):
        use()


def test_only_who_may_list_a_bucket_is_told_that_an_object_is_not_there(cloud: RunningCloud, thief: Thief) -> None:
    name = uuid.uuid4().hex
    cloud.client("s3", REGION).create_bucket(Bucket=name)
    read = allow("s3:GetObject", f"arn:aws:s3:::{name}/k")
    for more, said in (([], "AccessDenied"), ([allow("s3:ListBucket", f"arn:aws:s3:::{name}")], "NoSuchKey")):
        thief.may(read, *more)
        with pytest.raises(ClientError, match=said):
            thief.client("s3").get_object(Bucket=name, Key="k")


WAYS = {
    "get": lambda table, key: ("get_item", {"TableName": table, "Key": key}),
    "put": lambda table, key: ("put_item", {"TableName": table, "Item": key}),
    "query": lambda table, key: (
        "query",
        {
            "TableName": table,
            "KeyConditionExpression": "#p = :p",
            "ExpressionAttributeNames": {"#p": "pk"},
            "ExpressionAttributeValues": {":p": key["pk"]},
        },
    ),
    "transaction": lambda table, key: (
        "transact_write_items",
        {"TransactItems": [{"Put": {"TableName": table, "Item": key}}]},
    ),
    "batch": lambda table, key: ("batch_get_item", {"RequestItems": {table: {"Keys": [key]}}}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_policy_may_name_the_partition_keys(cloud: RunningCloud, thief: Thief, key: str, way: str) -> None:
    table = uuid.uuid4().hex
    a_table(cloud, table, key)
    own = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["own"]}}
    arn, dynamodb = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}", thief.client("dynamodb")
    actions = ("GetItem", "PutItem", "Query", "BatchGetItem")
    thief.may(allow("kms:Decrypt", key), *(allow(f"dynamodb:{each}", arn, Condition=own) for each in actions))
    for pk, allowed in (("own", True), ("another", False)):
        operation, arguments = WAYS[way](table, {"pk": {"S": pk}, "sk": {"S": "x"}})
        if allowed:
            getattr(dynamodb, operation)(**arguments)
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                getattr(dynamodb, operation)(**arguments)


def test_a_right_to_a_groups_streams_is_one_to_write_them(cloud: RunningCloud, thief: Thief) -> None:
    logs, group = thief.client("logs"), uuid.uuid4().hex
    cloud.client("logs", REGION).create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
    thief.may(allow("logs:CreateLogStream", arn))
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    with pytest.raises(ClientError, match="AccessDenied"):
        logs.create_log_stream(logGroupName="another", logStreamName="s")


def test_what_nobody_knows_an_action_of_is_allowed_by_no_policy(cloud: RunningCloud, thief: Thief) -> None:
    name = uuid.uuid4().hex
    cloud.client("s3", REGION).create_bucket(Bucket=name)
    thief.may(allow("s3:ListBucket", f"arn:aws:s3:::{name}"), allow("lambda:GetFunction", "*"))
    with pytest.raises(ClientError, match="AccessDenied"):
        thief.client("lambda").list_capacity_providers()
    with pytest.raises(ClientError, match="AccessDenied"):
        thief.client("s3").get_bucket_metadata_table_configuration(Bucket=name)


@pytest.mark.parametrize(("named", "refused"), [("own", True), ("another", False)])
def test_a_condition_may_name_the_function_whose_keys_sign(thief: Thief, named: str, refused: bool) -> None:
    name = thief.function.name
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name if named == 'own' else 'another'}"
    condition = {"ArnEquals": {"lambda:SourceFunctionArn": arn}}
    everything = allow("sqs:CreateQueue", f"arn:aws:sqs:{REGION}:{ACCOUNT}:*")
    thief.may(everything, {"Effect": "Deny", "Action": "sqs:CreateQueue", "Resource": "*", "Condition": condition})
    if refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            thief.client("sqs").create_queue(QueueName=name)
    else:
        thief.client("sqs").create_queue(QueueName=name)


@pytest.mark.parametrize(("passes", "status"), [("dynamodb:GetItem", 200), ("dynamodb:PutItem", 503)])
def test_a_function_in_a_vpc_gets_what_the_endpoint_lets_through(
    cloud: RunningCloud, key: str, passes: str, status: int
) -> None:
    ec2, functions, name = cloud.client("ec2", REGION), cloud.client("lambda", REGION), uuid.uuid4().hex
    a_table(cloud, name, key)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"
    ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.dynamodb",
        PolicyDocument=document(
            allow(passes, table, Principal="*", Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}})
        ),
    )
    service = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = cloud.client("iam")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(service))["Role"]["Arn"]
    policy = document(allow("dynamodb:GetItem", table), allow("kms:Decrypt", key))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler=packages.handler("health"),
        Code={"ZipFile": packages.package("health").read_bytes()},
        VpcConfig={"SubnetIds": [subnet], "SecurityGroupIds": []},
        Environment={
            "Variables": {
                "ENVIRONMENT": "payments",
                "SUFFIX": "x",
                "ROLE": "primary",
                "RELEASE": "r",
                "CONSISTENCY": "MRSC",
                "TABLE_NAME": name,
            }
        },
    )
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(HEALTH))
    assert json.loads(answer["Payload"].read())["statusCode"] == status
