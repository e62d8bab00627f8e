"""Where a stack is, as it says in its outputs: account, names, suffix and regions. What moves is made anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.environment import Foundation
    from shared.roles import Role
    from shared.stack import Stack

Differences = Mapping[str, tuple[str, str]]
"""What differs, such as `suffix`, `names` or `primary region`: what it was and what it is to be."""


def place(foundation: Foundation, role: Role | None, account: str | None = None) -> dict[str, Any]:
    """What a stack publishes of where it is: a regional one of its own region, a global one of all three."""
    regions = dict(foundation.regions) if role is None else {role: foundation.region(role)}
    known = {} if account is None else {"account": account}
    return {**known, "names": foundation.names.pattern, "suffix": foundation.suffix, "regions": regions}


def moved(last: Any, here: Mapping[str, Any]) -> Differences:
    """What differs between where a stack is and where it is asked to be; nothing for one that never said where."""
    known = _flat(last) if isinstance(last, Mapping) else {}
    return {name: (known[name], value) for name, value in _flat(here).items() if known.get(name, value) != value}


def described(stack: Stack, differences: Differences) -> str:
    """One line: where the stack is, where it is asked to be, and what to do instead."""
    told = ", ".join(f"{name} {was}, not {now}" for name, (was, now) in differences.items())
    if "account" in differences:
        return f"stack {stack} is deployed in {told}: log in to that account"
    return (
        f"stack {stack} is deployed with {told}: all of it would be made anew, and what holds data deleted; "
        f"put it back in environments/{stack.environment}.yaml, or give a second system an environment file of its own"
    )


def _flat(place: Mapping[str, Any]) -> dict[str, str]:
    regions = place.get("regions")
    flat = {name: str(value) for name, value in place.items() if name != "regions"}
    return flat | {
        f"{use} region": str(name) for use, name in (regions if isinstance(regions, Mapping) else {}).items()
    }
