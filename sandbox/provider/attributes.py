"""Types whose API keeps settings as a map of attributes, all of them text (SQS, SNS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.provider.resource import Resource


def attributes(resource: Resource, names: Iterable[str]) -> dict[str, str]:
    """The named inputs as attributes; a property's `api` is the attribute's name. Absent ones become empty."""
    return {resource.properties[name].api: worded_value(resource[name]) for name in names}


def stated(found: Mapping[str, str]) -> dict[str, str]:
    """The attributes that an answer gives a value: an empty one is how an API shows that it has none."""
    return {name: value for name, value in found.items() if value}


def given(resource: Resource, names: Iterable[str]) -> list[str]:
    """Those of the names whose inputs say more than their defaults: what a creating call must be told."""
    return [name for name in names if not resource.properties[name].same(None, resource.inputs.get(name))]


def changed(resource: Resource, names: Iterable[str]) -> list[str]:
    """Those of the names whose inputs an update changes."""
    before, now = resource.previous, resource.inputs
    return [name for name in names if not resource.properties[name].same(before.get(name), now.get(name))]


def worded_value(value: object) -> str:
    """A value as an attribute has it: none is empty."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
