"""The locked copy of the table: made by name, waited for by nobody, restored and compared, and kept by AWS."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.adapters.items import PAYMENT
from lambdas.domain.payment import CANARY_CLIENT
from sandbox import Sandbox, variables
from tests.sandbox.virtual_time import NOTICED, VirtualTime
from tests.waiting import until

pytestmark = pytest.mark.prove

FILE, SUFFIX = "environments/payments.yaml", "x7k2"
AWAY, STACK = "us-west-1", "vault/payments"
DAY = 86_400


class CopiedCloud:
    """The sandbox's cloud by AWS's own client."""

    def __init__(self, checkout):
        self._endpoint = checkout.ok("sandbox.status", "--json").json["endpoint"]
        self._credentials = {name.lower(): value for name, value in variables.CREDENTIALS.items()}

    def client(self, service, region=AWAY):
        return boto3.client(service, region_name=region, endpoint_url=self._endpoint, **self._credentials)

    def copies(self, vault):
        return self.client("backup").list_recovery_points_by_backup_vault(BackupVaultName=vault)["RecoveryPoints"]


GOOD = {"changed", "unchanged", "fresh"}


def test_a_copy_is_made_restored_and_kept(checkout):
    checkout.ok("deploy-all")
    for _ in range(3):
        until(lambda: checkout.run("pay").code == 0, seconds=120)  # a cold start on a busy machine may be too late
    cloud = CopiedCloud(checkout)
    with checkout.edited(FILE, "\n  region: null ", f"\n  region: {AWAY} "):
        assert set(checkout.ok("deploy-all", "--json").statuses.values()) <= {"fresh", "unchanged"}, "off: A2"
        with checkout.edited(FILE, "\nproduction: false", "\nproduction: true"):
            waited_for_by_nobody(checkout)
            vault = checkout.ok("outputs", "--layer", "vault", "--json").json["vault/payments"]
            copied_and_restored(checkout, cloud, vault)
            assert "is in production" in checkout.run("destroy-all").complaint
    kept_by_aws(checkout, cloud, vault)


def waited_for_by_nobody(checkout):
    """It is made by name; while its region is out all else ends deployed, and the exit code tells."""
    unnamed = checkout.run("deploy-all").complaint
    assert f"vault.region: {AWAY} gets a vault" in unnamed
    assert f"--production {SUFFIX}" in unnamed
    checkout.ok("fault", "--kind", "refuse", "--region", AWAY)
    without = checkout.run("deploy-all", "--production", SUFFIX, "--json")
    assert without.code == 1
    statuses = without.statuses
    assert statuses.pop(STACK) == "failed"
    assert len(statuses) == 8
    assert set(statuses.values()) <= GOOD
    assert statuses["data/payments"] == "changed"
    assert AWAY in without.messages[STACK]
    checkout.ok("heal")
    assert checkout.ok("deploy-all", "--production", SUFFIX, "--json").statuses[STACK] == "changed"
    assert set(checkout.ok("deploy-all", "--json").statuses.values()) == {"fresh"}


def copied_and_restored(checkout, cloud, vault):
    """A day later there is a copy, which restores to the same payments; one that is lost since is found missing."""
    assert "has no copy of" in checkout.run("restore-test", "--from", "vault").complaint
    clock = VirtualTime(Sandbox(checkout.root))
    clock.pass_seconds(10 * NOTICED)

    def copies_of_a_day_later():
        clock.jump(DAY)
        return cloud.copies(vault["vault_name"])

    copy, *_ = until(copies_of_a_day_later, seconds=60)
    assert copy["EncryptionKeyArn"] == vault["key_arn"]
    checkout.ok("drift")
    found = checkout.ok("restore-test", "--from", "vault", "--json").json
    assert (found["same"], found["region"]) == (True, AWAY)
    assert found["items"]["same"] >= 3
    left = cloud.client("dynamodb").list_tables()["TableNames"]
    assert not [name for name in left if name.endswith("-restore-test")]

    table = checkout.ok("outputs", "--layer", "data", "--json").json["data/payments"]["table_name"]
    dynamodb = cloud.client("dynamodb", "us-east-1")
    payments = [item for item in dynamodb.scan(TableName=table)["Items"] if item["sk"]["S"] == PAYMENT]
    lost = next(item for item in payments if item["client"]["S"] != CANARY_CLIENT)
    dynamodb.delete_item(TableName=table, Key={name: lost[name] for name in ("pk", "sk")})
    damaged = checkout.run("restore-test", "--from", "vault", "--json")
    assert damaged.code == 1
    assert [each["key"][0] for each in damaged.json["differences"]] == [lost["pk"]["S"]]


def kept_by_aws(checkout, cloud, vault):
    """Out of production, all goes but the vault: AWS refuses, and it is said what to do."""
    names = checkout.run("deploy-all").err.splitlines()[-1].rpartition("--discard-data ")[2]
    checkout.ok("deploy-all", "--discard-data", names)
    s3 = cloud.client("s3", "us-east-1")
    buckets = checkout.ok("outputs", "--layer", "data", "--json").json["data/payments"]["audit_bucket_names"]
    for bucket in buckets.values():
        for each in s3.list_object_versions(Bucket=bucket).get("Versions", ()):
            place = {"Bucket": bucket, "Key": each["Key"], "VersionId": each["VersionId"]}
            s3.delete_object(**place, BypassGovernanceRetention=True)
    ended = checkout.run("destroy-all", "--json")
    assert ended.code == 1
    statuses = ended.statuses
    assert statuses.pop(STACK) == "failed"
    assert set(statuses.values()) == {"changed"}
    assert "contains recovery points" in ended.messages[STACK]
    assert "docs/runbooks/vault.md" in ended.messages[STACK]

    backup, there = cloud.client("backup"), {"BackupVaultName": vault["vault_name"]}
    points = [
        {**there, "RecoveryPointArn": each["RecoveryPointArn"]} for each in cloud.copies(there["BackupVaultName"])
    ]
    with pytest.raises(ClientError, match="is locked"):
        backup.delete_recovery_point(**points[0])
    backup.delete_backup_vault_lock_configuration(**there)
    for point in points:
        backup.delete_recovery_point(**point)
    here, beside = cloud.client("backup", "us-east-1"), {"BackupVaultName": vault["source_vault_name"]}
    for each in here.list_recovery_points_by_backup_vault(**beside)["RecoveryPoints"]:  # of a day, and not locked
        here.delete_recovery_point(**beside, RecoveryPointArn=each["RecoveryPointArn"])
    checkout.ok("destroy-all")
