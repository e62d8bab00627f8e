"""What a function can ask in either region under the same name: where things are."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.data.credentials import Secrets
from projects.data.keys import DataKey
from shared import naming
from shared.components.regions import Region
from shared.roles import PerRole, other


class Parameters(pulumi.ComponentResource):
    """SSM parameters `/payment-processing/<suffix>/...` in both regions: same names, each region's own values.

    SSM replicates nothing, so each region has its own. Where secrets lie is itself encrypted. Each is read by the
    region's canary (projects/observability/canary.py), which finds by it the APIs of both regions, and its key.
    """

    def __init__(self, name: str, regions: PerRole[Region], key: DataKey, secrets: Secrets) -> None:
        super().__init__("payments:data:Parameters", name)
        for role, region in regions.items():
            names = region.foundation.region_names
            plain: dict[str, pulumi.Input[str]] = {
                "endpoint": f"https://{names.of(role)}",
                "peer-endpoint": f"https://{names.of(other(role))}",
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
