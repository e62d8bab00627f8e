"""`production: true` is a one-way door: gone through by name, by a system that runs, and never by destroy-all.

Going back is the guard's (guard.py): the lock on the audit buckets holds data, so it goes only when it is named. S3
keeps what is locked even then (docs/decisions/0031-production-is-a-one-way-door.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.holdings import LOCK, VAULT_LOCK, holders
from shared.environment_sections import DataSettings, VaultSettings
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.backend import Backend
    from orchestration.holdings import Holder
    from shared.environment import Environment
    from shared.stack import Stack


def require_a_name(backend: Backend, settings: Environment, stacks: Iterable[Stack], named: str, *, again: str) -> None:
    """Raise Problem when a deployment would go through the door unasked; `again` is how the user calls it."""
    file = f"environments/{settings.name}.yaml"
    if named and not settings.production:
        raise Problem(f"--production {named}: {file} says production: false; nothing was changed")
    stacks = list(stacks)
    _require_a_name_for_the_vault(backend, settings, stacks, named, again=again)
    data = next((stack for stack in stacks if stack.layer == DataSettings.layer), None)
    if not settings.production or data is None or _locks(backend, [data]):
        return
    checkpoint = backend.checkpoint(data)
    if checkpoint is None or checkpoint.empty:
        raise Problem(
            f"{file}: production: true is for a system that runs, as its replica is protected by an update only: "
            f"deploy with production: false first; nothing was changed"
        )
    if named != settings.suffix:
        wrong = f"--production {named} is not its suffix, and " if named else ""
        lock = settings.data.audit.lock
        raise Problem(
            f"{wrong}{file}: production: true locks every new audit record of {settings.suffix} for {lock.days} days "
            f"({lock.mode}), and S3 never ends Object Lock on a bucket; nothing was changed: to go through this "
            f"one-way door: {again} --production {settings.suffix}"
        )


def _require_a_name_for_the_vault(
    backend: Backend, settings: Environment, stacks: Sequence[Stack], named: str, *, again: str
) -> None:
    """Raise Problem when a deployment would lock the vault of the copies unasked, or more firmly than it is."""
    vault, lock = settings.vault, settings.vault.lock
    stack = next((each for each in stacks if each.layer == VaultSettings.layer), None)
    if stack is None or named == settings.suffix:
        return
    locked = [each for each in holders(stack, backend.checkpoint(stack)) if each.type == VAULT_LOCK]
    compliance = lock.mode == "compliance"
    if locked and (not compliance or all(each.state["outputs"].get("changeableForDays") for each in locked)):
        return
    for_good = f", and from {lock.cooling_off_days} days on nobody can end that, root included" if compliance else ""
    wrong = f"--production {named} is not its suffix, and " if named else ""
    raise Problem(
        f"{wrong}environments/{settings.name}.yaml: vault.region: {vault.region} gets a vault that keeps each copy of "
        f"the table for {vault.keep_days} days ({lock.mode}){for_good}; nothing was changed: to go through this "
        f"one-way door: {again} --production {settings.suffix}"
    )


def require_open(backend: Backend, settings: Environment, stacks: Sequence[Stack], *, options: str) -> None:
    """Raise Problem when stacks that are to be destroyed are of a production environment, whatever the file says."""
    if not (locks := _locks(backend, stacks)):
        return
    names = ",".join(holder.name for holder in locks)
    raise Problem(
        f"{locks[0].stack} is in production: its audit records are locked, and its table is protected from deletion; "
        f"nothing was destroyed. To end it all the same: production: false in environments/{settings.name}.yaml, "
        f"./invoke deploy-all{options} --discard-data {names}, and destroy-all when the last record's time is over"
    )


def kept_by_copies(refusal: str) -> str:
    """What to do about AWS's refusal to delete a vault; empty for another one."""
    if "contains recovery points" not in refusal:
        return ""
    return (
        "AWS keeps a vault while it holds copies, and a locked copy for its days: run ./invoke destroy-all again when "
        "they are over; docs/runbooks/vault.md says who can end a lock in governance mode before"
    )


def _locks(backend: Backend, stacks: Iterable[Stack]) -> list[Holder]:
    return [holder for stack in stacks for holder in holders(stack, backend.checkpoint(stack)) if holder.type == LOCK]
