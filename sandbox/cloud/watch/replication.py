"""What S3 tells of each replication rule every minute, where copies arrive.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from ministack import app

from sandbox.cloud.waiting import WAITING, region_of
from sandbox.cloud.watch.metrics import Metrics, Name, Scope
from sandbox.cloud.watch.minutes import next_minute
from sandbox.cloud.watch.points import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.clock import VirtualClock

NAMESPACE: Final = "AWS/S3"


async def watch(clock: VirtualClock, metrics: Metrics, out: Callable[[str], bool]) -> None:
    """Measure every rule in the middle of each minute, for ever."""
    while True:
        await next_minute(clock, MINUTE / 2)
        measure(metrics, clock.now(), out)


def measure(metrics: Metrics, now: float, out: Callable[[str], bool]) -> None:
    """Measure every rule that asks for metrics once, in the regions that are not `out`."""
    if "s3" not in app._loaded_modules:
        return
    from ministack.services import s3  # noqa: PLC0415 - nobody has asked for it before

    kept, replication = s3._buckets, s3._bucket_replication
    buckets = dict(kept._data)
    for (account, name), bucket in buckets.items():
        for rule in _rules(replication._data.get((account, name)) or {}):
            receiver = rule["Destination"]["Bucket"].rpartition(":")[2]
            there = buckets.get((account, receiver))
            if there is None or out(region_of(there)):
                continue
            dimensions = {"SourceBucket": name, "DestinationBucket": receiver, "RuleId": rule["ID"]}
            for metric, (unit, value) in _of(bucket.get(WAITING) or (), now).items():
                metrics.count(Scope(account, region_of(there)), Name.of(NAMESPACE, metric, dimensions), value, unit)


def _rules(replication: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those in force that ask for metrics."""
    for rule in replication.get("Rules", ()):
        if (rule["Destination"].get("Metrics") or {}).get("Status") == "Enabled" and rule.get("Status") == "Enabled":
            yield rule


def _of(waiting: Any, now: float) -> Mapping[str, tuple[str, float]]:
    """`waiting`: objects that are on their way, each with key, entity tag and time."""
    begun = [datetime.fromisoformat(modified).timestamp() for _, _, modified in list(waiting) if modified]
    return {
        "ReplicationLatency": ("Seconds", max(0.0, now - min(begun, default=now))),
        "OperationsPendingReplication": ("Count", float(len(waiting))),
    }
