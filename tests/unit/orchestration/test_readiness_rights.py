"""Who asks for readiness needs the rights that its document lists, and no more."""

from __future__ import annotations

import re

from shared.root import ROOT
from tests.doubles.fit_scene import FitScene

S3_ACTIONS = {
    "get_bucket_replication": "GetReplicationConfiguration",
    "get_bucket_encryption": "GetEncryptionConfiguration",
    "get_bucket_lifecycle_configuration": "GetLifecycleConfiguration",
    "get_public_access_block": "GetBucketPublicAccessBlock",
    "list_buckets": "ListAllMyBuckets",
}
"""Where S3's actions are called otherwise than its operations (Service Authorization Reference)."""


def action(service, operation):
    if service == "apigateway":
        return "apigateway:get"
    name = S3_ACTIONS.get(operation, operation) if service == "s3" else operation
    prefix = "elasticloadbalancing" if service == "elbv2" else service
    return f"{prefix}:{name.replace('_', '')}".lower()


def test_its_rights_are_those_that_the_document_lists(tmp_path, monkeypatch, capsys):
    asked = set()
    for name in ("payments", "trading"):
        scene = FitScene(name, tmp_path / name / "orchestration", monkeypatch, capsys)
        scene.ask()
        asked |= {action(service, operation) for who, service, operation in scene.cloud.asked if who == "caller"}
    text = (ROOT / "docs" / "readiness.md").read_text()
    listed = re.findall(r"`([a-z0-9]+:[A-Za-z0-9]+)`", text.partition("## Rights")[2])
    assert {each.lower() for each in listed} == asked
