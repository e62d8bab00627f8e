"""Failing back is a decision: when traffic has failed over and the primary does not serve, the stop switch is set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lambdas.probing import Unhealthy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdas.failover_control.switch import Switch
    from lambdas.probing import Prober
    from lambdas.telemetry.journal import LogJournal

PAYMENTS: Final = 3
"""Canary payments at the primary: a grey failure shows in some of them only."""


def alarms(event: Mapping[str, Any]) -> bool:
    """Whether an event says that an alarm went off: CloudWatch's own invocation, or its message through SNS."""
    if "alarmData" in event:
        return str(event["alarmData"]["state"]["value"]) == "ALARM"
    messages = [json.loads(record["Sns"]["Message"]) for record in event.get("Records", ()) if "Sns" in record]
    return any(message.get("NewStateValue") == "ALARM" for message in messages)


@dataclass(frozen=True, slots=True)
class Latch:
    """`prober` makes the client of the primary, when it is needed."""

    switch: Switch
    prober: Callable[[], Prober]
    journal: LogJournal

    def close(self) -> str:
        """Probe the primary, and stop it if it fails once. Says `stopped`, `serving`, or `already stopped`.

        Raises Unavailable when the switch cannot be moved: Lambda then tries again.
        """
        if self.switch.stopped():
            result, reason = "already stopped", None
        elif (reason := self._failure()) is not None:
            self.switch.stop()
            result = "stopped"
        else:
            result = "serving"
        self.journal.measure("latch", {"PrimaryStopped": float(result == "stopped")}, result=result, reason=reason)
        return result

    def _failure(self) -> str | None:
        try:
            prober = self.prober()
            prober.health()
            for _ in range(PAYMENTS):
                prober.payment()
        except Unhealthy as failure:
            return str(failure)
        return None
