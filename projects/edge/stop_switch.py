"""The stop switch: what takes the primary out of DNS, and the function that throws it at a failover."""

from __future__ import annotations

import json

import pulumi

from projects.edge.notifications import Notifications
from projects.edge.switch_object import SwitchObject
from shared import naming, stop_switch
from shared.components import iam
from shared.components.function import Code, Failures, Function, go_live, release_of, variables_of_all
from shared.components.regions import Region
from shared.components.schedules import Schedule, call_regularly
from shared.contracts import DataOutputs
from shared.environment_sections import EdgeSettings

FUNCTION = "failover_control"
TIMEOUT = 60
"""Seconds: probing the primary takes a few payments, each of which may be slow."""

RANGES_MINUTES = 15
"""Between comparisons. Until the first one, after a first deployment, the alarm is on."""


class StopSwitch(pulumi.ComponentResource):
    """All in the secondary, outside the VPC and outside compute's releases, so that it works when little else does.

    With `failback: automatic` the function tells what the switch says, and leaves it alone.
    Attributes: switch (the object).
    """

    switch: SwitchObject

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
        self._settings = settings
        self.switch = SwitchObject(name, secondary, parent=self)
        dead_letters = notifications.dead_letters.secondary
        control = Function(
            name,
            secondary,
            Code(
                FUNCTION,
                naming.FAILOVER_CONTROL_FUNCTION,
                "Throws the stop switch when traffic has failed over and the primary does not serve",
                settings.failover_control.memory_mb,
                TIMEOUT,
                settings.failover_control.reserved_concurrency,
                variables=self._variables(data),
                statements=self._statements(data),
            ),
            parent=self,
            failures=Failures(dead_letters.queue.arn),
        )
        go_live(control)
        # Not repeated: the next minute sees the same and more.
        schedule = Schedule(naming.FAILOVER_CONTROL_RULE, "Decides whether a failover lasts", dead_letters)
        call_regularly(name, secondary, control, schedule, parent=self)
        # What is missed shows as missing data.
        comparison = Schedule(
            naming.SWITCH_RANGES_RULE,
            "Compares the stop switch's readers with the published addresses of Route 53's checkers",
            dead_letters,
            RANGES_MINUTES,
            retries=2,
            event={"compare": "ranges"},
        )
        call_regularly(f"{name}-ranges", secondary, control, comparison, parent=self)
        self.register_outputs({})

    def _variables(self, data: DataOutputs) -> dict[str, pulumi.Input[str]]:
        foundation = self._region.foundation
        return {
            **variables_of_all(self._region, release_of([FUNCTION]), data.consistency),
            "STOP_SWITCH_BUCKET": self.switch.bucket_name,
            "STOP_SWITCH_KEY": stop_switch.KEY,
            "PRIMARY_URL": f"https://{foundation.region_names.primary}",
            "API_KEYS_SECRET_ARN": data.api_keys_secret_arns.secondary,
            "LATCH": json.dumps(self._settings.latch_rule),  # null: failback is automatic
        }

    def _statements(self, data: DataOutputs) -> list[iam.Statement]:
        return [
            iam.allow(["s3:GetObject", "s3:PutObject"], [self.switch.arn]),
            # Without it S3 answers 403 for an object that is not there, as for one that may not be read.
            iam.allow(["s3:ListBucket", "s3:GetBucketPolicy"], [self.switch.bucket_arn]),
            # It reads metrics by no name (Service Authorization Reference, Amazon CloudWatch).
            iam.allow(["cloudwatch:GetMetricData"], ["*"]),
            iam.allow(["secretsmanager:GetSecretValue"], [data.api_keys_secret_arns.secondary]),
            iam.allow(
                ["kms:Decrypt"],
                [data.key_arns.secondary],
                condition={"StringEquals": {"kms:ViaService": f"secretsmanager.{self._region.name}.amazonaws.com"}},
            ),
        ]
