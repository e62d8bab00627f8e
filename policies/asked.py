"""What a program asks of the cloud, as rules look at it: by an engine, or by a test that runs the program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""What stands for a value that a preview does not know yet, by its type (pulumi/sdk/go/common/resource/plugin/rpc.go).
No rule judges it: the update asks again, before it makes the resource."""

PROVIDER = "pulumi:providers:aws"


@dataclass(frozen=True)
class AskedResource:
    """One resource with its inputs, named as the SDK's are on the wire: `forceDestroy`."""

    type: str
    """Such as `aws:s3/bucket:Bucket`."""
    name: str
    """Its name in the program."""
    properties: Mapping[str, Any]
    provider: Mapping[str, Any] = field(default_factory=dict)
    """The inputs of the provider that makes it."""
    protected: bool = False
    """Whether Pulumi refuses to delete it."""
    urn: str = ""
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By property: the URNs of the resources that its value is made of."""

    @property
    def kind(self) -> str:
        """The last part of its type: `Bucket`."""
        return self.type.rpartition(":")[2]

    @property
    def aws(self) -> bool:
        """Whether it is made in AWS."""
        return self.type.startswith("aws:")

    def __getitem__(self, key: str) -> Any:
        """The value of a property; None where there is none, and where it is not known yet (see `unknown`)."""
        value = self.properties.get(key)
        return None if unknown(value) else value

    def unknown(self, key: str) -> bool:
        """Whether a property has a value that is not known yet."""
        return unknown(self.properties.get(key))


def unknown(value: Any) -> bool:
    """Whether a preview does not know a value yet."""
    return isinstance(value, str) and value in UNKNOWN


def as_list(value: Any) -> list[Any]:
    """A value that AWS takes alone or in a list, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def documents(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every policy document in a property's value, however deep: as JSON text, or as an object.

    AWS takes the names of a document's elements in any case, so they come in lower case.
    """
    if isinstance(value, str):
        if value.lstrip()[:1] in {"{", "["} and "statement" in value.lower():
            try:
                parsed = json.loads(value)
            except ValueError:
                return
            yield from documents(parsed)
    elif isinstance(value, Mapping):
        lower = {str(key).lower(): each for key, each in value.items()}
        if "statement" in lower:
            yield lower
        else:
            for each in value.values():
                yield from documents(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from documents(each)


def statements(asked: AskedResource) -> Iterator[Mapping[str, Any]]:
    """Every statement of a resource's policy documents, with the names of its elements in lower case."""
    for document in documents(asked.properties):
        for statement in as_list(document["statement"]):
            yield {str(key).lower(): each for key, each in statement.items()}
