from __future__ import annotations

from tests.sandbox.provider_engine import Engine
from tests.sandbox.provider_examples import Example, example

INDEX = {
    "name": "unfinished",
    "keySchemas": [
        {"attributeName": "unfinished", "keyType": "HASH"},
        {"attributeName": "due", "keyType": "RANGE"},
    ],
    "projectionType": "KEYS_ONLY",
}
KEYS = [{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}]
INDEXED = [{"name": "unfinished", "type": "S"}, {"name": "due", "type": "N"}]
TABLE = {"billingMode": "PAY_PER_REQUEST", "hashKey": "pk", "rangeKey": "sk"}


@example("aws:dynamodb/table:Table")
def strongly_consistent_table(engine: Engine) -> Example:
    key = engine.make("aws:kms/key:Key", multiRegion=True)
    replica = engine.make("aws:kms/replicaKey:ReplicaKey", primaryKeyArn=key.arn, region="us-west-2")
    return Example(
        {
            **TABLE,
            "name": "strong",
            "attributes": KEYS + INDEXED,
            "globalSecondaryIndexes": [INDEX],
            "pointInTimeRecovery": {"enabled": True, "recoveryPeriodInDays": 7},
            "serverSideEncryption": {"enabled": True, "kmsKeyArn": key.arn},
            "replicas": [
                {
                    "regionName": "us-west-2",
                    "consistencyMode": "STRONG",
                    "kmsKeyArn": replica.arn,
                    "pointInTimeRecovery": True,
                    "propagateTags": True,
                }
            ],
            "globalTableWitness": {"regionName": "us-east-2"},
            "tags": {"a": "b"},
        },
        update={"deletionProtectionEnabled": True, "tags": {"a": "c"}},
        replace={"hashKey": "other"},
        unset=("streamArn", "streamLabel"),
        unseen=("replicas",),
    )


@example("aws:dynamodb/table:Table")
def eventually_consistent_table(engine: Engine) -> Example:
    return Example(
        {
            **TABLE,
            "name": "eventual",
            "attributes": KEYS,
            "streamEnabled": True,
            "streamViewType": "NEW_AND_OLD_IMAGES",
            "replicas": [{"regionName": "us-west-2", "pointInTimeRecovery": True}],
            "ttl": {"attributeName": "expires", "enabled": True},
        },
        update={
            "attributes": KEYS + INDEXED,
            "globalSecondaryIndexes": [INDEX],
            "pointInTimeRecovery": {"enabled": True},
            "replicas": [{"regionName": "us-east-2"}],
        },
    )


@example("aws:dynamodb/table:Table")
def plain_table(engine: Engine) -> Example:
    return Example(
        {**TABLE, "name": "plain", "attributes": KEYS},
        update={"streamEnabled": True, "streamViewType": "KEYS_ONLY", "ttl": {"attributeName": "at", "enabled": True}},
        unset=("streamArn", "streamLabel"),
    )


@example("aws:dynamodb/tag:Tag")
def tag(engine: Engine) -> Example:
    table = engine.make("aws:dynamodb/table:Table", **TABLE, name="tagged", attributes=KEYS)
    return Example({"resourceArn": table.arn, "key": "a", "value": "b"}, update={"value": "c"}, replace={"key": "d"})
