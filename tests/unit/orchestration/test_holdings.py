"""What holds data is known by type, for every type that the projects use, and how much it is can be said."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError

from engine.backend import Checkpoint
from engine.events import ResourceChange
from orchestration.holdings import (
    HOLDING,
    HOLDING_NOTHING,
    VAULT_LOCK,
    Holder,
    classified,
    going,
    holders,
    holding,
    told,
)
from shared.components import function
from shared.stack import Stack
from tests.doubles.modelled_aws import ModelledAws
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, published, run_environment, run_program, run_vault

DATA = Stack("data", "payments")
BUCKET, OBJECT = "aws:s3/bucket:Bucket", "aws:s3/bucketObjectv2:BucketObjectv2"
SECRET, VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
TABLE, QUEUE, KEY = "aws:dynamodb/table:Table", "aws:sqs/queue:Queue", "aws:kms/key:Key"


def test_every_type_that_a_project_uses_is_known_to_hold_data_or_none():
    both = (PAYMENTS, TRADING)
    runs = [run for environment in both for run in (*run_environment(environment).values(), run_vault(environment))]
    used = {made.type for run in runs for made in run.recorder.cloud}
    unknown = sorted(kind for kind in used if not classified(kind))
    assert unknown == [], "declare them in orchestration/holdings.py"


def test_no_type_is_said_to_hold_data_and_none():
    nothing = {f"{module}/{name}" for module, names in HOLDING_NOTHING.items() for name in names.split()}
    assert {kind for kind in HOLDING if kind.rpartition(":")[0] in nothing} == set()


@pytest.mark.parametrize(
    "kind", ["aws:rds/instance:Instance", "aws:s3/bucketV2:BucketV2", "aws:efs/fileSystem:FileSystem"]
)
def test_a_type_that_nobody_has_classified_holds_data(kind):
    found = Holder.of(DATA, kind, {"id": "x-1", "outputs": {}})
    assert found is not None
    assert found.name == f"{kind.rpartition(':')[2]}/x-1"
    assert told([found], None) == [(found, "data of an unknown kind")]


@pytest.mark.parametrize("kind", ["pulumi:providers:aws", "payments:data:PaymentsTable", "pulumi:pulumi:Stack"])
def test_what_is_no_resource_of_the_cloud_holds_nothing(kind):
    assert holding(kind) is None


def test_nothing_that_holds_data_is_made_of_function_code(monkeypatch):
    """So a release of code alone needs no look at what it would let go."""
    monkeypatch.setattr(function, "digest", lambda name: f"other-{name}")
    for stack, known in run_environment().items():
        layer, _, name = stack.partition("/")
        again = run_program(layer, name, published())
        for kind in HOLDING:
            before, after = (
                {made.name: made.inputs for made in run.recorder.made if made.type == kind} for run in (known, again)
            )
            assert before == after
    assert (
        run_program("compute", "payments-primary", published()).exports["release"]
        != (published()["organization/compute/payments-primary"]["release"])
    )


def resource(kind, identity, **outputs):
    return {
        "urn": identity,
        "type": kind,
        "custom": True,
        "id": identity,
        "outputs": {"region": "us-east-1", **outputs},
    }


def test_what_is_a_part_goes_with_the_whole_and_stands_alone_without_it():
    whole = resource(SECRET, "arn:secret:keys-1", name="keys")
    part = resource(VERSION, "arn:secret:keys-1|v1", secretId="arn:secret:keys-1", versionId="v1")
    bucket, thing = resource(BUCKET, "logs", bucket="logs"), resource(OBJECT, "logs/stop", bucket="logs", key="stop")
    everything = Checkpoint([whole, part, bucket, thing])
    assert {holder.name for holder in holders(DATA, everything)} == {"secret/keys", "bucket/logs"}
    parts = [ResourceChange("delete", each["urn"], each["type"], before=each) for each in (part, thing)]
    assert {holder.name for holder in going(DATA, parts)} == {"secret-version/keys-1/v1", "object/logs/stop"}


def test_the_two_regions_of_a_key_have_names_of_their_own():
    replica = "aws:kms/replicaKey:ReplicaKey"
    found = holders(DATA, Checkpoint([resource(kind, "mrk-1", keyId="mrk-1") for kind in (KEY, replica)]))
    assert [holder.name for holder in found] == ["key/mrk-1", "replica-key/mrk-1"]


class Answers:
    """AWS's clients, with answers for each call, one after another."""

    def __init__(self, **answers):
        self.answers = {name: iter(values) for name, values in answers.items()}

    def client(self, *_):
        return self

    def __getattr__(self, name):
        def call(**_):
            answer = next(self.answers[name])
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


REFUSED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not allowed"}}, "Scan")
MORE = {"Count": 1000, "LastEvaluatedKey": {"pk": {"S": "x"}}}


