"""The audit trail: a bucket in each region, each replicated to the other."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from projects.data.keys import DataKey
from shared import naming
from shared.components import iam
from shared.components.buckets import private_bucket
from shared.components.regions import Region
from shared.environment import Foundation
from shared.environment_sections import AuditSettings
from shared.roles import ROLES, PerRole, Role, other

REPLICATION_MINUTES = 15
"""S3 Replication Time Control promises this and knows no other value."""


SOURCE_BUCKET = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
SOURCE_OBJECTS = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
LOCKED_OBJECTS = ["s3:GetObjectRetention", "s3:GetObjectLegalHold"]
"""Of a source with Object Lock also this (S3 User Guide, "Object Lock considerations")."""
DESTINATION_OBJECTS = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]
"""What replication does with each bucket, which is a source and a destination (S3 User Guide, "Setting up permissions
for live replication")."""


class AuditBuckets(pulumi.ComponentResource):
    """Both audit buckets, private, versioned and encrypted, with replication in both directions.

    In production with Object Lock, too. A bucket with it replicates to none without it, so both get it in one update.
    Attributes: names, arns.
    """

    names: PerRole[pulumi.Output[str]]
    arns: PerRole[pulumi.Output[str]]

    def __init__(self, name: str, regions: PerRole[Region], settings: AuditSettings, key: DataKey) -> None:
        super().__init__("payments:data:AuditBuckets", name)
        role = self._replication_role(name, regions)
        buckets = PerRole.build(
            lambda each: AuditBucket(f"{name}-{each}", regions.of(each), settings, key.arns.of(each), role, parent=self)
        )
        self.names = buckets.map(lambda each: each.bucket.bucket)
        self.arns = buckets.map(lambda each: each.bucket.arn)
        policy = self._replication_policy(name, regions, key, role)
        # S3 refuses replication until both sides keep versions, and of a locked bucket until the other is locked.
        ready = [part for _, bucket in buckets.items() for part in bucket.ready]
        for source in ROLES:
            aws.s3.BucketReplicationConfig(
                f"{name}-{source}",
                bucket=buckets.of(source).bucket.id,
                role=role.arn,
                rules=[
                    {
                        "id": naming.replication_rule(other(source)),
                        "status": "Enabled",
                        "priority": 1,
                        "filter": {"prefix": ""},
                        "delete_marker_replication": {"status": "Enabled"},
                        "source_selection_criteria": {
                            "replica_modifications": {"status": "Enabled"},
                            "sse_kms_encrypted_objects": {"status": "Enabled"},
                        },
                        "destination": {
                            "bucket": buckets.of(other(source)).bucket.arn,
                            "encryption_configuration": {"replica_kms_key_id": key.arns.of(other(source))},
                            "replication_time": {"status": "Enabled", "time": {"minutes": REPLICATION_MINUTES}},
                            "metrics": {"status": "Enabled", "event_threshold": {"minutes": REPLICATION_MINUTES}},
                        },
                    }
                ],
                opts=regions.of(source).options(self, depends_on=[*ready, policy]),
            )
        self.register_outputs({})

    def _replication_role(self, name: str, regions: PerRole[Region]) -> aws.iam.Role:
        """Made before the buckets' policies, which name it: S3 refuses a principal that does not exist."""
        primary = regions.primary
        sources = [f"arn:aws:s3:::{region.named(naming.AUDIT_BUCKET)}" for _, region in regions.items()]
        return aws.iam.Role(
            f"{name}-replication",
            name=primary.named_once(naming.REPLICATION_ROLE),
            description="Replicates the audit buckets of both regions to each other",
            # As the S3 User Guide asks against confused deputies: this account, and the buckets that replicate.
            assume_role_policy=iam.trust(
                "s3.amazonaws.com", iam.of_account(primary.account, {"aws:SourceArn": sources})
            ),
            opts=primary.options(self),
        )

    def _replication_policy(
        self, name: str, regions: PerRole[Region], key: DataKey, role: aws.iam.Role
    ) -> aws.iam.RolePolicy:
        primary = regions.primary
        return aws.iam.RolePolicy(
            f"{name}-replication",
            name=primary.named_once(naming.REPLICATION_ROLE),
            role=role.name,
            policy=iam.document(
                iam.allow(SOURCE_BUCKET, list(dict(self.arns.items()).values())),
                iam.allow(
                    replicated_objects(primary.foundation),
                    [pulumi.Output.concat(arn, "/*") for _, arn in self.arns.items()],
                ),
                *(self._key_use(region, key.arns.of(each), each) for each, region in regions.items()),
            ),
            opts=primary.options(self),
        )

    def _key_use(self, region: Region, key_arn: pulumi.Output[str], role: Role) -> iam.Statement:
        """Each region's key for that region's bucket: read as a source, written as a destination."""
        arn = self.arns.of(role)
        return iam.allow(
            ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
            [key_arn],
            condition={
                "StringEquals": {"kms:ViaService": f"s3.{region.name}.amazonaws.com"},
                # With a bucket key the context is the bucket, without one the object.
                "StringLike": {"kms:EncryptionContext:aws:s3:arn": [arn, pulumi.Output.concat(arn, "/*")]},
            },
        )


class AuditBucket(pulumi.ComponentResource):
    """One region's bucket. Attributes: bucket, ready (what replication waits for)."""

    bucket: aws.s3.Bucket
    ready: Sequence[pulumi.Resource]

    def __init__(
        self,
        name: str,
        region: Region,
        settings: AuditSettings,
        key_arn: pulumi.Output[str],
        replication: aws.iam.Role,
        *,
        parent: pulumi.Resource,
    ) -> None:
        super().__init__("payments:data:AuditBucket", name, opts=pulumi.ResourceOptions(parent=parent))
        made = private_bucket(
            name,
            region,
            naming.AUDIT_BUCKET,
            {
                "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
                "bucket_key_enabled": True,
            },
            lambda arn: replication_statements(arn, replication.arn, replicated_objects(region.foundation)),
            parent=self,
        )
        self.bucket, self.ready = made.bucket, [made.versioning]
        of_versions = region.options(self, depends_on=[made.versioning])
        aws.s3.BucketLifecycleConfiguration(
            name, bucket=self.bucket.id, rules=lifecycle_rules(settings), opts=of_versions
        )
        if region.foundation.production:
            lock = aws.s3.BucketObjectLockConfiguration(
                name,
                bucket=made.bucket.id,
                rule={"default_retention": {"mode": settings.lock.mode.upper(), "days": settings.lock.days}},
                opts=of_versions,
            )
            self.ready = [made.versioning, lock]
        self.register_outputs({})


def replicated_objects(foundation: Foundation) -> list[str]:
    """What replication may do with the objects of each bucket."""
    return [*SOURCE_OBJECTS, *(LOCKED_OBJECTS if foundation.production else ()), *DESTINATION_OBJECTS]


def replication_statements(
    bucket: pulumi.Output[str], replication: pulumi.Output[str], actions: Sequence[str]
) -> list[iam.Statement]:
    """What the policy of an audit bucket says: copies come by the replication role alone, which may do no more.

    Functions write and operators read by their own roles' policies, so nobody else is named.
    """
    objects = pulumi.Output.concat(bucket, "/*")
    by_role = {"AWS": replication}
    return [
        iam.allow(SOURCE_BUCKET, [bucket], principal=by_role, sid="ReplicationReadsTheBucket"),
        iam.allow(actions, [objects], principal=by_role, sid="ReplicationCopies"),
        iam.deny(
            DESTINATION_OBJECTS,
            [objects],
            principal="*",
            condition={"ArnNotEquals": {"aws:PrincipalArn": replication}},
            sid="NobodyElseReplicates",
        ),
    ]


def lifecycle_rules(settings: AuditSettings) -> list[aws.s3.BucketLifecycleConfigurationRuleArgsDict]:
    """Lifecycle is not replicated, so both buckets carry the same rules.

    The rules name no size: S3 then moves nothing under 128 KB (S3 User Guide, "Transitioning objects"), and audit
    records are about 1 KB. A filter by size would move them, and Standard-IA bills each as 128 KB: 70 times the price.
    """
    return [
        {
            "id": "archive",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "transitions": [
                {"days": settings.infrequent_access_days, "storage_class": "STANDARD_IA"},
                {"days": settings.archive_days, "storage_class": "GLACIER"},
            ],
        },
        {
            "id": "clean-up",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": settings.old_version_days},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
            "expiration": {"expired_object_delete_marker": True},
        },
    ]
