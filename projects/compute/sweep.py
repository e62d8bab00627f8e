"""The sweep: every so often, in both regions, look for payments that were left unfinished."""

from __future__ import annotations

import pulumi

from projects.compute.functions import Functions
from shared import naming
from shared.components.queues import DeadLetters, let_send, rules
from shared.components.regions import Region
from shared.components.schedules import Schedule, call_regularly
from shared.environment_sections import ComputeSettings


class SweepSchedule(pulumi.ComponentResource):
    """An EventBridge rule that calls the audit function; what cannot be delivered goes to the dead letters."""

    def __init__(self, name: str, region: Region, settings: ComputeSettings, functions: Functions) -> None:
        super().__init__("payments:compute:Sweep", name)
        queue = functions.dead_letters
        policy = let_send(name, region, queue, rules(region, naming.SWEEP_RULE), parent=self)
        schedule = Schedule(
            naming.SWEEP_RULE,
            "Looks for payments that were left unfinished",
            DeadLetters(queue, policy),
            settings.sweep_minutes,
            retries=2,
        )
        call_regularly(name, region, functions.audit, schedule, parent=self)
        self.register_outputs({})
