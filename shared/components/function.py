"""A Lambda function as every layer makes one: its log, its role, a published version, and the alias that is called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from shared import naming
from shared.components import iam
from shared.components.regions import Region
from shared.naming import Kind
from shared.packaging.archives import RUNTIME
from shared.packaging.packages import digest, handler, package

RELEASE_CHARACTERS = 12

VPC_ACCESS = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
TRACING = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"
"""AWS's own policies where an action cannot be limited to a resource: network interfaces and traces."""

WRITING_LOGS = ["logs:CreateLogStream", "logs:PutLogEvents"]
INTERFACE_ACTIONS = [
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DetachNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]


@dataclass(frozen=True)
class Placement:
    """The subnets and security groups of a function that lives in a VPC."""

    subnet_ids: pulumi.Input[Sequence[str]]
    security_group_id: pulumi.Input[str]


@dataclass(frozen=True)
class Code:
    """What a function runs and what it needs to run it: memory in MB, timeout in seconds."""

    function: str
    """Its folder in `lambdas/`."""
    kind: Kind
    description: str
    memory_mb: int
    timeout: int
    reserved_concurrency: int | None = None
    warm: int = 0
    """Executions that are kept started (provisioned concurrency)."""
    variables: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    statements: Sequence[iam.Statement] = ()
    """What its role may do, beyond its own log."""


OF_PAYMENTS = (naming.PAYMENT_FUNCTION, naming.AUDIT_FUNCTION)
"""Whose logs tell what became of a payment."""


@dataclass(frozen=True)
class Failures:
    """What becomes of an asynchronous call that fails: so many retries, in so many seconds, then the dead letters."""

    dead_letters: pulumi.Input[str]
    """The queue's ARN."""
    retries: int = 2
    seconds: int = 3600


