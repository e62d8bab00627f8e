"""Secrets Manager: secrets, and the values that are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.errors import Gone
from sandbox.provider.resource import Resource, setting
from sandbox.provider.schema import Block, Boolean, Integer, Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Secret(Resource):
    """A secret, without its value, and its replicas in other regions."""

    resource_type = "aws:secretsmanager/secret:Secret"
    service = "secretsmanager"
    taggable = True
    properties = {
        "name": Text(replaces=True),
        "description": Text(default=""),
        "kmsKeyId": Text(),
        "replicas": Set(
            of=Block(fields={"region": Text(required=True), "kmsKeyId": Text(default="alias/aws/secretsmanager")})
        ),
        "forceOverwriteReplicaSecret": Boolean(default=False, carried="it is told when replicas are made"),
        "recoveryWindowInDays": Integer(default=30, carried="it is told when the secret is deleted"),
    }
    outputs = ("arn",)
    identity = ("name",)
    auto_name = "name"
    gone = ("ResourceNotFoundException",)
    exists = ("ResourceExistsException",)

    def create(self) -> str:
        names = ("name", "description", "kmsKeyId")
        answer = self.call("create_secret", **self.arguments("create_secret", *names), Tags=self.tag_list)
        return str(answer["ARN"])

    @setting("description", "kmsKeyId")
    def _describe(self) -> None:
        self.call("update_secret", SecretId=self.id, Description=self["description"], KmsKeyId=self["kmsKeyId"])

    @setting("replicas", after_create=True)
    def _replicate(self) -> None:
        before = self._keys(self.previous.get("replicas") or ())
        now = self._keys(self["replicas"] or ())
        removed = sorted(region for region, key in before.items() if region not in now or now[region] != key)
        if removed:
            self.call("remove_regions_from_replication", SecretId=self.id, RemoveReplicaRegions=removed)
        added = [
            {"Region": region, **({"KmsKeyId": key} if key else {})}
            for region, key in sorted(now.items())
            if region not in before or before[region] != key
        ]
        if added:
            self.call(
                "replicate_secret_to_regions",
                SecretId=self.id,
                AddReplicaRegions=added,
                ForceOverwriteReplicaSecret=self["forceOverwriteReplicaSecret"],
            )

    @staticmethod
    def _keys(replicas: Sequence[Mapping[str, str]]) -> dict[str, str | None]:
        return {each["region"]: each.get("kmsKeyId") for each in replicas}

    @setting("forceOverwriteReplicaSecret", "recoveryWindowInDays")
    def _keep(self) -> None:
        """Nothing to tell the cloud now."""

    def find(self) -> str | None:
        return str(self.call("describe_secret", SecretId=self["name"])["ARN"])

    def _described(self) -> dict[str, Any]:
        secret = self.call("describe_secret", SecretId=self.id)
        if secret.get("DeletedDate"):
            raise Gone
        return secret

    def read(self) -> Mapping[str, Any]:
        secret = self._described()
        replicas = [
            {"region": each["Region"], **({"kmsKeyId": each["KmsKeyId"]} if each.get("KmsKeyId") else {})}
            for each in secret.get("ReplicationStatus") or ()
        ]
        return {"tagsAll": {}, **self.observed(secret, replicas=replicas)}

    def delete(self) -> None:
        replicas = [each["Region"] for each in self._described().get("ReplicationStatus") or ()]
        if replicas:
            self.call("remove_regions_from_replication", SecretId=self.id, RemoveReplicaRegions=replicas)
        days = self["recoveryWindowInDays"]
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        self.call("delete_secret", SecretId=self.id, **how)


class SecretVersion(Resource):
    """A value of a secret; the secret keeps it until it is deleted itself, or has newer ones."""

    resource_type = "aws:secretsmanager/secretVersion:SecretVersion"
    service = "secretsmanager"
    properties = {
        "secretId": Text(required=True, replaces=True),
        "secretString": Text(required=True, replaces=True),
        "versionStages": Set(computed=True, replaces=True),
    }
    outputs = ("arn", "secretArn", "versionId")
    gone = ("ResourceNotFoundException", "InvalidRequestException")

    def create(self) -> str:
        answer = self.call("put_secret_value", **self.arguments("put_secret_value"))
        return f"{self['secretId']}|{answer['VersionId']}"

    def read(self) -> Mapping[str, Any]:
        secret, _, version = self.id.rpartition("|")
        answer = self.call("get_secret_value", SecretId=secret, VersionId=version)
        if not answer.get("VersionStages"):
            raise Gone  # without a label it only waits for its end
        return self.observed(answer, secretId=secret, secretArn=answer["ARN"])

    def delete(self) -> None:
        """The current version cannot be removed, and older ones go by themselves."""
