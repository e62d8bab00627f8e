"""Vault Lock: what a vault keeps, for how long, and who can still change that.

https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import backup

from sandbox.cloud.backups import store
from sandbox.cloud.watch.here import Here

DAY = 86_400
SHORTEST_COOLING_OFF = 3
"""Days in which a lock in compliance mode can still be taken away, at least."""

Vault = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


def refused(message: str, code: str = "InvalidRequestException") -> Answer:
    """What AWS Backup answers when it will not."""
    answer: Answer = backup._err(code, message, 400)
    return answer


def fixed(vault: Vault) -> bool:
    """Whether a lock in compliance mode has passed its cooling-off period: nobody changes it any more."""
    return "LockDate" in vault and bool(vault["LockDate"] <= Here.clock.now())


def put(name: str, asked: dict[str, Any]) -> Answer:
    """Lock a vault. Without `ChangeableForDays` in governance mode, else in compliance mode."""
    vault = backup._vaults.get(name)
    if vault is None:
        return refused(f"Backup vault {name} not found.", "ResourceNotFoundException")
    if fixed(vault):
        return refused("The Backup vault lock is immutable and cannot be changed.")
    least, most = asked.get("MinRetentionDays"), asked.get("MaxRetentionDays")
    days = asked.get("ChangeableForDays")
    if days is not None and days < SHORTEST_COOLING_OFF:
        return refused("ChangeableForDays must be 3 or greater.", "InvalidParameterValueException")
    if least is not None and most is not None and least > most:
        return refused("MinRetentionDays is more than MaxRetentionDays.", "InvalidParameterValueException")
    _clear(vault)
    said = {"MinRetentionDays": least, "MaxRetentionDays": most}
    vault |= {"Locked": True, **{key: value for key, value in said.items() if value is not None}}
    if days is not None:
        vault["LockDate"] = int(Here.clock.now()) + days * DAY
    done: Answer = backup._no_content()
    return done


def remove(name: str) -> Answer:
    """Take a vault's lock away, if that can still be."""
    vault = backup._vaults.get(name)
    if vault is None:
        return refused(f"Backup vault {name} not found.", "ResourceNotFoundException")
    if fixed(vault):
        return refused("The Backup vault lock is immutable and cannot be deleted.")
    _clear(vault)
    done: Answer = backup._no_content()
    return done


def delete_vault(name: str) -> Answer | None:
    """The refusal to delete a vault; None when it may go."""
    if store.in_vault(name):
        return refused("Backup vault cannot be deleted because it contains recovery points.")
    return None


def delete_point(point: store.RecoveryPoint) -> Answer | None:
    """The refusal to delete a recovery point before its time; None when it may go."""
    if backup._vaults.get(point.vault, {}).get("Locked"):
        return refused("Recovery point cannot be deleted because its backup vault is locked.")
    return None


def retention_refused(vault: Vault, days: int | None) -> str:
    """Why a vault takes no backup that is kept for so many days; empty when it does. None: for ever."""
    least, most = vault.get("MinRetentionDays"), vault.get("MaxRetentionDays")
    if vault.get("Locked") and least is not None and days is not None and days < least:
        return f"The retention of {days} days is less than the vault's minimum of {least}."
    if vault.get("Locked") and most is not None and (days is None or days > most):
        return f"The retention of {days or 'unlimited'} days is more than the vault's maximum of {most}."
    return ""


def _clear(vault: Vault) -> None:
    for key in ("MinRetentionDays", "MaxRetentionDays", "LockDate"):
        vault.pop(key, None)
    vault["Locked"] = False
