"""Lambda: what calls functions, and under which names: aliases, permissions, event sources."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sandbox.provider.attributes import changed
from sandbox.provider.aws.lambda_ import GONE, READY_WITHIN, FunctionName, Lambda, invoke_arn
from sandbox.provider.resource import observe, setting
from sandbox.provider.schema import Block, Boolean, Integer, Json, Map, Set, Text
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


UNKEPT = "Lambda keeps no record of a call"


class Alias(Lambda):
    """A name for one version of a function."""

    resource_type = "aws:lambda/alias:Alias"
    identity = ("functionName", "name")
    properties = {
        "name": Text(required=True, replaces=True),
        "functionName": FunctionName(required=True, replaces=True),
        "functionVersion": Text(required=True),
        "description": Text(default=""),
    }
    outputs = ("arn", "invokeArn")

    def create(self) -> str:
        return str(self.call("create_alias", **self.arguments("create_alias"))["AliasArn"])

    def find(self) -> str:
        return str(self.call("get_alias", FunctionName=self["functionName"], Name=self["name"])["AliasArn"])

    def told(self) -> Mapping[str, Any]:
        return {"arn": self.id, "invokeArn": invoke_arn(self.id)}

    @setting("functionVersion", "description")
    def _move(self) -> None:
        self.call("update_alias", **self.arguments("update_alias"))

    def read(self) -> Mapping[str, Any]:
        function, _, name = self.id.rpartition(":")
        found = self.call("get_alias", FunctionName=function, Name=name)
        arn = found["AliasArn"]
        return self.observed(
            found,
            functionName=function,
            arn=arn,
            invokeArn=invoke_arn(arn),
        )

    def delete(self) -> None:
        function, _, name = self.id.rpartition(":")
        self.call("delete_alias", FunctionName=function, Name=name)


class Permission(Lambda):
    """A statement of a function's policy: who may invoke it. Imported as `function[:qualifier]/statement`."""

    resource_type = "aws:lambda/permission:Permission"
    auto_name = "statementId"
    identity = ("function", "qualifier", "statementId")
    properties = {
        "action": Text(required=True, replaces=True),
        "function": FunctionName(required=True, replaces=True, api="FunctionName"),
        "principal": Text(required=True, replaces=True),
        "qualifier": Text(replaces=True),
        "sourceAccount": Text(replaces=True),
        "sourceArn": Text(replaces=True),
        "statementId": Text(replaces=True),
    }

    def create(self) -> str:
        self.call("add_permission", **self.arguments("add_permission"))
        return str(self["statementId"])

    def find(self) -> str:
        return str(self["statementId"])

    def read(self) -> Mapping[str, Any] | None:
        function, qualifier, name = self._place()
        answer = self.call("get_policy", FunctionName=function, Qualifier=qualifier)
        suffix = f":{function}:{qualifier}" if qualifier else f":{function}"
        for each in json.loads(answer["Policy"])["Statement"]:
            if each["Sid"] == name and f":{each['Resource']}".endswith(suffix):
                self.id = name
                return self._translated(each, function, qualifier)
        return None

    def _translated(self, statement: Mapping[str, Any], function: str, qualifier: str | None) -> dict[str, Any]:
        principal = statement["Principal"]
        conditions: dict[str, str] = {}
        for each in statement.get("Condition", {}).values():
            conditions |= {key.lower(): value for key, value in each.items()}
        return {
            "statementId": statement["Sid"],
            "action": statement["Action"],
            "function": function,
            "qualifier": qualifier,
            "principal": next(iter(principal.values())) if isinstance(principal, dict) else principal,
            "sourceArn": conditions.get("aws:sourcearn"),
            "sourceAccount": conditions.get("aws:sourceaccount"),
        }

    def _place(self) -> tuple[str, str | None, str]:
        """Function, qualifier and statement."""
        if self["function"]:
            return self["function"], self.get("qualifier"), self["statementId"]
        function, _, statement = self.id.rpartition("/")
        function, _, qualifier = function.partition(":")
        return function, qualifier or None, statement

    def delete(self) -> None:
        function, qualifier, statement = self._place()
        self.call("remove_permission", FunctionName=function, Qualifier=qualifier, StatementId=statement)


