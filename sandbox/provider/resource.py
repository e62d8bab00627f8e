"""A resource type is a class: its inputs, its outputs, and how its life looks in API calls.

Declared types are in `aws/` and `random.py`, a module for each service. What is the same for all of them (names,
tags, regions, comparison, previews) is in `lifecycle`, so a declaration holds only what makes its type different.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sandbox.provider import archives
from sandbox.provider.errors import Gone, Refused
from sandbox.provider.schema import EMPTY, Map, Property, Text, arguments, translate
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sandbox.provider.clients import Access

    Method = TypeVar("Method", bound=Callable[..., None])

TYPES: dict[str, type[Resource]] = {}
"""The declared types, by name."""

SHARED = ("region", "tags", "tagsAll")
"""The properties that types get without declaring them."""


@dataclass(frozen=True)
class Surroundings:
    """What a provider instance knows: where it works, for whom, and its defaults."""

    access: Access | None = None
    region: str = ""
    default_tags: Mapping[str, str] = field(default_factory=dict)
    directory: Path = field(default_factory=Path)  # of the program: relative paths of assets start there

    def cloud(self) -> Access:
        """The access to the cloud. Raises Problem in a provider that has none (random's)."""
        if self.access is None:
            raise Problem("this provider is not configured")
        return self.access


def setting(*names: str, after_create: bool = False) -> Callable[[Method], Method]:
    """A method that brings the named inputs to the cloud, called by an update that changes any of them.

    names: all inputs that do not replace the resource, when there are none.
    after_create: also after a create whose inputs name any of them with another value than the default; for what the
    creating call cannot take.
    """

    def mark(method: Method) -> Method:
        method.__setting__ = (names, after_create)  # type: ignore[attr-defined]
        return method

    return mark


class Resource:
    """One resource in one operation: `self[name]` is an input, `self.id` its id, `self.call` an API call.

    Class attributes declare the type:
    resource_type  "aws:ec2/vpc:Vpc"; a class without one is a base for its relatives
    service     the API's name in botocore
    properties  the inputs
    outputs     what the cloud adds, by name: a preview of a create shows them as unknown
    renewed     outputs that an update of certain inputs changes: {output: inputs}; a preview shows them as unknown
    identity    the inputs that the cloud allows once. Replaced with these unchanged: the old one is deleted first.
                A create that finds its place taken adopts what is there, if it is as declared and has our tags.
    auto_name   the input that is made up from the program's name for the resource when absent
    taggable    has `tags`, and `tagsAll` with the provider's default tags
    regional    has a `region` of its own (all but global services)
    gone        API error codes that say: it is not there
    exists      API error codes that say: the place is taken
    """

    resource_type: ClassVar[str] = ""
    service: ClassVar[str] = ""
    properties: ClassVar[Mapping[str, Property]] = {}
    outputs: ClassVar[tuple[str, ...]] = ()
    renewed: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    identity: ClassVar[tuple[str, ...]] = ()
    auto_name: ClassVar[str] = ""
    taggable: ClassVar[bool] = False
    regional: ClassVar[bool] = True
    gone: ClassVar[tuple[str, ...]] = ()
    exists: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[tuple[tuple[str, ...], bool, str], ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.resource_type:
            return
        extra: dict[str, Property] = {}
        if cls.regional and cls.service:
            extra["region"] = Text(replaces=True)
        if cls.taggable:
            extra["tags"], extra["tagsAll"] = Map(default={}), Map(default={})
        cls.properties = {**cls.properties, **extra}
        marked = [
            (getattr(cls, name).__setting__, name)
            for name in dict.fromkeys(name for base in reversed(cls.__mro__) for name in vars(base))
            if hasattr(getattr(cls, name), "__setting__")
        ]
        inputs = tuple(name for name, each in cls.properties.items() if not each.replaces and name not in SHARED)
        cls.settings = tuple((names or inputs, after, name) for (names, after), name in marked)
        _verify(cls)
        TYPES[cls.resource_type] = cls

    def __init__(
        self,
        surroundings: Surroundings,
        inputs: Mapping[str, Any],
        *,
        id: str = "",  # noqa: A002 - the protocol's word
        state: Mapping[str, Any] | None = None,
        previous: Mapping[str, Any] | None = None,
    ) -> None:
        self.surroundings = surroundings
        self.inputs = inputs
        self.id = id
        self.state: Mapping[str, Any] = state or {}  # the outputs as the engine knows them
        self.previous: Mapping[str, Any] = previous or {}  # the inputs before an update
        self.new = False  # whether it was made just now
        self.made: Any = None  # what a create keeps of its answer for `read`, where that says as much as a question

    # What a declaration implements.

    def create(self) -> str:
        """Make it, and return its id."""
        raise NotImplementedError

    def read(self) -> Mapping[str, Any] | None:
        """What the cloud has, inputs and outputs, by the properties' names; None (or an error in `gone`): nothing.

        An input that is absent here and not declared `carried` counts as unset. Tags go into `tagsAll`.
        """
        raise NotImplementedError

    def told(self) -> Mapping[str, Any] | None:
        """The outputs of what was just made, where inputs and id tell all of them; None: they have to be read."""
        return None if self.outputs or any(each.computed for each in self.properties.values()) else {}

    def delete(self) -> None:
        """Remove it; an error in `gone` means that it was gone already."""
        raise NotImplementedError

    def find(self) -> str | None:
        """The id of what is already in its place, by its inputs."""
        place = [self[name] for name in self.identity]
        return str(place[0]) if len(place) == 1 and place[0] else None

    def refuse_twin(self) -> None:
        """For places that the emulator gives away twice: what AWS answers then, the first code of `exists`."""
        there = self.find()
        if there:
            raise Refused(self.exists[0], f"{there} is in its place")

    def own_arn(self) -> str:
        """What tag_resource and untag_resource know it by: its id, if nothing else is said."""
        return self.id

    def tag(self, tags: Mapping[str, str]) -> None:
        """Add or change these tags, in a service that has tag_resource."""
        (place, _), (name, shape) = self.shape("tag_resource").members.items()
        self.call("tag_resource", **{place: self.own_arn(), name: _tags_in(shape, tags)})

    def untag(self, keys: Sequence[str]) -> None:
        """Remove these tags, in a service that has untag_resource."""
        place, name = self.shape("untag_resource").members
        named: dict[str, Any] = {place: self.own_arn(), name: keys}
        self.call("untag_resource", **named)

    # What a declaration uses.

    def __getitem__(self, name: str) -> Any:
        value = self.inputs.get(name)
        return self.properties[name].default if value is None else value

    def get(self, name: str) -> Any:
        """The input if it has another value than nothing, else None."""
        value = self[name]
        return None if value in EMPTY else value

    @property
    def region(self) -> str:
        return str(self.inputs.get("region") or self.state.get("region") or self.surroundings.region)

    @property
    def account(self) -> str:
        return self.surroundings.cloud().account(self.region)

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags, the provider's default tags among them."""
        return dict(self.inputs.get("tagsAll") or {})

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """Its tags as most APIs want them."""
        return tag_list(self.tags)

    def tags_there(self, ask: Callable[[], Any]) -> dict[str, str]:
        """Its tags in the cloud, where an answer of its own has them: nobody asks for what was told just now."""
        return dict(self.tags) if self.new else tag_map(ask())

    def call(self, operation: str, /, *, service: str = "", region: str = "", **values: Any) -> dict[str, Any]:
        """The answer of an API call ("create_vpc"); arguments that are None are left out. Raises Refused, Problem."""
        return self.surroundings.cloud().call(service or self.service, region or self.region, operation, values)

    def shape(self, operation: str) -> Any:
        """The shape of an operation's arguments (a botocore shape)."""
        return self.surroundings.cloud().shape(self.service, self.region, operation)

    def arguments(self, operation: str, *names: str) -> dict[str, Any]:
        """The named inputs (all without names) as the operation's arguments; those that are absent are left out."""
        chosen = {name: self.get(name) for name in names or self.properties if name not in SHARED}
        return arguments(self.properties, chosen, self.shape(operation))

    def structure(self, operation: str, member: str, *names: str) -> dict[str, Any]:
        """The named inputs as a structure among the operation's arguments, or as an element of a list of them."""
        shape = self.shape(operation).members[member]
        chosen = {name: self.get(name) for name in names}
        return arguments(self.properties, chosen, getattr(shape, "member", shape))

    def observed(self, answer: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """An answer's members as properties: the declared inputs, translated, outputs of the same name, and tags."""
        found = {name.lower(): value for name, value in answer.items()}
        result = translate({name: each for name, each in self.properties.items() if name not in SHARED}, answer)
        result.update({name: found[name.lower()] for name in self.outputs if found.get(name.lower()) is not None})
        if self.taggable and found.get("tags") is not None:
            result["tagsAll"] = tag_map(found["tags"])
        return {**result, **more}

    def arn(self, resource: str, *, service: str = "", region: str | None = None) -> str:
        """An ARN in the caller's account."""
        place = self.region if region is None else region
        return f"arn:aws:{service or self.service}:{place}:{self.account}:{resource}"

    def archive(self, name: str) -> bytes:
        """An archive of the inputs, as a zip file."""
        return archives.zipped(self[name], self.surroundings.directory)

    def until(self, done: Callable[[], bool], waiting_for: str, *, seconds: float = 30) -> None:
        """Wait for what the cloud does in its own time. Raises Problem when it has not after that many seconds."""
        end, pause = time.monotonic() + seconds, 0.02
        while not done():
            if time.monotonic() > end:
                raise Problem(f"{waiting_for}: not after {seconds:g} s")
            time.sleep(pause)
            pause = min(pause * 2, 1)


def observe(resource: Resource) -> Mapping[str, Any] | None:
    """What the cloud has, or None: a read in which `gone` errors are an answer."""
    try:
        return resource.read()
    except Gone:
        return None
    except Refused as error:
        if error.code in resource.gone:
            return None
        raise


def first(found: Sequence[Any]) -> Any:
    """The first of what a describing call found. Raises Gone when it found nothing."""
    if not found:
        raise Gone
    return found[0]


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most APIs want them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _tags_in(shape: Any, tags: Mapping[str, str]) -> Any:
    """Tags as the shape of an argument wants them."""
    if shape.type_name == "map":
        return dict(tags)
    key, value = shape.member.members
    return [{key: name, value: text} for name, text in sorted(tags.items())]


def tag_map(tags: Mapping[str, str] | Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as APIs give them, as properties have them."""
    if isinstance(tags, Mapping):
        return dict(tags)
    return {each.get("Key", each.get("TagKey", "")): each.get("Value", each.get("TagValue", "")) for each in tags or ()}


def document(value: Any) -> str:
    """A JSON document as the text that properties hold."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _verify(cls: type[Resource]) -> None:
    """A declaration whose update would forget a property is an error where it stands."""
    known = {name for names, _, _ in cls.settings for name in names}
    forgotten = {
        name for name, each in cls.properties.items() if not each.replaces and name not in known and name not in SHARED
    }
    wrong = sorted(forgotten | known - cls.properties.keys() | set(cls.identity) - cls.properties.keys())
    if wrong:
        raise TypeError(
            f"{cls.resource_type}: neither replaced nor set by any method, or not declared: {', '.join(wrong)}"
        )
