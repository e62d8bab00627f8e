"""Creates that were cut off: the engine knows that it asked for a resource, and not whether it got one."""

from __future__ import annotations

from orchestration.engines import Engines
from orchestration.graph import Stack
from orchestration.target import Target


def recover(target: Target, engines: Engines, stack: Stack) -> str:
    """Adopt what was created, forget what was not, and bring the state up to the cloud. Returns a remark, or ``."""
    checkpoint = target.backend.checkpoint(stack)
    if checkpoint is None or not checkpoint.pending:
        return ""
    engines.operate(stack, "refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    return "recovered"
