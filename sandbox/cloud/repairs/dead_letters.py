"""What a rule or a topic cannot deliver.

A target's function that is gone or does not let the rule in, and a queue that is gone or does not let the topic in, are
errors that AWS does not retry.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.arn import parse_arn
from ministack.services import eventbridge, lambda_svc, sns, sqs

from sandbox.cloud.repairs.permissions import allows


def of_rules() -> None:
    """What a rule cannot deliver is lost, whatever dead letters its target names."""
    invoke = eventbridge._invoke_target

    def invoked(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], *more: Any) -> None:
        function, source = target.get("Arn", ""), rule.get("Arn", "")
        dead = (target.get("DeadLetterConfig") or {}).get("Arn")
        if dead and ":lambda:" in function and ":rule/" in source and not _can_be_called(function, source):
            _, _, _, _, account, *_ = source.split(":")
            if sqs.queue_policy_allows(dead, "events.amazonaws.com", source, account):
                sent = target.get("Input") or json.dumps(eventbridge._pattern_event_view(event).event_with_detail())
                eventbridge._dispatch_to_sqs(parse_arn(dead), sent)
        invoke(target, event, rule, *more)

    eventbridge._invoke_target = invoked


def _can_be_called(function: str, rule: str) -> bool:
    _, _, _, region, account, _, name, *_ = function.split(":")
    there = lambda_svc._functions.get_scoped(account, region, name) is not None
    return there and allows(function, "events.amazonaws.com", source=rule)


def of_topics() -> None:
    """What a topic cannot deliver to a queue is lost, whatever its subscription's redrive policy says."""
    deliver = sns._deliver_to_sqs

    def delivered(queue: str, *message: Any, **options: Any) -> None:
        topic = str(options.get("topic_arn"))
        _, _, _, _, account, *_ = f"{topic}::::".split(":")
        if sqs._queue_by_arn(queue) is None or not sqs.queue_policy_allows(queue, "sns.amazonaws.com", topic, account):
            queue = _dead_letters(topic, queue) or queue
        deliver(queue, *message, **options)

    sns._deliver_to_sqs = delivered


def _dead_letters(topic: str, queue: str) -> str:
    """The queue that a subscription's redrive policy names; empty when it has none."""
    found = sns._topic_by_arn_any_scope(topic)
    for each in found["subscriptions"] if found else ():
        policy = each.get("attributes", {}).get("RedrivePolicy")
        if each.get("endpoint") == queue and policy:
            return str(json.loads(policy).get("deadLetterTargetArn", ""))
    return ""
