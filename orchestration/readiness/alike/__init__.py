"""Both regions as they are, compared resource by resource: what one has, the other has too, and alike.

Each reading asks one service, or a few, in both regions at once and tells settings, without ids and times. What may
differ is in `orchestration/pairs.py`, as for the programs. Nothing that holds a value of clients or a secret is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from orchestration import pairs
from orchestration.pairs import Resources, alone_of_edge, unexpected
from orchestration.questions import Unanswered, at_once
from orchestration.readiness.alike import entry_points, functions, network, stores, telling
from orchestration.readiness.alike.seen import Reading, logical, seen
from orchestration.readiness.facts import Examined, Fact, FactQuestion
from shared import naming
from shared.errors import Problem
from shared.roles import ROLES, PerRole

WITHIN: Final = 60.0
"""Seconds for one reading of both regions; the row's own deadline ends it sooner."""
SHOWN: Final = 4
"""Differences that a row names; the others are counted."""
REST_API, LOAD_BALANCER = "REST API", "load balancer"
ENTRY_POINT: Final[Mapping[naming.EntryPoint, str]] = {"rest-api": REST_API, "load-balancer": LOAD_BALANCER}
"""What clients come by; the other one is not there."""
READINGS: Final[Mapping[str, Reading]] = {
    "functions": functions.functions,
    "functions' roles": functions.roles,
    "functions' callers": functions.callers,
    REST_API: entry_points.rest_api,
    LOAD_BALANCER: entry_points.load_balancer,
    "firewall": entry_points.firewall,
    "alarms": telling.alarms,
    "topics": telling.topics,
    "canaries": telling.canaries,
    "schedules": functions.schedules,
    "queues": telling.queues,
    "log groups": telling.logs,
    "table": stores.table,
    "buckets": stores.buckets,
    "network": network.network,
}


def questions(examined: Examined) -> Iterator[FactQuestion]:
    for what, reading in READINGS.items():
        if what in ENTRY_POINT.values() and what != ENTRY_POINT[examined.settings.entry_point]:
            continue
        yield FactQuestion(
            f"regions alike: {what}",
            examined.both,
            lambda reading=reading: _compared(examined, reading),  # type: ignore[misc]
            examined.unanswered,
        )


def _compared(examined: Examined, reading: Reading) -> Fact:
    both = at_once([lambda role=role: seen(examined, role, reading) for role in ROLES], WITHIN)  # type: ignore[misc]
    for role, told in zip(ROLES, both, strict=True):
        if isinstance(told, Unanswered):
            raise Problem(f"{examined.settings.region(role)}: {told.why}")
    found: PerRole[Resources] = PerRole(*both)  # type: ignore[arg-type]
    edge = alone_of_edge(examined.settings)
    said = []
    for role in ROLES:
        expected = {*pairs.ALONE[role], *((kind, logical(kind, name)) for kind, name in edge.of(role))}
        alone = [pair for pair in pairs.missing(found, role) if pair not in expected]
        said += [f"only {examined.settings.region(role)} has {kind} {name}" for kind, name in alone]
    for (kind, name, path), (here, there) in unexpected(found).items():
        said.append(f"{kind} {name}: {path} {_short(here)} and {_short(there)}")
    if said:
        more = [f"and {len(said) - SHOWN} more"] if len(said) > SHOWN else []
        todo = f"./invoke drift{examined.options}: what it recommends repairs"
        return Fact("; ".join([*said[:SHOWN], *more]), "not fit", todo)
    if not found.primary:
        return Fact("none in either region", "not fit", f"./invoke deploy-all{examined.options}")
    return Fact(f"{len(found.primary.keys() & found.secondary.keys())} pairs")


def _short(value: str | None, longest: int = 40) -> str:
    if value is None:
        return "nothing"
    return value if len(value) <= longest else f"{value[:longest]}…"
