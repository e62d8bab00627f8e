"""KMS: keys, their replicas in other regions, and aliases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.provider.errors import Gone
from sandbox.provider.resource import Resource, setting
from sandbox.provider.schema import Boolean, Integer, Json, Text

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kms(Resource):
    """What keys and replicas share."""

    service = "kms"
    taggable = True
    gone = ("NotFoundException",)

    @property
    def key_tags(self) -> list[dict[str, str]]:
        """Tags as KMS wants them."""
        return [{"TagKey": key, "TagValue": value} for key, value in sorted(self.tags.items())]

    @setting("description")
    def _describe(self) -> None:
        self.call("update_key_description", KeyId=self.id, Description=self["description"])

    @setting("policy")
    def _permit(self) -> None:
        self.call("put_key_policy", KeyId=self.id, PolicyName="default", Policy=self["policy"])

    @setting("deletionWindowInDays")
    def _keep(self) -> None:
        """Nothing to tell the cloud before the end."""

    def described_key(self) -> dict[str, Any]:
        """The key as the API describes it, with policy and tags. Raises Gone when it awaits its deletion."""
        key: dict[str, Any] = self.call("describe_key", KeyId=self.id)["KeyMetadata"]
        if key["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
            raise Gone
        key["Policy"] = self.call("get_key_policy", KeyId=self.id, PolicyName="default")["Policy"]
        key["Tags"] = self.call("list_resource_tags", KeyId=self.id)["Tags"]
        return key

    def delete(self) -> None:
        """A key is never deleted at once: it awaits its deletion for some days."""
        self.described_key()
        self.call("schedule_key_deletion", KeyId=self.id, PendingWindowInDays=self["deletionWindowInDays"])


class Key(Kms):
    """A key."""

    resource_type = "aws:kms/key:Key"
    properties = {
        "description": Text(default=""),
        "policy": Json(computed=True),
        "multiRegion": Boolean(default=False, replaces=True),
        "enableKeyRotation": Boolean(default=False),
        "isEnabled": Boolean(default=True, api="enabled"),
        "keyUsage": Text(default="ENCRYPT_DECRYPT", replaces=True),
        "customerMasterKeySpec": Text(default="SYMMETRIC_DEFAULT", replaces=True),
        "deletionWindowInDays": Integer(default=30, within=(7, 30), carried="it is told when the key is deleted"),
    }
    outputs = ("arn", "keyId")

    def create(self) -> str:
        names = ("description", "policy", "multiRegion", "keyUsage", "customerMasterKeySpec")
        answer = self.call("create_key", **self.arguments("create_key", *names), Tags=self.key_tags)
        return str(answer["KeyMetadata"]["KeyId"])

    @setting("enableKeyRotation", after_create=True)
    def _rotate(self) -> None:
        self.call("enable_key_rotation" if self["enableKeyRotation"] else "disable_key_rotation", KeyId=self.id)

    @setting("isEnabled", after_create=True)
    def _enable(self) -> None:
        self.call("enable_key" if self["isEnabled"] else "disable_key", KeyId=self.id)

    def read(self) -> Mapping[str, Any]:
        key = self.described_key()
        rotation = self.call("get_key_rotation_status", KeyId=self.id)["KeyRotationEnabled"]
        return self.observed(key, enableKeyRotation=rotation)


class ReplicaKey(Kms):
    """A multi-region key's replica in another region."""

    resource_type = "aws:kms/replicaKey:ReplicaKey"
    properties = {
        "primaryKeyArn": Text(required=True, replaces=True),
        "description": Text(default=""),
        "policy": Json(computed=True),
        "enabled": Boolean(default=True),
        "deletionWindowInDays": Integer(default=30, within=(7, 30), carried="it is told when the key is deleted"),
    }
    outputs = ("arn", "keyId", "keyRotationEnabled", "keySpec", "keyUsage")
    identity = ("primaryKeyArn",)
    exists = ("AlreadyExistsException",)

    def create(self) -> str:
        answer = self.call(
            "replicate_key",
            region=self["primaryKeyArn"].split(":")[3],
            KeyId=self["primaryKeyArn"],
            ReplicaRegion=self.region,
            Tags=self.key_tags,
            **self.arguments("replicate_key", "description", "policy"),
        )
        return str(answer["ReplicaKeyMetadata"]["KeyId"])

    def find(self) -> str | None:
        return str(self["primaryKeyArn"].rsplit("/", maxsplit=1)[-1])

    @setting("enabled", after_create=True)
    def _enable(self) -> None:
        self.call("enable_key" if self["enabled"] else "disable_key", KeyId=self.id)

    def read(self) -> Mapping[str, Any]:
        key = self.described_key()
        return self.observed(
            key,
            primaryKeyArn=key["MultiRegionConfiguration"]["PrimaryKey"]["Arn"],
            keyRotationEnabled=self.call("get_key_rotation_status", KeyId=self.id)["KeyRotationEnabled"],
        )


@dataclass(frozen=True)
class KeyName(Text):
    """A key by its id or ARN, whichever: they end alike."""

    def _normal(self, value: Any) -> Any:
        return str(value).rsplit("/", maxsplit=1)[-1]


class Alias(Resource):
    """A key's name."""

    resource_type = "aws:kms/alias:Alias"
    service = "kms"
    properties = {
        "name": Text(required=True, replaces=True, api="aliasName"),
        "targetKeyId": KeyName(required=True),
    }
    outputs = ("arn", "targetKeyArn")
    renewed = {"targetKeyArn": ("targetKeyId",)}
    identity = ("name",)
    gone = ("NotFoundException",)
    exists = ("AlreadyExistsException",)

    def create(self) -> str:
        self.call("create_alias", AliasName=self["name"], TargetKeyId=self["targetKeyId"])
        return str(self["name"])

    @setting("targetKeyId")
    def _target(self) -> None:
        self.call("update_alias", AliasName=self.id, TargetKeyId=self["targetKeyId"])

    def read(self) -> Mapping[str, Any]:
        key = self.call("describe_key", KeyId=self.id)["KeyMetadata"]
        return {
            "name": self.id,
            "targetKeyId": key["KeyId"],
            "arn": self.arn(self.id),
            "targetKeyArn": key["Arn"],
        }

    def delete(self) -> None:
        self.call("delete_alias", AliasName=self.id)
