"""The audit function's entry: called by a schedule, and by the notification queue's event source mapping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.adapters.composition import connect
from lambdas.audit.notifications import file_all
from lambdas.audit.sweeping import sweep
from lambdas.rehearsal import rehearsable
from lambdas.settings import time_for_work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.settings import RemainingTime

_service = connect()


@rehearsable()
def handler(event: Mapping[str, Any], context: RemainingTime) -> dict[str, Any]:
    """File a batch of notifications, or sweep while there is time. A failed sweep raises: its schedule tries again."""
    left = time_for_work(context)
    _service.deadline.begin(left)
    if "Records" in event:
        return file_all(event["Records"], _service.audits, _service.journal)
    return sweep(_service, left)
