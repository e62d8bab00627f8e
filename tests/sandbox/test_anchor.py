"""The head of an evidence's chain is locked away in production, and where it is not, that is said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from drill import anchor, reading
from orchestration.aws import Aws
from sandbox import variables
from shared.roles import PerRole
from tests.sandbox.test_object_lock import lock, locked_buckets

if TYPE_CHECKING:
    from tests.sandbox.conftest import RunningCloud

HEAD = "5f" * 32


def published(cloud: RunningCloud, bucket: str, monkeypatch: pytest.MonkeyPatch, *, production: bool) -> Any:
    """What becomes of a head when the secondary's audit bucket is this one."""
    aws = Aws({**variables.CREDENTIALS, "AWS_ENDPOINT_URL": cloud.endpoint})
    where = reading.Places(aws, PerRole("us-east-1", "us-east-2"), "t", PerRole("another", bucket), 1)
    monkeypatch.setattr(reading, "places", lambda *_: where)
    environment: Any = SimpleNamespace(production=production)
    place: Any = None
    return anchor.publish(place, environment, HEAD, "folder")


def test_it_is_locked_away_once_and_stays(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, s3 = locked_buckets(cloud)[0], cloud.client("s3", "us-east-2")
    first = published(cloud, bucket, monkeypatch, production=True)
    again = published(cloud, bucket, monkeypatch, production=True)
    assert first == again
    assert first.code == 0
    found = s3.get_object(Bucket=bucket, Key=f"evidence/{HEAD}.json")
    assert found["VersionId"] == first.anchor.version
    assert HEAD in found["Body"].read().decode()
    assert first.anchor.url == f"s3://{bucket}/evidence/{HEAD}.json"
    assert first.anchor.until == found["ObjectLockRetainUntilDate"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert first.anchor.mode == "GOVERNANCE"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=f"evidence/{HEAD}.json", VersionId=first.anchor.version)
    assert len(s3.list_object_versions(Bucket=bucket, Prefix="evidence/")["Versions"]) == 1
    assert first.lines()[0] == HEAD
    assert "locked until" in first.lines()[1]


@pytest.mark.parametrize("kind", ["not locked", "not there"])
def test_what_does_not_hold_it_is_said(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    bucket = "nobodys-bucket"
    if kind == "not locked":
        bucket = locked_buckets(cloud)[0]
        lock(cloud.client("s3"), bucket, None)  # no default retention
    found = published(cloud, bucket, monkeypatch, production=True)
    assert found.code == 1
    assert found.anchor is None
    assert bucket in found.failure or "NoSuchBucket" in found.failure
    assert found.to_json()["not_anchored"] == found.failure


def test_where_no_bucket_is_locked_people_publish_it(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    found = published(cloud, "nobodys-bucket", monkeypatch, production=False)
    assert (found.anchor, found.failure, found.code) == (None, "", 0)
    assert found.lines()[1].startswith("publish this head; check the evidence with: python3 -I folder/verify.py")
