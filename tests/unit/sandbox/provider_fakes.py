"""A type and a cloud that hold in memory, to put the framework through what the real ones seldom do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.errors import Refused
from sandbox.provider.resource import Resource, Surroundings, first, setting
from sandbox.provider.schema import Block, Boolean, Integer, Json, List, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NAMED = "test:index/named:Named"
NAMELESS = "test:index/nameless:Nameless"


class Cloud:
    """Things by id; the calls that were made; and what to do before a call is answered."""

    endpoint = "memory"

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[str], None] = lambda _operation: None
        self._made = 0

    def call(self, service: str, region: str, operation: str, values: Mapping[str, Any]) -> dict[str, Any]:
        self.before(operation)
        given = {key: value for key, value in values.items() if value is not None}
        self.calls.append((operation, given))
        if operation == "make":
            return self._make(region, given)
        found = self.things.get(given["id"])
        if operation == "look":
            return {"found": [] if found is None else [found]}
        if found is None:
            raise Refused("NotFound", "no such thing")
        if operation == "remove":
            del self.things[given["id"]]
        else:
            found.update(given)
        return {}

    def _make(self, region: str, given: dict[str, Any]) -> dict[str, Any]:
        self._made += 1
        identifier = given.get("name") or f"thing-{self._made}"
        if identifier in self.things:
            raise Refused("AlreadyThere", f"{identifier} is taken")
        self.things[identifier] = {**given, "id": identifier, "madeIn": region}
        return {"id": identifier}

    def account(self, region: str) -> str:
        return "000000000000"


class Thing(Resource):
    """What both fakes share."""

    service = "things"
    taggable = True
    outputs = ("madeIn", "version")
    renewed = {"version": ("size",)}
    gone = ("NotFound",)
    exists = ("AlreadyThere",)

    def create(self) -> str:
        given = {name: self.get(name) for name in self.properties if name not in ("size", "tags", "tagsAll")}
        return str(self.call("make", **given, tags=self.tags)["id"])

    @setting("size", after_create=True)
    def _size(self) -> None:
        self.call("resize", id=self.id, size=self["size"])

    @setting("policy", "rules", "chosen")
    def _change(self) -> None:
        self.call("change", id=self.id, policy=self.get("policy"), rules=self["rules"])

    def tag(self, tags: Mapping[str, str]) -> None:
        self.call("retag", id=self.id, tags={**self.previous.get("tagsAll", {}), **tags})

    def untag(self, keys: Sequence[str]) -> None:
        self.call("retag", id=self.id, tags={k: v for k, v in self.previous["tagsAll"].items() if k not in keys})

    def read(self) -> Mapping[str, Any]:
        thing = first(self.call("look", id=self.id)["found"])
        return self.observed({"tags": {}, **thing}, version=1)

    def delete(self) -> None:
        self.call("remove", id=self.id)


COMMON = {
    "size": Integer(default=1, within=(0, 1000)),
    "policy": Json(),
    "chosen": Text(computed=True),
    "rules": List(
        of=Block(fields={"port": Integer(required=True, choices=(1, 2, 3, 80, 443)), "open": Boolean(default=False)})
    ),
}


class Named(Thing):
    """Found by its name."""

    resource_type = NAMED
    properties = {"name": Text(replaces=True), **COMMON}
    identity = ("name",)
    auto_name = "name"


class Nameless(Thing):
    """Has an id that the cloud makes up."""

    resource_type = NAMELESS
    properties = {"place": Text(required=True, replaces=True), **COMMON}


def surroundings(cloud: Cloud, **more: Any) -> Surroundings:
    return Surroundings(cloud, "us-east-1", **more)
