"""Creates that were cut off: the engine knows that it asked for a resource, and not whether it got one.

The engine keeps such an operation until somebody decides. Here it is dropped, after a refresh, and the update asks for
the resource again. The sandbox's provider answers with what the first request made, if it made anything, so nothing
is there twice. On AWS a name that is taken fails with the name, and the remark says which resources to look for: what
has no unique name (a VPC, an API) would else be left behind unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.operations import Operations
    from orchestration.target import Target
    from shared.stack import Stack


def recover(target: Target, operations: Operations, stack: Stack) -> str:
    """Settle what was cut off and bring the state up to the cloud. Returns a remark, empty when nothing was."""
    checkpoint = target.backend.checkpoint(stack)
    if checkpoint is None or not checkpoint.pending:
        return ""
    operations.run(stack, "refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    creating = [operation["resource"]["urn"] for operation in checkpoint.pending if operation["type"] == "creating"]
    if not creating:
        return "recovered"
    names = ", ".join(urn.rpartition("::")[2] for urn in creating)
    if target.adopts_creates:
        return f"recovered ({names})"
    return f"recovered; look in {target.where} for what the earlier run may have made of: {names}"