class Qualified(Lambda):
    """What is set for a function or one of its aliases. Its id is `function` or `function/qualifier`."""

    separator = "/"

    def place(self) -> dict[str, str]:
        """The arguments that name the function and its qualifier."""
        if self["functionName"]:
            function, qualifier = self["functionName"], self.get("qualifier")
        else:
            function, _, qualifier = self.id.partition(self.separator)
        return {"FunctionName": function, **({"Qualifier": qualifier} if qualifier else {})}

    def made_id(self) -> str:
        return self.separator.join(self.place().values())

    def find(self) -> str:
        return self.made_id()

    def placed(self) -> dict[str, str | None]:
        """The inputs that say where it is."""
        place = self.place()
        return {"functionName": place["FunctionName"], "qualifier": place.get("Qualifier")}


class FunctionEventInvokeConfig(Qualified):
    """What happens to asynchronous invocations that fail."""

    resource_type = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
    identity = ("functionName", "qualifier")
    properties = {
        "functionName": FunctionName(required=True, replaces=True),
        "qualifier": Text(replaces=True),
        "maximumEventAgeInSeconds": Integer(within=(60, 21600)),
        "maximumRetryAttempts": Integer(default=2, within=(0, 2)),
        "destinationConfig": Block(
            fields={
                "onFailure": Block(fields={"destination": Text(required=True)}),
                "onSuccess": Block(fields={"destination": Text(required=True)}),
            },
        ),
    }

    def create(self) -> str:
        self._put()
        return self.made_id()

    @setting("maximumEventAgeInSeconds", "maximumRetryAttempts", "destinationConfig")
    def _put(self) -> None:
        """Putting replaces the whole."""
        self.call("put_function_event_invoke_config", **self.arguments("put_function_event_invoke_config"))

    def read(self) -> Mapping[str, Any]:
        return self.observed(self.call("get_function_event_invoke_config", **self.place()), **self.placed())

    def delete(self) -> None:
        self.call("delete_function_event_invoke_config", **self.place())


class ProvisionedConcurrencyConfig(Qualified):
    """Executions that are kept started. Its id is `function,qualifier`."""

    resource_type = "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig"
    identity = ("functionName", "qualifier")
    separator = ","
    gone = (*GONE, "ProvisionedConcurrencyConfigNotFoundException")
    properties = {
        "functionName": FunctionName(required=True, replaces=True),
        "qualifier": Text(required=True, replaces=True),
        "provisionedConcurrentExecutions": Integer(required=True, within=(1, 1_000_000)),
        "skipDestroy": Boolean(default=False, carried="it is about destroying"),
    }

    def create(self) -> str:
        self._put()
        return self.made_id()

    @setting("provisionedConcurrentExecutions")
    def _put(self) -> None:
        told = self.arguments("put_provisioned_concurrency_config", *self.identity, "provisionedConcurrentExecutions")
        self.call("put_provisioned_concurrency_config", **told)
        self.until(self._is_started, "the executions are started", seconds=READY_WITHIN)

    def _is_started(self) -> bool:
        return bool(self.call("get_provisioned_concurrency_config", **self.place())["Status"] == "READY")

    @setting("skipDestroy")
    def _remember(self) -> None:
        """The engine's state keeps it."""

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_provisioned_concurrency_config", **self.place())
        wanted = found["RequestedProvisionedConcurrentExecutions"]
        return self.observed(found, provisionedConcurrentExecutions=wanted, **self.placed())

    def delete(self) -> None:
        if not self["skipDestroy"]:
            self.call("delete_provisioned_concurrency_config", **self.place())


