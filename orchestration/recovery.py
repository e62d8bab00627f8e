"""What a run does first: clear away what runs that were killed have left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.processes import end_leftovers
from orchestration import runs
from orchestration.target import Target
from shared.stack import Stack


def clear(target: Target, stacks: Iterable[Stack], tell: Callable[[str], None]) -> None:
    """End engines and plugins of dead runs, and take away the locks of dead engines.

    A lock whose process lives, or is on another host, stays: the engine then names its holder.
    """
    abandoned: set[str] = set()
    for folder in runs.dead(target.state):
        abandoned.update(record.name for record in (folder / "sessions").iterdir())
        end_leftovers(folder / "sessions", str(folder), tell)
    for stack in stacks:
        cut_off = f"{stack.layer}.{stack.name}" in abandoned
        if cut_off:
            tell(f"an earlier run was killed while it changed {stack}: recovering")
        if cut_off or target.backend.locks(stack):
            target.backend.unlock(stack)
