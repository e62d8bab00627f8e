from __future__ import annotations

import json
import uuid
from typing import Any

from tests.sandbox.provider_engine import Engine, Made
from tests.sandbox.provider_examples import Example, example

FUNCTION = "aws:lambda/function:Function"
ALIAS = "aws:lambda/alias:Alias"


def code(answer: int) -> dict[str, Any]:
    """A function's package as the engine sends an archive."""
    text = f"def handler(event, context):\n    return {answer}\n"
    asset = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "text": text, "hash": f"{answer}"}
    return {
        "4dabf18193072939515e22adb298388d": "0def7320c3a5731c473e5ecbe6d01bc7",
        "hash": f"{answer:064x}",
        "assets": {"main.py": asset},
    }


def role(engine: Engine) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    name = f"example-{uuid.uuid4().hex[:8]}"
    return str(engine.make("aws:iam/role:Role", name=name, assumeRolePolicy=document).arn)


def basics(engine: Engine) -> dict[str, Any]:
    return {"role": role(engine), "runtime": "python3.13", "handler": "main.handler", "code": code(1)}


def function(engine: Engine, name: str) -> Made:
    return engine.make(FUNCTION, name=name, publish=True, **basics(engine))


@example(FUNCTION)
def function_with_everything(engine: Engine) -> Example:
    return Example(
        {
            **basics(engine),
            "name": "example-function",
            "description": "Example",
            "publish": True,
            "memorySize": 256,
            "timeout": 10,
            "architectures": ["arm64"],
            "environment": {"variables": {"TABLE_NAME": "payments"}},
            "reservedConcurrentExecutions": 2,
            "vpcConfig": {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]},
            "tracingConfig": {"mode": "Active"},
            "loggingConfig": {"logFormat": "JSON", "logGroup": "/example"},
        },
        update={
            "code": code(2),
            "memorySize": 512,
            "environment": None,
            "reservedConcurrentExecutions": None,
            "tracingConfig": None,
            "tags": {"a": "b"},
        },
        replace={"name": "example-other-function"},
    )


@example(FUNCTION)
def function_with_a_name_made_up(engine: Engine) -> Example:
    return Example(basics(engine), update={"description": "A description alone"})


@example(ALIAS)
def alias(engine: Engine) -> Example:
    made = function(engine, "example-aliased")
    return Example(
        {"name": "live", "functionName": made.name, "functionVersion": made.version},
        update={"functionVersion": "$LATEST", "description": "Newest"},
        replace={"name": "other", "functionName": "example-other"},
    )


@example("aws:lambda/permission:Permission")
def permission_of_a_service(engine: Engine) -> Example:
    made = function(engine, "example-permitted")
    engine.make(ALIAS, name="live", functionName=made.name, functionVersion="1")
    return Example(
        {
            "statementId": "api",
            "action": "lambda:InvokeFunction",
            "function": made.name,
            "qualifier": "live",
            "principal": "apigateway.amazonaws.com",
            "sourceArn": "arn:aws:execute-api:us-east-1:000000000000:abc/*/POST/payment",
            "sourceAccount": "000000000000",
        },
        replace={"principal": "sns.amazonaws.com", "sourceArn": None, "sourceAccount": None, "statementId": "other"},
        import_id="example-permitted:live/api",
    )


@example("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
def event_invoke_config(engine: Engine) -> Example:
    made = function(engine, "example-asynchronous")
    engine.make(ALIAS, name="live", functionName=made.name, functionVersion="1")
    queue = engine.make("aws:sqs/queue:Queue", name="example-failures")
    return Example(
        {
            "functionName": made.name,
            "qualifier": "live",
            "maximumRetryAttempts": 0,
            "maximumEventAgeInSeconds": 60,
            "destinationConfig": {"onFailure": {"destination": queue.arn}},
        },
        update={"maximumRetryAttempts": None, "maximumEventAgeInSeconds": 120, "destinationConfig": None},
        replace={"qualifier": "other", "functionName": "example-other"},
    )


@example("aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig")
def provisioned_concurrency(engine: Engine) -> Example:
    made = function(engine, "example-started")
    for name in ("live", "other"):
        engine.make(ALIAS, name=name, functionName=made.name, functionVersion="1")
    return Example(
        {"functionName": made.name, "qualifier": "live", "provisionedConcurrentExecutions": 2},
        update={"provisionedConcurrentExecutions": 3, "skipDestroy": True},
        replace={"qualifier": "other", "functionName": "example-other"},
    )


@example("aws:lambda/invocation:Invocation")
def invocation(engine: Engine) -> Example:
    made = function(engine, "example-called")
    return Example(
        {"functionName": made.name, "qualifier": made.version, "input": '{"a": 1}', "triggers": {"version": "1"}},
        replace={"qualifier": None, "input": '{"a": 2}', "triggers": {"version": "2"}, "functionName": "other"},
        outlives=True,
    )


@example("aws:lambda/eventSourceMapping:EventSourceMapping")
def event_source_mapping(engine: Engine) -> Example:
    made = function(engine, "example-reader")
    alias = engine.make(ALIAS, name="live", functionName=made.name, functionVersion="1")
    queue = engine.make("aws:sqs/queue:Queue", name="example-read")
    return Example(
        {
            "eventSourceArn": queue.arn,
            "functionName": alias.arn,
            "batchSize": 5,
            "maximumBatchingWindowInSeconds": 1,
            "functionResponseTypes": ["ReportBatchItemFailures"],
        },
        update={"batchSize": 10, "maximumBatchingWindowInSeconds": None, "enabled": False, "tags": {"a": "b"}},
        replace={"eventSourceArn": queue.arn + "-other"},
    )
