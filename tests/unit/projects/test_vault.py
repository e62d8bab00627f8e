"""The locked copy of the table: what is asked for when an environment wants it, and nothing when it does not."""

from __future__ import annotations

import dataclasses
import json

import pulumi
import pytest

from policies.facts import Facts
from policies.rules import of_stack, violations
from shared.contracts import VaultOutputs
from shared.environment import Environment
from tests.unit.projects.mocked_programs import (
    ACCOUNT,
    PAYMENTS,
    TRADING,
    VAULT_REGIONS,
    published,
    run_environment,
    run_program,
    run_vault,
)

PROFILES = (PAYMENTS, TRADING)


@pytest.fixture(params=PROFILES)
def environment(request):
    return request.param


def region_of(recorder, resource):
    """The region of the provider that makes a resource."""
    providers = {each.urn: each["region"] for each in recorder.made if each.type == "pulumi:providers:aws"}
    return providers[resource.provider.rpartition("::")[0]]


def statements(recorder, role):
    return json.loads(recorder.one("RolePolicy", role)["policy"])["Statement"]


def test_off_by_default_there_is_no_stack_and_its_program_makes_nothing(environment):
    assert Environment.load(environment).aside == ()
    assert not [stack for stack in run_environment(environment) if stack.startswith("vault/")]
    with pytest.raises(pulumi.RunError, match=r"asks for no vault: production: true and vault\.region make one"):
        run_program("vault", environment, published(environment))


def test_a_region_alone_makes_none():
    settings = Environment.load(PAYMENTS)
    there = settings.vault.model_copy(update={"region": "us-west-2"})
    assert settings.model_copy(update={"vault": there}).aside == ()
    assert settings.model_copy(update={"vault": there, "production": True}).aside == ("vault",)


def test_the_locked_vault_is_outside_both_regions_and_the_way_to_it_beside_the_table(environment):
    recorder = run_vault(environment).recorder
    assert region_of(recorder, recorder.one("Vault", "locked")) == VAULT_REGIONS[environment]
    assert VAULT_REGIONS[environment] not in set(Facts.of(environment).regions.values())
    assert region_of(recorder, recorder.one("Vault", "source")) == "us-east-1"
    for name in ("locked", "source"):
        vault, key = recorder.one("Vault", name), recorder.one("Key", name)
        assert region_of(recorder, key) == region_of(recorder, vault)
        assert vault["kmsKeyArn"]
        assert any(each.startswith("Key:") for each in vault.after)
        assert vault["forceDestroy"] is False
        assert vault.ignored == {"recoveryPoints"}
        assert (key["deletionWindowInDays"], key["enableKeyRotation"]) == (30, True)


def test_the_lock_holds_each_copy_for_its_days_and_is_in_governance_mode_unless_it_is_named(environment):
    recorder = run_vault(environment).recorder
    lock = recorder.one("VaultLockConfiguration")
    assert region_of(recorder, lock) == VAULT_REGIONS[environment]
    assert (lock["minRetentionDays"], lock["maxRetentionDays"]) == (35, 35)
    assert "changeableForDays" not in lock.inputs
    assert recorder.deleted_first[lock.type, lock.name]
    compliance = run_vault(environment, mode="compliance", cooling_off_days=5).recorder
    assert compliance.one("VaultLockConfiguration")["changeableForDays"] == 5


def test_the_lock_goes_with_its_vault_alone(environment):
    """Pulumi then never asks AWS to take it away, and AWS keeps the vault while there are copies in it."""
    recorder = run_vault(environment).recorder
    lock = recorder.one("VaultLockConfiguration")
    assert recorder.gone_with[lock.type, lock.name].endswith("::vault-locked")
    assert "aws:backup/vault:Vault" in recorder.gone_with[lock.type, lock.name]


def test_the_plan_backs_up_the_one_table_every_day_and_copies_it_into_the_locked_vault(environment):
    recorder = run_vault(environment).recorder
    (rule,) = recorder.one("Plan")["rules"]
    assert rule["targetVaultName"] == recorder.one("Vault", "source")["name"]
    assert rule["schedule"] == "cron(0 5 * * ? *)"
    assert rule["lifecycle"] == {"deleteAfter": 1}
    (copied,) = rule["copyActions"]
    assert copied["destinationVaultArn"].endswith(recorder.one("Vault", "locked")["name"])
    assert copied["lifecycle"] == {"deleteAfter": 35}
    selection = recorder.one("Selection")
    table = published(environment)[f"organization/data/{environment}"]["table_arns"]["primary"]
    assert selection["resources"] == [table]
    assert "selectionTags" not in selection.inputs
    for resource in (recorder.one("Plan"), selection):
        assert region_of(recorder, resource) == "us-east-1"


