"""What Route 53 tells of its health checks every minute, in us-east-1 alone.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/monitoring-health-checks.html
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ministack.services import route53

from sandbox import control
from sandbox.cloud.watch.metrics import Metrics, Name, Scope
from sandbox.cloud.watch.minutes import next_minute
from sandbox.cloud.watch.points import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sandbox.clock import VirtualClock

REGION = "us-east-1"
ANSWER_WITHIN = 5.0
"""Real seconds that the checkers may take to tell what they found."""


async def watch(clock: VirtualClock, metrics: Metrics, checkers: Path, out: Callable[[str], bool]) -> None:
    """Measure every health check once a minute, for ever; `checkers` is the socket of those who check."""
    while True:
        await next_minute(clock, MINUTE / 3)
        if route53._health_checks._data and not out(REGION):
            try:
                told = await asyncio.wait_for(control.ask_soon(checkers, "health"), ANSWER_WITHIN)
            except (OSError, ValueError):  # TimeoutError is an OSError
                continue
            measure(metrics, told["checks"])


def measure(metrics: Metrics, checks: list[dict[str, Any]]) -> None:
    """Measure health checks as their checkers have reported them."""
    accounts = {key[-1]: key[0] for key in list(route53._health_checks._data)}
    for check in checks:
        if check["id"] in accounts:
            scope = Scope(accounts[check["id"]], REGION)
            for metric, unit, value in _of(check):
                name = Name.of("AWS/Route53", metric, {"HealthCheckId": check["id"]})
                metrics.count(scope, name, value, unit)


def _of(check: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    yield "HealthCheckStatus", "None", float(check["healthy"])
    if check["checkers"]:
        yield "HealthCheckPercentageHealthy", "Percent", 100 * check["healthy_checkers"] / check["checkers"]
    if check["type"] == "CALCULATED":
        yield "ChildHealthCheckHealthyCount", "Count", float(check["healthy_children"])
