"""EventBridge's rules with a schedule, run by the cloud's clock.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
"""

from __future__ import annotations

import logging
import math
import uuid
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ministack.core.responses import request_scope
from ministack.services import eventbridge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.clock import VirtualClock

log = logging.getLogger(__name__)

LOOKS_EVERY = 10
"""Seconds within which a new rule is noticed."""
SPREAD = 20
"""Seconds: AWS calls a target within the minute; here rules that are due together are spread over so much of it."""

_Key = tuple[str, str, str]


@dataclass
class _Known:
    """A rule's schedule, and when it is due next (seconds since the epoch); never when it is infinite."""

    expression: str
    created: float
    due: float


@dataclass
class ScheduleRunner:
    """Calls the targets of rules that are due in regions that are not `out`. What was missed is not made up for."""

    clock: VirtualClock
    out: Callable[[str], bool]
    _known: dict[_Key, _Known] = field(default_factory=dict)

    async def run(self) -> None:
        """Run schedules for ever."""
        while True:
            now = self.clock.now()
            next_due = min((each.due for each in self._known.values()), default=math.inf)
            await self.clock.sleep(max(0.0, min(next_due - now, LOOKS_EVERY)))
            self.look(self.clock.now())

    def look(self, now: float) -> None:
        """Call the targets of what is due, and find out when each rule is due next."""
        rules = {key: rule for key, rule in list(eventbridge._rules._data.items()) if rule.get("ScheduleExpression")}
        for key in self._known.keys() - rules.keys():
            del self._known[key]
        for key, rule in rules.items():
            if rule.get("State") != "ENABLED":
                self._known.pop(key, None)
                continue
            expression, created = str(rule["ScheduleExpression"]), float(rule.get("CreationTime") or now)
            known = self._known.get(key)
            if known is None or (known.expression, known.created) != (expression, created):
                self._known[key] = _Known(expression, created, after(expression, created, key, now))
            elif known.due <= now:
                known.due = after(expression, created, key, now)
                if not self.out(key[1]):
                    self._call(key, rule, now)

    def _call(self, key: _Key, rule: Mapping[str, Any], now: float) -> None:
        account, region, _ = key
        event = {
            "EventId": str(uuid.uuid4()),
            "Source": "aws.events",
            "DetailType": "Scheduled Event",
            "Detail": "{}",
            "EventBusName": rule.get("EventBusName", "default"),
            "Time": now,
            "Resources": [rule["Arn"]],
            "Account": account,
            "Region": region,
        }
        with request_scope(account, region):
            view = eventbridge._pattern_event_view(event)
            for target in list(eventbridge._targets._data.get(key) or ()):
                try:
                    eventbridge._invoke_target(target, event, rule, view)
                except Exception:
                    log.exception("the schedule %s cannot call %s", rule["Arn"], target.get("Arn"))


def after(expression: str, created: float, key: _Key, now: float) -> float:
    """When a rule is due next, after now: `rate` counts from its making on; infinite when it never is."""
    spread = zlib.crc32("/".join(key).encode()) % SPREAD
    interval: int | None = eventbridge._parse_rate_seconds(expression)
    if interval:
        passed = max(0, math.floor((now - created - spread) / interval))
        return created + spread + (passed + 1) * interval
    fields = eventbridge._parse_cron_fields(expression)
    if fields is None:
        return math.inf
    found = eventbridge._cron_next_fire(fields, datetime.fromtimestamp(now - spread, UTC))
    return math.inf if found is None else float(found.timestamp()) + spread
