"""The one-way door to production: by name, by a system that runs, and no destroy-all behind it."""

from __future__ import annotations

import pytest

from engine.backend import Checkpoint
from orchestration import door
from orchestration.holdings import LOCK, VAULT_LOCK, Holder
from shared.environment import Environment
from shared.errors import Problem
from shared.stack import Stack

DATA, EDGE = Stack("data", "payments"), Stack("edge", "payments")
TABLE = {"type": "aws:dynamodb/table:Table", "custom": True, "id": "t", "outputs": {"name": "t"}}
LOCKS = [
    {
        "type": LOCK,
        "custom": True,
        "id": f"logs-{role}",
        "outputs": {
            "bucket": f"logs-{role}",
            "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 365}},
        },
    }
    for role in ("primary", "secondary")
]


class DataBackend:
    """Knows what the data stack has."""

    def __init__(self, *resources):
        self._resources = resources

    def checkpoint(self, stack):
        if stack != DATA or not self._resources:
            return None
        return Checkpoint(self._resources)


def settings(*, production):
    return Environment.load("payments").model_copy(update={"production": production})


def asked(backend, *, production=True, named="", stacks=(DATA, EDGE)):
    door.require_a_name(backend, settings(production=production), stacks, named, again="./invoke deploy-all")


def test_it_is_gone_through_by_name():
    with pytest.raises(Problem) as refused:
        asked(DataBackend(TABLE))
    (line,) = str(refused.value).splitlines()
    for part in ("production: true", "365 days (governance)", "./invoke deploy-all --production x7k2", "nothing was"):
        assert part in line
    asked(DataBackend(TABLE), named="x7k2")


VAULT = Stack("vault", "payments")
LOCKED_AS = {"backupVaultName": "v", "minRetentionDays": 35}
VAULT_LOCKED = {"type": VAULT_LOCK, "custom": True, "id": "v", "outputs": LOCKED_AS}


class LockedBackend(DataBackend):
    """Is in production, and knows what the vault's stack has."""

    def __init__(self, *vault):
        super().__init__(TABLE, *LOCKS)
        self._vault = vault

    def checkpoint(self, stack):
        return super().checkpoint(stack) if stack != VAULT else Checkpoint(self._vault) if self._vault else None


def asked_for_a_vault(backend, *, named="", stacks=(DATA, VAULT), **lock):
    before = Environment.load("payments")
    vault = {"region": "us-west-2", "lock": before.vault.lock.model_copy(update=lock)}
    after = before.model_copy(update={"production": True, "vault": before.vault.model_copy(update=vault)})
    door.require_a_name(backend, after, stacks, named, again="./invoke deploy-all")


def test_a_vault_is_locked_by_name_once():
    with pytest.raises(
        Problem, match=r"us-west-2 gets a vault .* 35 days \(governance\); nothing was changed"
    ) as refused:
        asked_for_a_vault(LockedBackend())
    assert "./invoke deploy-all --production x7k2" in str(refused.value)
    with pytest.raises(Problem, match="--production vault is not its suffix"):
        asked_for_a_vault(LockedBackend(), named="vault")
    asked_for_a_vault(LockedBackend(), named="x7k2")
    asked_for_a_vault(LockedBackend(VAULT_LOCKED))
    asked_for_a_vault(LockedBackend(), stacks=(DATA,))


def test_compliance_mode_is_gone_into_by_name_though_the_vault_is_locked():
    with pytest.raises(Problem, match="from 5 days on nobody can end that, root included"):
        asked_for_a_vault(LockedBackend(VAULT_LOCKED), mode="compliance", cooling_off_days=5)
    asked_for_a_vault(LockedBackend(VAULT_LOCKED), named="x7k2", mode="compliance")
    there = {**VAULT_LOCKED, "outputs": {**LOCKED_AS, "changeableForDays": 5}}
    asked_for_a_vault(LockedBackend(there), mode="compliance")


def test_awss_refusal_to_delete_a_vault_says_what_to_do():
    refusal = "InvalidRequestException: Backup vault cannot be deleted because it contains recovery points."
    assert "./invoke destroy-all again" in door.kept_by_copies(refusal)
    assert door.kept_by_copies("AccessDenied") == ""


@pytest.mark.parametrize("named", ["payments", "yes", "X7K2"])
def test_another_name_is_none(named):
    with pytest.raises(Problem, match=f"--production {named} is not its suffix"):
        asked(DataBackend(TABLE), named=named)


@pytest.mark.parametrize("named", ["", "x7k2"])
def test_a_system_is_not_born_in_production(named):
    """The AWS provider protects the replica of a strongly consistent table in an update, not when it makes it."""
    with pytest.raises(Problem, match="deploy with production: false first"):
        asked(DataBackend(), named=named)


def test_behind_it_nothing_more_is_asked():
    asked(DataBackend(TABLE, *LOCKS))
    asked(DataBackend(TABLE, *LOCKS), named="x7k2")


def test_other_layers_do_not_ask():
    asked(DataBackend(TABLE), stacks=(EDGE,))


def test_its_name_without_the_setting_is_a_mistake():
    with pytest.raises(Problem, match="says production: false"):
        asked(DataBackend(TABLE), production=False, named="x7k2")


def test_without_the_setting_nothing_is_asked():
    asked(DataBackend(TABLE), production=False)
    asked(DataBackend(), production=False)


@pytest.mark.parametrize("production", [True, False])
def test_it_is_not_destroyed_whatever_the_file_says(production):
    with pytest.raises(Problem) as refused:
        door.require_open(
            DataBackend(TABLE, *LOCKS), settings(production=production), (EDGE, DATA), options=" --target aws"
        )
    (line,) = str(refused.value).splitlines()
    for part in (
        "data/payments is in production",
        "nothing was destroyed",
        "./invoke deploy-all --target aws --discard-data lock/logs-primary,lock/logs-secondary",
    ):
        assert part in line


@pytest.mark.parametrize("backend", [DataBackend(), DataBackend(TABLE)])
def test_what_was_never_in_production_is_destroyed(backend):
    door.require_open(backend, settings(production=True), (EDGE, DATA), options="")


def test_the_lock_says_what_stays():
    holder = Holder.of(DATA, LOCK, LOCKS[0])
    assert holder.name == "lock/logs-primary"
    assert holder.amount(None) == "every new record for 365 days (governance); those that are there stay locked"