class Invocation(Lambda):
    """One call of a function, made when the resource is. Only the engine's state keeps its result.

    The official provider fails a call that the function failed, and then keeps nothing; of all arguments a change calls
    again by a replacement. Its other scope (CRUD), which calls at updates and deletions too, is not declared.
    """

    resource_type = "aws:lambda/invocation:Invocation"
    properties = {
        "functionName": FunctionName(required=True, replaces=True, carried=UNKEPT),
        "input": Json(required=True, replaces=True, carried=UNKEPT),
        "qualifier": Text(default="$LATEST", replaces=True, carried=UNKEPT),
        "triggers": Map(default={}, replaces=True, carried=UNKEPT),
    }
    outputs = ("result",)

    def create(self) -> str:
        function, qualifier, payload = self["functionName"], self["qualifier"], self["input"].encode()
        answer = self.call("invoke", FunctionName=function, Qualifier=qualifier, Payload=payload)
        self.made = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            raise Problem(f"invoking Lambda Function ({function}): {_failure(self.made)}")
        return f"{function},{qualifier},{hashlib.md5(payload, usedforsecurity=False).hexdigest()}"

    def told(self) -> Mapping[str, Any]:
        return {"result": self.made}

    def read(self) -> Mapping[str, Any]:
        """Nobody is asked: Lambda keeps no record of a call."""
        if self.state:
            return self.state
        function, qualifier, _ = self.id.split(",")
        return {"functionName": function, "qualifier": qualifier}

    def delete(self) -> None:
        """A call cannot be taken back."""


def _failure(payload: str) -> str:
    """What a function says of its failure: without the trace, which the official provider tells too."""
    told = json.loads(payload)
    return ": ".join(str(told[name]) for name in ("errorType", "errorMessage") if told.get(name)) or payload


SOURCE_SETTINGS = {
    "batchSize": Integer(computed=True, within=(1, 10000)),
    "enabled": Boolean(default=True),
    "functionResponseTypes": Set(default=[]),
    "maximumBatchingWindowInSeconds": Integer(default=0, within=(0, 300)),
}


class EventSourceMapping(Lambda):
    """A queue that a function reads."""

    resource_type = "aws:lambda/eventSourceMapping:EventSourceMapping"
    taggable = True
    properties = {
        "eventSourceArn": Text(required=True, replaces=True),
        "functionName": FunctionName(required=True, replaces=True),
        **SOURCE_SETTINGS,
    }
    outputs = ("arn", "functionArn", "uuid")

    def create(self) -> str:
        told = self.arguments("create_event_source_mapping", "eventSourceArn", "functionName", *SOURCE_SETTINGS)
        identifier = str(self.call("create_event_source_mapping", **told, Tags=self.tags)["UUID"])
        self._settle(identifier)
        return identifier

    def find(self) -> str | None:
        place = {"EventSourceArn": self["eventSourceArn"], "FunctionName": self["functionName"]}
        found = self.call("list_event_source_mappings", **place)["EventSourceMappings"]
        return found[0]["UUID"] if found else None

    def _settle(self, identifier: str) -> None:
        def has_settled() -> bool:
            return self.call("get_event_source_mapping", UUID=identifier)["State"] in {"Enabled", "Disabled"}

        self.until(has_settled, "the event source mapping is set up", seconds=60)

    @setting(*SOURCE_SETTINGS)
    def _change(self) -> None:
        told = self.arguments("update_event_source_mapping", *changed(self, SOURCE_SETTINGS))
        self.call("update_event_source_mapping", UUID=self.id, **told)
        self._settle(self.id)

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_event_source_mapping", UUID=self.id)
        arn = self.own_arn()
        return self.observed(
            found,
            enabled=found["State"] in {"Enabled", "Enabling"},
            functionName=found["FunctionArn"],
            arn=arn,
            tagsAll=self.tags_there(lambda: self.call("list_tags", Resource=arn)["Tags"]),
        )

    def delete(self) -> None:
        self.call("delete_event_source_mapping", UUID=self.id)
        self.until(lambda: observe(self) is None, "the event source mapping is deleted", seconds=60)

    def own_arn(self) -> str:
        return self.arn(f"event-source-mapping:{self.id}")