@pytest.mark.parametrize(
    ("state", "answers", "amount"),
    [
        (resource(TABLE, "payments"), {"scan": [{"Count": 12}]}, "at least 12 items"),
        (resource(TABLE, "payments"), {"scan": [MORE, {"Count": 1}]}, "at least 1,001 items"),
        (
            resource(TABLE, "payments"),
            {"scan": [MORE] * 10, "describe_table": [{"Table": {"ItemCount": 2_000_000}}]},
            "at least 2,000,000 items",
        ),
        (
            resource(TABLE, "payments"),
            {"scan": [MORE] * 10, "describe_table": [{"Table": {"ItemCount": 0}}]},
            "at least 10,000 items",
        ),
        (resource(BUCKET, "logs"), {"list_object_versions": [{"Versions": [1]}]}, "at least 1 version of objects"),
        (
            resource(BUCKET, "logs"),
            {
                "list_object_versions": [
                    {"Versions": [1], "IsTruncated": True, "NextKeyMarker": "k", "NextVersionIdMarker": "v"},
                    {},
                ]
            },
            "at least 1 version of objects",
        ),
        (
            resource("aws:backup/vault:Vault", "v"),
            {"describe_backup_vault": [{"NumberOfRecoveryPoints": 35}]},
            "at least 35 backups of the table",
        ),
        (resource(SECRET, "arn:s"), {"list_secret_version_ids": [{"Versions": [1, 2]}]}, "at least 2 versions"),
        (
            resource(QUEUE, "https://q"),
            {
                "get_queue_attributes": [
                    {"Attributes": {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "1"}}
                ]
            },
            "at least 4 messages",
        ),
    ],
)
def test_how_much_there_is_is_at_least_and_as_of(state, answers, amount):
    (holder,) = holders(DATA, Checkpoint([state]))
    ((_, said),) = told([holder], Answers(**answers))
    assert re.fullmatch(rf"{amount}, as of \d\d:\d\d UTC", said)


@pytest.mark.parametrize(("more", "mode"), [({}, "governance"), ({"changeableForDays": 3}, "compliance")])
def test_the_lock_of_a_vault_says_what_it_keeps(more, mode):
    outputs = {"backupVaultName": "v", "minRetentionDays": 35, **more}
    (holder,) = holders(DATA, Checkpoint([{"type": VAULT_LOCK, "custom": True, "id": "v", "outputs": outputs}]))
    assert holder.name == "vault-lock/v"
    assert told([holder], None) == [(holder, f"every copy for 35 days ({mode})")]


def test_what_cannot_be_asked_is_unknown_and_keeps_nobody_from_the_list():
    found = holders(DATA, Checkpoint([resource(TABLE, "payments"), resource(KEY, "mrk-1", keyId="mrk-1")]))
    said = dict(told(found, Answers(scan=[REFUSED])))
    assert said[found[0]].startswith("an unknown amount (cannot count the items of payments in us-east-1: ")
    assert said[found[1]] == "all that is encrypted with it"


def table_change(operation="update", **now):
    """Of a table with a replica and a witness: what an update would give it."""
    members = {
        "replicas": [{"regionName": "us-east-2", "consistencyMode": "STRONG", "kmsKeyArn": "key-2"}],
        "globalTableWitness": {"regionName": "us-west-2"},
    }
    before = {"id": "payments", "outputs": {"region": "us-east-1", "name": "payments", **members}}
    return ResourceChange(operation, "urn", TABLE, before=before, inputs={**members, **now})


WITH = {"regionName": "us-east-2", "consistencyMode": "STRONG", "kmsKeyArn": "key-2"}


@pytest.mark.parametrize(
    ("now", "names"),
    [
        ({}, []),
        ({"replicas": [{**WITH, "deletionProtectionEnabled": True}]}, []),
        ({"replicas": [WITH, {**WITH, "regionName": "us-west-1"}]}, []),  # one more
        ({"replicas": []}, ["replica/payments/us-east-2"]),
        ({"replicas": None}, ["replica/payments/us-east-2"]),
        ({"replicas": [{**WITH, "regionName": "us-west-1"}]}, ["replica/payments/us-east-2"]),
        ({"replicas": [{**WITH, "consistencyMode": "EVENTUAL"}]}, ["replica/payments/us-east-2"]),
        ({"replicas": [{**WITH, "kmsKeyArn": "another"}]}, ["replica/payments/us-east-2"]),
        ({"globalTableWitness": None}, ["witness/payments/us-west-2"]),
        (
            {"replicas": [{"regionName": "us-east-2"}], "globalTableWitness": {"regionName": "eu-west-1"}},
            ["replica/payments/us-east-2", "witness/payments/us-west-2"],
        ),
    ],
    ids=str,
)
def test_what_an_update_takes_from_a_table_is_data_that_goes(now, names):
    """No resource is replaced: a change in place that deletes data is of the same kind."""
    assert [holder.name for holder in going(DATA, [table_change(**now)])] == names


def test_a_members_amount_is_asked_for_in_its_own_region():
    (holder,) = going(DATA, [table_change(replicas=[])])
    assert (holder.region, holder.state["id"]) == ("us-east-2", "payments")


def test_a_table_that_goes_whole_is_one():
    assert [each.name for each in going(DATA, [table_change("replace", replicas=[])])] == ["table/payments"]


LOG = "aws:cloudwatch/logGroup:LogGroup"


@pytest.mark.parametrize(("days", "holds"), [(None, True), (0, True), (90, True), (30, True), (29, False), (7, False)])
def test_a_log_that_is_kept_for_disputes_is_data_and_one_for_faults_is_not(days, holds):
    state = {
        "id": "/aws/lambda/a",
        "outputs": {"name": "/aws/lambda/a", "retentionInDays": days, "region": "us-east-1"},
    }
    found = Holder.of(DATA, LOG, state)
    assert (found is not None) == holds
    if found:
        assert found.name == "log//aws/lambda/a"
        asks = {
            ("logs", "DescribeLogGroups"): {
                "logGroups": [
                    {"logGroupName": "/aws/lambda/a", "storedBytes": 12},
                    {"logGroupName": "/aws/lambda/ab", "storedBytes": 5},
                ]
            }
        }
        assert found.amount(ModelledAws(asks)) == "12 bytes"
