"""What was deployed, read back by an independent client and compared with what the stacks' states say was declared."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from sandbox.variables import CREDENTIALS
from tests.sandbox.provider_engine import Made
from tests.sandbox.readings import READINGS, differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import Checkout

_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Marks a value of a state that is a secret, an asset or an archive."""


def deployed(checkout: Checkout, environment: str) -> Iterator[dict[str, Any]]:
    """Each resource that the states of an environment's stacks have."""
    for path in sorted((checkout.root / ".sandbox/backend/.pulumi/stacks").rglob(f"{environment}*.json")):
        deployment = json.loads(path.read_text())["checkpoint"]["latest"]
        yield from (each for each in deployment.get("resources", ()) if each["type"] in READINGS)


def told_otherwise(checkout: Checkout, endpoint: str, environment: str = "payments") -> dict[str, list[str]]:
    """By resource, what AWS's own APIs tell otherwise than it was declared; the values of secrets are left out."""
    found = {}
    for each in deployed(checkout, environment):
        made = Made(each["urn"], each["id"], _plain(each["inputs"]), _plain(each["outputs"]))
        declared = {name: value for name, value in made.inputs.items() if name not in _META}
        reading = READINGS[each["type"]]
        said = differences(declared, reading.ask(_clients(endpoint, made), made), reading)
        if reading.tags is not None:
            wanted = made.outputs["tagsAll"]
            said += [f"tags: {told}" for told in reading.tags(_clients(endpoint, made), made) if told != wanted]
        if said:
            found[each["urn"].split("::", 2)[2]] = said
    return found


_META = frozenset({"__defaults", "region", "tags", "tagsAll"})


def _plain(value: Any) -> Any:
    """Without what cannot be compared here."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if not _is_marked(each)}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _is_marked(value: Any) -> bool:
    return isinstance(value, dict) and _SIGNATURE in value


def _clients(endpoint: str, made: Made) -> Callable[..., Any]:
    home = made.outputs.get("region") or "us-east-1"
    return lambda service, region=home: _client(endpoint, service, region)


@cache
def _client(endpoint: str, service: str, region: str) -> Any:
    credentials = {name.lower(): value for name, value in CREDENTIALS.items()}
    return boto3.client(service, region_name=region, endpoint_url=endpoint, **credentials)
