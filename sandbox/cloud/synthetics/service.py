"""The operations of CloudWatch Synthetics: https://docs.aws.amazon.com/AmazonSynthetics/latest/APIReference/."""

from __future__ import annotations

import asyncio
import base64
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from ministack.core.responses import request_scope
from ministack.services import s3

from sandbox.cloud.answers import Failure
from sandbox.cloud.synthetics import engine
from sandbox.cloud.synthetics.store import CANARIES, StoredCanary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.clock import VirtualClock


Request = dict[str, Any]
RUNTIMES = frozenset(f"syn-python-selenium-{version}.0" for version in range(6, 15))
"""Those that AWS still makes canaries of (2026-11), and of which this runs the scripts:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Synthetics_Library_python_selenium.html."""
_NAME = re.compile(r"[0-9a-z_\-]{1,255}")
_RATE = re.compile(r"rate\((\d+) (minute|minutes|hour)\)")
_SETTINGS = (
    "SuccessRetentionPeriodInDays",
    "FailureRetentionPeriodInDays",
    "ArtifactConfig",
    "ProvisionedResourceCleanup",
)
_RETENTION = 31


class RefusedCanary(Exception):
    """A request that is refused as AWS refuses it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(status, code, message)


@dataclass(frozen=True)
class AskedOfSynthetics:
    """A request: by whom, where, and what."""

    account: str
    region: str
    method: str
    path: str
    query: str
    body: Request


@dataclass
class Canaries:
    """The service. `built` is a folder for what all canaries' packages have in common."""

    clock: VirtualClock
    built: Path

    async def answer(self, asked: AskedOfSynthetics) -> Request:
        """What an operation tells. Raises RefusedCanary."""
        parts = [unquote(part) for part in asked.path.strip("/").split("/")]
        query = parse_qs(asked.query)
        for method, pattern, operation in self._routes:
            if method != asked.method or len(parts) != len(pattern):
                continue
            pairs = list(zip(parts, pattern, strict=True))
            if all(wanted in {None, part} for part, wanted in pairs):
                named = [part for part, wanted in pairs if wanted is None]
                body = {**asked.body, "tagKeys": query.get("tagKeys", [])}
                return await asyncio.to_thread(self._within, asked, operation, [*named, body])
        raise RefusedCanary(400, "ValidationException", f"the sandbox's Synthetics has no {asked.method} {asked.path}")

    @property
    def _routes(self) -> tuple[tuple[str, tuple[str | None, ...], Callable[..., Request]], ...]:
        return (
            ("POST", ("canary",), self._create),
            ("GET", ("canary", None), self._get),
            ("PATCH", ("canary", None), self._update),
            ("DELETE", ("canary", None), self._delete),
            ("POST", ("canary", None, "start"), self._start),
            ("POST", ("canary", None, "stop"), self._stop),
            ("POST", ("canary", None, "runs"), self._runs),
            ("POST", ("canaries",), self._describe),
            ("POST", ("canaries", "last-run"), self._describe_last_runs),
            ("POST", ("runtime-versions",), self._runtimes),
            ("GET", ("tags", None), self._tags),
            ("POST", ("tags", None), self._tag),
            ("DELETE", ("tags", None), self._untag),
        )

    def _within(self, asked: AskedOfSynthetics, operation: Callable[..., Request], arguments: list[Any]) -> Request:
        with request_scope(asked.account, asked.region):
            try:
                return operation(*arguments)
            except engine.EngineError as error:
                raise RefusedCanary(400, "ValidationException", str(error)) from error

    def _create(self, asked: Request) -> Request:
        name = str(asked.get("Name") or "")
        if not _NAME.fullmatch(name):
            raise RefusedCanary(400, "ValidationException", f"{name} is no name of a canary")
        if name in CANARIES:
            raise RefusedCanary(409, "ConflictException", f"Canary {name} already exists")
        required = ("Code", "ArtifactS3Location", "ExecutionRoleArn", "Schedule", "RuntimeVersion")
        if missing := [each for each in required if not asked.get(each)]:
            raise RefusedCanary(400, "ValidationException", f"{missing[0]} is missing")
        _check(asked)
        variables = dict((asked.get("RunConfig") or {}).get("EnvironmentVariables") or {})
        function = engine.create(
            name, self._package(asked["Code"]), asked["ExecutionRoleArn"], asked.get("RunConfig") or {}, variables
        )
        now = self.clock.now()
        told = {
            "Id": str(uuid.uuid4()),
            "Name": name,
            "Code": {"SourceLocationArn": f"{function.replace(':function:', ':layer:')}:1", "Handler": _entry(asked)},
            "SuccessRetentionPeriodInDays": _RETENTION,
            "FailureRetentionPeriodInDays": _RETENTION,
            "Status": {"State": "READY"},
            "Timeline": {"Created": now, "LastModified": now},
            "EngineArn": f"{function}:1",
            "Tags": dict(asked.get("Tags") or {}),
            "ProvisionedResourceCleanup": "AUTOMATIC",
        }
        CANARIES[name] = StoredCanary(told | _settings_of(asked, {}), variables)
        return {"Canary": CANARIES[name].told}

    def _get(self, name: str, _: Request) -> Request:
        return {"Canary": _of(name).told}

    def _update(self, name: str, asked: Request) -> Request:
        canary = _of(name)
        _check(asked)
        told = canary.told | _settings_of(asked, canary.told)
        run = asked.get("RunConfig") or canary.told.get("RunConfig") or {}
        if "EnvironmentVariables" in (asked.get("RunConfig") or {}):
            canary.variables = dict(asked["RunConfig"]["EnvironmentVariables"])
        function = _function(canary)
        if code := asked.get("Code"):
            engine.replace(function, self._package(code))
            told["Code"] = {**told["Code"], "Handler": _entry(asked)}
        engine.configure(function, told["ExecutionRoleArn"], run, canary.variables)
        told["Timeline"] = {**told["Timeline"], "LastModified": self.clock.now()}
        canary.told = told
        return {}

    def _delete(self, name: str, _: Request) -> Request:
        canary = _of(name)
        if canary.running:
            raise RefusedCanary(409, "ConflictException", f"Canary {name} is in state RUNNING and can't be deleted")
        engine.delete(_function(canary))
        del CANARIES[name]
        return {}

    def _start(self, name: str, _: Request) -> Request:
        return self._to("RUNNING", "LastStarted", name)

    def _stop(self, name: str, _: Request) -> Request:
        if not _of(name).running:
            raise RefusedCanary(409, "ConflictException", f"Canary {name} is not running")
        return self._to("STOPPED", "LastStopped", name)

    def _to(self, state: str, moment: str, name: str) -> Request:
        canary = _of(name)
        if state == canary.told["Status"]["State"]:
            raise RefusedCanary(409, "ConflictException", f"Canary {name} is in state {state}")
        canary.told["Status"] = {"State": state}
        canary.told["Timeline"] = {**canary.told["Timeline"], moment: self.clock.now()}
        return {}

    def _runs(self, name: str, asked: Request) -> Request:
        first, most = int(asked.get("NextToken") or 0), int(asked.get("MaxResults") or 100)
        runs = _of(name).runs
        answer: Request = {"CanaryRuns": runs[first : first + most]}
        return answer | ({"NextToken": str(first + most)} if first + most < len(runs) else {})

    def _describe(self, asked: Request) -> Request:
        names = asked.get("Names")
        return {"Canaries": [each.told for name, each in sorted(CANARIES.items()) if not names or name in names]}

    def _describe_last_runs(self, asked: Request) -> Request:
        names = asked.get("Names")
        found = [(name, each.runs[0]) for name, each in sorted(CANARIES.items()) if each.runs]
        return {
            "CanariesLastRun": [
                {"CanaryName": name, "LastRun": run} for name, run in found if not names or name in names
            ]
        }

    @staticmethod
    def _runtimes(_: Request) -> Request:
        return {"RuntimeVersions": [{"VersionName": each} for each in sorted(RUNTIMES)]}

    def _tags(self, arn: str, _: Request) -> Request:
        return {"Tags": _of(arn.rpartition(":")[2]).told["Tags"]}

    def _tag(self, arn: str, asked: Request) -> Request:
        canary = _of(arn.rpartition(":")[2])
        canary.told["Tags"] = {**canary.told["Tags"], **(asked.get("Tags") or {})}
        return {}

    def _untag(self, arn: str, asked: Request) -> Request:
        canary = _of(arn.rpartition(":")[2])
        gone = set(asked["tagKeys"])
        canary.told["Tags"] = {key: value for key, value in canary.told["Tags"].items() if key not in gone}
        return {}

    def _package(self, code: Request) -> bytes:
        if code.get("ZipFile"):
            return engine.package(base64.b64decode(code["ZipFile"]), self.built)
        found = s3._get_object_data(code["S3Bucket"], code["S3Key"]) if code.get("S3Bucket") else None
        if found is None:
            raise RefusedCanary(400, "ValidationException", "the canary's code is neither a zip file nor in a bucket")
        return engine.package(found, self.built)


