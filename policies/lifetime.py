"""All of an environment can be destroyed (A2): nothing is retained or protected. In production it is the other way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.asked import AskedResource, as_list, unknown
from policies.facts import Facts

DESTROYABLE: Mapping[str, Mapping[str, Any]] = {
    "Bucket": {"forceDestroy": True},
    "Key": {"deletionWindowInDays": 7},
    "LoadBalancer": {"enableDeletionProtection": False},
    "ReplicaKey": {"deletionWindowInDays": 7},
    "Secret": {"recoveryWindowInDays": 0},
    "Table": {"deletionProtectionEnabled": False},
    "Vault": {"forceDestroy": True},
    "Zone": {"forceDestroy": True},
}
"""By type: what lets one command destroy it, and its name be used again. A key's seven days are the fewest."""

PROTECTED: Mapping[str, Mapping[str, Any]] = {
    "Bucket": {"forceDestroy": False},
    "Key": {"deletionWindowInDays": 30},
    "ReplicaKey": {"deletionWindowInDays": 30},
    "Secret": {"recoveryWindowInDays": 30},
    "Table": {"deletionProtectionEnabled": True},
    "Vault": {"forceDestroy": False},
    "Zone": {"forceDestroy": False},
}
"""By type: what keeps it, in production, for as long as AWS offers."""


def wrongly_kept(asked: AskedResource, facts: Facts) -> Iterator[str]:
    """What of a resource would outlive its environment; in production, what would not outlive a mistake."""
    if not asked.aws:
        return
    why = "production: true protects what holds data" if facts.production else "an environment can be destroyed whole"
    for field, value in (PROTECTED if facts.production else DESTROYABLE).get(asked.kind, {}).items():
        if not asked.unknown(field) and asked.properties.get(field) != value:
            yield f"{field} is {asked[field]!r} and must be {value!r}: {why}"
    for copy in as_list(asked["replicas"]) if asked.kind == "Table" else ():
        kept = False if unknown(copy) else copy.get("deletionProtectionEnabled", False)
        if not unknown(copy) and not unknown(kept) and kept is not facts.production:
            yield f"its replica's deletionProtectionEnabled is {kept!r} and must be {facts.production!r}: {why}"
    if asked["skipDestroy"]:
        yield "skipDestroy leaves it behind when its stack is destroyed: leave it out"
    if asked.protected and not facts.production:
        yield f"protect keeps Pulumi from deleting it: leave it out; {why}"
