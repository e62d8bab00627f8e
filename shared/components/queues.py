"""Encrypted SQS queues for what could not be delivered and for notifications, and who may send to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from shared.components import iam
from shared.components.regions import Region
from shared.naming import Kind

FOURTEEN_DAYS = 14 * 24 * 3600
"""The longest that SQS keeps a message."""


def encrypted_queue(
    name: str,
    region: Region,
    kind: Kind,
    *,
    parent: pulumi.Resource,
    visibility_timeout: int = 30,
    dead_letters: pulumi.Input[str] | None = None,
    attempts: int = 5,
) -> aws.sqs.Queue:
    """A queue that keeps messages for 14 days, and passes on to `dead_letters` (ARN) what failed `attempts` times."""
    redrive = (
        None
        if dead_letters is None
        else pulumi.Output.json_dumps({"deadLetterTargetArn": dead_letters, "maxReceiveCount": attempts})
    )
    return aws.sqs.Queue(
        name,
        name=region.named(kind),
        message_retention_seconds=FOURTEEN_DAYS,
        visibility_timeout_seconds=visibility_timeout,
        sqs_managed_sse_enabled=True,
        redrive_policy=redrive,
        opts=region.options(parent),
    )


@dataclass(frozen=True)
class Sender:
    """An AWS service that sends on behalf of `sources` (ARNs); `sid` names the statement."""

    service: str
    sources: pulumi.Input[str] | Sequence[pulumi.Input[str]]
    sid: str | None = None


def rules(region: Region, *kinds: Kind) -> Sender:
    """EventBridge on behalf of the region's rules of these names, which need not exist yet."""
    return Sender("events.amazonaws.com", [region.arn("events", f"rule/{region.named(kind)}") for kind in kinds])


def let_send(
    name: str, region: Region, queue: aws.sqs.Queue, *senders: Sender, parent: pulumi.Resource
) -> aws.sqs.QueuePolicy:
    """Let these services send to the queue, and nobody else but by a role's own policy. A queue has one such policy."""
    return aws.sqs.QueuePolicy(
        name,
        queue_url=queue.url,
        policy=iam.document(
            *(
                iam.allow(
                    ["sqs:SendMessage"],
                    [queue.arn],
                    principal={"Service": sender.service},
                    condition={"ArnEquals": {"aws:SourceArn": sender.sources}},
                    sid=sender.sid,
                )
                for sender in senders
            )
        ),
        opts=region.options(parent),
    )


@dataclass(frozen=True)
class DeadLetters:
    """A queue for what could not be delivered, and the policy by which AWS's services may put it there."""

    queue: aws.sqs.Queue
    policy: aws.sqs.QueuePolicy

    @property
    def redrive(self) -> pulumi.Output[str]:
        """The policy of an SNS subscription that passes on to the queue what cannot be delivered."""
        return pulumi.Output.json_dumps({"deadLetterTargetArn": self.queue.arn})
