"""Backup plans, run by the cloud's clock, and recovery points that end by it.

https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ministack.core.responses import request_scope
from ministack.services import backup

from sandbox.cloud.backups import jobs
from sandbox.cloud.watch.schedules import after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.clock import VirtualClock

log = logging.getLogger(__name__)

LOOKS_EVERY = 30
"""Seconds within which a new plan, or the end of a recovery point, is noticed."""

_Key = tuple[str, str, str, str]
"""Account, region, plan and rule."""


@dataclass
class PlanRunner:
    """Backs up what plans select, in regions that are not `out`. What was missed is not made up for.

    On AWS a job begins within the rule's start window; here when the rule is due.
    """

    clock: VirtualClock
    out: Callable[[str], bool]
    changed: Callable[[], None]
    _due: dict[_Key, tuple[str, float]] = field(default_factory=dict)
    """Of each rule its schedule, and when it is due next (seconds since the epoch)."""

    async def run(self) -> None:
        """Run plans for ever."""
        while True:
            now = self.clock.now()
            next_due = min((due for _, due in self._due.values()), default=math.inf)
            await self.clock.sleep(max(0.0, min(next_due - now, LOOKS_EVERY)))
            self.look(self.clock.now())

    def look(self, now: float) -> None:
        """Do what is due, and find out when each rule is due next."""
        found: dict[_Key, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        for (account, region, id_), plan in list(backup._plans._data.items()):
            for rule in plan["BackupPlan"].get("Rules", ()):
                found[account, region, id_, str(rule["RuleName"])] = (plan, rule)
        for key in self._due.keys() - found.keys():
            del self._due[key]
        ran = jobs.forget(now)
        for key, (plan, rule) in found.items():
            expression = str(rule.get("ScheduleExpression", ""))
            known, due = self._due.get(key, ("", math.inf))
            if known != expression or due <= now:
                self._due[key] = (expression, after(expression, now, (key[0], key[1], "/".join(key[2:])), now))
            if known == expression and due <= now and not self.out(key[1]):
                ran = True
                self._back_up(key, plan, rule)
        if ran:
            self.changed()

    def _back_up(self, key: _Key, plan: Mapping[str, Any], rule: Mapping[str, Any]) -> None:
        by = {"BackupPlanId": key[2], "BackupPlanArn": plan["BackupPlanArn"], "BackupRuleId": rule["RuleId"]}
        with request_scope(key[0], key[1]):
            for selection in list(backup._selections.values()):
                for resource in selection["Resources"] if selection["BackupPlanId"] == key[2] else ():
                    try:
                        _run(resource, selection["IamRoleArn"], rule, by)
                    except Exception:
                        log.exception("the backup plan %s cannot back up %s", plan["BackupPlanArn"], resource)


def _run(resource: str, role: str, rule: Mapping[str, Any], by: Mapping[str, str]) -> None:
    """One job of a rule, and the copies that follow when it is done."""
    job = jobs.back_up(resource, rule["TargetBackupVaultName"], role, _days(rule), by)
    for action in rule.get("CopyActions", ()) if job["State"] == "COMPLETED" else ():
        source, destination = rule["TargetBackupVaultName"], action["DestinationBackupVaultArn"]
        jobs.copy_to(job["RecoveryPointArn"], source, destination, role, _days(action))


def _days(of: Mapping[str, Any]) -> int | None:
    days = (of.get("Lifecycle") or {}).get("DeleteAfterDays")
    return None if days is None else int(days)
