"""Every bucket has all that keeps it private: parts of their own, which a program may forget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.asked import AskedResource

BUCKET = "aws:s3/bucket:Bucket"
PARTS = {
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "objects may belong to others",
    "aws:s3/bucketPolicy:BucketPolicy": "requests may come without TLS",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "it may become public",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "its key is not ours",
    "aws:s3/bucketVersioning:BucketVersioning": "what is overwritten is lost",
}
"""What each bucket has, with what would be so without."""


def incomplete(resources: Sequence[AskedResource]) -> Iterator[tuple[AskedResource, str]]:
    """The buckets of a stack that lack a part, and which."""
    having = {(each.type, urn) for each in resources if each.type in PARTS for urn in each.needs.get("bucket", ())}
    for bucket in resources:
        if bucket.type != BUCKET:
            continue
        for part, without in PARTS.items():
            if (part, bucket.urn) not in having:
                kind = part.rpartition(":")[2]
                yield (
                    bucket,
                    f"it has no {kind}, so {without}: make it as shared/components/buckets.py does",
                )
