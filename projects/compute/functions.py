"""The functions of a region: payment and health behind the API, audit for what was left unfinished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from shared import naming
from shared.clients import CANARY
from shared.components import iam
from shared.components.function import Code, Failures, Function, Placement, go_live, release_of, variables_of_all
from shared.components.queues import encrypted_queue
from shared.components.regions import Region
from shared.contracts import DataOutputs, NetworkOutputs
from shared.environment_sections import ComputeSettings
from shared.rehearsals import Caller, Rehearsal, RehearsedTurn

PACKAGES = ("payment", "health", "audit")

EMPTY_BATCH = RehearsedTurn({"Records": []}, says={"batchItemFailures": []})
"""A batch of the notification queue without a message. A sweep would work on payments with code that nobody has seen
work: it is not rehearsed."""


class Functions(pulumi.ComponentResource):
    """Attributes: payment, health, audit (each a `shared.components.function.Function`), dead_letters, release."""

    payment: Function
    health: Function
    audit: Function
    dead_letters: aws.sqs.Queue
    release: pulumi.Output[str]

    def __init__(
        self, name: str, region: Region, settings: ComputeSettings, network: NetworkOutputs, data: DataOutputs
    ) -> None:
        super().__init__("payments:compute:Functions", name)
        self._region = region
        self._data = data
        release = release_of(PACKAGES)
        self.release = pulumi.Output.from_input(release)
        self.dead_letters = encrypted_queue(f"{name}-dead-letters", region, naming.DEAD_LETTER_QUEUE, parent=self)

        placement = Placement(
            subnet_ids=network.private_subnet_ids,
            security_group_id=network.function_security_group_id,
        )
        variables = self._variables(release)
        caller = Caller(region.foundation.entry_point, region.name, region.foundation.region_names.of(region.role))
        paying = {**variables, "PROCESSOR": settings.processor.of(region.role)}
        self.payment = Function(
            "payment",
            region,
            Code(
                "payment",
                naming.PAYMENT_FUNCTION,
                "Takes payments and tells what became of them",
                settings.payment.memory_mb,
                settings.payment.timeout,
                settings.payment.reserved_concurrency,
                settings.warm.of(region.role),
                paying,
                self._payment_statements(),
                caller.payment(),
            ),
            parent=self,
            placement=placement,
        )
        self.health = Function(
            "health",
            region,
            Code(
                "health",
                naming.HEALTH_FUNCTION,
                "Says whether this region can serve",
                settings.health.memory_mb,
                settings.health.timeout,
                settings.health.reserved_concurrency,
                variables=variables,
                statements=self._health_statements(),
                rehearsal=caller.health(region=region.name, role=region.role, release=release),
            ),
            parent=self,
            placement=placement,
        )
        self.audit = Function(
            "audit",
            region,
            Code(
                "audit",
                naming.AUDIT_FUNCTION,
                "Finishes what was left unfinished, and files notifications",
                settings.audit.memory_mb,
                settings.audit.timeout,
                settings.audit.reserved_concurrency,
                variables=paying,
                statements=self._audit_statements(),
                rehearsal=Rehearsal((EMPTY_BATCH,)),
            ),
            parent=self,
            placement=placement,
            failures=Failures(self.dead_letters.arn),
        )
        go_live(self.payment, self.health, self.audit)
        self.register_outputs({})

    def _variables(self, release: str) -> Mapping[str, pulumi.Input[str]]:
        region, data = self._region, self._data
        return {
            **variables_of_all(region, release, data.consistency),
            "FAILOVER_NAME": region.foundation.failover_name,
            "TABLE_NAME": data.table_name,
            "AUDIT_BUCKET": data.audit_bucket_names.of(region.role),
            "API_KEYS_SECRET_ARN": data.api_keys_secret_arns.of(region.role),
        }

    def _health_statements(self) -> Sequence[iam.Statement]:
        return [iam.allow(["dynamodb:GetItem"], [self._table]), self._decrypt("dynamodb")]

    def _payment_statements(self) -> Sequence[iam.Statement]:
        return [
            iam.allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], [self._table]),
            self._file_under("payments", CANARY),
            iam.allow(["secretsmanager:GetSecretValue"], [self._data.api_keys_secret_arns.of(self._region.role)]),
            self._decrypt("dynamodb", "secretsmanager"),
            self._encrypt("s3"),
        ]

    def _audit_statements(self) -> Sequence[iam.Statement]:
        queue = self._region.arn("sqs", self._region.named(naming.NOTIFICATION_QUEUE))
        return [
            iam.allow(
                ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [self._table]
            ),
            iam.allow(["dynamodb:Query"], [pulumi.Output.concat(self._table, f"/index/{naming.UNFINISHED}")]),
            self._file_under("payments", CANARY, "notifications"),
            self._decrypt("dynamodb"),
            self._encrypt("s3"),
            # The queue belongs to edge, which comes later: edge connects it to this function.
            iam.allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], [queue]),
        ]

    def _file_under(self, *prefixes: str) -> iam.Statement:
        """Add records to the region's audit bucket; nobody reads or deletes them."""
        bucket = self._data.audit_bucket_arns.of(self._region.role)
        return iam.allow(["s3:PutObject"], [pulumi.Output.concat(bucket, f"/{prefix}/*") for prefix in prefixes])

    @property
    def _table(self) -> pulumi.Output[str]:
        return self._data.table_arns.of(self._region.role)

    def _decrypt(self, *services: str) -> iam.Statement:
        """Have these services read what they keep encrypted for us; DynamoDB asks for no more when it writes."""
        return self._key_use("kms:Decrypt", services)

    def _encrypt(self, *services: str) -> iam.Statement:
        """Have these services encrypt what is new there: whoever only adds objects need not be able to read them."""
        return self._key_use("kms:GenerateDataKey", services)

    def _key_use(self, action: str, services: Sequence[str]) -> iam.Statement:
        via = [f"{service}.{self._region.name}.amazonaws.com" for service in services]
        return iam.allow(
            [action],
            [self._data.key_arns.of(self._region.role)],
            condition={"StringEquals": {"kms:ViaService": via}},
        )
