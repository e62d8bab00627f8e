"""Lambda: functions with their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.provider.resource import Resource, setting
from sandbox.provider.schema import Archive, Block, Boolean, Integer, List, Map, Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

GONE = ("ResourceNotFoundException",)
TAKEN = ("ResourceConflictException",)
READY_WITHIN = 300  # seconds: a function in a VPC waits for its network interfaces

CONFIGURATION = {
    "deadLetterConfig": Block(fields={"targetArn": Text(required=True)}),
    "description": Text(default=""),
    "environment": Block(fields={"variables": Map(default={})}),
    "ephemeralStorage": Block(fields={"size": Integer(default=512, within=(512, 10240))}),
    "handler": Text(required=True),
    "kmsKeyArn": Text(default=""),
    "layers": List(default=[]),
    "loggingConfig": Block(
        computed=True,
        fields={
            "applicationLogLevel": Text(),
            "logFormat": Text(required=True, choices=("JSON", "Text")),
            "logGroup": Text(),
            "systemLogLevel": Text(),
        },
    ),
    "memorySize": Integer(default=128, within=(128, 32768)),
    "role": Text(required=True),
    "runtime": Text(required=True),
    "timeout": Integer(default=3, within=(1, 900)),
    "tracingConfig": Block(fields={"mode": Text(default="PassThrough", choices=("Active", "PassThrough"))}),
    "vpcConfig": Block(fields={"securityGroupIds": Set(default=[]), "subnetIds": Set(default=[])}),
}
CODE = {
    "architectures": List(default=["x86_64"]),
    "code": Archive(required=True, carried="the cloud tells its hash only (codeSha256)"),
}
OURS = {
    "publish": Boolean(default=False, carried="it is about updating, and the cloud does not know it"),
    "replaceSecurityGroupsOnDestroy": Boolean(default=False, carried="it is about destroying"),
    "replacementSecurityGroupIds": Set(carried="it is about destroying"),
}
VERSIONED = (*CONFIGURATION, *CODE, "publish")


def invoke_arn(function: str) -> str:
    """The address at which API Gateway calls a function, a version or an alias, by its ARN."""
    region = function.split(":")[3]
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations"


class FunctionName(Text):
    """A function, with or without a qualifier: its name says the same as its ARN."""

    def _normal(self, value: Any) -> Any:
        return value.rpartition(":function:")[2]


class Lambda(Resource):
    """What Lambda's types share."""

    service = "lambda"
    gone: ClassVar[tuple[str, ...]] = GONE
    exists = TAKEN


