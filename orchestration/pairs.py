"""What may differ between primary and secondary, and nothing else: one program makes both.

The tests hold the programs to it (tests/unit/projects/test_pairs.py), and readiness what is deployed. What a name, a
region or a role says of its own region is no difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from shared import grey_failure, naming
from shared.naming import short_region
from shared.roles import PRIMARY, SECONDARY, PerRole, Role, other

if TYPE_CHECKING:
    from shared.environment import Environment

Pair = tuple[str, str]
"""The last part of a resource's type, and its name as seen from its region."""

PLACES: Final[Mapping[Pair, str]] = {
    ("Vpc", "cidrBlock"): "the ranges are disjoint, so that the regions could be peered",
    ("Subnet", "cidrBlock"): "a part of it",
    ("NetworkAclRule", "cidrBlock"): "what lies inside of it",
}
"""Properties that say where something is, with the reason."""

VALUES: Final[Mapping[tuple[str, str, str], str]] = {
    ("CompositeAlarm", "alarms", "alarmRule"): "it sums up the alarms that there are, and not all are in both",
    ("RolePolicy", "synthetics", "policy.Statement.4.Resource.1"): "whoever takes over asks where the other one is",
    ("RolePolicy", "synthetics", "policy.Statement.4.Resource.2"): "as one more parameter in the same list",
}
"""Single values."""

ALONE: Final[Mapping[Role, Mapping[Pair, str]]] = {
    PRIMARY: {
        ("MetricAlarm", "alarms-<role>-unhealthy"): "health checks have metrics in us-east-1 alone",
        ("MetricAlarm", "alarms-<other role>-unhealthy"): "the same",
    },
    SECONDARY: {
        ("MetricAlarm", "alarms-failover-traffic"): "clients by the shared name are a failover here, and nothing there",
        ("MetricAlarm", "alarms-latch-silent"): "the latch watches from here",
        ("MetricAlarm", "alarms-switch-ranges-stale"): "the stop switch is here",
        ("Canary", "synthetics-<other role>"): "whoever takes over watches the one that may be lost",
        ("MetricAlarm", "alarms-synthetics-<other role>"): "and says so",
    },
}
"""What one region's stacks have and the other's have not."""


def alone_of_edge(environment: Environment) -> PerRole[Mapping[Pair, str]]:
    """What edge, whose stack spans both regions, makes in one of them, by type and purpose."""
    control, ranges = naming.FAILOVER_CONTROL_FUNCTION.purpose, naming.SWITCH_RANGES_RULE.purpose
    return PerRole(
        {
            ("MetricAlarm", naming.grey_failure_alarm(check).purpose): "takes the primary out of DNS"
            for check in grey_failure.CHECKS[environment.entry_point]
        },
        {
            ("Function", control): "the latch watches from here",
            ("Role", control): "what it may do",
            ("LogGroup", control): "its log",
            ("EventRule", control): "calls it",
            ("EventRule", ranges): "calls it to compare who may read the stop switch",
            ("Bucket", naming.STOP_SWITCH_BUCKET.purpose): "the stop switch is here",
        },
    )


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every plain value of an input by its path; what JSON text says is looked into."""
    value = parsed(value)
    if isinstance(value, Mapping):
        return {found: each for key, inner in value.items() for found, each in flat(inner, f"{path}.{key}").items()}
    if isinstance(value, list | tuple):
        return {
            found: each for number, inner in enumerate(value) for found, each in flat(inner, f"{path}.{number}").items()
        }
    return {path.lstrip("."): value}


def parsed(value: Any) -> Any:
    """What JSON text says; anything else as it is."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        with suppress(json.JSONDecodeError):  # a log's format only looks like it
            return json.loads(value)
    return value


def seen_from_its_region(environment: Environment, role: Role, text: Any) -> str:
    """A text without the names of regions and roles: its own are `<region>` and `<role>`."""
    found = str(text)
    for each, mark in ((role, ""), (other(role), "other ")):
        region = environment.region(each)
        for name in (region, short_region(region)):
            found = found.replace(name, f"<{mark}region>")
        found = re.sub(rf"(?i){each}", f"<{mark}role>", found)
    return found


Resources = Mapping[Pair, Mapping[str, str]]
"""A region's, by type and name, each with its values by their paths: all as seen from the region."""


def missing(found: PerRole[Resources], role: Role) -> list[Pair]:
    """What only the region of `role` has."""
    return sorted(found.of(role).keys() - found.of(other(role)).keys())


def unexpected(found: PerRole[Resources]) -> dict[tuple[str, str, str], tuple[str | None, str | None]]:
    """The values of what both have that differ and may not: those of the primary, and of the secondary."""
    return {
        (kind, name, path): (here.get(path), there.get(path))
        for (kind, name), here in found.primary.items()
        if (there := found.secondary.get((kind, name))) is not None
        for path in sorted(here.keys() | there.keys())
        if here.get(path) != there.get(path) and (kind, path) not in PLACES and (kind, name, path) not in VALUES
    }