def test_the_role_that_backs_up_touches_one_table_and_two_vaults(environment):
    recorder = run_vault(environment).recorder
    data = published(environment)[f"organization/data/{environment}"]
    allowed = {action: each for each in statements(recorder, "vault-backup") for action in each["Action"]}
    assert allowed["dynamodb:StartAwsBackupJob"]["Resource"] == [data["table_arns"]["primary"]]
    locked, source = (recorder.one("Vault", name)["name"] for name in ("locked", "source"))
    assert [each.rpartition(":")[2] for each in allowed["backup:CopyIntoBackupVault"]["Resource"]] == [locked]
    copies = allowed["backup:CopyFromBackupVault"]
    (target,) = copies["Condition"]["ForAllValues:ArnEquals"]["backup:CopyTargets"]
    assert target.endswith(locked)
    assert copies["Condition"]["Null"] == {"backup:CopyTargets": "false"}
    described = [
        each["Resource"]
        for each in statements(recorder, "vault-backup")
        if "backup:DescribeBackupVault" in each["Action"]
    ]
    assert [each.rpartition(":")[2] for (each,) in described] == [source, locked]
    assert not any("Delete" in action or action == "dynamodb:Scan" for action in allowed)


def test_the_role_that_restores_touches_no_table_in_service(environment):
    recorder = run_vault(environment).recorder
    table = published(environment)[f"organization/data/{environment}"]["table_name"]
    allowed = {action: each for each in statements(recorder, "vault-restore") for action in each["Action"]}
    arn = f"arn:aws:dynamodb:{VAULT_REGIONS[environment]}:{ACCOUNT}:table/{table}"
    assert allowed["dynamodb:RestoreTableFromAwsBackup"]["Resource"] == [f"{arn}-restore-test", f"{arn}-restored"]
    assert {action.partition(":")[0] for action in allowed} == {"dynamodb", "kms"}


@pytest.mark.parametrize("role", ["vault-backup", "vault-restore"])
def test_aws_backup_alone_takes_on_a_role_and_for_this_account(environment, role):
    trust = json.loads(run_vault(environment).recorder.one("Role", role)["assumeRolePolicy"])
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "backup.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_who_is_on_call_is_told_when_no_copy_came_for_as_long_as_the_environment_says(environment):
    recorder = run_vault(environment).recorder
    alarm = recorder.one("MetricAlarm")
    assert alarm["dimensions"] == {"BackupVaultName": recorder.one("Vault", "locked")["name"]}
    assert (alarm["namespace"], alarm["metricName"]) == ("AWS/Backup", "NumberOfCopyJobsCompleted")
    assert alarm["period"] * alarm["evaluationPeriods"] == 36 * 3600
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("LessThanThreshold", 1)
    assert alarm["treatMissingData"] == "breaching"
    edge = run_environment(environment)[f"edge/{environment}"].recorder
    topics = {each["name"] for each in edge.of("Topic")}
    (told,) = alarm["alarmActions"]
    assert told.rpartition(":")[2] in topics
    assert told.startswith(f"arn:aws:sns:us-east-1:{ACCOUNT}:")
    assert region_of(recorder, alarm) == "us-east-1"


def test_it_reads_the_table_and_nothing_else(environment):
    assert set(run_vault(environment).recorder.read) == {f"organization/data/{environment}"}


def test_it_publishes_all_of_its_contract(environment):
    run = run_vault(environment)
    published = {name: run.exports[name] for name in (field.name for field in dataclasses.fields(VaultOutputs))}
    assert all(published.values())
    assert published["region"] == VAULT_REGIONS[environment]
    assert run.exports["contract"] == {"name": "vault", "version": 1}


def test_no_rule_of_the_policies_is_broken(environment):
    facts = dataclasses.replace(Facts.of(environment), production=True)
    asked = run_vault(environment).recorder.asked
    assert [str(found) for each in asked for found in violations(each, facts)] == []
    assert [str(found) for found in of_stack(asked)] == []
    vault = next(each for each in asked if each.kind == "Vault")
    for spoilt, said in (
        ({"forceDestroy": True}, "forceDestroy is True and must be False"),
        ({"kmsKeyArn": None}, "kmsKeyArn is not set"),
        ({"name": "vault"}, "without the suffix"),
    ):
        broken = dataclasses.replace(vault, properties={**vault.properties, **spoilt})
        assert any(said in str(found) for found in violations(broken, facts))
