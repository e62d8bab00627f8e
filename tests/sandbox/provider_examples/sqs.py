from __future__ import annotations

import json

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example


@example("aws:sqs/queue:Queue")
def queue(engine: Engine) -> Example:
    dead = engine.make("aws:sqs/queue:Queue", name="example-dead-letters")
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 3})
    return Example(
        {
            "name": "example-queue",
            "messageRetentionSeconds": 1209600,
            "visibilityTimeoutSeconds": 60,
            "sqsManagedSseEnabled": True,
            "redrivePolicy": redrive,
        },
        update={"visibilityTimeoutSeconds": 90, "redrivePolicy": None, "tags": {"a": "b"}},
        replace={"name": "example-other-queue"},
    )


@example("aws:sqs/queue:Queue")
def queue_with_a_name_made_up(engine: Engine) -> Example:
    return Example({}, update={"delaySeconds": 5})


@example("aws:sqs/queuePolicy:QueuePolicy")
def queue_policy(engine: Engine) -> Example:
    queue = engine.make("aws:sqs/queue:Queue", name="example-guarded")
    return Example(
        {"queueUrl": queue.url, "policy": policy(queue.arn, "sqs:SendMessage")},
        update={"policy": policy(queue.arn, "sqs:ReceiveMessage")},
        replace={"queueUrl": queue.url + "-other"},
    )


def policy(arn: str, action: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": action, "Resource": arn}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
