"""The data layer: what is replicated, encrypted, kept and cleaned up."""

from __future__ import annotations

import json

import pytest

from projects.data.audit import lifecycle_rules
from projects.data.keys import DataKey
from projects.data.table import PaymentsTable
from shared.components.regions import Region
from shared.environment import Environment
from shared.roles import PerRole
from tests.unit.projects.mocked_programs import ACCOUNT, Made, run_component, run_environment

KEYS = {
    "primary": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/mrk-1",
    "secondary": f"arn:aws:kms:us-east-2:{ACCOUNT}:key/mrk-1",
}


@pytest.fixture
def data():
    return run_environment()["data/payments"].recorder


def made_table(consistency, **others):
    def build():
        environment = Environment.load("payments")
        settings = environment.data.model_copy(update={"consistency": consistency, **others})
        regions = PerRole.build(lambda role: Region.connect(environment.foundation(), role))
        PaymentsTable("payments", regions, settings, DataKey("key", regions))

    return run_component("payments", build).recorder.one("Table")


def test_the_table_is_strongly_consistent_with_a_witness():
    table = made_table("strong")
    (replica,) = table["replicas"]
    assert replica["regionName"] == "us-east-2"
    assert replica["consistencyMode"] == "STRONG"
    assert table["globalTableWitness"] == {"regionName": "us-west-2"}
    assert "streamEnabled" not in table.inputs  # replication needs none, and Pulumi's would reach one side only


def test_an_eventually_consistent_table_streams_and_has_no_witness():
    table = made_table("eventual")
    assert table["replicas"][0]["consistencyMode"] == "EVENTUAL"
    assert "globalTableWitness" not in table.inputs
    assert (table["streamEnabled"], table["streamViewType"]) == (True, "NEW_AND_OLD_IMAGES")


def test_the_table_can_be_recovered_for_as_long_as_the_environment_says():
    assert made_table("strong", recovery_days=7)["pointInTimeRecovery"]["recoveryPeriodInDays"] == 7


def test_the_table_is_recoverable_and_encrypted_in_both_regions(data):
    table = data.one("Table")
    assert table["name"] == "payment-transactions-x7k2"
    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert (table["hashKey"], table["rangeKey"]) == ("pk", "sk")
    assert table["pointInTimeRecovery"] == {"enabled": True, "recoveryPeriodInDays": 35}
    assert table["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": KEYS["primary"]}
    (replica,) = table["replicas"]
    assert replica["pointInTimeRecovery"] is True
    assert replica["kmsKeyArn"] == KEYS["secondary"]
    assert table["deletionProtectionEnabled"] is False


def test_the_replica_is_tagged_as_the_secondary(data):
    tags = {each["key"]: each["value"] for each in data.of("Tag")}
    assert tags["DR-Role"] == "secondary"
    assert tags["Region"] == "us-east-2"
    assert set(tags) == {"Service", "Owner", "CostCenter", "Environment", "Region", "DR-Role"}
    assert {each["resourceArn"] for each in data.of("Tag")} == {
        f"arn:aws:dynamodb:us-east-2:{ACCOUNT}:table/payment-transactions-x7k2"
    }
    assert "propagateTags" not in data.one("Table")["replicas"][0]


