"""A function that is called every so many minutes."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from shared.components import iam
from shared.components.function import Function
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
        allowed.append(
            aws.sqs.QueuePolicy(
                name,
                queue_url=dead_letters.url,
                policy=iam.document(
                    iam.allow(
                        ["sqs:SendMessage"],
                        [dead_letters.arn],
                        principal={"Service": "events.amazonaws.com"},
                        condition={"ArnEquals": {"aws:SourceArn": rule.arn}},
                    )
                ),
                opts=options,
            )
        )
    undelivered: aws.cloudwatch.EventTargetDeadLetterConfigArgsDict | None = (
        None if dead_letters is None else {"arn": dead_letters.arn}
    )
    aws.cloudwatch.EventTarget(
        name,
        rule=rule.name,
        target_id=region.named(schedule.kind),
        arn=function.alias.arn,
        dead_letter_config=undelivered,
        retry_policy={"maximum_event_age_in_seconds": 60 * minutes, "maximum_retry_attempts": schedule.retries},
        opts=region.options(parent, depends_on=allowed),
    )
    return rule
