"""The audit function's entry: called by a schedule, and by the notification queue's event source mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from lambdas.adapters.composition import connect
from lambdas.audit.notifications import file_all
from lambdas.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

MARGIN: Final = 10_000
"""No payment is begun with less time left than this (ms): one takes a few calls, each with its retries."""

_service = connect()


class RemainingTime(Protocol):
    """What is used of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int: ...


def handler(event: Mapping[str, Any], context: RemainingTime) -> dict[str, Any]:
    """File a batch of notifications, or sweep while there is time. A failed sweep raises: its schedule tries again."""
    if "Records" in event:
        return file_all(event["Records"], _service.audits, _service.journal)
    until = _service.payments.clock.now() + max(context.get_remaining_time_in_millis() - MARGIN, 0)
    try:
        done = _service.sweep.run(until)
    except Unavailable as error:
        _service.journal.measure("sweep", {"SweepFailed": 1}, error=str(error))
        raise
    _service.journal.measure("sweep", {f"Sweep{what.capitalize()}": count for what, count in sorted(done.items())})
    return dict(done)
