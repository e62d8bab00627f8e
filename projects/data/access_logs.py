"""Who has read and written the audit trail: each bucket's access log, in a bucket of its region."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.data.audit import AuditBuckets
from shared import naming
from shared.components import iam
from shared.components.buckets import Statements, expiring_bucket
from shared.components.regions import Region
from shared.roles import PerRole

SERVICE = "logging.s3.amazonaws.com"
PREFIX = "audit/"


class AuditAccessLogs(pulumi.ComponentResource):
    """S3's server access logs of both audit buckets.

    A log's bucket is in the region of what it is about, and has no log itself, which would never end (S3 User Guide,
    "Enabling Amazon S3 server access logging"). Only S3 writes there, and for the one audit bucket.
    """

    def __init__(self, name: str, regions: PerRole[Region], days: int, audit: AuditBuckets) -> None:
        super().__init__("payments:data:AuditAccessLogs", name)
        for role, region in regions.items():
            made = expiring_bucket(
                f"{name}-{role}",
                region,
                naming.AUDIT_ACCESS_BUCKET,
                days,
                _writer(region, audit.arns.of(role)),
                parent=self,
            )
            aws.s3.BucketLogging(
                f"{name}-{role}",
                bucket=audit.names.of(role),
                target_bucket=made.bucket.id,
                target_prefix=PREFIX,
                opts=region.options(self, depends_on=[made.policy, made.encryption]),
            )
        self.register_outputs({})


def _writer(region: Region, source: pulumi.Output[str]) -> Statements:
    """S3's logging service, for the one bucket of which it is the log."""
    return lambda bucket: [
        iam.allow(
            ["s3:PutObject"],
            [pulumi.Output.concat(bucket, f"/{PREFIX}*")],
            principal={"Service": SERVICE},
            condition=iam.of_account(region.account, {"aws:SourceArn": source}),
            sid="AccessLogs",
        )
    ]