class Function(pulumi.ComponentResource):
    """A function with a log group, a role that may do what `code` says, and the alias `live`.

    With `failures` it may be called asynchronously.
    Attributes: function, alias, role, name, physical_name.
    """

    function: aws.lambda_.Function
    alias: aws.lambda_.Alias
    role: aws.iam.Role
    name: pulumi.Output[str]
    physical_name: str

    def __init__(
        self,
        name: str,
        region: Region,
        code: Code,
        *,
        parent: pulumi.Resource,
        placement: Placement | None = None,
        failures: Failures | None = None,
    ) -> None:
        super().__init__("payments:shared:Function", name, opts=pulumi.ResourceOptions(parent=parent))
        self._name = name
        self._region = region
        self._options = region.options(self)
        self.physical_name = region.named(code.kind)

        kept = region.foundation.log_retention_days
        log = aws.cloudwatch.LogGroup(
            name,
            name=naming.FUNCTION_LOG_PREFIX + self.physical_name,
            retention_in_days=kept.payment if code.kind in OF_PAYMENTS else kept.debug,
            opts=self._options,
        )
        self.role, permissions = self._role(code, log, in_vpc=placement is not None, failures=failures)
        self.function = aws.lambda_.Function(
            name,
            name=self.physical_name,
            description=code.description,
            role=self.role.arn,
            runtime=RUNTIME,
            handler=handler(code.function),
            code=pulumi.FileArchive(str(package(code.function))),
            memory_size=code.memory_mb,
            timeout=code.timeout,
            reserved_concurrent_executions=-1 if code.reserved_concurrency is None else code.reserved_concurrency,
            publish=True,
            environment={"variables": dict(code.variables)},
            tracing_config={"mode": "Active"},
            vpc_config=_in_vpc(placement) if placement else None,
            # Lambda takes a VPC function's interfaces down with its role's permissions: they must outlive it.
            opts=region.options(self, depends_on=[log, *permissions]),
        )
        self.name = self.function.name
        self.alias = aws.lambda_.Alias(
            name,
            name=naming.LIVE,
            description="The version that serves",
            function_name=self.function.name,
            function_version=self.function.version,
            opts=region.options(self, depends_on=self._started(code.warm)),
        )
        if failures is not None:
            aws.lambda_.FunctionEventInvokeConfig(
                name,
                function_name=self.function.name,
                qualifier=self.alias.name,
                maximum_event_age_in_seconds=failures.seconds,
                maximum_retry_attempts=failures.retries,
                destination_config={"on_failure": {"destination": failures.dead_letters}},
                opts=self._options,
            )
        self.register_outputs({})

    def _started(self, executions: int) -> list[pulumi.Resource]:
        """Have executions of the newest version started, if any: the alias waits for it, so a release meets them warm.

        Those of the version before go after that, so for a while there are twice as many.
        """
        if not executions:
            return []
        return [
            aws.lambda_.ProvisionedConcurrencyConfig(
                self._name,
                function_name=self.function.name,
                qualifier=self.function.version,
                provisioned_concurrent_executions=executions,
                opts=self._options,
            )
        ]

    def allow(self, name: str, principal: str, source_arn: pulumi.Input[str]) -> aws.lambda_.Permission:
        """Let a service call the alias on behalf of `source_arn`, which says the account.

        For EventBridge and API Gateway the documented permission has the ARN alone: with the account beside it,
        EventBridge's invocations were reported to fail without a word (terraform-provider-aws 4116).
        """
        return aws.lambda_.Permission(
            f"{self._name}-{name}",
            statement_id=name,
            action="lambda:InvokeFunction",
            function=self.function.name,
            qualifier=self.alias.name,
            principal=principal,
            source_arn=source_arn,
            opts=self._options,
        )

    def _role(
        self,
        code: Code,
        log: aws.cloudwatch.LogGroup,
        *,
        in_vpc: bool,
        failures: Failures | None,
    ) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        role = aws.iam.Role(
            self._name,
            name=self.physical_name,
            description=f"What {self.physical_name} may do",
            assume_role_policy=iam.trust("lambda.amazonaws.com"),
            opts=self._options,
        )
        own_log = [pulumi.Output.concat(log.arn, ":*")]
        statements = [
            iam.allow(WRITING_LOGS, own_log),
            # AWS's policy for functions in a VPC allows it: a line that Lambda delivers late would make the group again
            # after it was destroyed, without retention.
            iam.deny(["logs:CreateLogGroup"], ["*"]),
            *code.statements,
        ]
        if failures is not None:
            statements.append(iam.allow(["sqs:SendMessage"], [failures.dead_letters]))
        if in_vpc:
            # Lambda needs these to attach the function to the VPC; the function's own code must not have them.
            own_code = {"ArnEquals": {"lambda:SourceFunctionArn": self._arn}}
            statements.append(iam.deny(INTERFACE_ACTIONS, ["*"], condition=own_code))
            # The same policy of AWS's lets write into every log of the account: nobody forges lines of others.
            statements.append(iam.deny_elsewhere(WRITING_LOGS, own_log))
        policy = aws.iam.RolePolicy(
            self._name,
            name=self.physical_name,
            role=role.name,
            policy=iam.document(*statements),
            opts=self._options,
        )
        attached = [
            aws.iam.RolePolicyAttachment(f"{self._name}-{what}", role=role.name, policy_arn=arn, opts=self._options)
            for what, arn in (("tracing", TRACING), *((("vpc", VPC_ACCESS),) if in_vpc else ()))
        ]
        return role, [policy, *attached]

    @property
    def _arn(self) -> str:
        return self._region.arn("lambda", f"function:{self.physical_name}")


def _in_vpc(placement: Placement) -> aws.lambda_.FunctionVpcConfigArgsDict:
    return {"subnet_ids": placement.subnet_ids, "security_group_ids": [placement.security_group_id]}


def variables_of_all(region: Region, release: str, consistency: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """The environment variables that every function has: lambdas/settings.py reads them."""
    return {
        "ENVIRONMENT": region.foundation.name,
        "SUFFIX": region.foundation.suffix,
        "ROLE": region.role,
        "RELEASE": release,
        "CONSISTENCY": consistency,
    }


def release_of(functions: Iterable[str]) -> str:
    """A name for exactly this code: the first digits of the functions' common hash."""
    return hashlib.sha256(" ".join(digest(each) for each in functions).encode()).hexdigest()[:RELEASE_CHARACTERS]
