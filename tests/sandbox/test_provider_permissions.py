"""What a declared permission makes of a function's policy."""

from __future__ import annotations

import json
from typing import Any

from sandbox.variables import CREDENTIALS
from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples.lambda_ import function


def test_a_permission_sets_the_conditions_that_were_declared_and_no_other(cloud: Any):
    engine = Engine(cloud.endpoint, credentials=CREDENTIALS)
    try:
        made = function(engine, "example-conditions")
        source = "arn:aws:events:us-east-1:000000000000:rule/sweep"
        engine.make(
            "aws:lambda/permission:Permission",
            function=made.name,
            action="lambda:InvokeFunction",
            principal="events.amazonaws.com",
            sourceArn=source,
        )
        policy = json.loads(cloud.client("lambda").get_policy(FunctionName=made.name)["Policy"])
        (statement,) = policy["Statement"]
        assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": source}}
    finally:
        engine.destroy()
        engine.close()
