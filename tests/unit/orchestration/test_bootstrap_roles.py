"""The teams' roles that the bootstrap makes: who may take one on, who still may, and what it reads beside its layer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestration.teams.roles import Takers
from shared.errors import Problem
from tests.doubles.new_account import ACCOUNT, KEY
from tests.unit.orchestration.bootstrapped import BUCKET, NETWORK, PEOPLE, SECRET, WORKFLOWS


def test_roles_that_nobody_could_take_on_are_not_made_and_hold_nobody_up(new_account, run_bootstrap):
    code, rows, _ = run_bootstrap(new_account)
    row = rows["teams' roles", "the account"]
    assert (code, row["status"], row["needed"]) == (0, "cannot", False)
    assert "--repository OWNER/NAME" in row["said"]


def test_who_is_no_taker_is_refused_before_anybody_is_asked(new_account, run_bootstrap):
    with pytest.raises(Problem, match="is not OWNER/NAME"):
        run_bootstrap(new_account, takers=Takers("payments"))
    assert new_account.aws.asked == []


THEIRS = f"arn:aws:iam::{ACCOUNT}:policy/security/never"
WHO = {WORKFLOWS: "repo:payments-org@1/payments@2:environment:network-primary", PEOPLE: "role/operators"}


def network_of(rows):
    return rows["role of team network", "the account"]


def trusted(new_account):
    """What a team's role trusts, as text by statement."""
    return [json.dumps(each) for each in new_account.roles[NETWORK]["AssumeRolePolicyDocument"]["Statement"]]


@pytest.mark.parametrize(
    ("before", "named"), [(WORKFLOWS, PEOPLE), (PEOPLE, WORKFLOWS)], ids=["people are named", "a repository is named"]
)
def test_who_is_not_named_is_not_locked_out(new_account, run_bootstrap, before, named):
    stays, comes = WHO[before], WHO[named]
    run_bootstrap(new_account, takers=before)
    said = network_of(run_bootstrap(new_account, takers=named, check=True)[1])["said"]
    assert "differs: who may take it on; comes: " in said
    assert comes in said.partition("; stays: ")[0]
    assert stays in said.partition("; stays: ")[2]
    assert "goes: " not in said
    assert network_of(run_bootstrap(new_account, takers=named)[1])["status"] == "made"
    assert len(trusted(new_account)) == 2
    assert comes in trusted(new_account)[0]
    assert stays in trusted(new_account)[1]
    for takers in (before, named):
        assert network_of(run_bootstrap(new_account, takers=takers)[1])["status"] == "there"


def test_who_takes_it_on_no_more_is_told_before(new_account, run_bootstrap):
    run_bootstrap(new_account, takers=PEOPLE)
    deny = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    new_account.roles[NETWORK]["AssumeRolePolicyDocument"]["Statement"].append(deny)
    said = network_of(run_bootstrap(new_account, takers=Takers(people=("user/new",)), check=True)[1])["said"]
    assert f"comes: arn:aws:iam::{ACCOUNT}:user/new; goes: arn:aws:iam::{ACCOUNT}:role/operators; stays: Deny" in said
    run_bootstrap(new_account, takers=Takers(people=("user/new",)))
    row = network_of(run_bootstrap(new_account, takers=Takers(people=("user/new",)))[1])
    assert (row["status"], "stays: Deny" in row["said"]) == ("there", True)
    assert [deny] == [each for each in map(json.loads, trusted(new_account)) if each["Effect"] == "Deny"]
    assert "role/operators" not in str(trusted(new_account))


def test_who_may_take_it_on_under_other_conditions_is_told_before(new_account, run_bootstrap):
    run_bootstrap(new_account, takers=WORKFLOWS)
    statement = new_account.roles[NETWORK]["AssumeRolePolicyDocument"]["Statement"][0]
    del statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:aud"]
    said = network_of(run_bootstrap(new_account, takers=WORKFLOWS, check=True)[1])["said"]
    assert f"differs: who may take it on; under other conditions: {WHO[WORKFLOWS]}" in said
    rows = run_bootstrap(new_account, takers=WORKFLOWS)[1]
    assert network_of(rows)["status"] == "made"
    assert "token.actions.githubusercontent.com:aud" in trusted(new_account)[0]


