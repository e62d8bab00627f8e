"""EventBridge: rules and their targets, on the default bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, setting
from sandbox.provider.schema import Block, Integer, Json, Text
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = ("ResourceNotFoundException",)
RULE_SETTINGS = {
    "description": Text(default=""),
    "eventPattern": Json(),
    "scheduleExpression": Text(default=""),
    "state": Text(default="ENABLED", choices=("DISABLED", "ENABLED")),
}
TARGET_SETTINGS = {
    "arn": Text(required=True),
    "deadLetterConfig": Block(fields={"arn": Text()}),
    "input": Text(),
    "retryPolicy": Block(
        fields={
            "maximumEventAgeInSeconds": Integer(within=(60, 86400)),
            "maximumRetryAttempts": Integer(within=(0, 185)),
        }
    ),
    "roleArn": Text(),
}


class EventRule(Resource):
    """When something is to happen: on a schedule, or on events that match a pattern."""

    resource_type = "aws:cloudwatch/eventRule:EventRule"
    service = "events"
    taggable = True
    auto_name = "name"
    identity = ("name",)
    gone = GONE
    properties = {"name": Text(replaces=True), **RULE_SETTINGS}
    outputs = ("arn",)

    def create(self) -> str:
        self._put(Tags=self.tag_list)
        return str(self["name"])

    @setting(*RULE_SETTINGS)
    def _change(self) -> None:
        self._put()

    def _put(self, **more: Any) -> None:
        self.call("put_rule", **self.arguments("put_rule", "name", *RULE_SETTINGS), **more)

    def read(self) -> Mapping[str, Any]:
        rule = self.call("describe_rule", Name=self.id)
        return self.observed({**rule, **self.call("list_tags_for_resource", ResourceARN=rule["Arn"])})

    def delete(self) -> None:
        self.call("delete_rule", Name=self.id)

    def own_arn(self) -> str:
        return self.arn(f"rule/{self.id}")


class EventTarget(Resource):
    """What a rule starts."""

    resource_type = "aws:cloudwatch/eventTarget:EventTarget"
    service = "events"
    auto_name = "targetId"
    identity = ("rule", "targetId")
    gone = GONE
    properties = {
        "rule": Text(required=True, replaces=True),
        "targetId": Text(replaces=True, api="Id"),
        **TARGET_SETTINGS,
    }

    def create(self) -> str:
        self._put()
        return f"{self['rule']}/{self['targetId']}"

    @setting(*TARGET_SETTINGS)
    def _put(self) -> None:
        target = self.structure("put_targets", "Targets", "targetId", *TARGET_SETTINGS)
        answer = self.call("put_targets", Rule=self["rule"], Targets=[target])
        if answer["FailedEntryCount"]:
            raise Problem(f"the rule refuses the target: {answer['FailedEntries'][0].get('ErrorMessage', '')}")

    def read(self) -> Mapping[str, Any] | None:
        rule, _, identifier = self.id.partition("/")
        targets = self.call("list_targets_by_rule", Rule=rule)["Targets"]
        found = next((each for each in targets if each["Id"] == identifier), None)
        return found and self.observed(found, rule=rule)

    def delete(self) -> None:
        self.call("remove_targets", Rule=self["rule"], Ids=[self["targetId"]])
