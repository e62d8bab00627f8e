from __future__ import annotations

import json

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example
from tests.sandbox.provider_examples.sqs import policy


@example("aws:sns/topic:Topic")
def topic(engine: Engine) -> Example:
    return Example(
        {"name": "example-topic", "displayName": "Examples", "kmsMasterKeyId": "alias/example"},
        update={"displayName": "Other examples", "kmsMasterKeyId": "alias/other", "tags": {"a": "b"}},
        replace={"name": "example-other-topic"},
    )


@example("aws:sns/topicPolicy:TopicPolicy")
def topic_policy(engine: Engine) -> Example:
    topic = engine.make("aws:sns/topic:Topic", name="example-guarded")
    return Example(
        {"arn": topic.arn, "policy": policy(topic.arn, "sns:Publish")},
        update={"policy": policy(topic.arn, "sns:Subscribe")},
        replace={"arn": topic.arn + "-other"},
    )


@example("aws:sns/topicSubscription:TopicSubscription")
def subscription_of_a_pager(engine: Engine) -> Example:
    topic = engine.make("aws:sns/topic:Topic", name="example-paging")
    policy = {"healthyRetryPolicy": {"numRetries": 5}}
    return Example(
        {
            "topic": topic.arn,
            "protocol": "https",
            "endpoint": "https://pager.example.com/example",
            "endpointAutoConfirms": True,
            "confirmationTimeoutInMinutes": 2,
            "deliveryPolicy": json.dumps(policy),
        },
        update={"deliveryPolicy": json.dumps({"healthyRetryPolicy": {"numRetries": 6}})},
        replace={"endpoint": "https://pager.example.com/other"},
    )


@example("aws:sns/topicSubscription:TopicSubscription")
def topic_subscription(engine: Engine) -> Example:
    topic = engine.make("aws:sns/topic:Topic", name="example-subscribed")
    queue = engine.make("aws:sqs/queue:Queue", name="example-subscriber", region="us-east-2")
    return Example(
        {"topic": topic.arn, "protocol": "sqs", "endpoint": queue.arn, "rawMessageDelivery": True},
        update={"rawMessageDelivery": False, "filterPolicy": json.dumps({"kind": ["alarm"]})},
        replace={"endpoint": queue.arn + "-other", "protocol": "lambda", "topic": topic.arn + "-other"},
    )
