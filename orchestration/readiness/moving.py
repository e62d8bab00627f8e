"""What a move of the clients needs: the switch, who may read it, no fence, the same keys, and regions that serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestration import checker_ranges
from orchestration.api import entry, unhealthy
from orchestration.api_keys import different_keys
from orchestration.fence import PrimaryFence
from orchestration.lever import RUNBOOK, Lever
from orchestration.readiness.facts import Examined, Fact, FactQuestion
from shared.errors import Problem
from shared.roles import PRIMARY, ROLES, SECONDARY

if TYPE_CHECKING:
    from shared.roles import Role

TRIES = 3
"""Health answers in a row, of which one must go well: one that fails may be a cold start."""

UNHEALTHY = "docs/runbooks/a-region-does-not-serve.md"


def questions(examined: Examined) -> Iterator[FactQuestion]:
    settings, todo = examined.settings, examined.unanswered
    secondary = settings.region(SECONDARY)
    yield FactQuestion("stop switch", secondary, lambda: _switch(examined), todo)
    yield FactQuestion("switch's readers", secondary, lambda: _readers(examined), todo)
    yield FactQuestion("fence", f"{secondary} or {settings.region(PRIMARY)}", lambda: _fence(examined), todo)
    yield FactQuestion("API keys", examined.both, lambda: _keys(examined), todo)
    for role in reversed(ROLES):
        region = settings.region(role)
        yield FactQuestion(f"{role} ({region})", region, lambda role=role: _health(examined, role), UNHEALTHY)  # type: ignore[misc]


def _lever(examined: Examined) -> Lever:
    acting = examined.acting()
    return Lever.of(examined.settings, acting.aws, acting.account)


def _switch(examined: Examined) -> Fact:
    if _lever(examined).stopped():
        return Fact("keeps the primary out", "not fit", f"./invoke restore{examined.options}, when it serves again")
    return Fact(f"lets the primary serve ({RUNBOOK} says how to throw it)")


def _readers(examined: Examined) -> Fact:
    """AWS may check from new addresses at any time: those that cannot read the switch take it for one that says run."""
    published = examined.place.checkers()
    try:
        missing = checker_ranges.missing(_lever(examined).readers(), published)
    except ValueError as error:  # AWS's document, or the policy, holds what is no range
        raise Problem(f"what may read the switch is no list of ranges: {error}") from error
    if missing:
        return Fact(
            f"health checkers in {', '.join(missing)} cannot read the switch",
            "not fit",
            f"./invoke deploy --layer edge --force{examined.options}",
        )
    return Fact(f"all {len(published)} ranges of health checkers")


def _fence(examined: Examined) -> Fact:
    """A primary that takes no payments must be out of DNS: a fence that was left is an outage for all who are in it."""
    found = PrimaryFence.of(examined.settings, examined.acting().aws).standing()
    if found is None or found.is_over(examined.place.now()):
        return Fact("the primary takes payments")
    said = f"the primary refuses new payments {found}"
    if _lever(examined).stopped():
        return Fact(said)
    return Fact(f"{said}, and is in DNS", "not fit", f"./invoke restore{examined.options}")


def _keys(examined: Examined) -> Fact:
    """A region with other API keys refuses its clients: it does when they were rotated in one region alone."""
    if said := different_keys(examined.settings, examined.acting().aws):
        return Fact(said, "not fit", "docs/runbooks/rotate-a-key.md")
    return Fact("the same in both regions")


def _health(examined: Examined, role: Role) -> Fact:
    """A region is unhealthy, as for a health check, when it fails so many times in a row."""
    region, host = examined.settings.region(role), examined.settings.foundation().region_names.of(role)
    said = unhealthy(entry(examined.place.gateways, region, host), TRIES)
    return Fact(said, "not fit", UNHEALTHY) if said else Fact("GET /health answered 200")
