"""The stop switch: a word in the secondary that takes the primary out, and the function that says and sets it."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from projects.edge.notifications import Notifications
from shared import naming
from shared.components import iam
from shared.components.function import Code, Function, release_of
from shared.components.regions import Region
from shared.contracts import DataOutputs
from shared.environment_sections import EdgeSettings

RUN = "run"
STOPPED = "primary: stop"
"""What the function answers while the parameter says `stop`, and the check looks for."""

FUNCTION = "failover_control"
MEMORY_MB = 256
TIMEOUT = 30
"""Seconds: probing the primary takes a few payments; the switch's own answer is due in 2 s and takes milliseconds."""


class StopSwitch(pulumi.ComponentResource):
    """All in the secondary, outside the VPC and outside compute's releases, so that it works when little else does.

    The function's URL is public: it tells Route 53's checkers one word. Only a role of this account can set it.
    Attributes: parameter_name, url, host, latch_action_arns.
    """

    parameter_name: pulumi.Output[str]
    url: pulumi.Output[str]
    host: pulumi.Output[str]
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
        self._name = name
        self._region = secondary
        self._options = secondary.options(self)

        parameter = aws.ssm.Parameter(
            name,
            name=secondary.named_once(naming.STOP_PARAMETER, "/stop-switch"),
            description="run, or stop while the primary is kept out of DNS",
            type="String",
            value=RUN,
            opts=secondary.options(self, ignore_changes=["value"]),  # operators and the latch own it
        )
        self.parameter_name = parameter.name
        control = Function(
            name,
            secondary,
            Code(
                FUNCTION,
                naming.FAILOVER_CONTROL_FUNCTION,
                "Says whether the primary is to be left alone, and latches a failover",
                MEMORY_MB,
                TIMEOUT,
                variables=self._variables(parameter, data),
                statements=self._statements(parameter, data),
            ),
            parent=self,
            dead_letters=notifications.dead_letters.secondary.arn,
        )
        self.url = self._public_url(control)
        self.host = self.url.apply(lambda url: url.removeprefix("https://").rstrip("/"))
        control.allow(
            "latch",
            "lambda.alarms.cloudwatch.amazonaws.com",
            secondary.arn("cloudwatch", f"alarm:{secondary.named(naming.FAILOVER_TRAFFIC_ALARM)}"),
        )
        latch = [control.alias.arn] if settings.failback == "manual" else []
        self.latch_action_arns = pulumi.Output.all(*latch)
        self.register_outputs({})

    def _public_url(self, control: Function) -> pulumi.Output[str]:
        url = aws.lambda_.FunctionUrl(
            self._name,
            function_name=control.function.name,
            qualifier=control.alias.name,
            authorization_type="NONE",
            opts=self._options,
        )
        # Since October 2025 a public URL needs both; without the second every request is refused.
        aws.lambda_.Permission(
            f"{self._name}-url",
            statement_id="public-url",
            action="lambda:InvokeFunctionUrl",
            function=control.function.name,
            qualifier=control.alias.name,
            principal="*",
            function_url_auth_type="NONE",
            opts=self._options,
        )
        aws.lambda_.Permission(
            f"{self._name}-url-invoke",
            statement_id="public-url-invoke",
            action="lambda:InvokeFunction",
            function=control.function.name,
            qualifier=control.alias.name,
            principal="*",
            invoked_via_function_url=True,
            opts=self._options,
        )
        address: pulumi.Output[str] = url.function_url
        return address

    def _variables(self, parameter: aws.ssm.Parameter, data: DataOutputs) -> dict[str, pulumi.Input[str]]:
        foundation = self._region.foundation
        return {
            "ENVIRONMENT": foundation.name,
            "SUFFIX": foundation.suffix,
            "ROLE": self._region.role,
            "RELEASE": release_of([FUNCTION]),
            "FAILOVER_NAME": foundation.failover_name,
            "CONSISTENCY": data.consistency,
            "STOP_PARAMETER": parameter.name,
            "PRIMARY_URL": f"https://{foundation.region_names.primary}",
            "API_KEYS_SECRET_ARN": data.api_keys_secret_arns.secondary,
        }

    def _statements(self, parameter: aws.ssm.Parameter, data: DataOutputs) -> list[iam.Statement]:
        return [
            iam.allow(["ssm:GetParameter", "ssm:PutParameter"], [parameter.arn]),
            iam.allow(["secretsmanager:GetSecretValue"], [data.api_keys_secret_arns.secondary]),
            iam.allow(
                ["kms:Decrypt"],
                [data.key_arns.secondary],
                condition={"StringEquals": {"kms:ViaService": f"secretsmanager.{self._region.name}.amazonaws.com"}},
            ),
        ]
