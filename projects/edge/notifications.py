"""Notifications that outlive a region: a topic and a queue in each, and each queue hears both topics."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from projects.edge.pager import subscribed_pager
from shared import naming
from shared.components import iam
from shared.components.queues import DeadLetters, Sender, encrypted_queue, let_send, rules
from shared.components.regions import Region
from shared.contracts import ComputeOutputs, DataOutputs
from shared.environment_sections import LONGEST_AUDIT, EdgeSettings
from shared.naming import Kind
from shared.roles import ROLES, SECONDARY, PerRole, Role

BATCHING_WINDOW = 5
"""Seconds that a notification waits, safe in its queue, for others of the same incident: one invocation files them."""

SCHEDULES: Mapping[Role, Sequence[Kind]] = {SECONDARY: (naming.FAILOVER_CONTROL_RULE, naming.SWITCH_RANGES_RULE)}
"""Rules whose calls that cannot be delivered lie with the notifications that cannot be: a queue has one policy."""

VISIBILITY_TIMEOUT = 6 * LONGEST_AUDIT + BATCHING_WINDOW
"""Lambda's advice: six times what its reader may take, and what it waits for a batch."""


class Notifications(pulumi.ComponentResource):
    """Encrypted topics that alarms publish to, for people by e-mail and pager and for the record by queues.

    Each region's audit function files what its queue gets in its own bucket, so what one region's alarms said is still
    known in the other. What a topic cannot deliver to a queue lies in the dead letters of the topic's region, as SNS
    wants it; a mail has none, as its text is what both queues keep. Attributes: topic_arns, queue_urls, dead_letters.
    """

    topic_arns: PerRole[pulumi.Output[str]]
    queue_urls: PerRole[pulumi.Output[str]]
    dead_letters: PerRole[DeadLetters]

    def __init__(
        self,
        name: str,
        regions: PerRole[Region],
        settings: EdgeSettings,
        data: DataOutputs,
        compute: PerRole[ComputeOutputs],
    ) -> None:
        super().__init__("payments:edge:Notifications", name)
        self._name = name
        self._regions = regions

        topics = PerRole.build(lambda role: self._topic(role, data, settings))
        self.dead_letters = PerRole.build(lambda role: self._dead_letters(role, topics.of(role).arn))
        queues = PerRole.build(lambda role: self._queue(role, topics))
        for role in ROLES:
            if settings.pager is not None:
                pager, letters = f"{name}-{role}-pager", self.dead_letters.of(role)
                subscribed_pager(pager, regions.of(role), settings.pager, topics.of(role), letters, parent=self)
            aws.lambda_.EventSourceMapping(
                f"{name}-{role}",
                function_name=compute.of(role).audit_alias_arn,
                event_source_arn=queues.of(role).arn,
                batch_size=10,
                maximum_batching_window_in_seconds=BATCHING_WINDOW,
                function_response_types=["ReportBatchItemFailures"],
                opts=regions.of(role).options(self),
            )
        self.topic_arns = topics.map(lambda topic: topic.arn)
        self.queue_urls = queues.map(lambda queue: queue.url)
        self.register_outputs({})

    def _topic(self, role: Role, data: DataOutputs, settings: EdgeSettings) -> aws.sns.Topic:
        region = self._regions.of(role)
        topic = aws.sns.Topic(
            f"{self._name}-{role}",
            name=region.named(naming.NOTIFICATION_TOPIC),
            display_name=f"Payments {region.foundation.name} {role}",
            kms_master_key_id=data.key_arns.of(role),
            opts=region.options(self),
        )
        aws.sns.TopicPolicy(
            f"{self._name}-{role}",
            arn=topic.arn,
            policy=iam.document(
                iam.allow(
                    ["sns:Publish"],
                    [topic.arn],
                    principal={"Service": "cloudwatch.amazonaws.com"},
                    condition=iam.of_account(
                        region.account,
                        {"aws:SourceArn": region.arn("cloudwatch", f"alarm:{region.named(naming.alarm('*'))}")},
                    ),
                    sid="AlarmsPublish",
                )
            ),
            opts=region.options(self),
        )
        for email in settings.emails:
            aws.sns.TopicSubscription(
                f"{self._name}-{role}-{hashlib.sha256(email.encode()).hexdigest()[:8]}",
                topic=topic.arn,
                protocol="email",
                endpoint=email,
                opts=region.options(self),
            )
        return topic

    def _dead_letters(self, role: Role, topic: pulumi.Input[str]) -> DeadLetters:
        name, region = f"{self._name}-dead-letters-{role}", self._regions.of(role)
        queue = encrypted_queue(name, region, naming.NOTIFICATION_DEAD_LETTER_QUEUE, parent=self)
        senders = [Sender("sns.amazonaws.com", topic, "TopicCannotDeliver")]
        if role in SCHEDULES:
            senders.append(rules(region, *SCHEDULES[role]))
        return DeadLetters(queue, let_send(name, region, queue, *senders, parent=self))

    def _queue(self, role: Role, topics: PerRole[aws.sns.Topic]) -> aws.sqs.Queue:
        """The queue of one region, subscribed to both topics; a subscription lives in its topic's region."""
        region = self._regions.of(role)
        queue = encrypted_queue(
            f"{self._name}-{role}",
            region,
            naming.NOTIFICATION_QUEUE,
            parent=self,
            visibility_timeout=VISIBILITY_TIMEOUT,
            dead_letters=self.dead_letters.of(role).queue.arn,
        )
        senders = Sender("sns.amazonaws.com", [topic.arn for _, topic in topics.items()], "BothTopicsDeliver")
        policy = let_send(f"{self._name}-{role}", region, queue, senders, parent=self)
        for source, topic in topics.items():
            aws.sns.TopicSubscription(
                f"{self._name}-{source}-to-{role}",
                topic=topic.arn,
                protocol="sqs",
                endpoint=queue.arn,
                redrive_policy=self.dead_letters.of(source).redrive,
                opts=self._regions.of(source).options(self, depends_on=[policy, self.dead_letters.of(source).policy]),
            )
        return queue
