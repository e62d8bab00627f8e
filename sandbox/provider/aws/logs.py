"""CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, first, setting
from sandbox.provider.schema import Boolean, Integer, Text

if TYPE_CHECKING:
    from collections.abc import Mapping


# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html, in days
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


class LogGroup(Resource):
    """A log group."""

    resource_type = "aws:cloudwatch/logGroup:LogGroup"
    service = "logs"
    taggable = True
    properties = {
        "name": Text(replaces=True, api="logGroupName"),
        "retentionInDays": Integer(default=0, choices=(0, *RETENTIONS)),  # 0: for ever
        "kmsKeyId": Text(),
        "logGroupClass": Text(default="STANDARD", replaces=True),
        "skipDestroy": Boolean(default=False, carried="it is the provider's, not the cloud's"),
    }
    outputs = ("arn",)
    identity = ("name",)
    auto_name = "name"
    gone = ("ResourceNotFoundException",)
    exists = ("ResourceAlreadyExistsException",)

    def create(self) -> str:
        self.call(
            "create_log_group",
            **self.arguments("create_log_group", "name", "kmsKeyId", "logGroupClass"),
            tags=self.tags or None,
        )
        return str(self["name"])

    @setting("retentionInDays", after_create=True)
    def _retain(self) -> None:
        days = self["retentionInDays"]
        if days:
            self.call("put_retention_policy", logGroupName=self.id, retentionInDays=days)
        else:
            self.call("delete_retention_policy", logGroupName=self.id)

    @setting("kmsKeyId")
    def _encrypt(self) -> None:
        if self.get("kmsKeyId"):
            self.call("associate_kms_key", logGroupName=self.id, kmsKeyId=self["kmsKeyId"])
        else:
            self.call("disassociate_kms_key", logGroupName=self.id)

    @setting("skipDestroy")
    def _keep(self) -> None:
        """Nothing to tell the cloud."""

    def own_arn(self) -> str:
        return self.arn(f"log-group:{self.id}")

    def told(self) -> Mapping[str, Any]:
        return {"arn": self.own_arn()}

    def read(self) -> Mapping[str, Any]:
        groups = self.call("describe_log_groups", logGroupNamePrefix=self.id)["logGroups"]
        group = first([each for each in groups if each["logGroupName"] == self.id])
        tags = self.call("list_tags_for_resource", resourceArn=self.own_arn())
        return self.observed({**group, **tags}, arn=self.own_arn())

    def delete(self) -> None:
        if not self["skipDestroy"]:
            self.call("delete_log_group", logGroupName=self.id)
