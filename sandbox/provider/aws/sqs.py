"""SQS: queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.attributes import attributes, changed, given, stated
from sandbox.provider.resource import Resource, setting
from sandbox.provider.schema import Boolean, Integer, Json, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

SETTINGS = {
    "delaySeconds": Integer(default=0, within=(0, 900), api="DelaySeconds"),
    "kmsDataKeyReusePeriodSeconds": Integer(computed=True, api="KmsDataKeyReusePeriodSeconds"),
    "kmsMasterKeyId": Text(api="KmsMasterKeyId"),
    "maxMessageSize": Integer(default=1048576, api="MaximumMessageSize"),
    "messageRetentionSeconds": Integer(default=345600, within=(60, 1209600), api="MessageRetentionPeriod"),
    "receiveWaitTimeSeconds": Integer(default=0, within=(0, 20), api="ReceiveMessageWaitTimeSeconds"),
    "redrivePolicy": Json(api="RedrivePolicy"),
    "sqsManagedSseEnabled": Boolean(computed=True, api="SqsManagedSseEnabled"),
    "visibilityTimeoutSeconds": Integer(default=30, within=(0, 43200), api="VisibilityTimeout"),
}


class Queue(Resource):
    """A standard queue. Its policy is a QueuePolicy."""

    resource_type = "aws:sqs/queue:Queue"
    service = "sqs"
    taggable = True
    auto_name = "name"
    identity = ("name",)
    exists = ("QueueAlreadyExists", "QueueNameExists")
    gone = GONE
    properties = {"name": Text(replaces=True), **SETTINGS}
    outputs = ("arn", "url")

    def create(self) -> str:
        told = attributes(self, given(self, SETTINGS))
        return str(self.call("create_queue", QueueName=self["name"], Attributes=told, tags=self.tags)["QueueUrl"])

    def find(self) -> str:
        return str(self.call("get_queue_url", QueueName=self["name"])["QueueUrl"])

    @setting(*SETTINGS)
    def _set(self) -> None:
        told = attributes(self, changed(self, SETTINGS))
        self.call("set_queue_attributes", QueueUrl=self.id, Attributes=told)

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_queue_attributes", QueueUrl=self.id, AttributeNames=["All"])["Attributes"]
        tags = self.tags_there(lambda: self.call("list_queue_tags", QueueUrl=self.id).get("Tags"))
        arn = found["QueueArn"]
        return self.observed(stated(found), name=arn.rpartition(":")[2], arn=arn, url=self.id, tagsAll=tags)

    def delete(self) -> None:
        self.call("delete_queue", QueueUrl=self.id)

    def tag(self, tags: Mapping[str, str]) -> None:
        self.call("tag_queue", QueueUrl=self.id, Tags=tags)

    def untag(self, keys: Sequence[str]) -> None:
        self.call("untag_queue", QueueUrl=self.id, TagKeys=keys)


class QueuePolicy(Resource):
    """Who may use a queue."""

    resource_type = "aws:sqs/queuePolicy:QueuePolicy"
    service = "sqs"
    gone = GONE
    properties = {"queueUrl": Text(required=True, replaces=True), "policy": Json(required=True)}

    def create(self) -> str:
        self._set(self["queueUrl"], self["policy"])
        return str(self["queueUrl"])

    @setting("policy")
    def _change(self) -> None:
        self._set(self.id, self["policy"])

    def read(self) -> Mapping[str, Any] | None:
        answer = self.call("get_queue_attributes", QueueUrl=self.id, AttributeNames=["Policy"])
        policy = answer.get("Attributes", {}).get("Policy")
        return {"queueUrl": self.id, "policy": policy} if policy else None

    def delete(self) -> None:
        self._set(self.id, "")

    def _set(self, url: str, policy: str) -> None:
        self.call("set_queue_attributes", QueueUrl=url, Attributes={"Policy": policy})