def _of(name: str) -> StoredCanary:
    found: StoredCanary | None = CANARIES.get(name)
    if found is None:
        raise RefusedCanary(404, "ResourceNotFoundException", f"Canary {name} doesn't exist")
    return found


def _function(canary: StoredCanary) -> str:
    return str(canary.told["EngineArn"]).rpartition(":")[0]


def _entry(asked: Request) -> str:
    return str(asked["Code"]["Handler"])


def _check(asked: Mapping[str, Any]) -> None:
    """Refuse what AWS refuses, and what is not run here."""
    runtime = asked.get("RuntimeVersion")
    if runtime is not None and runtime not in RUNTIMES:
        raise RefusedCanary(400, "ValidationException", f"{runtime} is deprecated, or not run in the sandbox")
    if (asked.get("Schedule") or {}).get("RetryConfig"):
        raise RefusedCanary(400, "ValidationException", "RetryConfig: the sandbox repeats no run")
    if asked.get("VpcConfig"):
        raise RefusedCanary(400, "ValidationException", "VpcConfig: the sandbox runs canaries outside of a VPC alone")
    expression = (asked.get("Schedule") or {}).get("Expression")
    if expression is not None and interval(expression) is None and not expression.startswith("cron("):
        raise RefusedCanary(400, "ValidationException", f"{expression} is no schedule of a canary")


