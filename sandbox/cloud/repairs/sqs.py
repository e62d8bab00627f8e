"""SQS."""

from __future__ import annotations

from ministack.core.responses import get_region
from ministack.services import sqs


def queue_urls() -> None:
    """A queue's URL, which is its id, holds the emulator's port: all queues would be replaced when the port changes."""

    def url(account: str, name: str) -> str:
        return f"https://sqs.{get_region()}.amazonaws.com/{account}/{name}"

    sqs._queue_url_for_account = url
