"""A Lambda function as every layer makes one: its log, its role, a published version, and the alias that is called.

version ──> its rehearsal ──> executions kept started, if any ──> the alias points to it
                              (waits for the rehearsals of all functions that go live together)
"""

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
from shared.rehearsals import Rehearsal

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
    rehearsal: Rehearsal = field(default_factory=Rehearsal)
    """What a new version must answer before it serves."""


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
    """A function with a log group, a role that may do what `code` says, and, once it goes live, the alias `live`.

    With `failures` it may be called asynchronously.
    Attributes: function, passed (the newest version, once it has passed its rehearsal), role, name, physical_name;
    alias, which is there after `go_live`.
    """

    function: aws.lambda_.Function
    passed: pulumi.Output[str]
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
        self._warm, self._failures = code.warm, failures
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
            # Lambda takes a VPC function's interfaces down with its role's permissions: they must outlive it. The
            # interfaces go up to 20 minutes later (docs/deploying-to-aws.md, "Remove it").
            opts=region.options(self, depends_on=[log, *permissions]),
        )
        self.name = self.function.name
        self.passed = self._rehearsed(code.rehearsal)
        self.register_outputs({})

    def _rehearsed(self, rehearsal: Rehearsal) -> pulumi.Output[str]:
        """Have the newest version answer as its callers need it; return it once it has. An error ends the update.

        The provider calls a version once. One that does not start, or has no answer, leaves no Invocation behind, so
        the next update calls it again; one that answers wrongly stays refused until there is another version.
        """
        version = self.function.version
        called = aws.lambda_.Invocation(
            self._name,
            function_name=self.function.name,
            qualifier=version,
            input=rehearsal.event,
            triggers={"version": version},
            opts=self._options,
        )

        def judged(told: Sequence[str]) -> str:
            number, result = told
            if fault := rehearsal.fault(result):
                raise pulumi.RunError(
                    f"{self.physical_name}: version {number} failed its rehearsal, and what served before serves: "
                    f"{fault}; mend the function's code or settings"
                )
            return number

        return pulumi.Output.all(version, called.result).apply(judged)

    def serve(self, passed: pulumi.Output[Sequence[str]]) -> None:
        """Let the newest version serve once all versions in `passed` may."""
        version = pulumi.Output.all(self.function.version, passed).apply(lambda told: str(told[0]))
        self.alias = aws.lambda_.Alias(
            self._name,
            name=naming.LIVE,
            description="The version that serves",
            function_name=self.function.name,
            function_version=version,
            opts=self._region.options(self, depends_on=self._started(version)),
        )
        if (failures := self._failures) is not None:
            aws.lambda_.FunctionEventInvokeConfig(
                self._name,
                function_name=self.function.name,
                qualifier=self.alias.name,
                maximum_event_age_in_seconds=failures.seconds,
                maximum_retry_attempts=failures.retries,
                destination_config={"on_failure": {"destination": failures.dead_letters}},
                opts=self._options,
            )

    def _started(self, version: pulumi.Output[str]) -> list[pulumi.Resource]:
        """Have executions of a version started, if any: the alias waits for it, so a release meets them warm.

        Those of the version before go after that, so for a while there are twice as many.
        """
        if not self._warm:
            return []
        return [
            aws.lambda_.ProvisionedConcurrencyConfig(
                self._name,
                function_name=self.function.name,
                qualifier=version,
                provisioned_concurrent_executions=self._warm,
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


def live_dimensions(name: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """Of the metrics of what those are served who ask: by the name alone a version counts too that nobody gets.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
    """
    return {"FunctionName": name, "Resource": pulumi.Output.concat(name, ":", naming.LIVE)}


def go_live(*functions: Function) -> None:
    """Let the newest versions of functions serve: all of them, or, where one fails its rehearsal, none."""
    passed = pulumi.Output.all(*(each.passed for each in functions))
    for each in functions:
        each.serve(passed)


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
