"""The payments table: one global table in both regions."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.data.keys import DataKey
from shared import naming
from shared.components.regions import Region, tags_of
from shared.environment_sections import DataSettings
from shared.naming import UNFINISHED
from shared.roles import PerRole


class PaymentsTable(pulumi.ComponentResource):
    """The table `payment-transactions-<suffix>` with keys `pk` and `sk`, the index `unfinished`, and a replica.

    Strong consistency (MRSC) needs a witness in a third region and no stream; eventual consistency (MREC) replicates
    by the stream. The mode is for the table's life: another one would delete the replica and fill it anew. In
    production both replicas are protected from deletion: the AWS provider protects the one of a strongly consistent
    table by an update only, not when it makes it, so production is for a table that is there. Attributes: name, arns,
    consistency.
    """

    name: pulumi.Output[str]
    arns: PerRole[pulumi.Output[str]]
    consistency: pulumi.Output[str]

    def __init__(self, name: str, regions: PerRole[Region], settings: DataSettings, key: DataKey) -> None:
        super().__init__("payments:data:PaymentsTable", name)
        primary, secondary = regions.primary, regions.secondary
        strong = settings.consistency == "strong"
        witness: aws.dynamodb.TableGlobalTableWitnessArgsDict = {"region_name": primary.foundation.regions.witness}

        self._table = aws.dynamodb.Table(
            name,
            name=primary.named_once(naming.PAYMENTS_TABLE),
            billing_mode="PAY_PER_REQUEST",
            hash_key="pk",
            range_key="sk",
            attributes=[
                {"name": "pk", "type": "S"},
                {"name": "sk", "type": "S"},
                {"name": UNFINISHED, "type": "S"},
                {"name": "due", "type": "N"},
            ],
            global_secondary_indexes=[
                {
                    "name": UNFINISHED,
                    "key_schemas": [
                        {"attribute_name": UNFINISHED, "key_type": "HASH"},
                        {"attribute_name": "due", "key_type": "RANGE"},
                    ],
                    "projection_type": "KEYS_ONLY",
                }
            ],
            point_in_time_recovery={"enabled": True, "recovery_period_in_days": settings.recovery_days},
            server_side_encryption={"enabled": True, "kms_key_arn": key.arns.primary},
            # An inline replica: only here can the consistency mode be said.
            replicas=[
                {
                    "region_name": secondary.name,
                    "consistency_mode": "STRONG" if strong else "EVENTUAL",
                    "point_in_time_recovery": True,
                    "kms_key_arn": key.arns.secondary,
                    "deletion_protection_enabled": primary.foundation.production,
                }
            ],
            global_table_witness=witness if strong else None,
            stream_enabled=None if strong else True,
            stream_view_type=None if strong else "NEW_AND_OLD_IMAGES",
            deletion_protection_enabled=primary.foundation.production,
            opts=primary.options(self),
        )
        self.name = self._table.name
        self.arns = PerRole(
            self._table.arn,
            # By the name that the table has once it is there, replica included.
            self._table.name.apply(lambda table: secondary.arn("dynamodb", f"table/{table}")),
        )
        # The table's own tags would call its replica a primary, so the replica has its own.
        for tag, value in tags_of(secondary.foundation, secondary.role).items():
            aws.dynamodb.Tag(
                f"{name}-replica-{tag}",
                resource_arn=self.arns.secondary,
                key=tag,
                value=value,
                opts=secondary.options(self),
            )
        self.consistency = pulumi.Output.from_input(settings.consistency_mode)
        self.register_outputs({})
