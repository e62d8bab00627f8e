"""A function says how long it may take and how much memory it gets: AWS's defaults, 3 s and 128 MB, suit none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.asked import AskedResource, unknown
from policies.facts import Facts

LONGEST = 60
"""Seconds. What schedules and queues hand over is done again within minutes; the API gives up after 29 s."""
MOST = 1769
"""MB, which have one vCPU: more would be a second one, which our code does not use (Lambda Developer Guide)."""
CANARY_LONGEST = 60
"""Seconds: a canary that hangs is told within the minute."""


def unlimited(asked: AskedResource, _: Facts) -> Iterator[str]:
    """What of a function's limits is not said, or more than it needs."""
    match asked.type:
        case "aws:lambda/function:Function":
            yield from _within(asked.properties, "timeout", 1, LONGEST)
            yield from _within(asked.properties, "memorySize", 128, MOST)
        case "aws:synthetics/canary:Canary":
            run = asked["runConfig"] or {}
            if not asked.unknown("runConfig"):
                yield from _within(run, "timeoutInSeconds", 3, CANARY_LONGEST)
                yield from _within(run, "memoryInMb", 960, MOST)
        case "aws:apigateway/integration:Integration":
            yield from _within(asked.properties, "timeoutMilliseconds", 50, 29_000)


def _within(properties: Mapping[str, Any], field: str, least: int, most: int) -> Iterator[str]:
    value = properties.get(field)
    if unknown(value):
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        yield f"{field} is {value!r}: say how much it needs, from {least} to {most}"
