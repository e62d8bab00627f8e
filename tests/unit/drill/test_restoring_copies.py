"""The newest copy in the vault is restored under its own role and key, and what cannot be is said in one line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drill.restored import compare
from drill.restoring_copies import LONGEST_JOB, RestoringCopies
from shared.errors import Problem
from tests.unit.drill.test_restoring import DAY, NOW, RestoringTables

HOUR = 3_600_000
"""ms"""


class Vault:
    """AWS Backup as far as it restores: the job makes the table after some looks."""

    def __init__(self, tables, *ages, job="COMPLETED", looks=2):
        self.tables, self.job, self.looks, self.asked = tables, job, looks, {}
        self.copies = [
            {"RecoveryPointArn": f"point-{age.days}", "CreationDate": NOW - age, "Status": "COMPLETED"} for age in ages
        ]

    def get_paginator(self, operation):
        assert operation == "list_recovery_points_by_backup_vault"
        return self

    def paginate(self, **asked):
        assert asked == {"BackupVaultName": "vault", "ByResourceArn": "arn:payments"}
        return [{"RecoveryPoints": self.copies[:1]}, {"RecoveryPoints": self.copies[1:]}]

    def start_restore_job(self, **asked):
        self.asked = asked
        return {"RestoreJobId": "job-1"}

    def describe_restore_job(self, RestoreJobId):  # noqa: N803 - boto3's
        assert RestoreJobId == "job-1"
        self.looks -= 1
        if self.looks > 0:
            return {"Status": "PENDING"}
        if self.job == "COMPLETED":
            self.tables.tables[self.asked["Metadata"]["targetTableName"]] = "ACTIVE"
        return {"Status": self.job, "StatusMessage": "no right to it"}


def restoring(vault):
    return RestoringCopies(
        vault.tables, "us-west-2", "payments", "arn:key", lambda _: None, lambda _: None,
        backup=vault, vault="vault", table_arn="arn:payments", role_arn="arn:role",
    )  # fmt: skip


def test_the_newest_copy_is_restored_under_its_role_and_key_and_goes():
    vault = Vault(RestoringTables(), 2 * DAY, DAY, 3 * DAY)
    there = restoring(vault)
    then = there.moment(None)
    assert then == NOW - DAY
    with there.restored(then) as name:
        assert vault.tables.tables[name] == "ACTIVE"
    assert vault.tables.tables == {"payments": "ACTIVE"}
    assert (vault.asked["RecoveryPointArn"], vault.asked["IamRoleArn"]) == ("point-1", "arn:role")
    assert vault.asked["Metadata"] == {
        "targetTableName": "payments-restore-test",
        "encryptionType": "KMS",
        "kmsMasterKeyArn": "arn:key",
    }


def test_a_moment_takes_the_newest_copy_that_is_no_newer():
    there = restoring(Vault(RestoringTables(), DAY, 3 * DAY))
    assert there.moment((NOW - 2 * DAY).timestamp()) == NOW - 3 * DAY
    with pytest.raises(Problem, match="the oldest copy in vault is of 2026-11-24T10:00:00Z: choose a later moment"):
        there.moment((NOW - 4 * DAY).timestamp())


def test_copies_that_are_not_whole_do_not_count_and_none_is_one_line():
    vault = Vault(RestoringTables(), DAY, 2 * DAY)
    vault.copies[0]["Status"] = "PARTIAL"
    assert restoring(vault).moment(None) == NOW - 2 * DAY
    with pytest.raises(Problem, match=r"vault in us-west-2 has no copy of payments: .* docs/runbooks/vault\.md"):
        restoring(Vault(RestoringTables())).moment(None)


def test_a_job_that_fails_says_why():
    there = restoring(Vault(RestoringTables(), DAY, job="FAILED"))
    with (
        pytest.raises(Problem, match="the restore job job-1 in us-west-2 has failed: no right to it"),
        there.restored(NOW - DAY),
    ):
        raise AssertionError


def payment(version, updated):
    return {
        "pk": {"S": "p"}, "sk": {"S": "payment"}, "client": {"S": "shop"}, "version": {"N": str(version)},
        "created": {"N": "1"}, "updated": {"N": str(updated)},
    }  # fmt: skip


@pytest.mark.parametrize(("before", "what"), [(12 * HOUR, "in doubt"), (14 * HOUR, "older")])
def test_what_was_written_while_the_copy_was_made_is_in_doubt_and_nothing_older(before, what):
    moment = int(NOW.timestamp() * 1000)
    live, then = payment(2, moment - before), payment(1, moment - timedelta(days=2).total_seconds() * 1000)
    then["updated"] = {"N": str(moment - 48 * HOUR)}
    found = compare([live], [then], moment, doubt=LONGEST_JOB)
    assert found.counts == {what: 1}
    assert found.same is (what == "in doubt")
