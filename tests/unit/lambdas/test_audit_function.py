from __future__ import annotations

import pytest

from lambdas.audit.notifications import file_all
from tests.doubles.payments import Region, refused


def record(name, body="{}"):
    return {"messageId": name, "body": body, "eventSource": "aws:sqs", "attributes": {"SentTimestamp": "1795000000000"}}


@pytest.fixture
def region():
    return Region()


def test_each_notification_is_filed_once(region):
    batch = [record("m1", '{"AlarmName": "é"}'), record("m2")]
    for _ in range(2):
        assert file_all(batch, region.service.audits, region.journal) == {"batchItemFailures": []}
    assert region.bucket.objects == {
        "notifications/2026/11/18/m1.json": '{"AlarmName": "é"}'.encode(),
        "notifications/2026/11/18/m2.json": b"{}",
    }
    assert set(region.bucket.versions.values()) == {1}


def test_what_cannot_be_filed_comes_again(region):
    region.bucket.error = refused("AccessDenied", 403)
    answer = file_all([record("m1")], region.service.audits, region.journal)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert region.journal.lines[-1]["deferred"] == 1
