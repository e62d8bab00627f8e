"""Examples of AWS Backup's types."""

from __future__ import annotations

from tests.sandbox.provider_engine import Engine, Made
from tests.sandbox.provider_examples import Example, example


def a_vault(engine: Engine, name: str) -> Made:
    return engine.make("aws:backup/vault:Vault", name=name, kmsKeyArn=a_key(engine))


def a_key(engine: Engine) -> str:
    return str(engine.make("aws:kms/key:Key", description="of a vault").outputs["arn"])


@example("aws:backup/vault:Vault")
def vault(engine: Engine) -> Example:
    return Example(
        {"name": "example-vault", "kmsKeyArn": a_key(engine), "tags": {"a": "b"}},
        update={"forceDestroy": True},
        replace={"name": "other", "kmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/other"},
    )


@example("aws:backup/vaultLockConfiguration:VaultLockConfiguration")
def governed(engine: Engine) -> Example:
    there = a_vault(engine, "example-governed")
    return Example(
        {"backupVaultName": there.id, "minRetentionDays": 7, "maxRetentionDays": 70},
        replace={"minRetentionDays": 8, "maxRetentionDays": 71, "changeableForDays": 3, "backupVaultName": "other"},
    )


@example("aws:backup/vaultLockConfiguration:VaultLockConfiguration")
def compliant(engine: Engine) -> Example:
    there = a_vault(engine, "example-compliant")
    inputs = {"backupVaultName": there.id, "minRetentionDays": 7, "changeableForDays": 3}
    return Example(inputs, unseen=("changeableForDays",))


@example("aws:backup/plan:Plan")
def plan(engine: Engine) -> Example:
    there = a_vault(engine, "example-source")
    copied = "arn:aws:backup:us-west-2:000000000000:backup-vault:example-copies"
    rule = {
        "ruleName": "daily",
        "targetVaultName": there.id,
        "schedule": "cron(0 5 * * ? *)",
        "lifecycle": {"deleteAfter": 1},
        "copyActions": [{"destinationVaultArn": copied, "lifecycle": {"deleteAfter": 35}}],
    }
    return Example(
        {"name": "example-plan", "rules": [rule], "tags": {"a": "b"}},
        update={"rules": [{**rule, "schedule": "cron(0 6 * * ? *)", "startWindow": 120}]},
        replace={"name": "other"},
    )


@example("aws:backup/selection:Selection")
def selection(engine: Engine) -> Example:
    there = a_vault(engine, "example-selecting")
    made = engine.make(
        "aws:backup/plan:Plan", name="selecting", rules=[{"ruleName": "daily", "targetVaultName": there.id}]
    )
    table = "arn:aws:dynamodb:us-east-1:000000000000:table/example"
    return Example(
        {
            "planId": made.id,
            "name": "table",
            "iamRoleArn": "arn:aws:iam::000000000000:role/backs-up",
            "resources": [table],
        },
        replace={"name": "other", "resources": [table + "-2"], "planId": "other"},
        import_id="{planId}|{id}",
    )
