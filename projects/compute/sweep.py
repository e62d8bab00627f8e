"""The sweep: every so often, in both regions, look for payments that were left unfinished."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.compute.functions import Functions
from shared import naming
from shared.components import iam
from shared.components.regions import Region
from shared.environment_sections import ComputeSettings


class SweepSchedule(pulumi.ComponentResource):
    """An EventBridge rule that calls the audit function; what cannot be delivered goes to the dead letters."""

    def __init__(self, name: str, region: Region, settings: ComputeSettings, functions: Functions) -> None:
        super().__init__("payments:compute:Sweep", name)
        options = region.options(self)
        minutes = settings.sweep_minutes

        rule = aws.cloudwatch.EventRule(
            name,
            name=region.named(naming.SWEEP_RULE),
            description="Looks for payments that were left unfinished",
            schedule_expression=f"rate({minutes} minute{'s' if minutes > 1 else ''})",
            opts=options,
        )
        permission = functions.audit.allow("sweep", "events.amazonaws.com", rule.arn)
        queue_policy = aws.sqs.QueuePolicy(
            name,
            queue_url=functions.dead_letters.url,
            policy=iam.document(
                iam.allow(
                    ["sqs:SendMessage"],
                    [functions.dead_letters.arn],
                    principal={"Service": "events.amazonaws.com"},
                    condition={"ArnEquals": {"aws:SourceArn": rule.arn}},
                )
            ),
            opts=options,
        )
        aws.cloudwatch.EventTarget(
            name,
            rule=rule.name,
            target_id=region.named(naming.SWEEP_RULE),
            arn=functions.audit.alias.arn,
            dead_letter_config={"arn": functions.dead_letters.arn},
            retry_policy={"maximum_event_age_in_seconds": 60 * minutes, "maximum_retry_attempts": 2},
            opts=region.options(self, depends_on=[permission, queue_policy]),
        )
        self.register_outputs({})
