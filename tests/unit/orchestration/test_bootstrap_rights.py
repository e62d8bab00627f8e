"""Whoever runs the bootstrap is told of every right that it needs, whatever it finds to do, and of no other."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

import pytest
from botocore import xform_name

from orchestration import aws, preflight, quotas
from orchestration import bootstrap as package
from shared.root import ROOT
from tests.doubles.modelled_aws import SESSION
from tests.doubles.new_account import ACCOUNT
from tests.unit.orchestration.bootstrapped import NETWORK, OWN, PEOPLE, SECRET, TRADING, WORKFLOWS
from tools import team_rights

BESIDE = {
    "s3:PutBucketOwnershipControls": "CreateBucket with ObjectOwnership (S3 API Reference, CreateBucket, Permissions)",
    "kms:Decrypt": "GetObject of what a key encrypts (S3 User Guide, Using SSE-KMS, Permissions)",
    "kms:TagResource": "CreateKey with tags (KMS API Reference, CreateKey, Required permissions)",
    "iam:TagRole": "CreateRole with tags (IAM User Guide, Tagging IAM roles, Permissions required)",
    "iam:TagPolicy": "CreatePolicy with tags (IAM User Guide, Tagging customer managed policies, Permissions required)",
    "iam:PassRole": "UpdateAccount with a role (API Gateway Developer Guide, Set up CloudWatch logging)",
}
"""What AWS asks for beside an operation's own action."""


def asked_in_every_way(new_account, run_bootstrap):
    """What the bootstrap asks of AWS, by service, in an account where it has everything to do, and much again."""
    takers = replace(PEOPLE, repository=WORKFLOWS.repository)
    new_account.concurrency, new_account.vpcs, new_account.audiences = 10, 5, ["somebody"]
    new_account.tags = dict.fromkeys([*OWN.tags, "Environment", "DR-Role"], "Inactive")
    new_account.cut = "create_key"
    with pytest.raises(KeyboardInterrupt):
        run_bootstrap(new_account, takers=takers)
    run_bootstrap(new_account, takers=takers)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/{NETWORK}-"
    new_account.policies[f"{arn}1"] = ["{}"] * 5
    new_account.attached[NETWORK].append(f"{arn}9")
    new_account.audiences = []
    del new_account.bucket["wall"]
    run_bootstrap(new_account, takers=PEOPLE, passphrase=SECRET)
    run_bootstrap(new_account, takers=replace(takers, people=("user/new",)))
    run_bootstrap(new_account, settings=TRADING)
    found = defaultdict(set)
    for service, _, operation, _ in new_account.aws.asked:
        found[service].add(operation)
    return found


def test_whoever_runs_it_is_told_of_every_right_that_it_needs_and_of_no_other(new_account, run_bootstrap):
    asked = asked_in_every_way(new_account, run_bootstrap)
    sources = [import_module(f"orchestration.bootstrap.{each.name}") for each in iter_modules(package.__path__)]
    said = {name for module in [*sources, quotas, preflight, aws] for name in team_rights.names_in(module)}
    every = {xform_name(each) for name in asked for each in SESSION.get_service_model(name).operation_names}
    made = {xform_name(operation) for operations in asked.values() for operation in operations}
    assert said & every == made, "the runs above do not ask for everything that the sources can"
    needed = {right for name, operations in asked.items() for right in team_rights.actions(name, operations)}
    text = (ROOT / "docs" / "deploying-to-aws.md").read_text(encoding="utf-8").partition("### 2. Rights")[2]
    table = re.findall(r"`([a-z0-9]+:[A-Za-z0-9…]+)`", text.partition("Who deploys needs")[0])
    room_takes = re.findall(r"`([a-z0-9]+:[A-Za-z0-9]+)`", text.partition(" It takes ")[2].partition("\n\n")[0])
    assert sorted(set(table + room_takes)) == sorted(needed | BESIDE.keys())
    assert all(map(team_rights.Reference().knows, needed | BESIDE.keys()))
