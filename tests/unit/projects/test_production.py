"""With `production: true` data is kept from its owners too; without it nothing is held (A2)."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from policies.facts import Facts
from policies.rules import of_stack, violations
from shared.environment import Environment
from shared.roles import ROLES
from shared.root import ROOT
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, published, run_environment, run_program, run_vault

LOCK = "BucketObjectLockConfiguration"


@pytest.fixture(params=[PAYMENTS, TRADING])
def environment(request):
    return request.param


@pytest.fixture
def production(environment, monkeypatch):
    """Runs a program of an environment that is in production, beside what the others published before it was."""
    load = Environment.load

    def run(layer, stack=environment):
        outputs = published(environment)
        with monkeypatch.context() as patched:
            patched.setattr(Environment, "load", lambda name: load(name).model_copy(update={"production": True}))
            return run_program(layer, stack, outputs).recorder

    return run


def copying(recorder):
    """What the replication role may do with objects, by its own policy and by those of the buckets."""
    documents = [each["policy"] for each in (*recorder.of("BucketPolicy"), recorder.one("RolePolicy", "replication"))]
    statements = [each for document in documents for each in json.loads(document)["Statement"]]
    return [set(each["Action"]) for each in statements if "s3:GetObjectVersionAcl" in each["Action"]]


def test_both_audit_buckets_are_locked_by_a_configuration_of_its_own(production):
    data = production("data")
    locks = {each["bucket"]: each for each in data.of(LOCK)}
    assert locks.keys() == {f"audit-{role}-id" for role in ROLES}
    for lock in locks.values():
        assert lock["rule"] == {"defaultRetention": {"mode": "GOVERNANCE", "days": 365}}
        assert any("BucketVersioning" in each for each in lock.after)
    for bucket in data.of("Bucket"):  # the input of the same name would replace it
        assert "objectLockEnabled" not in bucket.inputs


def test_copies_of_locked_records_are_made_once_both_buckets_are_locked(production):
    data = production("data")
    for replication in data.of("BucketReplicationConfig"):
        assert sum(LOCK in each for each in replication.after) == len(ROLES)
    assert len(copying(data)) == 3
    assert all(actions >= {"s3:GetObjectRetention", "s3:GetObjectLegalHold"} for actions in copying(data))


def test_no_bucket_and_no_zone_goes_with_what_is_in_it(production, environment):
    assert {each["forceDestroy"] for each in production("data").of("Bucket")} == {False}
    edge = production("edge")
    assert {each["forceDestroy"] for kind in ("Bucket", "Zone") for each in edge.of(kind)} == {False}
    canaries = production("observability", f"{environment}-primary")
    assert {each["forceDestroy"] for each in canaries.of("Bucket")} == {False}


def test_the_table_keys_and_secrets_can_be_had_back(production):
    data = production("data")
    table = data.one("Table")
    assert table["deletionProtectionEnabled"] is True
    assert [each["deletionProtectionEnabled"] for each in table["replicas"]] == [True]
    assert {each["deletionWindowInDays"] for kind in ("Key", "ReplicaKey") for each in data.of(kind)} == {30}
    assert {each["recoveryWindowInDays"] for each in data.of("Secret")} == {30}


def test_nothing_is_replaced_by_going_into_production(production, environment):
    """All that is new is the lock: what was there has its name and its place."""
    before, after = run_environment(environment)[f"data/{environment}"].recorder, production("data")
    names = {kind: {(each.type, each.name) for each in run.cloud} for kind, run in (("a", before), ("b", after))}
    assert {kind.rpartition(":")[2] for kind, _ in names["b"] - names["a"]} == {LOCK}
    assert names["a"] <= names["b"]


def test_without_it_nothing_is_locked_and_replication_asks_for_no_locks(environment):
    data = run_environment(environment)[f"data/{environment}"].recorder
    assert data.of(LOCK) == []
    assert not any("s3:GetObjectRetention" in actions for actions in copying(data))


REGIONAL = [(layer, f"-{role}") for layer in ("compute", "observability") for role in ROLES]


def test_no_rule_of_the_policies_is_broken(environment, production):
    facts = dataclasses.replace(Facts.of(environment), production=True)
    for layer, role in (("data", ""), ("edge", ""), *REGIONAL):
        asked = production(layer, f"{environment}{role}").asked
        assert [str(found) for each in asked for found in violations(each, facts)] == []
        assert [str(found) for found in of_stack(asked)] == []


def test_no_resource_is_left_behind_when_its_stack_goes(environment, production):
    """The engine does not tell a policy of `retain_on_delete`, so no rule can find it."""
    runs = [run.recorder for run in (*run_environment(environment).values(), run_vault(environment))]
    for layer, role in (("network", "-primary"), ("data", ""), ("edge", ""), *REGIONAL):
        runs.append(production(layer, f"{environment}{role}"))
    assert [str(each) for run in runs for each in run.made if each.left] == []
    assert sum(len(run.made) for run in runs) > 800


def test_no_source_of_a_program_knows_how_to_leave_a_resource_behind():
    """Also in a branch that neither profile takes, and in the options of a program."""
    sources = [
        path for room in ("projects", "shared") for kind in ("py", "yaml") for path in (ROOT / room).rglob(f"*.{kind}")
    ]
    assert len(sources) > 60
    knowing = [str(path) for path in sources if re.search(r"retain_?on_?delete", path.read_text(), re.IGNORECASE)]
    assert knowing == []
