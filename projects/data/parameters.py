"""What a function or an operator can ask in either region under the same name: where things are."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.data.audit import AuditBuckets
from projects.data.credentials import Secrets
from projects.data.keys import DataKey
from projects.data.table import PaymentsTable
from shared import naming
from shared.components.regions import Region
from shared.roles import PerRole


class Parameters(pulumi.ComponentResource):
    """SSM parameters `/payment-processing/<suffix>/...` in both regions: same names, each region's own values.

    SSM replicates nothing, so each region has its own. Where secrets lie is itself encrypted.
    """

    def __init__(
        self,
        name: str,
        regions: PerRole[Region],
        key: DataKey,
        *,
        table: PaymentsTable,
        audit: AuditBuckets,
        secrets: Secrets,
    ) -> None:
        super().__init__("payments:data:Parameters", name)
        for role, region in regions.items():
            plain = {
                "endpoint": f"https://{region.foundation.region_names.of(role)}",
                "failover-endpoint": f"https://{region.foundation.failover_name}",
                "dynamodb-endpoint": f"https://dynamodb.{region.name}.amazonaws.com",
                "table": table.name,
                "audit-bucket": audit.names.of(role),
            }
            encrypted = {"api-keys-secret": secrets.api_keys_arns.of(role)}
            for key_name, value in plain.items():
                aws.ssm.Parameter(
                    f"{name}-{role}-{key_name}",
                    name=region.named_once(naming.PARAMETERS, f"/{key_name}"),
                    type="String",
                    value=value,
                    opts=region.options(self),
                )
            for key_name, value in encrypted.items():
                aws.ssm.Parameter(
                    f"{name}-{role}-{key_name}",
                    name=region.named_once(naming.PARAMETERS, f"/{key_name}"),
                    type="SecureString",
                    value=value,
                    key_id=key.arns.of(role),
                    opts=region.options(self),
                )
        self.register_outputs({})
