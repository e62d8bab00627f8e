"""The stop switch: what takes the primary out of DNS, and the function that throws it at a failover."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from projects.edge.notifications import Notifications
from projects.edge.switch_object import SwitchObject
from shared import naming, stop_switch
from shared.components import iam
from shared.components.function import ALARMS, Code, Function, release_of, variables_of_all
from shared.components.regions import Region
from shared.contracts import DataOutputs
from shared.environment_sections import EdgeSettings

FUNCTION = "failover_control"
MEMORY_MB = 256
TIMEOUT = 30
"""Seconds: probing the primary takes a few payments."""

RANGES_MINUTES = 15
"""Between comparisons. Until the first one, after a first deployment, the alarm is on."""


class StopSwitch(pulumi.ComponentResource):
    """All in the secondary, outside the VPC and outside compute's releases, so that it works when little else does.

    Attributes: switch (the object), latch_action_arns.
    """

    switch: SwitchObject
    latch_action_arns: pulumi.Output[Sequence[str]]

    def __init__(
        self,
        name: str,
        secondary: Region,
        settings: EdgeSettings,
        data: DataOutputs,
        notifications: Notifications,
    ) -> None:
        super().__init__("payments:edge:StopSwitch", name)
        self._region = secondary
        self.switch = SwitchObject(name, secondary, parent=self)
        control = Function(
            name,
            secondary,
            Code(
                FUNCTION,
                naming.FAILOVER_CONTROL_FUNCTION,
                "Throws the stop switch when traffic has failed over and the primary does not serve",
                MEMORY_MB,
                TIMEOUT,
                variables=self._variables(data),
                statements=self._statements(data),
            ),
            parent=self,
            dead_letters=notifications.dead_letters.secondary.arn,
        )
        control.allow(
            "latch",
            ALARMS,
            secondary.arn("cloudwatch", f"alarm:{secondary.named(naming.FAILOVER_TRAFFIC_ALARM)}"),
        )
        self._compare_ranges(name, control)
        latch = [control.alias.arn] if settings.failback == "manual" else []
        self.latch_action_arns = pulumi.Output.all(*latch)
        self.register_outputs({})

    def _compare_ranges(self, name: str, control: Function) -> None:
        """Let the function compare who may read the switch with who checks. What is missed shows as missing data."""
        rule = aws.cloudwatch.EventRule(
            f"{name}-ranges",
            name=self._region.named(naming.SWITCH_RANGES_RULE),
            description="Compares the stop switch's readers with the published addresses of Route 53's checkers",
            schedule_expression=f"rate({RANGES_MINUTES} minutes)",
            opts=self._region.options(self),
        )
        permission = control.allow("ranges", "events.amazonaws.com", rule.arn)
        aws.cloudwatch.EventTarget(
            f"{name}-ranges",
            rule=rule.name,
            target_id=self._region.named(naming.SWITCH_RANGES_RULE),
            arn=control.alias.arn,
            input=json.dumps({"compare": "ranges"}),
            retry_policy={"maximum_event_age_in_seconds": 60 * RANGES_MINUTES, "maximum_retry_attempts": 2},
            opts=self._region.options(self, depends_on=[permission]),
        )

    def _variables(self, data: DataOutputs) -> dict[str, pulumi.Input[str]]:
        foundation = self._region.foundation
        return {
            **variables_of_all(self._region, release_of([FUNCTION]), data.consistency),
            "FAILOVER_NAME": foundation.failover_name,
            "STOP_SWITCH_BUCKET": self.switch.bucket_name,
            "STOP_SWITCH_KEY": stop_switch.KEY,
            "PRIMARY_URL": f"https://{foundation.region_names.primary}",
            "API_KEYS_SECRET_ARN": data.api_keys_secret_arns.secondary,
        }

    def _statements(self, data: DataOutputs) -> list[iam.Statement]:
        return [
            iam.allow(["s3:GetObject", "s3:PutObject"], [self.switch.arn]),
            # Without it S3 answers 403 for an object that is not there, as for one that may not be read.
            iam.allow(["s3:ListBucket", "s3:GetBucketPolicy"], [self.switch.bucket_arn]),
            iam.allow(["secretsmanager:GetSecretValue"], [data.api_keys_secret_arns.secondary]),
            iam.allow(
                ["kms:Decrypt"],
                [data.key_arns.secondary],
                condition={"StringEquals": {"kms:ViaService": f"secretsmanager.{self._region.name}.amazonaws.com"}},
            ),
        ]