def interval(expression: str) -> int | None:
    """Seconds between runs; 0 for a canary that runs once; None for what is no rate up to an hour."""
    found = _RATE.fullmatch(expression)
    if found is None:
        return None
    minutes = int(found[1]) * (60 if found[2] == "hour" else 1)
    return minutes * 60 if 0 <= minutes <= 60 else None


def _settings_of(asked: Mapping[str, Any], before: Mapping[str, Any]) -> Request:
    """What a request says of a canary's settings, as they are told."""
    found: Request = {name: asked[name] for name in _SETTINGS if asked.get(name) is not None}
    for name in ("ExecutionRoleArn", "RuntimeVersion"):
        if asked.get(name):
            found[name] = asked[name]
    if location := asked.get("ArtifactS3Location"):
        found["ArtifactS3Location"] = location.removeprefix("s3://").rstrip("/")
    if schedule := asked.get("Schedule"):
        found["Schedule"] = {"DurationInSeconds": 0, **schedule}
    run = {key: value for key, value in (asked.get("RunConfig") or {}).items() if key != "EnvironmentVariables"}
    if run or "RunConfig" not in before:
        kept = before.get("RunConfig") or {**engine.DEFAULTS, "ActiveTracing": False}
        found["RunConfig"] = {**kept, **run}
    return found
