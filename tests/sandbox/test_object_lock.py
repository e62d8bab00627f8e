"""What S3 Object Lock keeps, here as at AWS: no version of a locked object goes before its time, and no copy of it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud
    from tests.sandbox.provider_engine import Engine

ROLE = "arn:aws:iam::000000000000:role/replication"
BODY = b"a record"


def locked_buckets(cloud: RunningCloud, mode: str = "GOVERNANCE") -> tuple[str, str]:
    """Two that exist, get Object Lock afterwards as `production: true` gives it, and replicate to each other."""
    s3 = cloud.client("s3")
    buckets = tuple(f"t{uuid.uuid4().hex[:10]}" for _ in range(2))
    for bucket in buckets:
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        lock(s3, bucket, {"DefaultRetention": {"Mode": mode, "Days": 365}})
    for source, target in (buckets, buckets[::-1]):
        rule: dict[str, Any] = {
            "ID": "all",
            "Status": "Enabled",
            "Priority": 1,
            "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Enabled"},
            "Destination": {"Bucket": f"arn:aws:s3:::{target}"},
        }
        s3.put_bucket_replication(Bucket=source, ReplicationConfiguration={"Role": ROLE, "Rules": [rule]})
    return buckets[0], buckets[1]


def lock(s3: Any, bucket: str, rule: dict[str, Any] | None) -> None:
    configuration = {"ObjectLockEnabled": "Enabled", **({"Rule": rule} if rule else {})}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_neither_a_record_nor_its_copy_in_the_other_region_can_be_deleted(cloud: RunningCloud, mode: str) -> None:
    s3, buckets = cloud.client("s3"), locked_buckets(cloud, mode)
    s3.put_object(Bucket=buckets[0], Key="record", Body=BODY)
    for bucket in buckets:
        found = s3.head_object(Bucket=bucket, Key="record")
        assert found["ObjectLockMode"] == mode
        left = found["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert timedelta(days=364) < left <= timedelta(days=365)
        version = {"Bucket": bucket, "Key": "record", "VersionId": found["VersionId"]}
        assert refused(s3.delete_object, **version) == "AccessDenied"
        answer = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": "record", "VersionId": found["VersionId"]}]}
        )
        assert [each["Code"] for each in answer["Errors"]] == ["AccessDenied"]
        assert s3.get_object(**version)["Body"].read() == BODY


def test_a_marker_hides_a_record_and_a_new_version_covers_it_but_it_stays(cloud: RunningCloud) -> None:
    s3, (bucket, _) = cloud.client("s3"), locked_buckets(cloud)
    first = s3.put_object(Bucket=bucket, Key="record", Body=BODY)["VersionId"]
    s3.put_object(Bucket=bucket, Key="record", Body=b"another")
    s3.delete_object(Bucket=bucket, Key="record")
    assert s3.get_object(Bucket=bucket, Key="record", VersionId=first)["Body"].read() == BODY


def test_what_is_locked_stays_so_when_the_rule_is_taken_away_and_the_lock_itself_cannot_be(cloud: RunningCloud) -> None:
    """As it is at AWS when `production: true` is taken back."""
    s3, (bucket, _) = cloud.client("s3"), locked_buckets(cloud)
    version = s3.put_object(Bucket=bucket, Key="record", Body=BODY)["VersionId"]
    lock(s3, bucket, None)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled"
    }
    assert refused(s3.delete_object, Bucket=bucket, Key="record", VersionId=version) == "AccessDenied"
    later = s3.put_object(Bucket=bucket, Key="later", Body=BODY)["VersionId"]
    s3.delete_object(Bucket=bucket, Key="later", VersionId=later)


def test_a_bucket_that_is_to_go_with_all_in_it_says_what_keeps_it(engine: Engine, cloud: RunningCloud) -> None:
    bucket = engine.make("aws:s3/bucket:Bucket", bucket=f"t{uuid.uuid4().hex[:10]}", forceDestroy=True)
    enabled = {"status": "Enabled"}
    engine.make("aws:s3/bucketVersioning:BucketVersioning", bucket=bucket.id, versioningConfiguration=enabled)
    s3 = cloud.client("s3")
    lock(s3, bucket.id, {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}})
    version = s3.put_object(Bucket=bucket.id, Key="record", Body=BODY)["VersionId"]
    with pytest.raises(Exception, match=f"cannot delete record of bucket {bucket.id}: AccessDenied"):
        engine.delete(bucket)
    s3.delete_object(Bucket=bucket.id, Key="record", VersionId=version, BypassGovernanceRetention=True)
