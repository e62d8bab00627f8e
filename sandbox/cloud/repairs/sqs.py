"""SQS."""

from __future__ import annotations

import time
from typing import Any

from ministack.core.responses import get_region
from ministack.services import lambda_svc, sqs


def queue_urls() -> None:
    """A queue's URL, which is its id, holds the emulator's port: all queues would be replaced when the port changes."""

    def url(account: str, name: str) -> str:
        return f"https://sqs.{get_region()}.amazonaws.com/{account}/{name}"

    sqs._queue_url_for_account = url


def batching_windows() -> None:
    """A mapping takes messages as they come: Lambda waits for a whole batch as long as the batching window says."""
    receive = sqs._receive_messages_for_esm

    def received(queue_url: str, batch_size: int) -> list[dict[str, Any]]:
        now = time.time()
        queue = sqs._get_q(queue_url)
        waiting = [each["sent_at"] for each in list(queue["messages"]) if each.get("visible_at", 0) <= now]
        if waiting and len(waiting) < batch_size and now < min(waiting) + _window(queue["attributes"]["QueueArn"]):
            return []
        taken: list[dict[str, Any]] = receive(queue_url, batch_size)
        return taken

    sqs._receive_messages_for_esm = received


def _window(queue: str) -> int:
    """Seconds: of the mapping from a queue, by its ARN."""
    mappings = [mapping for _, _, mapping in lambda_svc._iter_all_esms() if mapping["EventSourceArn"] == queue]
    return max((int(each.get("MaximumBatchingWindowInSeconds") or 0) for each in mappings), default=0)
