"""What serves in a stack, and which release it served before: the way back of a smoke test, a bake and a rollback.

A release is what the aliases and the API's stage point to. The last complete one and the one before it are kept as a
stack tag: the backend gives one answer on every machine. Lambda keeps each published version until its function is
deleted (Lambda Developer Guide, "Lambda function versions"), so going back is one UpdateAlias for each function.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.aws import Aws, asked
from shared.errors import MALFORMED

if TYPE_CHECKING:
    from engine.backend import Backend, Checkpoint
    from shared.stack import Stack

TAG: Final = "releases"
ALIAS: Final = "aws:lambda/alias:Alias"
STAGE: Final = "aws:apigateway/stage:Stage"
POINTERS: Final[Mapping[str, str]] = {ALIAS: "functionVersion", STAGE: "deployment"}
"""By type of resource, the property that says what serves: what a rollback leaves otherwise than the state says."""


@dataclass(frozen=True)
class Serving:
    """What a stack's entry point runs: a version for each alias, a deployment for each stage."""

    aliases: Mapping[tuple[str, str], str]
    """By function and alias."""
    stages: Mapping[tuple[str, str], str]
    """By REST API and stage."""

    @staticmethod
    def of(checkpoint: Checkpoint | None) -> Serving:
        """What a stack's state says."""
        resources = checkpoint.resources if checkpoint else ()
        found = [(resource["type"], resource["outputs"]) for resource in resources if resource.get("outputs")]
        return Serving(
            {(o["functionName"], o["name"]): o["functionVersion"] for kind, o in found if kind == ALIAS},
            {(o["restApi"], o["stageName"]): o["deployment"] for kind, o in found if kind == STAGE},
        )

    def __str__(self) -> str:
        return ", ".join(f"{function} {version}" for (function, _), version in sorted(self.aliases.items()))

    def to_json(self) -> dict[str, Any]:
        return {"aliases": _rows(self.aliases), "stages": _rows(self.stages)}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Serving:
        return Serving(*({(of, name): to for of, name, to in told[kind]} for kind in ("aliases", "stages")))


@dataclass(frozen=True)
class Release:
    """A release that a stack has got whole."""

    id: str
    """Of the sources that it was made of: the same in both regions."""
    serving: Serving
    since: float
    """Seconds since 1970, by the target's clock."""

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "since": self.since, **self.serving.to_json()}

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Release:
        return Release(str(told["id"]), Serving.from_json(told), float(told["since"]))


@dataclass(frozen=True)
class Releases:
    """What is known of a stack's releases."""

    serving: Release | None = None
    """The last complete one, or that to which the stack was put back."""
    before: Release | None = None
    """The one before it; None as well after the stack was put back."""
    rolled_back: str = ""
    """The id of the sources that somebody has taken back, until others are released."""

    @staticmethod
    def read(backend: Backend, stack: Stack) -> Releases:
        """Return what the stack's tag says; nothing where it has none, or one that we cannot have written."""
        try:
            told = json.loads(backend.tags(stack).get(TAG, ""))
            serving, before = (Release.from_json(told[name]) if told[name] else None for name in ("serving", "before"))
            return Releases(serving, before, str(told["rolled_back"]))
        except MALFORMED:
            return Releases()

    def write(self, backend: Backend, stack: Stack) -> None:
        told = {
            "serving": self.serving and self.serving.to_json(),
            "before": self.before and self.before.to_json(),
            "rolled_back": self.rolled_back,
        }
        backend.tag(stack, TAG, json.dumps(told, separators=(",", ":"), sort_keys=True))

    def after(self, release: Release) -> Releases:
        """Return what is known once a release is complete. An update that lets the same versions serve is none."""
        if self.serving and self.serving.serving == release.serving:
            return Releases(Release(release.id, release.serving, self.serving.since), self.before)
        return Releases(release, self.serving)

    def back_on(self, serving: Serving, *, rolled_back: str = "") -> Releases:
        """Return what is known once the stack was put back on what served before: there is no way farther back."""
        release = next((each for each in (self.before, self.serving) if each and each.serving == serving), None)
        return Releases(release or Release("", serving, 0), rolled_back=rolled_back or self.rolled_back)


def record(backend: Backend, stack: Stack, release: str, now: float) -> None:
    """Record that a stack has got a release whole. A stack without an alias has none."""
    serving = Serving.of(backend.checkpoint(stack))
    if not serving.aliases:
        return
    known = Releases.read(backend, stack)
    if (newer := known.after(Release(release, serving, now))) != known:
        newer.write(backend, stack)


def begun(backend: Backend, stack: Stack) -> bool:
    """Whether the state has another release than the last complete one on record.

    An engine that is killed writes no history: the newest entry is then still of the update before.
    """
    serving, known = Serving.of(backend.checkpoint(stack)), None
    if serving.aliases:
        known = Releases.read(backend, stack).serving
    return known is not None and known.serving != serving


def live(aws: Aws, region: str, known: Serving) -> Serving:
    """Return what AWS says of the aliases and stages in `known`. Raises Problem."""
    lambdas = aws.client("lambda", region)

    def version(function: str, alias: str) -> str:
        return str(lambdas.get_alias(FunctionName=function, Name=alias)["FunctionVersion"])

    def deployment(api: str, stage: str) -> str:
        gateway = aws.client("apigateway", region)
        return str(gateway.get_stage(restApiId=api, stageName=stage)["deploymentId"])

    return asked(
        lambda: Serving(
            {which: version(*which) for which in known.aliases},
            {which: deployment(*which) for which in known.stages},
        ),
        "look up what serves",
        region,
    )


def put_back(aws: Aws, region: str, wanted: Serving, now: Serving) -> str:
    """Let the wanted versions serve again. Returns a remark, empty when all is as it was. Raises Problem.

    Functions come first: they are what clients notice. A deployment of the API that another one has replaced is gone,
    as the engine deletes what it replaces; the newer routes then lead to the older functions.
    """
    lambdas = aws.client("lambda", region)

    def aliases() -> None:
        for (function, alias), version in wanted.aliases.items():
            if now.aliases.get((function, alias)) != version:
                lambdas.update_alias(FunctionName=function, Name=alias, FunctionVersion=version)

    def stages() -> list[str]:
        gone = []
        for (api, stage), deployment in wanted.stages.items():
            if now.stages.get((api, stage)) == deployment:
                continue
            gateway = aws.client("apigateway", region)
            try:
                gateway.get_deployment(restApiId=api, deploymentId=deployment)
            except gateway.exceptions.NotFoundException:
                gone.append(stage)
                continue
            patch = [{"op": "replace", "path": "/deploymentId", "value": deployment}]
            gateway.update_stage(restApiId=api, stageName=stage, patchOperations=patch)
        return gone

    asked(aliases, "put back the release that served before", region)
    gone = asked(stages, "put back the routes that served before", region)
    return f"with the newer routes of stage {', '.join(gone)}, as the older are gone" if gone else ""


def _rows(pointers: Mapping[tuple[str, str], str]) -> list[list[str]]:
    return [[*which, to] for which, to in sorted(pointers.items())]


def only_pointers(kind: str, properties: Iterable[str]) -> bool:
    """Whether what differs of a resource of this type is only what serves."""
    return kind in POINTERS and set(properties) == {POINTERS[kind]}
