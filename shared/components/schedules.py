"""A function that is called every so many minutes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from shared.components.function import Function
from shared.components.queues import Sender, let_send
from shared.components.regions import Region
from shared.naming import Kind


@dataclass(frozen=True)
class Schedule:
    """How often, and what is done about a call that fails: `retries`, then the queue `dead_letters`, if any."""

    kind: Kind
    description: str
    minutes: int = 1
    retries: int = 0
    dead_letters: aws.sqs.Queue | None = None
    event: Mapping[str, str] | None = None
    """What the function is called with; EventBridge's own event when it is None."""


def call_regularly(
    name: str, region: Region, function: Function, schedule: Schedule, *, parent: pulumi.Resource
) -> aws.cloudwatch.EventRule:
    """An EventBridge rule that calls the function's alias; a call is given up when the next one is due."""
    minutes, dead_letters = schedule.minutes, schedule.dead_letters
    options = region.options(parent)
    rule = aws.cloudwatch.EventRule(
        name,
        name=region.named(schedule.kind),
        description=schedule.description,
        schedule_expression=f"rate({minutes} minute{'s' if minutes > 1 else ''})",
        opts=options,
    )
    allowed: list[pulumi.Resource] = [function.allow(name, "events.amazonaws.com", rule.arn)]
    if dead_letters is not None:
        allowed.append(let_send(name, region, dead_letters, Sender("events.amazonaws.com", rule.arn), parent=parent))
    undelivered: aws.cloudwatch.EventTargetDeadLetterConfigArgsDict | None = (
        None if dead_letters is None else {"arn": dead_letters.arn}
    )
    aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id=region.named(schedule.kind),
        arn=function.alias.arn,
        input=None if schedule.event is None else json.dumps(schedule.event),
        dead_letter_config=undelivered,
        retry_policy={"maximum_event_age_in_seconds": 60 * minutes, "maximum_retry_attempts": schedule.retries},
        opts=region.options(parent, depends_on=allowed),
    )
    return rule