def test_the_sweeps_index_holds_keys_by_due_time(data):
    table = data.one("Table")
    (index,) = table["globalSecondaryIndexes"]
    assert index["name"] == "unfinished"
    assert index["projectionType"] == "KEYS_ONLY"
    assert [(each["attributeName"], each["keyType"]) for each in index["keySchemas"]] == [
        ("unfinished", "HASH"),
        ("due", "RANGE"),
    ]
    assert {each["name"]: each["type"] for each in table["attributes"]} == {
        "pk": "S",
        "sk": "S",
        "unfinished": "S",
        "due": "N",
    }


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_each_bucket_is_private_versioned_encrypted_and_tls_only(data, role):
    name = f"audit-{role}"
    assert data.one("Bucket", name)["bucket"] == f"payment-audit-logs-{role}-x7k2-{ACCOUNT}"
    assert data.one("Bucket", name)["forceDestroy"] is True
    assert data.one("BucketVersioning", name)["versioningConfiguration"] == {"status": "Enabled"}
    blocked = data.one("BucketPublicAccessBlock", name)
    assert all(
        blocked[each] is True
        for each in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    )
    (rule,) = data.one("BucketServerSideEncryptionConfiguration", name)["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEYS[role]}
    assert data.one("BucketOwnershipControls", name)["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    statements = bucket_policy(data, role)
    assert (statements["TlsOnly"]["Effect"], statements["TlsOnly"]["Action"]) == ("Deny", ["s3:*"])
    assert statements["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def bucket_policy(data, role):
    statements = json.loads(data.one("BucketPolicy", f"audit-{role}")["policy"])["Statement"]
    return {each["Sid"]: each for each in statements}


REPLICATION_ROLE = "arn:aws:role:::payment-audit-replication-x7k2"
COPY = {
    f"s3:{action}"
    for action in (
        "GetReplicationConfiguration", "ListBucket", "GetObjectVersionForReplication", "GetObjectVersionAcl",
        "GetObjectVersionTagging", "ReplicateObject", "ReplicateDelete", "ReplicateTags",
    )
}  # fmt: skip


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_a_bucket_s_policy_lets_the_replication_role_copy_and_nobody_else(data, role):
    allowed = [each for each in bucket_policy(data, role).values() if each["Effect"] == "Allow"]
    assert {action for each in allowed for action in each["Action"]} == COPY
    assert all(each["Principal"] == {"AWS": REPLICATION_ROLE} for each in allowed)
    bucket = f"arn:aws:bucket:::payment-audit-logs-{role}-x7k2-{ACCOUNT}"
    assert {resource for each in allowed for resource in each["Resource"]} == {bucket, f"{bucket}/*"}
    others = bucket_policy(data, role)["NobodyElseReplicates"]
    assert (others["Effect"], others["Principal"]) == ("Deny", "*")
    assert others["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": REPLICATION_ROLE}}


def test_bucket_policies_come_after_the_role_that_they_name(data):
    """S3 refuses a principal that does not exist."""
    for role in ("primary", "secondary"):
        assert "Role:audit-replication" in data.one("BucketPolicy", f"audit-{role}").after


def test_the_replica_of_the_key_goes_before_the_key(data):
    """KMS keeps a primary whose replica is there, and begins its wait only then."""
    assert "Key:data-key" in data.one("ReplicaKey").after


def test_only_s3_for_our_buckets_takes_the_replication_role_on(data):
    (statement,) = json.loads(data.one("Role")["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert statement["Condition"]["ArnLike"]["aws:SourceArn"] == [
        f"arn:aws:s3:::payment-audit-logs-{role}-x7k2-{ACCOUNT}" for role in ("primary", "secondary")
    ]


@pytest.mark.parametrize(("source", "destination"), [("primary", "secondary"), ("secondary", "primary")])
def test_each_bucket_replicates_to_the_other_in_time(data, source, destination):
    replication = data.one("BucketReplicationConfig", f"audit-{source}")
    (rule,) = replication["rules"]
    target = rule["destination"]
    assert target["bucket"] == f"arn:aws:bucket:::payment-audit-logs-{destination}-x7k2-{ACCOUNT}"
    assert target["encryptionConfiguration"] == {"replicaKmsKeyId": KEYS[destination]}
    assert target["replicationTime"] == {"status": "Enabled", "time": {"minutes": 15}}
    assert target["metrics"] == {"status": "Enabled", "eventThreshold": {"minutes": 15}}
    assert rule["id"] == f"to-{destination}"
    assert rule["sourceSelectionCriteria"]["sseKmsEncryptedObjects"] == {"status": "Enabled"}
    assert rule["sourceSelectionCriteria"]["replicaModifications"] == {"status": "Enabled"}
    assert rule["deleteMarkerReplication"] == {"status": "Enabled"}


def test_the_replication_role_names_both_buckets_and_both_keys(data):
    statements = json.loads(data.one("RolePolicy", "audit-replication")["policy"])["Statement"]
    named = {resource for statement in statements for resource in statement["Resource"]}
    for role in ("primary", "secondary"):
        arn = f"arn:aws:bucket:::payment-audit-logs-{role}-x7k2-{ACCOUNT}"
        assert {arn, f"{arn}/*", KEYS[role]} <= named


def test_audit_records_grow_cheaper_and_leftovers_go():
    rules = {rule["id"]: rule for rule in lifecycle_rules(Environment.load("payments").data.audit)}
    assert rules["archive"]["transitions"] == [
        {"days": 30, "storage_class": "STANDARD_IA"},
        {"days": 90, "storage_class": "GLACIER"},
    ]
    # Nothing about sizes: what is under 128 KB stays in Standard, where 1 KB costs 70 times less than in Standard-IA.
    assert all(rule["filter"] == {"prefix": ""} for rule in rules.values())
    assert rules["clean-up"]["noncurrent_version_expiration"] == {"noncurrent_days": 30}
    assert rules["clean-up"]["abort_incomplete_multipart_upload"] == {"days_after_initiation": 1}
    assert "days" not in str(rules["clean-up"]["expiration"])


def test_one_key_serves_both_regions_under_one_alias(data):
    key = data.one("Key")
    assert (key["multiRegion"], key["enableKeyRotation"], key["deletionWindowInDays"]) == (True, True, 7)
    assert data.one("ReplicaKey")["primaryKeyArn"] == KEYS["primary"]
    assert {each["name"] for each in data.of("Alias")} == {"alias/payment-data-x7k2"}
    assert {each.provider.split("::")[-2] for each in data.of("Alias")} == {"aws-primary", "aws-secondary"}


def test_the_key_is_used_through_services_and_by_alarms_only(data):
    statements = {each["Sid"]: each for each in json.loads(data.one("Key")["policy"])["Statement"]}
    account = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    administration = statements["AccountAdministers"]
    assert administration["Principal"] == account
    assert not {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"} & set(administration["Action"])
    services = statements["AccountUsesThroughServices"]["Condition"]["StringEquals"]["kms:ViaService"]
    assert {"dynamodb.us-east-2.amazonaws.com", "sns.us-east-1.amazonaws.com"} <= set(services)
    alarms = statements["AlarmsPublishToEncryptedTopics"]
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert data.one("Key")["policy"] == data.one("ReplicaKey")["policy"]


def test_secrets_are_generated_replicated_and_left_to_rotation(data):
    """Rotation writes another value, and moves the labels on: neither is drift, and neither is put back."""
    for secret in data.of("Secret"):
        assert secret["recoveryWindowInDays"] == 0
        assert secret["kmsKeyId"] == KEYS["primary"]
        assert secret["replicas"] == [{"region": "us-east-2", "kmsKeyId": KEYS["secondary"]}]
    versions = {each.name: each for each in data.of("SecretVersion")}
    clients = json.loads(versions["api-keys"]["secretString"])["clients"]
    assert clients == {
        "storefront": {"current": "generated-api-key-storefront", "previous": None},
        "canary": {"current": "generated-api-key-canary", "previous": None},
    }
    assert all(each["versionStages"] == ["AWSCURRENT", "FIRST"] for each in versions.values())
    assert all("secretString" in each.secret for each in versions.values())
    assert all(each.ignored == {"secretString", "versionStages"} for each in versions.values())
    assert all(each["length"] >= 32 for each in data.of("RandomPassword"))


def test_parameters_have_the_same_names_and_their_own_regions_values(data):
    by_region: dict[str, dict[str, Made]] = {"aws-primary": {}, "aws-secondary": {}}
    for parameter in data.of("Parameter"):
        by_region[parameter.provider.split("::")[-2]][parameter["name"]] = parameter
    primary, secondary = by_region["aws-primary"], by_region["aws-secondary"]
    assert set(primary) == set(secondary)
    assert primary["/payment-processing/x7k2/endpoint"]["value"] == "https://use1-api.x7k2.pay.example.com"
    assert secondary["/payment-processing/x7k2/endpoint"]["value"] == "https://use2-api.x7k2.pay.example.com"
    assert primary["/payment-processing/x7k2/peer-endpoint"]["value"] == "https://use2-api.x7k2.pay.example.com"
    assert secondary["/payment-processing/x7k2/peer-endpoint"]["value"] == "https://use1-api.x7k2.pay.example.com"
    secure = secondary["/payment-processing/x7k2/api-keys-secret"]
    assert (secure["type"], secure["keyId"]) == ("SecureString", KEYS["secondary"])
    assert secure["value"] == f"arn:aws:secretsmanager:us-east-2:{ACCOUNT}:secret:payment-api-secret-x7k2-AbCdEf"


def test_every_parameter_has_a_reader_with_its_grant(data):
    """In each region, by name: none is there for nobody, and none is read that is not there."""
    for role, region in (("primary", "us-east-1"), ("secondary", "us-east-2")):
        made = {each["name"] for each in data.of("Parameter") if each.provider.split("::")[-2] == f"aws-{role}"}
        read = {
            resource.rpartition(":parameter")[2]
            for run in run_environment().values()
            for policy in run.recorder.of("RolePolicy")
            for statement in json.loads(policy["policy"])["Statement"]
            if "ssm:GetParameter" in statement["Action"]
            for resource in statement["Resource"]
            if f":{region}:" in resource
        }
        assert made == read


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_who_used_the_audit_trail_is_written_down_in_its_region(data, role):
    logging = data.one("BucketLogging", f"audit-access-{role}")
    bucket = data.one("Bucket", f"audit-access-{role}")
    assert bucket["bucket"] == f"payment-s3-access-{role}-x7k2-{ACCOUNT}"
    assert bucket["forceDestroy"] is True
    assert logging["bucket"] == f"payment-audit-logs-{role}-x7k2-{ACCOUNT}"
    assert logging["targetPrefix"] == "audit/"
    assert logging["targetBucket"] == f"{bucket.name}-id"
    assert f"BucketPolicy:{bucket.name}" in logging.after
    assert logging.provider == data.one("Bucket", f"audit-{role}").provider == bucket.provider
    assert data.one("BucketVersioning", bucket.name)["versioningConfiguration"] == {"status": "Enabled"}
    blocked = data.one("BucketPublicAccessBlock", bucket.name)
    assert {blocked[each] for each in ("blockPublicAcls", "blockPublicPolicy", "restrictPublicBuckets")} == {True}
    (rule,) = data.one("BucketServerSideEncryptionConfiguration", f"audit-access-{role}")["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}, "S3 logs into no other"
    (expiry,) = data.one("BucketLifecycleConfiguration", f"audit-access-{role}")["rules"]
    assert expiry["expiration"] == {"days": 90}
    assert expiry["noncurrentVersionExpiration"] == {"noncurrentDays": 1}


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_s3_alone_writes_the_access_log_and_for_the_one_bucket(data, role):
    policy = json.loads(data.one("BucketPolicy", f"audit-access-{role}")["policy"])
    tls, written = policy["Statement"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert written["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert written["Action"] == ["s3:PutObject"]
    (resource,) = written["Resource"]
    assert resource == f"arn:aws:bucket:::payment-s3-access-{role}-x7k2-{ACCOUNT}/audit/*"
    (source,) = written["Condition"]["ArnLike"].values()
    assert source == f"arn:aws:bucket:::payment-audit-logs-{role}-x7k2-{ACCOUNT}"
    assert written["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_no_access_log_is_about_a_bucket_of_access_logs(data):
    logs = data.of("BucketLogging")
    assert {each["bucket"] for each in logs} == {
        f"payment-audit-logs-{role}-x7k2-{ACCOUNT}" for role in ("primary", "secondary")
    }


def test_values_are_generated_once_and_are_secret_and_no_output(data):
    """A password without keepers is made anew by nothing but its own inputs."""
    generated = data.of("RandomPassword")
    assert {each.name for each in generated} == {"api-key-storefront", "api-key-canary", "database-password"}
    assert not [each.name for each in generated if each.get("keepers")]
    assert all("secretString" in each.secret for each in data.of("SecretVersion"))
    told = json.dumps(dict(run_environment()["data/payments"].exports), default=str)
    assert "payment-api-secret" in told
    assert "generated-" not in told


def test_a_promoted_replica_is_never_written_over_by_a_deployment(data):
    for secret in data.of("Secret"):
        assert len(secret["replicas"]) == 1
        assert not secret.get("forceOverwriteReplicaSecret")
