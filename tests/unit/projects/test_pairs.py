"""Primary and secondary are one program: resource by resource they differ in what must differ, and all that is here.

What a name, a region or a role says of its own region is no difference. Both dashboards show both regions.
"""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from orchestration.pairs import ALONE, PLACES, VALUES, alone_of_edge, flat, missing, seen_from_its_region, unexpected
from shared import naming
from shared.contracts import LAYERS
from shared.environment import Environment
from shared.roles import ROLES, PerRole, Role, other
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment

REGIONAL = [layer.name for layer in LAYERS.values() if layer.regional]


def plain(value: Any) -> Any:
    """An input without Pulumi's own types: of an archive its path."""
    if isinstance(value, pulumi.FileArchive):
        return value.path
    return {key: plain(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def resources(environment_name: str, layer: str, role: str) -> dict[tuple[str, str], dict[str, str]]:
    """What a region's stack makes, by type and logical name."""
    environment = Environment.load(environment_name)
    made = run_environment(environment_name)[f"{layer}/{environment_name}-{role}"].recorder.cloud
    return {
        (each.type.rpartition(":")[2], seen_from_its_region(environment, role, each.name)): {
            seen_from_its_region(environment, role, path): seen_from_its_region(environment, role, value)
            for path, value in flat(plain(each.inputs)).items()
        }
        for each in made
        if not each.type.endswith(":Dashboard")
    }


def pair(environment: str, layer: str) -> PerRole[dict[tuple[str, str], dict[str, str]]]:
    return PerRole.build(lambda role: resources(environment, layer, role))


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
@pytest.mark.parametrize("layer", REGIONAL)
def test_both_regions_have_the_same_resources_but_those_that_one_alone_needs(environment: str, layer: str) -> None:
    found = pair(environment, layer)
    for role in ROLES:
        expected = ALONE[role].keys() if layer == "observability" else set()
        assert missing(found, role) == sorted(expected)


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
@pytest.mark.parametrize("layer", REGIONAL)
def test_the_same_resource_is_given_the_same_in_both_regions(environment: str, layer: str) -> None:
    assert unexpected(pair(environment, layer)) == {}


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
        found = pair(environment, layer)
        for (kind, name), here in found.primary.items():
            there = found.secondary.get((kind, name), {})
            seen |= {(kind, path) for path in {*here, *there} if here.get(path) != there.get(path)}
            seen |= {(kind, name, path) for path in {*here, *there} if here.get(path) != there.get(path)}
    assert seen >= PLACES.keys() | VALUES.keys()


@pytest.mark.parametrize("environment", [PAYMENTS, TRADING])
@pytest.mark.parametrize("role", ROLES)
def test_what_edge_is_said_to_make_in_one_region_it_makes_there_alone(environment: str, role: Role) -> None:
    settings = Environment.load(environment)
    made = {
        (each.type.rpartition(":")[2], str(each.inputs.get("name") or each.inputs.get("bucket")))
        for each in run_environment(environment)[f"edge/{environment}"].recorder.cloud
    }

    def there(kind: str, purpose: str, role: Role) -> bool:
        named = settings.foundation().names.of(naming.Kind(purpose, naming.TAG), role)
        return any(found == kind and named in name for found, name in made)

    for kind, purpose in alone_of_edge(settings).of(role):
        assert there(kind, purpose, role)
        assert not there(kind, purpose, other(role))
