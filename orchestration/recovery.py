"""What a run does first: end the engines of runs that were killed, and release their locks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.processes import end_leftovers
from orchestration import runs
from orchestration.target import Target
from shared.stack import Stack


def clear(target: Target, stacks: Iterable[Stack], tell: Callable[[str], None]) -> None:
    """End engines and plugins of killed runs, and remove the locks of dead engines.

    A lock whose process lives, or is on another host, stays: the engine then names its holder.
    """
    interrupted: set[str] = set()
    for folder in runs.dead(target.state):
        interrupted.update(record.name for record in (folder / "sessions").iterdir())
        end_leftovers(folder / "sessions", str(folder), tell)
    for stack in stacks:
        if stack.label in interrupted:
            tell(f"a run was killed before {stack} was complete: releasing its lock")
        if stack.label in interrupted or target.backend.locks(stack):
            target.backend.unlock(stack)
