"""What a program may say to `aws.Provider`, and what of it a provider instance works with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.provider.clients import Access
from sandbox.provider.resource import Surroundings
from sandbox.provider.schema import Block, Boolean, Integer, InvalidInput, List, Map, Property, Text, unmet
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROPERTIES: Mapping[str, Mapping[str, Property]] = {
    "aws": {
        "region": Text(),
        "defaultTags": Block(fields={"tags": Map()}),
        "allowedAccountIds": List(),
        "accessKey": Text(),
        "secretKey": Text(),
        "token": Text(),
        "maxRetries": Integer(),  # what is throttled is asked again for 300 s here, whatever it says (clients.py)
        # The SDK always sends some of these. Each leaves out a check that is not made here in the first place.
        "skipCredentialsValidation": Boolean(),
        "skipMetadataApiCheck": Boolean(),
        "skipRegionValidation": Boolean(),
    },
    "random": {},
}
_ENGINE = ("version", "pluginDownloadURL")  # the engine's own, in any provider's inputs


def check(package: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A provider's configuration, typed, and what is wrong with it, a line each."""
    properties = PROPERTIES[package]
    given = {key: _parsed(value) for key, value in values.items() if not key.startswith("__") and key not in _ENGINE}
    problems = list(unmet(properties, given))
    configuration: dict[str, Any] = {}
    for key, value in given.items():
        if key in properties:
            try:
                configuration[key] = properties[key].coerce(value, key)
            except InvalidInput as error:
                problems.append(error)
    return configuration, [str(each) for each in problems]


def _parsed(value: Any) -> Any:
    """The SDK sends everything but text as JSON text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)
    return value


def surroundings(
    package: str, values: Mapping[str, Any], environment: Mapping[str, str], directory: Path
) -> Surroundings:
    """What a configured provider instance knows. Raises Problem."""
    configuration, problems = check(package, values)
    if problems:
        raise Problem("; ".join(problems))
    if package != "aws":
        return Surroundings(directory=directory)
    region = configuration.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not region:
        raise Problem("no region: give aws.Provider one, or set AWS_REGION")
    access = Access.of(environment, configuration)
    allowed = configuration.get("allowedAccountIds")
    if allowed and access.account(region) not in allowed:
        raise Problem(f"account {access.account(region)} is not among allowedAccountIds ({', '.join(allowed)})")
    tags = (configuration.get("defaultTags") or {}).get("tags") or {}
    return Surroundings(access, region, tags, directory)
