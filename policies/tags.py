"""Everything carries its environment's tags, by the provider of its region: so cost and role of each can be told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from policies.asked import PROVIDER, AskedResource, unknown
from policies.facts import Facts


def untagged(asked: AskedResource, facts: Facts) -> Iterator[str]:
    """What a resource, or the provider of a region, lacks of its tags, or says otherwise."""
    if not asked.aws and asked.type != PROVIDER:
        return
    provider = asked.properties if asked.type == PROVIDER else asked.provider
    region = provider.get("region")
    if unknown(region):
        return
    if not region:
        yield "it names no region: give it the provider of its region, as Region.options does"
        return
    own = {} if asked.type == PROVIDER else asked["tags"] or {}
    has = {**_default(provider), **own}
    for key, value in wanted(facts, region).items():
        if unknown(has.get(key)) or (value is None and has.get(key)):
            continue
        if has.get(key) != value or value is None:
            must = value or "its role"
            yield f"its tag {key} is {has.get(key)!r} and must be {must!r}: leave it to the provider of its region"


def wanted(facts: Facts, region: str) -> dict[str, str | None]:
    """The tags of everything in a region; None for a role that the file gives no name."""
    return {**facts.tags, "Region": region, "DR-Role": facts.role(region)}


def _default(provider: Mapping[str, Any]) -> Mapping[str, Any]:
    """A provider's own tags: its nested settings are JSON on the wire."""
    given = provider.get("defaultTags") or {}
    if unknown(given):
        return {}
    said = json.loads(given) if isinstance(given, str) else given
    return dict(said.get("tags") or {})
