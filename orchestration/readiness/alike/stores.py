"""What keeps data: the table and the buckets."""

from __future__ import annotations

from typing import Any

from orchestration.aws import error_code
from orchestration.readiness.alike.seen import Found, only, ours
from orchestration.readiness.facts import Examined
from shared import naming
from shared.errors import Problem
from shared.roles import Role


def table(examined: Examined, role: Role) -> Found:
    name = examined.named(naming.PAYMENTS_TABLE)
    found = examined.called("dynamodb", role, "describe_table", TableName=name)["Table"]
    backups = examined.called("dynamodb", role, "describe_continuous_backups", TableName=name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    kept = ("AttributeDefinitions", "KeySchema", "BillingModeSummary", "DeletionProtectionEnabled")
    indexes = [only(each, "IndexName", "KeySchema", "Projection") for each in found.get("GlobalSecondaryIndexes", ())]
    yield (
        "Table",
        "transactions",
        {
            **only(found, *kept, "MultiRegionConsistency"),
            "SSEType": (found.get("SSEDescription") or {}).get("SSEType"),
            "Indexes": sorted(indexes, key=lambda each: each["IndexName"]),
            "PointInTimeRecovery": recovery["PointInTimeRecoveryStatus"],
        },
    )


def buckets(examined: Examined, role: Role) -> Found:
    """S3 lists all regions' buckets: those of this one are known by their names."""
    listed = examined.called("s3", role, "list_buckets")["Buckets"]
    for purpose, each in ours(examined, role, naming.AUDIT_BUCKET, listed, "Name"):
        told = {
            what: _bucket_part(examined, role, f"get_bucket_{what}", each["Name"])
            for what in ("versioning", "encryption", "lifecycle_configuration", "logging")
        }
        told["public_access"] = _bucket_part(examined, role, "get_public_access_block", each["Name"])
        yield "Bucket", purpose, told


def _bucket_part(examined: Examined, role: Role, operation: str, bucket: str) -> Any:
    """What a bucket is set to; nothing where it is not set."""
    try:
        told = examined.called("s3", role, operation, Bucket=bucket)
    except Problem as problem:
        if error_code(problem).startswith(("NoSuch", "ServerSideEncryptionConfigurationNotFound")):
            return {}
        raise
    return {key: value for key, value in told.items() if key != "ResponseMetadata"}
