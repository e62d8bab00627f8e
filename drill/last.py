"""The newest drill that came to a verdict, as readiness tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from drill.records import NOTHING
from drill.session import beside, history
from orchestration.readiness.records import LastDrill

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestration.choice import Choice

JUDGED = frozenset({"passed", "missed"})


def of(choice: Choice) -> Callable[[Path], LastDrill | None]:
    """Look for it among the drills of an environment against a target, by the folder of that target's runs.

    A drill that breaks nothing says nothing of a failover.
    """

    def newest(state: Path) -> LastDrill | None:
        found = None
        for plan, outcome, _ in history(beside(state)):
            same = (plan.environment, plan.target) == (choice.environment, choice.target)
            if same and outcome.status in JUDGED and plan.fault != NOTHING:
                said = f"{outcome.status}{f' ({outcome.why})' if outcome.why else ''}"
                found = LastDrill(plan.title, outcome.status == "passed", said, _planned(plan.id))
        return found

    return newest


def _planned(drill: str) -> float:
    """When a drill was planned, by its id: its own times are the sandbox's."""
    return datetime.strptime(drill.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
