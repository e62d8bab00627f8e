"""DynamoDB, S3, KMS, Secrets Manager, parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.cost.inventory import Item, Place
from orchestration.cost.month import HEALTH_CHECK, REPETITIONS, SYNTHETICS, Month, asked, role_of, runs_of_canary
from orchestration.cost.prices import GIB, HOURS, MINUTES, SECONDS
from orchestration.cost.usage import Meter, Usage
from shared.roles import PRIMARY, ROLES, SECONDARY, Role, other

KB = 1024
REFUSED_UNITS = 2
"""A conditional write that is refused is paid as one of the item (DynamoDB Developer Guide)."""
READ_KB = 4


def _table(table: Item, month: Month) -> Iterator[Usage]:
    """Each replica is paid for every write, whoever makes it; the witness costs nothing. Reads are paid where made."""
    replicas = {replica.get("regionName"): replica for replica in table.get("replicas", ())}
    yield from _replica(month, PRIMARY, recovery=bool((table.get("pointInTimeRecovery") or {}).get("enabled")))
    if month.environment.regions.secondary in replicas:
        replica = replicas[month.environment.regions.secondary]
        yield from _replica(month, SECONDARY, recovery=bool(replica.get("pointInTimeRecovery")))


def _replica(month: Month, role: Role, *, recovery: bool) -> Iterator[Usage]:
    load = month.load
    payments = sum(month.payments(each) for each in ROLES)
    refused = sum(month.probes(each) for each in ROLES) * REPETITIONS * REFUSED_UNITS
    stored = _stored(month)
    reads = (
        (month.client_payments(role) * load.reads_per_payment + month.probes(role)) * max(load.item_kb / READ_KB, 1)
        + month.health_requests(role)  # at most: a health function keeps what it has read for 5 s
        + load.sweep_reads / (month.environment.compute.sweep_minutes * 60)
    )
    yield Usage("table writes", (payments * load.writes_per_payment + refused) * SECONDS, role)
    yield Usage("index writes", payments * load.index_writes_per_payment * SECONDS, role)
    yield Usage("table reads", reads * SECONDS, role)
    yield Usage("table storage", stored, role)
    yield Usage("point-in-time recovery", stored * recovery, role)
    sent = month.payments(role) * load.writes_per_payment * KB * SECONDS / GIB
    yield Usage(_between(month, role), sent, role)


def _stored(month: Month) -> float:
    """GB of payments in each replica."""
    load = month.load
    return load.payments_per_second * SECONDS * load.months_kept * load.item_kb * KB / GIB


def _between(month: Month, source: Role) -> str:
    return f"data from {month.environment.region(source)} to {month.environment.region(other(source))}"


def _bucket(bucket: Item, month: Month) -> Iterator[Usage]:
    """Records of both regions in an audit bucket; results of canaries; a switch that checkers read."""
    role, load = role_of(bucket), month.load
    if _replication(bucket, month):
        records = sum(month.client_payments(each) for each in ROLES)  # the region's own, and copies of the other's
        yield Usage("S3 writes", records * SECONDS)
        yield Usage("S3 storage", records * SECONDS * load.months_kept * load.audit_kb * KB / GIB)
    readers = (check for check in month.inventory.of(HEALTH_CHECK) if _is_in(str(check.get("fqdn", "")), bucket))
    yield Usage("S3 reads", sum(asked(check) for check in readers) * SECONDS)
    results = (each for each in month.inventory.of(SYNTHETICS, role) if _keeps(each, bucket))
    yield Usage("S3 writes", sum(runs_of_canary(each) for each in results) * load.synthetics_puts * SECONDS)


def _keeps(canary: Item, bucket: Item) -> bool:
    return str(canary.get("artifactS3Location", "")).startswith(f"s3://{bucket['bucket']}/")


def _is_in(host: str, bucket: Item) -> bool:
    return host.startswith(f"{bucket['bucket']}.")


def _replication(bucket: Item, month: Month) -> bool:
    kind = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
    return any(each["bucket"] == bucket.resource.id for each in month.inventory.of(kind, bucket.place))


def _replicated(replication: Item, month: Month) -> Iterator[Usage]:
    """What a bucket sends to the other region; replication metrics are paid as custom ones."""
    role = role_of(replication)
    sent = month.client_payments(role) * month.load.audit_kb * KB * SECONDS / GIB
    yield Usage(_between(month, role), sent)
    for rule in replication["rules"]:
        destination = rule["destination"]
        if destination.get("replicationTime"):
            yield Usage("replication time control", sent)
        if destination.get("metrics"):
            yield Usage("metrics", month.load.metrics_per_replication)


def _key(_: Item, month: Month) -> Iterator[Usage]:
    yield Usage("keys", 1)
    yield Usage("key requests", month.load.key_requests_per_minute * MINUTES)


def _secret(secret: Item, month: Month) -> Iterator[Usage]:
    """A replica is a secret, in its region."""
    yield Usage("secrets", 1)
    places: Mapping[str, Place] = {month.environment.region(role): role for role in ROLES}
    for replica in secret.get("replicas", ()):
        yield Usage("secrets", 1, places[replica["region"]])


def _backup(plan: Item, month: Month) -> Iterator[Usage]:
    """A rule keeps a whole copy of the table for each of its days: DynamoDB's backups are no increments.

    So does each of its copies elsewhere, to which it is sent each day.
    """
    for rule in plan.get("rules", ()):
        yield Usage("backup storage", _stored(month) * _kept_days(rule))
        for copy in rule.get("copyActions") or ():
            yield Usage("backup storage", _stored(month) * _kept_days(copy), "global")
            yield Usage("backup copies", _stored(month) * HOURS / 24)


def _kept_days(backup: Mapping[str, Any]) -> int:
    return int((backup.get("lifecycle") or {}).get("deleteAfter") or 1)


def _parameter(parameter: Item, _: Month) -> Iterator[Usage]:
    """Standard parameters are free, and so is reading them at the standard rate."""
    yield Usage("advanced parameters", int(parameter.get("tier") == "Advanced"))


METERS: Mapping[str, Meter] = {
    "aws:backup/plan:Plan": _backup,
    "aws:dynamodb/table:Table": _table,
    "aws:kms/key:Key": _key,
    "aws:kms/replicaKey:ReplicaKey": _key,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _replicated,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:ssm/parameter:Parameter": _parameter,
}