def test_a_policy_that_somebody_else_has_attached_stays_and_is_told(new_account, run_bootstrap):
    run_bootstrap(new_account, takers=PEOPLE)
    old = f"arn:aws:iam::{ACCOUNT}:policy/{NETWORK}-9"
    new_account.attached[NETWORK] += [THEIRS, old]
    said = network_of(run_bootstrap(new_account, takers=PEOPLE, check=True)[1])["said"]
    assert f"differs: what it may do; others' policies stay: {THEIRS}" in said
    row = network_of(run_bootstrap(new_account, takers=PEOPLE)[1])
    assert row["status"] == "made"
    assert THEIRS in new_account.attached[NETWORK]
    assert old not in new_account.attached[NETWORK]
    row = network_of(run_bootstrap(new_account, takers=PEOPLE)[1])
    assert (row["status"], THEIRS in row["said"]) == ("there", True)


def test_a_policy_has_room_for_a_sixth_version_and_a_provider_for_another_audience(new_account, run_bootstrap):
    run_bootstrap(new_account, takers=PEOPLE)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{NETWORK}-1"
    wanted = new_account.policies[arn][0]
    new_account.policies[arn] = ["{}"] * 5
    new_account.audiences = ["somebody"]
    rows = run_bootstrap(new_account, takers=replace(PEOPLE, repository=WORKFLOWS.repository))[1]
    assert network_of(rows)["status"] == rows["GitHub's identity provider", "the account"]["status"] == "made"
    assert (len(new_account.policies[arn]), new_account.policies[arn][-1]) == (5, wanted)
    assert new_account.audiences == ["somebody", "sts.amazonaws.com"]


def readable(new_account):
    """By action, what a team's role may read beside its layer."""
    documents = [json.loads(each[-1]) for arn, each in new_account.policies.items() if f"/{NETWORK}-" in arn]
    statements = [each for document in documents for each in document["Statement"]]
    return {
        action: {arn for each in statements if action in each["Action"] for arn in each["Resource"]}
        for action in ("secretsmanager:GetSecretValue", "kms:Decrypt", "s3:GetObject", "s3:ListBucket")
    }


def test_roles_that_could_not_read_the_passphrase_are_not_made(new_account, run_bootstrap):
    variables = {"PULUMI_CONFIG_PASSPHRASE_FILE": "passphrase"}
    code, rows, _ = run_bootstrap(new_account, variables=variables, takers=PEOPLE)
    row = rows["teams' roles", "the account"]
    assert (code, row["status"]) == (0, "cannot")
    assert "name the ARN of its secret with --passphrase" in row["said"]
    run_bootstrap(new_account, variables=variables, takers=PEOPLE, passphrase=SECRET)
    assert readable(new_account)["secretsmanager:GetSecretValue"] == {SECRET}
    assert not readable(new_account)["kms:Decrypt"]
    with pytest.raises(Problem, match="--passphrase 'payments' is no ARN of a secret"):
        run_bootstrap(new_account, takers=PEOPLE, passphrase="payments")


@pytest.mark.parametrize(
    ("key", "read"), [(KEY, {KEY}), ("1", {KEY}), ("alias/aws/s3", set())], ids=["ARN", "id", "AWS's own"]
)
def test_roles_may_use_the_key_of_the_bucket_also_where_the_stacks_have_a_passphrase(
    new_account, run_bootstrap, key, read
):
    run_bootstrap(new_account)
    by = new_account.bucket["encryption"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    by["KMSMasterKeyID"] = key
    run_bootstrap(new_account, takers=PEOPLE, passphrase=SECRET)
    assert readable(new_account)["kms:Decrypt"] == read


def test_roles_read_the_states_in_the_folder_that_the_backends_address_names(new_account, run_bootstrap):
    variables = {"PULUMI_BACKEND_URL": f"s3://{BUCKET}/payments?region=us-west-2"}
    told = run_bootstrap(new_account, variables=variables, takers=PEOPLE)[2]
    read = {arn for arn in readable(new_account)["s3:GetObject"] if BUCKET in arn}
    assert f"arn:aws:s3:::{BUCKET}/payments/.pulumi/stacks/network/payments-primary.*" in read
    assert all(arn.startswith(f"arn:aws:s3:::{BUCKET}/payments/.pulumi/") for arn in read)
    assert readable(new_account)["s3:ListBucket"] == {f"arn:aws:s3:::{BUCKET}"}
    assert told["variables"].items() >= variables.items()
