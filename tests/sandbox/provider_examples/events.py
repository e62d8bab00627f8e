from __future__ import annotations

import json

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example


@example("aws:cloudwatch/eventRule:EventRule")
def event_rule(engine: Engine) -> Example:
    return Example(
        {"name": "example-rule", "description": "Example", "scheduleExpression": "rate(5 minutes)"},
        update={"scheduleExpression": "rate(1 minute)", "state": "DISABLED", "tags": {"a": "b"}},
        replace={"name": "example-other-rule"},
    )


@example("aws:cloudwatch/eventTarget:EventTarget")
def event_target(engine: Engine) -> Example:
    rule = engine.make(
        "aws:cloudwatch/eventRule:EventRule", name="example-target-rule", scheduleExpression="rate(1 day)"
    )
    queue = engine.make("aws:sqs/queue:Queue", name="example-target-queue")
    return Example(
        {
            "rule": rule.name,
            "targetId": "sweep",
            "arn": queue.arn,
            "input": json.dumps({"kind": "sweep"}),
            "deadLetterConfig": {"arn": queue.arn},
            "retryPolicy": {"maximumEventAgeInSeconds": 60, "maximumRetryAttempts": 0},
        },
        update={"input": json.dumps({"kind": "other"}), "retryPolicy": None, "deadLetterConfig": None},
        replace={"targetId": "other", "rule": "example-other-rule"},
    )
