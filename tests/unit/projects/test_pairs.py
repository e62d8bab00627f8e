"""Primary and secondary are one program: resource by resource they differ in what must differ, and all that is here.

What a name, a region or a role says of its own region is no difference. Both dashboards show both regions.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pulumi
import pytest

from shared.contracts import LAYERS
from shared.environment import Environment
from shared.naming import short_region
from shared.roles import PRIMARY, ROLES, other
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment

REGIONAL = [layer.name for layer in LAYERS.values() if layer.regional]

PLACES = {
    ("Vpc", "cidrBlock"): "the ranges are disjoint, so that the regions could be peered",
    ("Subnet", "cidrBlock"): "a part of it",
    ("NetworkAclRule", "cidrBlock"): "what lies inside of it",
}
"""Properties that say where something is, with the reason."""

VALUES = {
    ("CompositeAlarm", "alarms", "alarmRule"): "it sums up the alarms that there are, and not all are in both",
    ("RolePolicy", "synthetics", "policy.Statement.4.Resource.1"): "whoever takes over asks where the other one is",
    ("RolePolicy", "synthetics", "policy.Statement.4.Resource.2"): "as one more parameter in the same list",
}
"""Single values."""

ALONE = {
    PRIMARY: {
        ("MetricAlarm", "alarms-<role>-unhealthy"): "health checks have metrics in us-east-1 alone",
        ("MetricAlarm", "alarms-<other role>-unhealthy"): "the same",
    },
    other(PRIMARY): {
        ("MetricAlarm", "alarms-failover-traffic"): "clients by the shared name are a failover here, and nothing there",
        ("MetricAlarm", "alarms-latch-silent"): "the latch watches from here",
        ("MetricAlarm", "alarms-switch-ranges-stale"): "the stop switch is here",
        ("Canary", "synthetics-<other role>"): "whoever takes over watches the one that may be lost",
        ("MetricAlarm", "alarms-synthetics-<other role>"): "and says so",
    },
}
"""What one region has and the other one has not."""


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every plain value of an input by its path; what JSON text says is looked into."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        with suppress(json.JSONDecodeError):  # a log's format only looks like it
            value = json.loads(value)
    if isinstance(value, pulumi.FileArchive):
        value = value.path
    if isinstance(value, dict):
        return {found: each for key, inner in value.items() for found, each in flat(inner, f"{path}.{key}").items()}
    if isinstance(value, list | tuple):
        return {
            found: each for number, inner in enumerate(value) for found, each in flat(inner, f"{path}.{number}").items()
        }
    return {path.lstrip("."): value}


def seen_from_its_region(environment: Environment, role: str, text: Any) -> str:
    """A text without the names of regions and roles: its own are `<region>` and `<role>`."""
    found = str(text)
    for each, mark in ((role, ""), (other(role), "other ")):
        region = environment.region(each)
        for name in (region, short_region(region)):
            found = found.replace(name, f"<{mark}region>")
        found = re.sub(rf"(?i){each}", f"<{mark}role>", found)
    return found


def resources(environment_name: str, layer: str, role: str) -> dict[tuple[str, str], dict[str, str]]:
    """What a region's stack makes, by type and logical name."""
    environment = Environment.load(environment_name)
    made = run_environment(environment_name)[f"{layer}/{environment_name}-{role}"].recorder.cloud
    return {
        (each.type.rpartition(":")[2], seen_from_its_region(environment, role, each.name)): {
            seen_from_its_region(environment, role, path): seen_from_its_region(environment, role, value)
            for path, value in flat(each.inputs).items()
        }
        for each in made
        if not each.type.endswith(":Dashboard")
    }


def pair(environment: str, layer: str) -> dict[str, dict[tuple[str, str], dict[str, str]]]:
    return {role: resources(environment, layer, role) for role in ROLES}


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
@pytest.mark.parametrize("layer", REGIONAL)
def test_both_regions_have_the_same_resources_but_those_that_one_alone_needs(environment: str, layer: str) -> None:
    found = pair(environment, layer)
    for role in ROLES:
        alone = found[role].keys() - found[other(role)].keys()
        expected = ALONE[role].keys() if layer == "observability" else set()
        assert alone == set(expected)


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
@pytest.mark.parametrize("layer", REGIONAL)
def test_the_same_resource_is_given_the_same_in_both_regions(environment: str, layer: str) -> None:
    primary, secondary = pair(environment, layer).values()
    differences = {
        (kind, name, path): (here.get(path), there.get(path))
        for (kind, name), here in primary.items()
        if (there := secondary.get((kind, name))) is not None
        for path in here.keys() | there.keys()
        if here.get(path) != there.get(path)
    }
    unexpected = {
        place: values
        for place, values in differences.items()
        if (place[0], place[2]) not in PLACES and place not in VALUES
    }
    assert unexpected == {}


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
def test_both_dashboards_show_the_same_but_their_own_alarms(environment: str) -> None:
    titles = {}
    for role in ROLES:
        made = run_environment(environment)[f"observability/{environment}-{role}"].recorder.one("Dashboard")
        shown = [each["properties"].get("title", "") for each in json.loads(made["dashboardBody"])["widgets"]]
        titles[role] = sorted(title for title in shown if title != f"alarms of the {role}")
        assert len(titles[role]) == len(shown) - 1
    assert titles["primary"] == titles["secondary"]


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
def test_every_difference_that_is_listed_is_one(environment: str) -> None:
    """So that the lists say what is, and hide nothing."""
    seen: set[tuple[str, ...]] = set()
    for layer in REGIONAL:
        primary, secondary = pair(environment, layer).values()
        for (kind, name), here in primary.items():
            there = secondary.get((kind, name), {})
            seen |= {(kind, path) for path in {*here, *there} if here.get(path) != there.get(path)}
            seen |= {(kind, name, path) for path in {*here, *there} if here.get(path) != there.get(path)}
    assert seen >= PLACES.keys() | VALUES.keys()
