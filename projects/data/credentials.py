"""Secrets, generated here once and replicated to the secondary region."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from projects.data.keys import DataKey
from shared import naming
from shared.clients import CLIENTS, KEY_CHARACTERS
from shared.components.regions import Region
from shared.naming import Kind
from shared.roles import PerRole

RECOVERY_DAYS = 30
"""How long a deleted secret of a production environment can be had back: the longest that there is."""

FIRST_VERSION = "FIRST"
"""A staging label of ours on the value that we wrote.

Rotation moves AWSCURRENT and AWSPREVIOUS on; a version with no label is deleted, and Pulumi would then write the
first value again, over a rotated one and in both regions. With a label of its own it stays.
"""


class Secrets(pulumi.ComponentResource):
    """The clients' API keys and the database's credentials. Attributes: api_keys_arns."""

    api_keys_arns: PerRole[pulumi.Output[str]]

    def __init__(self, name: str, regions: PerRole[Region], key: DataKey) -> None:
        super().__init__("payments:data:Secrets", name)
        self._regions = regions
        self._key = key

        keys = {client: {"current": self._generate(f"api-key-{client}"), "previous": None} for client in CLIENTS}
        self.api_keys_arns = self._replicated(
            "api-keys",
            naming.API_KEYS_SECRET,
            "API keys of the payment API's clients, current and previous",
            {"clients": keys},
        )
        self._replicated(
            "database",
            naming.DATABASE_SECRET,
            "Credentials of the payments database",
            {"username": "payments", "password": self._generate("database-password")},
        )
        self.register_outputs({})

    def _generate(self, name: str) -> pulumi.Output[str]:
        password = random.RandomPassword(
            name, length=KEY_CHARACTERS, special=False, opts=pulumi.ResourceOptions(parent=self)
        )
        result: pulumi.Output[str] = password.result
        return result

    def _replicated(
        self, name: str, kind: Kind, description: str, value: Mapping[str, object]
    ) -> PerRole[pulumi.Output[str]]:
        """A secret in both regions with `value` as its first. Returns its ARN in each region."""
        primary, secondary = self._regions.primary, self._regions.secondary
        secret = aws.secretsmanager.Secret(
            name,
            name=primary.named_once(kind),
            description=description,
            kms_key_id=self._key.arns.primary,
            # Destroyed means gone, so the name is free again; but in production.
            recovery_window_in_days=RECOVERY_DAYS if primary.foundation.production else 0,
            replicas=[{"region": secondary.name, "kms_key_id": self._key.arns.secondary}],
            opts=primary.options(self),
        )
        aws.secretsmanager.SecretVersion(
            name,
            secret_id=secret.id,
            secret_string=pulumi.Output.json_dumps(value),
            version_stages=["AWSCURRENT", FIRST_VERSION],
            # Only the first value is ours; rotation owns what follows.
            opts=primary.options(self, ignore_changes=["secretString", "versionStages"]),
        )
        # A replica has the primary's ARN, random characters included, with its own region.
        there = secret.arn.apply(lambda arn: arn.replace(f":{primary.name}:", f":{secondary.name}:"))
        return PerRole(secret.arn, there)