class Function(Lambda):
    """A function from a zip file; with `publish`, every change makes a version."""

    resource_type = "aws:lambda/function:Function"
    taggable = True
    auto_name = "name"
    identity = ("name",)
    properties = {
        "name": Text(replaces=True, api="FunctionName"),
        "reservedConcurrentExecutions": Integer(default=-1),
        **CONFIGURATION,
        **CODE,
        **OURS,
    }
    outputs = ("arn", "codeSha256", "invokeArn", "lastModified", "qualifiedArn", "qualifiedInvokeArn", "version")
    renewed = {
        "codeSha256": ("code",),
        "lastModified": VERSIONED,
        **dict.fromkeys(("qualifiedArn", "qualifiedInvokeArn", "version"), VERSIONED),
    }

    def create(self) -> str:
        self.made = self.call(
            "create_function",
            **self.arguments("create_function", "name", "architectures", "publish", *CONFIGURATION),
            Code={"ZipFile": self.archive("code")},
            Tags=self.tags,
        )
        if not _is_ready(self.made):
            self._wait(self["name"])
        return str(self["name"])

    def _wait(self, name: str) -> None:
        def is_ready() -> bool:
            return _is_ready(self.call("get_function_configuration", FunctionName=name))

        self.until(is_ready, f"the function {name} is ready", seconds=READY_WITHIN)

    @setting(*CONFIGURATION)
    def _configure(self) -> None:
        self.call("update_function_configuration", **self._complete("update_function_configuration", CONFIGURATION))
        self._wait(self.id)

    def _complete(self, operation: str, names: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, with what takes the place of inputs that are gone: an absent argument would change nothing."""
        nothing: dict[str, dict[str, Any]] = {
            "environment": {"Environment": {"Variables": {}}},
            "vpcConfig": {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}},
            "deadLetterConfig": {"DeadLetterConfig": {"TargetArn": ""}},
            "tracingConfig": {"TracingConfig": {"Mode": "PassThrough"}},
            "ephemeralStorage": {"EphemeralStorage": {"Size": 512}},
            "layers": {"Layers": []},
        }
        arguments: dict[str, Any] = {}
        for name in names:
            arguments |= nothing.get(name, {})
        return arguments | self.arguments(operation, "name", *names)

    @setting(*CODE)
    def _replace_code(self) -> None:
        self.call(
            "update_function_code",
            FunctionName=self.id,
            ZipFile=self.archive("code"),
            Architectures=self["architectures"],
        )
        self._wait(self.id)

    @setting(*VERSIONED)
    def _publish(self) -> None:
        """After configuration and code, so that the version has both."""
        if self["publish"]:
            self.call("publish_version", FunctionName=self.id)

    @setting("reservedConcurrentExecutions", after_create=True)
    def _reserve(self) -> None:
        reserved = self["reservedConcurrentExecutions"]
        if reserved < 0:
            self.call("delete_function_concurrency", FunctionName=self.id)
        else:
            self.call("put_function_concurrency", FunctionName=self.id, ReservedConcurrentExecutions=reserved)

    @setting("replaceSecurityGroupsOnDestroy", "replacementSecurityGroupIds")
    def _remember(self) -> None:
        """The engine's state keeps them."""

    def read(self) -> Mapping[str, Any]:
        answer = self.call("get_function", FunctionName=self.id)
        found, arn = answer["Configuration"], answer["Configuration"]["FunctionArn"]
        version = self.made["Version"] if self.made else self._newest_version()
        if not found.get("DeadLetterConfig", {}).get("TargetArn"):
            found.pop("DeadLetterConfig", None)
        return self.observed(
            found,
            architectures=found.get("Architectures"),
            layers=[each["Arn"] for each in found.get("Layers", [])],
            reservedConcurrentExecutions=answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1),
            arn=arn,
            invokeArn=invoke_arn(arn),
            version=version,
            qualifiedArn=f"{arn}:{version}",
            qualifiedInvokeArn=invoke_arn(f"{arn}:{version}"),
            tagsAll=answer.get("Tags", {}),
        )

    def _newest_version(self) -> str:
        newest, marker = 0, None
        while True:
            answer = self.call("list_versions_by_function", FunctionName=self.id, Marker=marker)
            newest = max([newest, *(int(each["Version"]) for each in answer["Versions"] if each["Version"].isdigit())])
            marker = answer.get("NextMarker")
            if not marker:
                return str(newest or "$LATEST")

    def delete(self) -> None:
        if self["replaceSecurityGroupsOnDestroy"] and self.get("vpcConfig"):
            # Lambda keeps a deleted function's network interfaces for up to 20 minutes, and with them its groups.
            groups = {
                "SubnetIds": self["vpcConfig"]["subnetIds"],
                "SecurityGroupIds": self["replacementSecurityGroupIds"],
            }
            self.call("update_function_configuration", FunctionName=self.id, VpcConfig=groups)
            self._wait(self.id)
        self.call("delete_function", FunctionName=self.id)

    def own_arn(self) -> str:
        return self.arn(f"function:{self.id}")


def _is_ready(configuration: Mapping[str, Any]) -> bool:
    return (configuration["State"], configuration["LastUpdateStatus"]) == ("Active", "Successful")
