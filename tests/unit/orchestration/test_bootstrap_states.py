"""The bucket and the key of the stacks' states: made as they must be, where they must be, and others' left alone."""

from __future__ import annotations

import json

import pytest

from orchestration.bootstrap import command
from orchestration.reach import Reach
from shared.stack import Stack
from tests.doubles.new_account import ACCOUNT, KEY
from tests.unit.orchestration.bootstrapped import BUCKET, OWN, SECRET


def test_the_bucket_is_versioned_encrypted_with_the_key_by_tls_alone_and_public_to_nobody(new_account, run_bootstrap):
    run_bootstrap(new_account)
    bucket = new_account.bucket
    assert bucket["versioning"] == {"Status": "Enabled"}
    (rule,) = bucket["encryption"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    assert set(bucket["wall"].values()) == {True}
    (statement,) = json.loads(bucket["policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert new_account.key["rotates"]
    (created,) = [asked for _, _, operation, asked in new_account.aws.asked if operation == "CreateBucket"]
    assert created["CreateBucketConfiguration"] == {"LocationConstraint": "us-west-2"}
    owners = {
        asked.get("ExpectedBucketOwner")
        for service, _, operation, asked in new_account.aws.asked
        if service == "s3" and operation not in {"CreateBucket", "GetObject"}
    }
    assert owners == {ACCOUNT}


SHARED = {"PULUMI_BACKEND_URL": "s3://company-artifacts/payments?region=us-west-2"}
THEIR_RULE = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}


@pytest.mark.parametrize("folder", ["", "payments", "payments/states"])
def test_what_ends_for_good_are_old_states_alone_whatever_else_the_bucket_keeps(new_account, run_bootstrap, folder):
    """The kind: a setting of a whole bucket that is meant for the stacks' objects in it."""
    run_bootstrap(new_account, variables={"PULUMI_BACKEND_URL": f"s3://{BUCKET}/{folder}?region=us-west-2"})
    (rule,) = new_account.bucket["lifecycle"]["Rules"]
    assert rule["Filter"] == {"Prefix": f"{folder}/.pulumi/".removeprefix("/")}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 90}


@pytest.mark.parametrize(
    "rule",
    [
        THEIR_RULE,
        {**THEIR_RULE, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {**THEIR_RULE, "Filter": {"Prefix": ""}},
        {"ID": "off", "Status": "Disabled", "Filter": {}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {
            "ID": "small",
            "Status": "Enabled",
            "Filter": {"ObjectSizeLessThan": 9},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        },
    ],
    ids=["expires", "elsewhere", "all and no versions", "off", "some"],
)
def test_a_rule_that_does_not_end_old_states_counts_for_nothing_and_stays(new_account, run_bootstrap, rule):
    run_bootstrap(new_account)
    new_account.bucket["lifecycle"] = {"Rules": [rule]}
    assert "lacks an end of old versions" in run_bootstrap(new_account, check=True)[1]["bucket", "us-west-2"]["said"]
    assert run_bootstrap(new_account)[0] == 0
    kept, ours = new_account.bucket["lifecycle"]["Rules"]
    assert (kept, ours["Filter"]) == (rule, {"Prefix": ".pulumi/"})


@pytest.mark.parametrize("filtered", [{"Filter": {"Prefix": ""}}, {"Filter": {}}, {"Prefix": ""}, {"Prefix": ".pul"}])
def test_a_rule_that_ends_all_old_versions_ends_those_of_states(new_account, run_bootstrap, filtered):
    run_bootstrap(new_account)
    all_of_it = {"ID": "all", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 9}, **filtered}
    new_account.bucket["lifecycle"] = {"Rules": [all_of_it]}
    made = len(new_account.changed)
    assert run_bootstrap(new_account)[0] == 0
    assert len(new_account.changed) == made


@pytest.mark.parametrize("other", ["app.tar.gz", "payments/app.tar.gz", "payments/old/.pulumi-backup"])
def test_a_bucket_that_keeps_other_things_is_only_looked_at(new_account, run_bootstrap, other):
    new_account.bucket = {}
    new_account.objects = {other: b"", "payments/.pulumi/meta.yaml": b"", ".pulumi/meta.yaml": b""}
    code, rows, _ = run_bootstrap(new_account, variables=SHARED)
    row = rows["bucket", "us-west-2"]
    assert (code, row["status"]) == (1, "cannot")
    assert row["said"].startswith("company-artifacts lacks versions, encryption with the key, a wall against the ")
    assert f"it keeps other things too ({other})" in row["said"]
    assert new_account.bucket == {}


@pytest.mark.parametrize("theirs", ["a/", "a/b/", "x.pulumi/"])
def test_a_bucket_with_states_of_several_systems_keeps_its_encryption(new_account, run_bootstrap, theirs):
    """They are states, too, and get the rest; but who writes them has no right to this system's key."""
    new_account.bucket = {}
    new_account.objects = {f"{folder}.pulumi/meta.yaml": b"" for folder in ("", theirs)} | {"a/": b""}
    for check in (False, True):
        code, rows, _ = run_bootstrap(new_account, check=check)
        row = rows["bucket", "us-west-2"]
        assert (code, row["status"]) == (0, "there" if check else "made")
        assert (
            f"its encryption is left as it is: it keeps another system's states too ({theirs}.pulumi/)" in row["said"]
        )
        assert {"versioning", "policy", "lifecycle"} <= new_account.bucket.keys()
        assert "encryption" not in new_account.bucket


def test_a_bucket_with_this_systems_states_alone_is_encrypted_with_its_key(new_account, run_bootstrap):
    new_account.bucket, new_account.objects = {}, {".pulumi/meta.yaml": b"", ".pulumi/a/.pulumi/b": b""}
    assert run_bootstrap(new_account)[0] == 0
    assert "encryption" in new_account.bucket


def test_a_bucket_that_keeps_other_things_and_lacks_nothing_is_there(new_account, run_bootstrap):
    run_bootstrap(new_account, variables=SHARED)
    new_account.objects["app.tar.gz"] = b""
    code, rows, _ = run_bootstrap(new_account, variables=SHARED)
    assert (code, rows["bucket", "us-west-2"]["status"]) == (0, "there")


def test_what_is_done_by_hand_to_a_bucket_says_what_it_replaces(new_account, run_bootstrap):
    lines = run_bootstrap(new_account, check=True)[1]["bucket", "us-west-2"]["by_hand"]
    told = {
        line.split()[2] for line in lines if line.endswith("# replaces what the bucket has: put that into it as well")
    }
    assert told == {"put-bucket-policy", "put-bucket-lifecycle-configuration"}


def test_a_bucket_of_somebody_elses_is_not_touched(new_account, run_bootstrap):
    new_account.denied = frozenset({"head_bucket"})
    code, rows, _ = run_bootstrap(new_account)
    assert code == 1
    assert "another account's, or you may not ask" in rows["bucket", "us-west-2"]["said"]
    assert "CreateBucket" not in new_account.changed


@pytest.mark.parametrize(
    ("variables", "step", "expected"),
    [
        ({"PULUMI_BACKEND_URL": "s3://mine?region=us-east-1"}, "bucket", "us-east-1, which serves"),
        (
            {"PULUMI_SECRETS_PROVIDER": "awskms://alias/mine?region=us-east-2", "PULUMI_BACKEND_URL": "file:///x"},
            "key",
            "us-east-2, which serves",
        ),
        (
            {"PULUMI_SECRETS_PROVIDER": "awskms://12-34?region=us-west-2", "PULUMI_BACKEND_URL": "https://x.example"},
            "key",
            "names 12-34, and there is no such key",
        ),
    ],
)
def test_nothing_of_the_states_is_in_a_region_that_serves(new_account, run_bootstrap, variables, step, expected):
    code, rows, _ = run_bootstrap(new_account, variables=variables)
    assert code == 1
    (said,) = [row for (what, _), row in rows.items() if what == step]
    assert said["status"] == "cannot"
    assert expected in said["said"]


def test_what_the_user_has_named_is_what_is_made(new_account, run_bootstrap):
    variables = {
        "PULUMI_BACKEND_URL": "s3://mine?region=us-west-2",
        "PULUMI_SECRETS_PROVIDER": "awskms://alias/ours?region=us-west-2",
    }
    code, _, told = run_bootstrap(new_account, variables=variables)
    assert (code, told["variables"], new_account.alias) == (0, variables, "alias/ours")
    code, rows, _ = run_bootstrap(new_account, variables={"PULUMI_BACKEND_URL": "https://api.pulumi.com"})
    assert rows["bucket", "the account"]["said"].startswith("none: PULUMI_BACKEND_URL keeps the states in https://")


@pytest.mark.parametrize(
    "given",
    [
        {"variables": {"PULUMI_CONFIG_PASSPHRASE_FILE": "passphrase"}},
        {"variables": {"PULUMI_CONFIG_PASSPHRASE": ""}},
        {"passphrase": SECRET},
    ],
    ids=str,
)
def test_stacks_with_a_passphrase_need_no_key(new_account, run_bootstrap, given):
    code, rows, told = run_bootstrap(new_account, **given)
    assert (code, new_account.key, told["variables"]) == (
        0,
        {},
        {"PULUMI_BACKEND_URL": f"s3://{BUCKET}?region=us-west-2"},
    )
    assert rows["key", "the account"]["said"].startswith("none: the stacks have a passphrase")
    assert not {"CreateKey", "PutBucketEncryption"} & set(new_account.changed)
    assert run_bootstrap(new_account, check=True, **given)[0] == 0


def test_a_key_that_is_named_counts_before_a_passphrase(new_account, run_bootstrap):
    provider = "awskms://alias/ours?region=us-west-2"
    run_bootstrap(new_account, variables={"PULUMI_CONFIG_PASSPHRASE": "x", "PULUMI_SECRETS_PROVIDER": provider})
    assert new_account.alias == "alias/ours"


@pytest.mark.parametrize("path", ["", "payments", "payments/states/"])
def test_states_are_found_in_the_folder_that_the_backends_address_names(new_account, path):
    variables = {"PULUMI_BACKEND_URL": f"s3://{BUCKET}/{path}?region=us-west-2"}
    place = Reach(variables, where="AWS", checkers=tuple, asks_first=True)
    state = {
        "checkpoint": {"latest": {"resources": [{"urn": "u", "type": "pulumi:pulumi:Stack", "outputs": {"a": 1}}]}}
    }
    folder = path.strip("/") + "/" if path else ""
    new_account.objects[f"{folder}.pulumi/stacks/data/payments.json"] = json.dumps(state).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "Aws", lambda _: new_account.aws)
        found = command.opened(OWN, place, "aws").states(Stack("data", "payments"))
    assert found is not None
    assert found.outputs == {"a": 1}
