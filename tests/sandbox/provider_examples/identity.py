from __future__ import annotations

import json

from tests.sandbox.provider_engine import Engine, Made
from tests.sandbox.provider_examples import Example, example


def trust(service: str = "lambda") -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def a_role(engine: Engine) -> Made:
    return engine.make("aws:iam/role:Role", assumeRolePolicy=trust())


@example("aws:iam/role:Role")
def role(engine: Engine) -> Example:
    return Example(
        {"name": "a-role", "assumeRolePolicy": trust(), "description": "Runs", "tags": {"a": "b"}},
        update={"assumeRolePolicy": trust("events"), "description": "else", "tags": {"a": "c"}},
        replace={"name": "other"},
    )


@example("aws:iam/rolePolicy:RolePolicy")
def role_policy(engine: Engine) -> Example:
    def policy(action: str) -> str:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    return Example(
        {"name": "a-policy", "role": a_role(engine).id, "policy": policy("dynamodb:GetItem")},
        update={"policy": policy("dynamodb:PutItem")},
        replace={"name": "other"},
    )


@example("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
def role_policy_attachment(engine: Engine) -> Example:
    policy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    return Example({"role": a_role(engine).id, "policyArn": policy}, replace={"role": "other"})


@example("aws:cloudwatch/logGroup:LogGroup")
def log_group(engine: Engine) -> Example:
    return Example(
        {"name": "/aws/lambda/example", "retentionInDays": 30, "tags": {"a": "b"}},
        update={"retentionInDays": None, "skipDestroy": True, "tags": {"a": "b", "c": "d"}},
        replace={"name": "other"},
    )


@example("aws:kms/key:Key")
def key(engine: Engine) -> Example:
    return Example(
        {"description": "Encrypts", "multiRegion": True, "enableKeyRotation": True, "deletionWindowInDays": 7},
        update={"description": "else", "enableKeyRotation": False, "tags": {"a": "b"}},
        replace={"multiRegion": False},
    )


@example("aws:kms/replicaKey:ReplicaKey")
def replica_key(engine: Engine) -> Example:
    primary = engine.make("aws:kms/key:Key", multiRegion=True, deletionWindowInDays=7)
    return Example(
        {"primaryKeyArn": primary.arn, "region": "us-west-2", "description": "Encrypts", "deletionWindowInDays": 7},
        update={"description": "else", "tags": {"a": "b"}},
        replace={"region": "us-east-2"},
        import_id=f"{primary.id}@us-west-2",
    )


@example("aws:kms/alias:Alias")
def alias(engine: Engine) -> Example:
    one, other = (engine.make("aws:kms/key:Key") for _ in range(2))
    return Example(
        {"name": "alias/example", "targetKeyId": one.arn},
        update={"targetKeyId": other.id},
        replace={"name": "alias/other"},
    )


@example("aws:secretsmanager/secret:Secret")
def secret(engine: Engine) -> Example:
    return Example(
        {
            "name": "example",
            "description": "Keys",
            "recoveryWindowInDays": 0,
            "replicas": [{"region": "us-east-2"}],
            "tags": {"a": "b"},
        },
        update={"description": "else", "replicas": [{"region": "us-west-2"}], "tags": {"a": "c"}},
        replace={"name": "other"},
    )


@example("aws:secretsmanager/secretVersion:SecretVersion")
def secret_version(engine: Engine) -> Example:
    secret = engine.make("aws:secretsmanager/secret:Secret", recoveryWindowInDays=0)
    return Example(
        {"secretId": secret.id, "secretString": "s3cret", "versionStages": ["FIRST", "AWSCURRENT"]},
        replace={"secretString": "other"},
        outlives=True,
    )


@example("aws:ssm/parameter:Parameter")
def parameter(engine: Engine) -> Example:
    return Example(
        {"name": "/example/switch", "type": "String", "value": "on", "description": "A switch", "tags": {"a": "b"}},
        update={"value": "off", "description": None, "tags": None},
        replace={"name": "/example/other"},
    )


@example("aws:ssm/parameter:Parameter")
def secret_parameter(engine: Engine) -> Example:
    return Example({"name": "/example/key", "type": "SecureString", "value": "s3cret"}, update={"value": "other"})
