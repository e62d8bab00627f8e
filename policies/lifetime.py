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

WHOLE: Mapping[str, Mapping[str, Any]] = {"Canary": {"deleteLambda": True}}
"""By type: what makes AWS delete all that it made of it, in production too."""

LEFT_BEHIND = ("skipDestroy", "retainOnDelete")
"""Inputs of several types by which a resource stays when its stack is destroyed. Pulumi's own option of that name is no
input, and an engine tells no policy of it: tests find it in the programs."""

KEPT = ("deletionProtection", "deletionProtectionEnabled", "enableDeletionProtection", "disableApiTermination")
"""Inputs of several types by which AWS refuses to delete a resource."""


def wrongly_kept(asked: AskedResource, facts: Facts) -> Iterator[str]:
    """What of a resource would outlive its environment; in production, what would not outlive a mistake."""
    if not asked.aws:
        return
    why = "production: true protects what holds data" if facts.production else "an environment can be destroyed whole"
    wanted = {**(PROTECTED if facts.production else DESTROYABLE).get(asked.kind, {}), **WHOLE.get(asked.kind, {})}
    for field, value in wanted.items():
        if not asked.unknown(field) and asked.properties.get(field) != value:
            yield f"{field} is {asked[field]!r} and must be {value!r}: {why}"
    for copy in as_list(asked["replicas"]) if asked.kind == "Table" else ():
        kept = False if unknown(copy) else copy.get("deletionProtectionEnabled", False)
        if not unknown(copy) and not unknown(kept) and kept is not facts.production:
            yield f"its replica's deletionProtectionEnabled is {kept!r} and must be {facts.production!r}: {why}"
    yield from _left_or_kept(asked, wanted, "" if facts.production else why)


def _left_or_kept(asked: AskedResource, wanted: Mapping[str, Any], why: str) -> Iterator[str]:
    """What by other inputs than those of the tables stays; `why` nothing may be kept, empty where it may."""
    for field in LEFT_BEHIND:
        if asked[field]:
            yield f"{field} leaves it behind when its stack is destroyed: leave it out"
    for field in KEPT:
        if why and field not in wanted and str(asked[field] or "INACTIVE") != "INACTIVE":
            yield f"{field} keeps AWS from deleting it: leave it out; {why}"
    if why and asked.protected:
        yield f"protect keeps Pulumi from deleting it: leave it out; {why}"
