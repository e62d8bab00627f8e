"""A function that is called every so many minutes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from shared.components.function import Function
from shared.components.queues import DeadLetters
from shared.components.regions import Region
from shared.naming import Kind


@dataclass(frozen=True)
class Schedule:
    """How often, and what is done about a call that cannot be delivered: `retries`, then `dead_letters`."""

    kind: Kind
    description: str
    dead_letters: DeadLetters
    minutes: int = 1
    retries: int = 0
    event: Mapping[str, str] | None = None
    """What the function is called with; EventBridge's own event when it is None."""


def call_regularly(
    name: str, region: Region, function: Function, schedule: Schedule, *, parent: pulumi.Resource
) -> aws.cloudwatch.EventRule:
    """An EventBridge rule that calls the function's alias; a call is given up when the next one is due."""
    minutes = schedule.minutes
    options = region.options(parent)
    rule = aws.cloudwatch.EventRule(
        name,
        name=region.named(schedule.kind),
        description=schedule.description,
        schedule_expression=f"rate({minutes} minute{'s' if minutes > 1 else ''})",
        opts=options,
    )
    allowed = function.allow(name, "events.amazonaws.com", rule.arn)
    aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id=region.named(schedule.kind),
        arn=function.alias.arn,
        input=None if schedule.event is None else json.dumps(schedule.event),
        dead_letter_config={"arn": schedule.dead_letters.queue.arn},
        retry_policy={"maximum_event_age_in_seconds": 60 * minutes, "maximum_retry_attempts": schedule.retries},
        opts=region.options(parent, depends_on=[allowed, schedule.dead_letters.policy]),
    )
    return rule
