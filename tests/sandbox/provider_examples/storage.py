from __future__ import annotations

import json

from tests.sandbox.provider_engine import Engine, Made
from tests.sandbox.provider_examples import Example, example

ROLE = "arn:aws:iam::000000000000:role/replication"


def a_bucket(engine: Engine, name: str = "examples-of-buckets") -> Made:
    return engine.make("aws:s3/bucket:Bucket", bucket=name)


@example("aws:s3/bucket:Bucket")
def bucket(engine: Engine) -> Example:
    return Example(
        {"bucket": "example-bucket", "tags": {"a": "b"}},
        update={"forceDestroy": True, "tags": {"c": "d"}},
        replace={"bucket": "other"},
    )


@example("aws:s3/bucket:Bucket")
def bucket_with_a_name_made_up(engine: Engine) -> Example:
    return Example({}, update={"tags": {"c": "d"}})


@example("aws:s3/bucketObjectv2:BucketObjectv2")
def an_object_without_a_word_on_how_it_is_kept(engine: Engine) -> Example:
    return Example(
        {"bucket": a_bucket(engine).id, "key": "a/b", "content": "x", "overrideProvider": {"defaultTags": {}}},
        update={"content": "y"},
    )


@example("aws:s3/bucketObjectv2:BucketObjectv2")
def versioned_object(engine: Engine) -> Example:
    bucket = a_bucket(engine)
    engine.make(
        "aws:s3/bucketVersioning:BucketVersioning",
        bucket=bucket.id,
        versioningConfiguration={"status": "Enabled"},
    )
    return Example(
        {
            "bucket": bucket.id,
            "key": "switch",
            "content": "primary: run",
            "contentType": "text/plain",
            "serverSideEncryption": "AES256",
            "overrideProvider": {"defaultTags": {"tags": {}}},
        },
        update={"content": "primary: stop"},
        replace={"key": "other", "bucket": "another"},
    )


@example("aws:s3/bucketVersioning:BucketVersioning")
def versioning(engine: Engine) -> Example:
    return Example(
        {"bucket": a_bucket(engine).id, "versioningConfiguration": {"status": "Enabled"}},
        update={"versioningConfiguration": {"status": "Suspended"}},
        outlives=True,
    )


@example("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
def encryption(engine: Engine) -> Example:
    key = engine.make("aws:kms/key:Key").arn
    rule = {
        "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key},
        "bucketKeyEnabled": True,
    }
    plain = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    return Example({"bucket": a_bucket(engine).id, "rules": [rule]}, update={"rules": [plain]}, outlives=True)


@example("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
def public_access_block(engine: Engine) -> Example:
    names = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    return Example({"bucket": a_bucket(engine).id, **dict.fromkeys(names, True)}, update={"blockPublicAcls": False})


@example("aws:s3/bucketOwnershipControls:BucketOwnershipControls")
def ownership_controls(engine: Engine) -> Example:
    return Example(
        {"bucket": a_bucket(engine).id, "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        update={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
    )


@example("aws:s3/bucketPolicy:BucketPolicy")
def bucket_policy(engine: Engine) -> Example:
    bucket = a_bucket(engine)

    def document(effect: str) -> str:
        principal = {"AWS": "arn:aws:iam::000000000000:root"}
        statement = {"Effect": effect, "Principal": principal, "Action": "s3:GetObject", "Resource": f"{bucket.arn}/*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    return Example({"bucket": bucket.id, "policy": document("Deny")}, update={"policy": document("Allow")})


@example("aws:s3/bucketLogging:BucketLogging")
def access_log(engine: Engine) -> Example:
    target = a_bucket(engine, "example-logs")
    return Example(
        {"bucket": a_bucket(engine).id, "targetBucket": target.id, "targetPrefix": "log/"},
        update={"targetPrefix": "logs/"},
    )


@example("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
def lifecycle(engine: Engine) -> Example:
    rule = {
        "id": "archive",
        "status": "Enabled",
        "filter": {"prefix": "audit/"},
        "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}, {"days": 90, "storageClass": "GLACIER"}],
        "noncurrentVersionExpiration": {"noncurrentDays": 30},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
    }
    other = {"id": "expire", "status": "Enabled", "expiration": {"expiredObjectDeleteMarker": True}}
    return Example({"bucket": a_bucket(engine).id, "rules": [rule]}, update={"rules": [rule, other]})


@example("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
def object_lock(engine: Engine) -> Example:
    bucket = a_bucket(engine)
    engine.make(
        "aws:s3/bucketVersioning:BucketVersioning", bucket=bucket.id, versioningConfiguration={"status": "Enabled"}
    )
    return Example(
        {"bucket": bucket.id, "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 1}}},
        update={"rule": {"defaultRetention": {"mode": "COMPLIANCE", "years": 2}}},
        replace={"bucket": "example-other"},
    )


@example("aws:s3/bucketReplicationConfig:BucketReplicationConfig")
def replication(engine: Engine) -> Example:
    source, target = a_bucket(engine, "example-source"), a_bucket(engine, "example-target")
    for each in (source, target):
        engine.make(
            "aws:s3/bucketVersioning:BucketVersioning",
            bucket=each.id,
            versioningConfiguration={"status": "Enabled"},
        )
    rule = {
        "id": "all",
        "status": "Enabled",
        "priority": 1,
        "filter": {"prefix": ""},
        "deleteMarkerReplication": {"status": "Enabled"},
        "sourceSelectionCriteria": {
            "replicaModifications": {"status": "Enabled"},
            "sseKmsEncryptedObjects": {"status": "Enabled"},
        },
        "destination": {
            "bucket": target.arn,
            "encryptionConfiguration": {"replicaKmsKeyId": "arn:aws:kms:us-east-1:000000000000:key/k"},
            "replicationTime": {"status": "Enabled", "time": {"minutes": 15}},
            "metrics": {"status": "Enabled", "eventThreshold": {"minutes": 15}},
        },
    }
    return Example(
        {"bucket": source.id, "role": ROLE, "rules": [rule]}, update={"rules": [{**rule, "status": "Disabled"}]}
    )
