"""What SQS tells of each queue every minute.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ministack.services import sqs

from sandbox.cloud.watch.metrics import Metrics, Name, Scope
from sandbox.cloud.watch.minutes import next_minute
from sandbox.cloud.watch.points import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.clock import VirtualClock


async def watch(clock: VirtualClock, metrics: Metrics, out: Callable[[str], bool]) -> None:
    """Measure every queue in the middle of each minute, for ever."""
    while True:
        await next_minute(clock, MINUTE / 2)
        measure(metrics, clock.speed, out)


def measure(metrics: Metrics, speed: float, out: Callable[[str], bool]) -> None:
    """Measure every queue of the regions that are not `out` once."""
    now = time.time()
    for queue in list(sqs._queues._data.values()):
        _, _, _, region, account, name = queue["attributes"]["QueueArn"].split(":")
        if not out(region):
            for metric, (unit, value) in _of(queue["messages"], now, speed).items():
                metrics.count(Scope(account, region), Name.of("AWS/SQS", metric, {"QueueName": name}), value, unit)


def _of(messages: list[Mapping[str, Any]], now: float, speed: float) -> Mapping[str, tuple[str, float]]:
    """Messages have the machine's time: their age is told in virtual seconds."""
    waiting = [each for each in list(messages) if each.get("visible_at", 0) > now]
    received = sum(each.get("receive_count", 0) > 0 for each in waiting)
    oldest = min((each["sent_at"] for each in list(messages)), default=now)
    return {
        "ApproximateNumberOfMessagesVisible": ("Count", float(len(messages) - len(waiting))),
        "ApproximateNumberOfMessagesNotVisible": ("Count", float(received)),
        "ApproximateNumberOfMessagesDelayed": ("Count", float(len(waiting) - received)),
        "ApproximateAgeOfOldestMessage": ("Seconds", max(0.0, now - oldest) * speed),
    }
