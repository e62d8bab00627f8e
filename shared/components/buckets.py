"""Private S3 buckets: versioned, encrypted, closed to the public, and read and written over TLS only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from shared.components import iam
from shared.components.regions import Region
from shared.naming import Kind

Statements = Callable[[pulumi.Output[str]], Sequence[iam.Statement]]
"""The ARN of a bucket -> what its policy says beside "TLS only"."""


@dataclass(frozen=True)
class PrivateBucket:
    """A bucket, and the parts of it that others may have to wait for."""

    bucket: aws.s3.Bucket
    versioning: aws.s3.BucketVersioning
    encryption: aws.s3.BucketServerSideEncryptionConfiguration
    policy: aws.s3.BucketPolicy


def private_bucket(
    name: str,
    region: Region,
    kind: Kind,
    encryption: aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict,
    statements: Statements,
    *,
    parent: pulumi.Resource,
) -> PrivateBucket:
    """Make one that keeps all versions, in which objects belong to its owner.

    It goes with all that is in it, but in production, where only an empty one goes.
    """
    options = region.options(parent)
    bucket = aws.s3.Bucket(
        name,
        bucket=region.named(kind),
        force_destroy=not region.foundation.production,  # an environment can be destroyed whole
        opts=options,
    )
    versioning = aws.s3.BucketVersioning(
        name, bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=options
    )
    encrypted = aws.s3.BucketServerSideEncryptionConfiguration(name, bucket=bucket.id, rules=[encryption], opts=options)
    aws.s3.BucketOwnershipControls(
        name, bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=options
    )
    blocked = aws.s3.BucketPublicAccessBlock(
        name,
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=options,
    )
    policy = aws.s3.BucketPolicy(
        name,
        bucket=bucket.id,
        policy=iam.document(_tls_only(bucket.arn), *statements(bucket.arn)),
        opts=region.options(parent, depends_on=[blocked]),  # S3 refuses to change both at once
    )
    return PrivateBucket(bucket, versioning, encrypted, policy)


def expiring_bucket(
    name: str, region: Region, kind: Kind, days: int, statements: Statements, *, parent: pulumi.Resource
) -> PrivateBucket:
    """Make one whose objects go after some days, encrypted with S3's own keys.

    S3 and Elastic Load Balancing write access logs into no bucket that encrypts with a key of KMS (S3 User Guide,
    "Enabling Amazon S3 server access logging"; User Guide for Application Load Balancers, "Enable access logs").
    """
    made = private_bucket(
        name,
        region,
        kind,
        {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}},
        statements,
        parent=parent,
    )
    aws.s3.BucketLifecycleConfiguration(
        name,
        bucket=made.bucket.id,
        rules=[
            {
                "id": "expire",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "expiration": {"days": days},
                "noncurrent_version_expiration": {"noncurrent_days": 1},
                "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
            }
        ],
        opts=region.options(parent, depends_on=[made.versioning]),
    )
    return made


def _tls_only(bucket: pulumi.Output[str]) -> iam.Statement:
    return iam.deny(
        ["s3:*"],
        [bucket, pulumi.Output.concat(bucket, "/*")],
        principal="*",
        condition={"Bool": {"aws:SecureTransport": "false"}},
        sid="TlsOnly",
    )
