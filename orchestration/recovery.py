"""What a run does first: end the engines of runs that were killed, and release their locks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from engine.backend import is_held
from engine.processes import end_leftovers
from orchestration import runs
from orchestration.target import Target
from shared.stack import Stack


def clear(target: Target, stacks: Iterable[Stack], tell: Callable[[str], None]) -> None:
    """End engines and plugins of killed runs, and remove the locks of dead engines.

    A lock whose process lives, or is on another host, stays: the engine then names its holder.
    """
    for folder in runs.dead(target.state):
        end_leftovers(folder / "sessions", str(folder), tell)
    for stack in stacks:
        if any(not is_held(lock) for lock in target.backend.locks(stack)):
            tell(f"a run was killed before {stack} was complete: releasing its lock")
            target.backend.unlock(stack)
