"""Lambda, and the queues that call it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from orchestration.cost.inventory import Item
from orchestration.cost.meters.serving import traced
from orchestration.cost.month import FUNCTION, Month, folder
from orchestration.cost.prices import SECONDS
from orchestration.cost.usage import Meter, Usage

MB = 1024
POLL_SECONDS = 20
"""A poller waits so long for a message (Lambda Developer Guide, "Using Lambda with Amazon SQS")."""
KEYS_ARE_FRESH = 60
"""Seconds that an execution environment keeps the clients' keys (lambdas/adapters/keys.py)."""
READS_KEYS = {"API_KEYS_SECRET_ARN", "PARAMETERS"}
"""Variables of a function that knows where they are."""


def _function(function: Item, month: Month) -> Iterator[Usage]:
    """What is reserved costs nothing; an execution is paid by its memory and its time."""
    rate, seconds = month.runs(function), _seconds(function, month)
    yield Usage("Lambda requests", rate * SECONDS)
    yield Usage("Lambda duration", rate * SECONDS * seconds * function["memorySize"] / MB)
    variables = (function.get("environment") or {}).get("variables", {})
    if READS_KEYS & set(variables):
        environments = 1 + math.floor(rate * seconds)
        yield Usage("secret reads", min(rate, environments / KEYS_ARE_FRESH) * SECONDS)
    if (function.get("tracingConfig") or {}).get("mode") == "Active" and not month.sampled_by_the_stage(function):
        yield Usage("traces", traced(rate) * SECONDS)


def _seconds(function: Item, month: Month) -> float:
    """A request's time as the environment has it for a slow day, or the time-out of a function behind no route."""
    compute = month.environment.compute
    match folder(function):
        case "payment":
            return compute.payment.expected_seconds
        case "health":
            return compute.health.expected_seconds
        case other:
            return month.load.function_seconds(other, function["timeout"])


def _provisioned(provisioned: Item, month: Month) -> Iterator[Usage]:
    """Kept ready all month. What runs in it costs less than elsewhere, which is left out."""
    for function in month.inventory.of(FUNCTION, provisioned.place):
        if function["name"] == provisioned.get("functionName"):
            kept = provisioned["provisionedConcurrentExecutions"] * function["memorySize"] / MB
            yield Usage("provisioned concurrency", kept * SECONDS)


def _event_source(_: Item, month: Month) -> Iterator[Usage]:
    """An empty queue is asked all the same."""
    yield Usage("queue requests", month.load.pollers / POLL_SECONDS * SECONDS)


METERS: Mapping[str, Meter] = {
    FUNCTION: _function,
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": _provisioned,
    "aws:lambda/eventSourceMapping:EventSourceMapping": _event_source,
}
