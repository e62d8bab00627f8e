"""Whether one region would carry everything: what the account lets it have, and a standby that is there and idle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from orchestration.quotas import CONCURRENCY, THROTTLE
from orchestration.readiness.facts import Examined, Fact, FactQuestion
from shared import naming
from shared.environment_sections import UNRESERVED_CONCURRENCY
from shared.roles import SECONDARY, Role

if TYPE_CHECKING:
    from shared.environment_sections import ApiFunctionSettings, CalledFunction, MethodThrottle

IDLE_MINUTES: Final = 15
"""So long nobody comes by the shared name: resolvers that keep an answer for too long are gone by then."""
CHECKED_MINUTES: Final = 5
KINDS: Final[dict[CalledFunction, naming.Kind]] = {
    "payment": naming.PAYMENT_FUNCTION,
    "health": naming.HEALTH_FUNCTION,
}


def questions(examined: Examined) -> Iterator[FactQuestion]:
    yield from examined.of_each("executions at failover load", lambda role: _executions(examined, role))
    if throttle := examined.settings.compute.throttle:
        yield from examined.of_each("requests at failover load", lambda role: _requests(examined, role, throttle.total))
    yield FactQuestion("standby", examined.settings.region(SECONDARY), lambda: _standby(examined), examined.unanswered)


def _executions(examined: Examined, role: Role) -> Fact:
    """What the environment lets clients have, each region must have by itself: a failover brings all of it.

    A function that reserves nothing takes of what is unreserved. Lambda tells the rest (GetAccountSettings).
    """
    region, compute = examined.settings.region(role), examined.settings.compute
    limits = examined.called("lambda", role, "get_account_settings")["AccountLimit"]
    limit, free = int(limits["ConcurrentExecutions"]), int(limits["UnreservedConcurrentExecutions"])
    shared, told = 0, []
    for function, kind in KINDS.items():
        declared: ApiFunctionSettings = getattr(compute, function)
        needed = compute.under_way(function) or declared.reserved_concurrency or 0
        name = examined.named(kind, role)
        reserved = examined.called("lambda", role, "get_function_concurrency", FunctionName=name).get(
            "ReservedConcurrentExecutions"
        )
        if reserved is None:
            shared += needed
        elif reserved < needed:
            said = f"{name} has {reserved} of the {needed} executions that clients are promised"
            return Fact(said, "not fit", f"./invoke deploy --layer compute --refresh{examined.options}")
        told.append(f"{function} needs {needed} of {'unreserved' if reserved is None else reserved}")
    short = shared + UNRESERVED_CONCURRENCY - free
    said = f"{', '.join(told)}; {free} of {limit} unreserved"
    return Fact(said, "not fit", CONCURRENCY.more(region, limit + short)) if short > 0 else Fact(said)


def _requests(examined: Examined, role: Role, needed: MethodThrottle) -> Fact:
    """API Gateway's throttle of the account: all APIs of the region share it."""
    region = examined.settings.region(role)
    told = examined.called("apigateway", role, "get_account").get("throttleSettings") or {}
    rate, burst = told.get("rateLimit"), told.get("burstLimit")
    if rate is None or burst is None:
        return Fact("API Gateway does not tell the account's throttle", "unknown", "docs/overload.md")
    said = f"{needed.requests_per_second:g}/s and bursts of {needed.burst}, of the account's {rate:g}/s and {burst}"
    if needed.requests_per_second > rate:
        return Fact(said, "not fit", THROTTLE.more(region, needed.requests_per_second))
    # The burst follows from the rate, and nobody can ask for more of it (API Gateway Developer Guide, quotas).
    return Fact(said, "not fit", THROTTLE.more(region, needed.burst * 2)) if needed.burst > burst else Fact(said)


def _standby(examined: Examined) -> Fact:
    """A standby that serves clients is none; one that nobody asks for its health may be dead."""
    settings = examined.settings
    own = {"Environment": settings.name, "Suffix": settings.suffix, "Role": SECONDARY}
    clients = sum(examined.metric(SECONDARY, ("Payments", "FailoverTraffic"), own, "Sum", IDLE_MINUTES).values())
    asked: dict[Any, float] = examined.metric(
        SECONDARY,
        ("AWS/Lambda", "Invocations"),
        {"FunctionName": examined.named(naming.HEALTH_FUNCTION, SECONDARY)},
        "Sum",
        CHECKED_MINUTES,
    )
    checks = sum(asked.values())
    if clients:
        said = f"serves clients: {clients:g} requests by the shared name in {IDLE_MINUTES} min"
        return Fact(said, "not fit", "docs/runbooks/fail-back.md")
    if not checks:
        said = f"idle, and nobody has asked for its health in {CHECKED_MINUTES} min"
        return Fact(said, "not fit", "docs/runbooks/a-region-does-not-serve.md")
    return Fact(f"idle for {IDLE_MINUTES} min, and asked for its health {checks:g} times in {CHECKED_MINUTES} min")
