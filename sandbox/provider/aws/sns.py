"""SNS: topics and their subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.attributes import attributes, changed, given, stated
from sandbox.provider.resource import Resource, document, setting
from sandbox.provider.schema import Boolean, Integer, Json, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_CREATION = "it is about the wait when it is made"
TOPIC_SETTINGS = {
    "displayName": Text(default="", api="DisplayName"),
    "kmsMasterKeyId": Text(api="KmsMasterKeyId"),
}
SUBSCRIPTION_SETTINGS = {
    "deliveryPolicy": Json(api="DeliveryPolicy"),
    "filterPolicy": Json(api="FilterPolicy"),
    "rawMessageDelivery": Boolean(default=False, api="RawMessageDelivery"),
    "redrivePolicy": Json(api="RedrivePolicy"),
}


class Topic(Resource):
    """A standard topic. Its policy is a TopicPolicy."""

    resource_type = "aws:sns/topic:Topic"
    service = "sns"
    taggable = True
    auto_name = "name"
    identity = ("name",)
    gone = ("NotFound", "NotFoundException")
    properties = {"name": Text(replaces=True), **TOPIC_SETTINGS}
    outputs = ("arn", "owner")

    def create(self) -> str:
        told = attributes(self, given(self, TOPIC_SETTINGS))
        return str(self.call("create_topic", Name=self["name"], Attributes=told, Tags=self.tag_list)["TopicArn"])

    @setting(*TOPIC_SETTINGS)
    def _set(self) -> None:
        for name, value in attributes(self, changed(self, TOPIC_SETTINGS)).items():
            self.call("set_topic_attributes", TopicArn=self.id, AttributeName=name, AttributeValue=value)

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_topic_attributes", TopicArn=self.id)["Attributes"]
        tags = self.tags_there(lambda: self.call("list_tags_for_resource", ResourceArn=self.id)["Tags"])
        return self.observed(stated(found), name=self.id.rpartition(":")[2], arn=self.id, tagsAll=tags)

    def delete(self) -> None:
        self.call("delete_topic", TopicArn=self.id)


class TopicPolicy(Resource):
    """Who may use a topic. A topic always has a policy, so that deleting this one puts SNS's own back."""

    resource_type = "aws:sns/topicPolicy:TopicPolicy"
    service = "sns"
    gone = ("NotFound", "NotFoundException")
    properties = {"arn": Text(required=True, replaces=True), "policy": Json(required=True)}
    outputs = ("owner",)

    def create(self) -> str:
        self._set(self["arn"], self["policy"])
        return str(self["arn"])

    @setting("policy")
    def _change(self) -> None:
        self._set(self.id, self["policy"])

    def read(self) -> Mapping[str, Any] | None:
        found = self.call("get_topic_attributes", TopicArn=self.id)["Attributes"]
        if self.properties["policy"].same(found["Policy"], self._default(found["Owner"])):
            return None
        return self.observed(stated(found), arn=self.id, policy=found["Policy"])

    def delete(self) -> None:
        self._set(self.id, self._default(self.account))

    def _set(self, arn: str, policy: str) -> None:
        self.call("set_topic_attributes", TopicArn=arn, AttributeName="Policy", AttributeValue=policy)

    def _default(self, owner: str) -> str:
        return document(
            {
                "Version": "2008-10-17",
                "Id": "__default_policy_ID",
                "Statement": [
                    {
                        "Sid": "__default_statement_ID",
                        "Effect": "Allow",
                        "Principal": {"AWS": "*"},
                        "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:Receive"],
                        "Resource": self.id,
                        "Condition": {"StringEquals": {"AWS:SourceOwner": owner}},
                    },
                ],
            },
        )


class TopicSubscription(Resource):
    """What a topic's messages go to."""

    resource_type = "aws:sns/topicSubscription:TopicSubscription"
    service = "sns"
    gone = ("NotFound", "NotFoundException")
    properties = {
        "topic": Text(required=True, replaces=True, api="TopicArn"),
        "protocol": Text(required=True, replaces=True, choices=("email", "https", "lambda", "sqs")),
        "endpoint": Text(required=True, replaces=True),
        "endpointAutoConfirms": Boolean(default=False, carried=OF_CREATION),
        "confirmationTimeoutInMinutes": Integer(default=1, carried=OF_CREATION),
        **SUBSCRIPTION_SETTINGS,
    }
    outputs = ("arn", "confirmationWasAuthenticated", "ownerId", "pendingConfirmation")

    def create(self) -> str:
        answer = self.call(
            "subscribe",
            TopicArn=self["topic"],
            Protocol=self["protocol"],
            Endpoint=self["endpoint"],
            Attributes=attributes(self, given(self, SUBSCRIPTION_SETTINGS)),
            ReturnSubscriptionArn=True,
        )
        made = str(answer["SubscriptionArn"])
        if self["endpointAutoConfirms"]:
            self._wait_for_confirmation(made)
        return made

    def _wait_for_confirmation(self, made: str) -> None:
        """An endpoint that confirms by itself does it when it is told, which is after this has been answered."""

        def confirmed() -> bool:
            found = self.call("get_subscription_attributes", SubscriptionArn=made)["Attributes"]
            return bool(found["PendingConfirmation"] == "false")

        self.until(confirmed, f"{made} to be confirmed", seconds=60 * self["confirmationTimeoutInMinutes"])

    @setting("endpointAutoConfirms", "confirmationTimeoutInMinutes")
    def _of_creation(self) -> None:
        """The next creation waits so."""

    @setting(*SUBSCRIPTION_SETTINGS)
    def _set(self) -> None:
        for name, value in attributes(self, changed(self, SUBSCRIPTION_SETTINGS)).items():
            self.call("set_subscription_attributes", SubscriptionArn=self.id, AttributeName=name, AttributeValue=value)

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_subscription_attributes", SubscriptionArn=self.id)["Attributes"]
        return self.observed(
            stated(found),
            arn=self.id,
            ownerId=found["Owner"],
            confirmationWasAuthenticated=found["ConfirmationWasAuthenticated"] == "true",
            pendingConfirmation=found["PendingConfirmation"] == "true",
        )

    def delete(self) -> None:
        self.call("unsubscribe", SubscriptionArn=self.id)
