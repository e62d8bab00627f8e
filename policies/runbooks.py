"""Who is woken by an alarm finds what to do in it: the address of its runbook, once the environment says where."""

from __future__ import annotations

from collections.abc import Iterator

from policies.asked import AskedResource
from policies.facts import Facts

ALARMS = {"CompositeAlarm", "MetricAlarm"}


def unexplained(asked: AskedResource, facts: Facts) -> Iterator[str]:
    """Whether an alarm names no runbook. Where the environment has none, nothing is asked."""
    if not facts.runbooks or asked.kind not in ALARMS or asked.unknown("alarmDescription"):
        return
    if facts.runbooks not in str(asked["alarmDescription"] or ""):
        yield f"alarmDescription names no runbook: put an address below {facts.runbooks} into it"
