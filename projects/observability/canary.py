"""The canary of a region: a client of ours that pays in both regions every minute."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from projects.observability.alarm_rule import Watched
from shared import naming
from shared.components import iam
from shared.components.function import Code, Failures, Function, go_live, release_of, variables_of_all
from shared.components.queues import DeadLetters, encrypted_queue, let_send, rules
from shared.components.regions import Region
from shared.components.schedules import Schedule, call_regularly
from shared.environment_sections import FunctionCapacity
from shared.roles import other

FUNCTION = "canary"
TIMEOUT = 50
"""Seconds. Looking at the table takes 1.5 s at most. A probe makes four requests of 5 s at most, in both regions at
once, and where the primary alone fails two more with 5 s before each; the next one is due after a minute."""

READ = ("endpoint", "peer-endpoint", "api-keys-secret")
"""The region's parameters that the function reads at its start."""


class CanaryFunction(pulumi.ComponentResource):
    """A function outside the VPC, which has no way to the API's public name, and its schedule.

    Its payments give the paying route's metrics data when nobody else pays, in both regions, so that a grey failure is
    seen at any rate; and each region sees by it whether the other serves. It pays as the client `canary`, whose
    payments count for nothing else. A run that fails is not repeated, as the next minute's tells more: it lies in the
    dead letters, where a probe that does not even run is told from one that finds an outage.
    """

    def __init__(self, name: str, watched: Watched, capacity: FunctionCapacity) -> None:
        super().__init__("payments:observability:Canary", name)
        region = watched.region
        queue = encrypted_queue(f"{name}-dead-letters", region, naming.CANARY_DEAD_LETTER_QUEUE, parent=self)
        policy = let_send(name, region, queue, rules(region, naming.CANARY_RULE), parent=self)
        canary = Function(
            name,
            region,
            Code(
                FUNCTION,
                naming.CANARY_FUNCTION,
                "Pays in both regions as a client does",
                capacity.memory_mb,
                TIMEOUT,
                capacity.reserved_concurrency,
                variables={
                    **variables_of_all(region, release_of([FUNCTION]), watched.data.consistency),
                    "PARAMETERS": region.named_once(naming.PARAMETERS),
                    "TABLE_NAME": watched.data.table_name,
                    "PEER_REGION": region.foundation.region(other(region.role)),
                    "WITNESS_REGION": region.foundation.regions.witness,
                },
                statements=[*reads_of_a_client(region, watched), _looks_at_the_table(region, watched)],
            ),
            parent=self,
            failures=Failures(queue.arn, retries=0, seconds=60),
        )
        go_live(canary)
        schedule = Schedule(naming.CANARY_RULE, "Pays in both regions as a client does", DeadLetters(queue, policy))
        call_regularly(name, region, canary, schedule, parent=self)
        self.register_outputs({})


def _looks_at_the_table(region: Region, watched: Watched) -> iam.Statement:
    """Which replica and witness the payments table has, as its own region says: nothing of what is in it."""
    return iam.allow(["dynamodb:DescribeTable"], [watched.data.table_arns.of(region.role)])


def reads_of_a_client(region: Region, watched: Watched, names: Sequence[str] = READ) -> list[iam.Statement]:
    """What a client of ours must read in its region: the parameters `names`, which say where to pay, and its key."""
    folder = region.named_once(naming.PARAMETERS)
    via = [f"{service}.{region.name}.amazonaws.com" for service in ("secretsmanager", "ssm")]
    return [
        iam.allow(["ssm:GetParameter"], [region.arn("ssm", f"parameter{folder}/{name}") for name in names]),
        iam.allow(["secretsmanager:GetSecretValue"], [watched.data.api_keys_secret_arns.of(region.role)]),
        iam.allow(
            ["kms:Decrypt"],
            [watched.data.key_arns.of(region.role)],
            condition={"StringEquals": {"kms:ViaService": via}},
        ),
    ]
