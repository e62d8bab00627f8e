"""What a run does first: end the engines of runs that were killed, and release their locks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from engine.backend import is_held
from engine.processes import end_leftovers
from orchestration import runs
from shared.errors import Problem

if TYPE_CHECKING:
    from engine.backend import Lock
    from orchestration.target import Target
    from shared.stack import Stack

LONGEST: Final = timedelta(hours=5)
"""A run's time in .github/workflows/deploy.yml: who holds a stack's lock for longer is not at work."""


def clear(target: Target, stacks: Iterable[Stack], tell: Callable[[str], None]) -> None:
    """End engines and plugins of killed runs, and remove the locks of dead engines.

    Raises Problem for stacks with a lock that is left: its process lives, or nobody here can know whether it does.
    """
    for folder in runs.dead(target.state):
        end_leftovers(folder / "sessions", str(folder), tell)
    left = {stack: locks for stack in stacks if (locks := release(target, stack, tell))}
    if left:
        held = "; ".join(f"another run is changing {stack} ({locks[0]})" for stack, locks in left.items())
        cancel = " and ".join(canceling(stack) for stack in left)
        raise Problem(
            f"{held}: wait for it to end; nothing was changed. If no pulumi works there any more, {cancel} releases it"
        )


def release(target: Target, stack: Stack, tell: Callable[[str], None]) -> Sequence[Lock]:
    """Remove the locks of dead engines on a stack. Returns those that are left, the oldest first."""
    found = target.backend.locks(stack)
    if not found:
        return ()
    target.backend.unlock(stack, tuple(runs.engines(target.state, stack)))
    left = target.backend.locks(stack)
    if any(lock not in left and not is_held(lock) for lock in found):
        tell(f"a run was killed before {stack} was complete: releasing its lock")
    return sorted(left, key=lambda lock: lock.taken)


def left_behind(stack: Stack, lock: Lock) -> str:
    """What to do about a lock that is older than any run; empty for a younger one."""
    if datetime.now(UTC) - lock.taken < LONGEST:
        return ""
    return (
        f"{stack} is locked ({lock}), for longer than any run takes: see that no pulumi works on it there; "
        f"then {canceling(stack)} releases it"
    )


def canceling(stack: Stack) -> str:
    """The command by which a person takes every lock of a stack away."""
    return f"`pulumi cancel --yes --stack {stack.reference}`"
