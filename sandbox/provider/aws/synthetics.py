"""CloudWatch Synthetics: canaries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, setting
from sandbox.provider.schema import Block, Boolean, Integer, Map, Text
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN_DEFAULTS = {"ActiveTracing": False, "EnvironmentVariables": {}, "MemoryInMB": 1500, "TimeoutInSeconds": 840}
LARGEST = 225_000
"""Bytes of a script that is given directly."""

CODE = {
    "handler": Text(required=True),
    "zipFile": Text(carried="the service tells of a canary's code only where it is"),
}
SETTINGS = {
    "executionRoleArn": Text(required=True),
    "failureRetentionPeriod": Integer(default=31, api="failureRetentionPeriodInDays", within=(1, 455)),
    "runConfig": Block(
        fields={
            "activeTracing": Boolean(default=False),
            "environmentVariables": Map(default={}),
            "memoryInMb": Integer(default=1500, within=(960, 3008)),
            "timeoutInSeconds": Integer(default=840, within=(3, 840)),
        },
    ),
    "runtimeVersion": Text(required=True),
    "schedule": Block(
        required=True,
        fields={"durationInSeconds": Integer(default=0), "expression": Text(required=True)},
    ),
    "successRetentionPeriod": Integer(default=31, api="successRetentionPeriodInDays", within=(1, 455)),
}


class ArtifactLocation(Text):
    """A place in a bucket: with `s3://` before it and a slash behind, or without."""

    def _normal(self, value: Any) -> Any:
        return str(value).removeprefix("s3://").rstrip("/")


SETTINGS["artifactS3Location"] = ArtifactLocation(required=True)


class Canary(Resource):
    """A script that runs on a schedule. Its id is its name."""

    resource_type = "aws:synthetics/canary:Canary"
    service = "synthetics"
    taggable = True
    auto_name = "name"
    identity = ("name",)
    gone = ("ResourceNotFoundException",)
    exists = ("ConflictException",)
    properties = {
        "name": Text(replaces=True),
        "deleteLambda": Boolean(default=False, carried="it is about destroying"),
        "startCanary": Boolean(default=False, carried="a refresh of the official provider does not ask"),
        **CODE,
        **SETTINGS,
    }
    outputs = ("arn", "engineArn", "sourceLocationArn", "status", "timelines")
    renewed = {"timelines": (*CODE, *SETTINGS, "startCanary"), "status": ("startCanary",)}

    def create(self) -> str:
        arguments = self.arguments("create_canary", "name", *SETTINGS)
        self.call("create_canary", **arguments, Code=self._code(), Tags=self.tags)
        return str(self["name"])

    def _code(self) -> dict[str, Any]:
        if not self["zipFile"]:
            raise Problem("zipFile is missing: the sandbox's provider takes scripts that are given directly")
        path = self.surroundings.directory / self["zipFile"]
        try:
            script = path.read_bytes()
        except OSError as error:
            raise Problem(f"{self['zipFile']}: {error.strerror}") from error
        if len(script) > LARGEST:
            raise Problem(f"{self['zipFile']} has {len(script)} bytes: a canary's script may have {LARGEST}")
        return {"Handler": self["handler"], "ZipFile": script}

    @setting(*CODE)
    def _replace_code(self) -> None:
        self.call("update_canary", Name=self.id, Code=self._code())

    @setting(*SETTINGS)
    def _configure(self) -> None:
        arguments = self.arguments("update_canary", *SETTINGS)
        run = {**RUN_DEFAULTS, **arguments.get("RunConfig", {})}  # what is absent would change nothing
        self.call("update_canary", Name=self.id, **{**arguments, "RunConfig": run})

    @setting("startCanary", after_create=True)
    def _start_or_stop(self) -> None:
        running = self._is_running()
        if self["startCanary"] and not running:
            self.call("start_canary", Name=self.id)
            self.until(self._is_running, f"the canary {self.id} runs")
        elif running and not self["startCanary"]:
            self._stop()

    @setting("deleteLambda")
    def _remember(self) -> None:
        """The engine's state keeps it."""

    def _is_running(self) -> bool:
        return self._state() == "RUNNING"

    def _state(self) -> str:
        return str(self.call("get_canary", Name=self.id)["Canary"]["Status"]["State"])

    def _stop(self) -> None:
        self.call("stop_canary", Name=self.id)
        self.until(lambda: self._state() == "STOPPED", f"the canary {self.id} has stopped")

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_canary", Name=self.id)["Canary"]
        moments = {name: _written(at) for name, at in found["Timeline"].items()}
        return self.observed(
            {**found, "handler": found["Code"]["Handler"], "sourceLocationArn": found["Code"]["SourceLocationArn"]},
            status=found["Status"]["State"],
            arn=self.own_arn(),
            runConfig=self._run(found),
            timelines=[{f"{name[:1].lower()}{name[1:]}": at for name, at in moments.items()}],
        )

    def _run(self, canary: Mapping[str, Any]) -> dict[str, Any] | None:
        """How it runs, without what is so by default; its function alone tells the environment."""
        function = str(canary["EngineArn"]).rpartition(":")[0]
        there = self.call("get_function_configuration", service="lambda", FunctionName=function)
        told = {**canary["RunConfig"], "environmentVariables": there.get("Environment", {}).get("Variables", {})}
        block = SETTINGS["runConfig"]
        return dict(block.normal(block.from_api(told)) or {}) or None

    def delete(self) -> None:
        if self._is_running():
            self._stop()
        self.call("delete_canary", Name=self.id, DeleteLambda=self["deleteLambda"])

    def own_arn(self) -> str:
        return self.arn(f"canary:{self.id}")


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
