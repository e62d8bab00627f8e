"""What the region's notification queue gets, filed in its bucket: evidence that outlives the other region."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdas.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.domain.ports import AuditWriter, Journal


def object_key(record: Mapping[str, Any]) -> str:
    """`notifications/2026/11/21/<message id>.json`: a message that is delivered again gets the same key."""
    sent = datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC)
    return f"notifications/{sent:%Y/%m/%d}/{record['messageId']}.json"


def file_all(records: Sequence[Mapping[str, Any]], audits: AuditWriter, journal: Journal) -> dict[str, Any]:
    """File each message of a batch. The answer names those that the queue must deliver again."""
    failed: list[dict[str, str]] = []
    for record in records:
        try:
            audits.write(object_key(record), record["body"].encode("utf-8", "surrogatepass"))
        except Unavailable as error:
            journal.tell("notification_deferred", message_id=record["messageId"], error=str(error))
            failed.append({"itemIdentifier": record["messageId"]})
    journal.tell("notifications", filed=len(records) - len(failed), deferred=len(failed))
    return {"batchItemFailures": failed}
