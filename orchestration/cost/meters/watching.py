"""CloudWatch, Synthetics, and who is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestration.cost.inventory import Item
from orchestration.cost.month import SYNTHETICS, Month, runs_of_canary
from orchestration.cost.prices import GIB, HOURS, SECONDS
from orchestration.cost.usage import Meter, Usage

OF_AWS = ("AWS/", "CloudWatchSynthetics")
"""Namespaces whose metrics come with the service."""
QUICK = 60
"""Seconds: an alarm with a shorter period is one of high resolution."""
DAYS = HOURS / 24
CANARY_MEMORY_MB = 960
METRIC_ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
Series = tuple[str, str, tuple[tuple[str, str], ...]]


def _log_group(group: Item, month: Month) -> Iterator[Usage]:
    """Written once, kept as long as the group says."""
    written = month.log_bytes(group) * SECONDS / GIB
    yield Usage("log ingestion", written)
    yield Usage("log storage", written * group["retentionInDays"] / DAYS)


def watched(alarm: Item) -> list[Mapping[str, object]]:
    """The metrics that an alarm looks at."""
    if alarm.get("metricName"):
        return [{**alarm.resource.inputs}]
    return [query["metric"] for query in alarm.get("metricQueries", ()) if query.get("metric")]


def _alarm(alarm: Item, month: Month) -> Iterator[Usage]:
    """An alarm is paid by the metrics that it looks at; a metric of our own by the first alarm that looks at it.

    Functions also measure what no alarm watches: a few more.
    """
    metrics = watched(alarm)
    for metric in metrics:
        period = metric.get("period")
        quick = isinstance(period, (int, float)) and period < QUICK
        yield Usage("quick alarm metrics" if quick else "alarm metrics", 1)
    firsts: dict[Series, Item] = {}
    for each in month.inventory.of(METRIC_ALARM, alarm.place):
        for metric in watched(each):
            firsts.setdefault(_series(metric), each)
    own = {_series(each) for each in metrics if not str(each.get("namespace")).startswith(OF_AWS)}
    yield Usage("metrics", sum(firsts[series] is alarm for series in own))


def _series(metric: Mapping[str, object]) -> Series:
    dimensions = metric.get("dimensions")
    known = dimensions.items() if isinstance(dimensions, Mapping) else ()
    return (
        str(metric.get("namespace")),
        str(metric.get("metricName")),
        tuple(sorted((str(name), str(value)) for name, value in known)),
    )


def _composite(_: Item, __: Month) -> Iterator[Usage]:
    yield Usage("composite alarms", 1)


def _dashboard(_: Item, __: Month) -> Iterator[Usage]:
    yield Usage("dashboards", 1)


def _canary(canary: Item, month: Month) -> Iterator[Usage]:
    """A run, and its function, whose executions are paid as any (CloudWatch pricing)."""
    runs = runs_of_canary(canary) * SECONDS
    memory = canary["runConfig"].get("memoryInMb", CANARY_MEMORY_MB) / 1024
    yield Usage("canary runs", runs)
    yield Usage("Lambda requests", runs)
    yield Usage("Lambda duration", runs * month.load.synthetics_seconds * memory)


def _subscription(subscription: Item, month: Month) -> Iterator[Usage]:
    """Publishing and delivering to queues cost nothing that shows."""
    match subscription["protocol"]:
        case "email" | "email-json":
            yield Usage("e-mails", month.load.notifications)
        case "http" | "https":
            yield Usage("HTTPS notifications", month.load.notifications)


METERS: Mapping[str, Meter] = {
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    METRIC_ALARM: _alarm,
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": _composite,
    "aws:cloudwatch/dashboard:Dashboard": _dashboard,
    SYNTHETICS: _canary,
    "aws:sns/topicSubscription:TopicSubscription": _subscription,
}
