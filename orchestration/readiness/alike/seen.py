"""A region's resources as seen from it: by type and purpose, without ids, times and what names the region."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from orchestration.pairs import Resources, flat, parsed, seen_from_its_region
from orchestration.readiness.facts import Examined
from shared import naming
from shared.roles import Role

Found = Iterator[tuple[str, str, Any]]
"""Type as Pulumi calls it, purpose, and settings."""
Reading = Callable[[Examined, Role], Found]

IDS: Final = re.compile(
    r"\b(?:vpc|subnet|sg|vpce|rtb|acl|igw|eni|pl)-[0-9a-f]{8,17}\b"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|(?P<kept>restapis/|execute-api:<region>:\d{12}:|(?:app|targetgroup)/[^/]+/)[0-9a-z]{8,16}\b"
)
"""What AWS calls a thing of which the other region has its own."""
LOGICAL: Final[Mapping[str, str]] = {"MetricAlarm": "alarms-", "CompositeAlarm": "alarms-", "Canary": "synthetics-"}
"""How the programs call what is named by its purpose alone."""


def seen(examined: Examined, role: Role, reading: Reading) -> Resources:
    """What a region has, each resource with its values by path."""

    def plain(text: Any) -> str:
        return IDS.sub(lambda match: f"{match['kept'] or ''}<id>", seen_from_its_region(examined.settings, role, text))

    return {
        (kind, logical(kind, plain(purpose))): {
            plain(".".join(map(_camel, path.split(".")))): plain(value)
            for path, value in flat(_settled(settings, plain)).items()
        }
        for kind, purpose, settings in reading(examined, role)
    }


def _settled(value: Any, plain: Callable[[Any], str]) -> Any:
    """The same without an order that says nothing: AWS tells lists of names and values, and of texts, in any.

    Texts are ordered as seen from the region: by the regions' names the own one may be the first or the last.
    """
    value = parsed(value)
    if isinstance(value, Mapping):
        return {key: _settled(inner, plain) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    if value and all(isinstance(each, Mapping) and each.keys() == {"Name", "Value"} for each in value):
        return {each["Name"]: each["Value"] for each in value}
    if all(isinstance(each, str) for each in value):
        return sorted(map(plain, value))
    return [_settled(each, plain) for each in value]


def logical(kind: str, purpose: str) -> str:
    if (kind, purpose) == ("CompositeAlarm", naming.COMPOSITE_ALARM.purpose):
        return "alarms"
    return LOGICAL.get(kind, "") + purpose


def _camel(name: str) -> str:
    """As Pulumi writes AWS's `AlarmRule`."""
    return name[:1].lower() + name[1:]


def affixes(examined: Examined, role: Role, kind: naming.Kind) -> tuple[str, str]:
    """What stands before and behind the purpose in the name of a thing of this sort."""
    mark = "\0"
    sample = naming.Kind(mark, kind.limit, kind.prefix, account=kind.account)
    before, _, after = examined.named(sample, role).partition(mark)
    return before, after


def purpose_of(examined: Examined, role: Role, kind: naming.Kind, name: str) -> str | None:
    """What a thing of this sort is for, by its name; None for what is not of this environment and region."""
    before, after = affixes(examined, role, kind)
    if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after):
        return name[len(before) : len(name) - len(after)]
    return None


def ours(
    examined: Examined, role: Role, kind: naming.Kind, listed: Iterable[Any], key: str
) -> Iterator[tuple[str, Any]]:
    for each in listed:
        if (purpose := purpose_of(examined, role, kind, str(each[key]))) is not None:
            yield purpose, each


def only(told: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """These of an answer's settings, those of them that it has."""
    return {key: told[key] for key in keys if key in told}
