"""What holds data, by resource type: declared here and nowhere else.

What holds data is deleted or replaced only when the user names it (guard.py). A type that is in neither table counts as
holding data, and a test names the types of the projects that are in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.events import ResourceChange
from orchestration.aws import asked
from shared.errors import Problem

if TYPE_CHECKING:
    from engine.backend import Checkpoint
    from orchestration.aws import Aws
    from shared.stack import Stack

LONG = 30
"""Days: a log that is kept for so long is for more than to find faults."""
PAGES = 10
"""How far things are counted: a page has up to 1,000 objects, or 1 MB of items."""

State = Mapping[str, Any]
"""A resource's `id` and `outputs`."""
Count = Callable[["Aws", str, State], str]
"""Says how much there is, in a few words such as `12 items`, of a resource in a region. Raises Problem."""


def _items(aws: Aws, region: str, state: State) -> str:
    """DynamoDB's own count is up to six hours old, so items are counted: reading the first pages takes a second."""
    client, table = aws.client("dynamodb", region), str(state["id"])

    def count() -> str:
        found = 0
        after: dict[str, Any] = {}
        for _ in range(PAGES):
            answer = client.scan(TableName=table, Select="COUNT", **after)
            found += answer["Count"]
            if "LastEvaluatedKey" not in answer:
                return _plural(found, "item")
            after = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        described = int(client.describe_table(TableName=table)["Table"].get("ItemCount", 0))
        return _plural(max(found, described), "item")

    return asked(count, f"count the items of {table}", region)


def _objects(aws: Aws, region: str, state: State) -> str:
    client, bucket = aws.client("s3", region), str(state["id"])

    def count() -> str:
        found = 0
        after: dict[str, Any] = {}
        for _ in range(PAGES):
            answer = client.list_object_versions(Bucket=bucket, **after)
            found += len(answer.get("Versions", ()))
            if not answer.get("IsTruncated"):
                break
            after = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}
        return _plural(found, "version of objects", "versions of objects")

    return asked(count, f"count the objects of {bucket}", region)


def _versions(aws: Aws, region: str, state: State) -> str:
    client, secret = aws.client("secretsmanager", region), str(state["outputs"].get("secretId") or state["id"])

    def count() -> str:
        answer = client.list_secret_version_ids(SecretId=secret, IncludeDeprecated=True)
        return _plural(len(answer["Versions"]), "version")

    return asked(count, f"count the versions of {secret}", region)


def _messages(aws: Aws, region: str, state: State) -> str:
    client, queue = aws.client("sqs", region), str(state["id"])
    counted = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")

    def count() -> str:
        attributes = client.get_queue_attributes(QueueUrl=queue, AttributeNames=list(counted))["Attributes"]
        return _plural(sum(int(attributes[name]) for name in counted), "message")

    return asked(count, f"count the messages of {queue}", region)


def _everything_encrypted(*_: object) -> str:
    return "all that is encrypted with it"


def _kept(_aws: Aws, _region: str, state: State) -> str:
    retention = ((state["outputs"].get("rule") or {}).get("defaultRetention")) or {}
    time = f"{retention['days']} days" if retention.get("days") else "a time"
    return f"every new record for {time} ({str(retention.get('mode', '')).lower()}); those that are there stay locked"


def _copies(aws: Aws, region: str, state: State) -> str:
    client, vault = aws.client("backup", region), str(state["id"])

    def count() -> str:
        found = int(client.describe_backup_vault(BackupVaultName=vault)["NumberOfRecoveryPoints"])
        return _plural(found, "backup of the table", "backups of the table")

    return asked(count, f"count the backups in {vault}", region)


def _locked_copies(_aws: Aws, _region: str, state: State) -> str:
    outputs = state["outputs"]
    mode = "compliance" if outputs.get("changeableForDays") else "governance"
    return f"every copy for {outputs.get('minRetentionDays', 'some')} days ({mode})"


def _log(aws: Aws, region: str, state: State) -> str:
    client, group = aws.client("logs", region), str(state["id"])

    def count() -> str:
        found = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        return _plural(sum(int(each["storedBytes"]) for each in found if each["logGroupName"] == group), "byte")

    return asked(count, f"measure the log {group}", region)


def _is_kept_long(state: State) -> bool:
    """Whether a log is kept for disputes (docs/retention.md), or for ever, and not for those who look for a fault."""
    days = int((state.get("outputs") or {}).get("retentionInDays") or 0)
    return days == 0 or days >= LONG


def _anything(_: State) -> bool:
    return True


def _quorum(*_: object) -> str:
    return "the quorum of the table: without it one region that is lost stops the other"


def _one_value(*_: object) -> str:
    return "1 value"


def _plural(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@dataclass(frozen=True)
class Holding:
    """A type that holds data: the word for it, the output that names it, and how to tell how much it holds."""

    word: str
    named_by: str
    count: Count
    inside: str = ""
    """The output with the id of what it is a part of, and goes with."""
    holds: Callable[[State], bool] = _anything
    """Whether one of the type, as it is in the state, holds what somebody may need."""


LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
"""What marks a production environment: the lock on its audit buckets holds what they will get."""

VAULT_LOCK = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
"""The lock on the vault of an environment's copies."""

TABLE = "aws:dynamodb/table:Table"
REPLICA, WITNESS = f"{TABLE} replica", f"{TABLE} witness"
"""Members of a global table. They are no resources of their own: an update of the table lets one go."""

HOLDING: Mapping[str, Holding] = {
    "aws:backup/vault:Vault": Holding("vault", "name", _copies),
    "aws:cloudwatch/logGroup:LogGroup": Holding("log", "name", _log, holds=_is_kept_long),
    VAULT_LOCK: Holding("vault-lock", "backupVaultName", _locked_copies),
    TABLE: Holding("table", "name", _items),
    REPLICA: Holding("replica", "member", _items),
    WITNESS: Holding("witness", "member", _quorum),
    "aws:kms/key:Key": Holding("key", "keyId", _everything_encrypted),
    "aws:kms/replicaKey:ReplicaKey": Holding("replica-key", "keyId", _everything_encrypted),
    "aws:s3/bucket:Bucket": Holding("bucket", "bucket", _objects),
    LOCK: Holding("lock", "bucket", _kept),
    "aws:s3/bucketObject:BucketObject": Holding("object", "key", _one_value, inside="bucket"),
    "aws:s3/bucketObjectv2:BucketObjectv2": Holding("object", "key", _one_value, inside="bucket"),
    "aws:secretsmanager/secret:Secret": Holding("secret", "name", _versions),
    "aws:secretsmanager/secretVersion:SecretVersion": Holding(
        "secret-version", "versionId", _one_value, inside="secretId"
    ),
    "aws:sqs/queue:Queue": Holding("queue", "name", _messages),
}

HOLDING_NOTHING: Mapping[str, str] = {
    "aws:acm": "certificate certificateValidation",
    "aws:apigateway": "basePathMapping deployment domainName integration method methodSettings model requestValidator "
    "resource response restApi stage",
    "aws:backup": "plan selection",
    "aws:cloudwatch": "compositeAlarm dashboard eventRule eventTarget metricAlarm",
    "aws:dynamodb": "tag",
    "aws:ec2": "defaultSecurityGroup flowLog internetGateway networkAcl networkAclAssociation networkAclRule route "
    "routeTable routeTableAssociation securityGroup subnet vpc vpcEndpoint",
    "aws:iam": "role rolePolicy rolePolicyAttachment",
    "aws:kms": "alias",
    "aws:lb": "listener listenerRule loadBalancer targetGroup targetGroupAttachment",
    "aws:lambda": "alias eventSourceMapping function functionEventInvokeConfig invocation permission "
    "provisionedConcurrencyConfig",
    "aws:route53": "healthCheck record zone",
    "aws:s3": "bucketLifecycleConfiguration bucketLogging bucketOwnershipControls bucketPolicy bucketPublicAccessBlock "
    "bucketReplicationConfig bucketServerSideEncryptionConfiguration bucketVersioning",
    "aws:sns": "topic topicPolicy topicSubscription",  # hands on what it gets
    "aws:sqs": "queuePolicy",
    "aws:ssm": "parameter",  # computed from the environment and from other resources
    "aws:synthetics": "canary",  # what it found is in its bucket
    "aws:vpc": "securityGroupEgressRule securityGroupIngressRule",
    "aws:wafv2": "ipSet webAcl webAclAssociation webAclLoggingConfiguration",
    "random:index": "randomPassword",  # the value that counts is the one in the secret
}
"""The other types by their module: settings, names and code, which the next update makes again."""


def in_the_cloud(kind: str) -> bool:
    """Whether a type is one of AWS's, and neither a component nor a provider nor of Pulumi's own."""
    return kind.startswith("aws:")


def classified(kind: str) -> bool:
    """Whether somebody has decided if a resource type holds data."""
    module, _, name = kind.rpartition(":")[0].partition("/")  # aws:s3/bucket:Bucket
    return kind in HOLDING or name in HOLDING_NOTHING.get(module, "").split()


def holding(kind: str) -> Holding | None:
    """Return what a type holds; None for one that holds nothing. One that nobody has classified holds something."""
    if classified(kind) or not in_the_cloud(kind):
        return HOLDING.get(kind)
    return Holding(kind.rpartition(":")[2], "id", lambda *_: "data of an unknown kind")


@dataclass(frozen=True)
class Holder:
    """A resource that holds data, as it is in the state."""

    stack: Stack
    type: str
    region: str
    state: State = field(repr=False, compare=False, hash=False)
    name: str
    """How it is named in commands: `table/payments-x7k2`."""

    @staticmethod
    def of(stack: Stack, kind: str, state: State) -> Holder | None:
        """Return the holder that a resource is, or None when it holds nothing."""
        held = holding(kind)
        if held is None or not held.holds(state):
            return None
        outputs = state.get("outputs") or {}
        parts = [held.word, *([str(outputs.get(held.inside, "")).rpartition(":")[2]] if held.inside else [])]
        name = "/".join([*parts, str(outputs.get(held.named_by) or state.get("id", ""))])
        return Holder(stack, kind, str(outputs.get("region", "")), {**state, "outputs": outputs}, name)

    @property
    def part_of(self) -> str:
        """The id of what it is in and goes with; empty when it stands alone."""
        held = holding(self.type)
        return str(self.state["outputs"].get(held.inside, "")) if held and held.inside else ""

    def amount(self, aws: Aws) -> str:
        """Say how much it holds. Never fails: what cannot be asked is unknown."""
        held = holding(self.type)
        try:
            return held.count(aws, self.region, self.state) if held else ""
        except Problem as problem:
            return f"an unknown amount ({problem})"


def holders(stack: Stack, checkpoint: Checkpoint | None) -> tuple[Holder, ...]:
    """Return what holds data in a stack, without what is a part of another holder."""
    resources = checkpoint.resources if checkpoint else ()
    found = [Holder.of(stack, resource["type"], resource) for resource in resources if resource.get("custom")]
    return _whole(holder for holder in found if holder)


def going(stack: Stack, changes: Iterable[ResourceChange]) -> tuple[Holder, ...]:
    """Return what holds data and would be replaced or deleted, without what is a part of another one that is."""
    return _whole(holder for change in changes for holder in let_go(stack, change))


def let_go(stack: Stack, change: ResourceChange) -> tuple[Holder, ...]:
    """Return what holds data and goes by one change: the resource, or members that an update takes from a table."""
    if change.ends:
        holder = Holder.of(stack, change.type, change.before)
        return (holder,) if holder else ()
    return tuple(_members_let_go(stack, change)) if change.type == TABLE and change.operation == "update" else ()


def _members_let_go(stack: Stack, change: ResourceChange) -> Iterator[Holder]:
    table = str(change.before.get("id", ""))
    had, kept = (_members(each) for each in (change.before.get("outputs") or {}, change.inputs))
    for (kind, region), fixed in had.items():
        if kept.get((kind, region)) != fixed:
            outputs = {"region": region, "member": f"{table}/{region}"}
            if holder := Holder.of(stack, kind, {"id": table, "outputs": outputs}):
                yield holder


def _members(table: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, str]]:
    """The members of a global table beside its own region, with what is fixed for their lives: key and consistency."""
    found = {
        (REPLICA, str(each.get("regionName"))): (
            str(each.get("kmsKeyArn") or ""),
            str(each.get("consistencyMode") or "EVENTUAL"),
        )
        for each in table.get("replicas") or ()
    }
    witness = table.get("globalTableWitness")
    return found | ({(WITNESS, str(witness.get("regionName"))): ("", "")} if witness else {})


def _whole(found: Iterable[Holder]) -> tuple[Holder, ...]:
    listed = list(dict.fromkeys(found))
    ids = {str(holder.state.get("id")) for holder in listed}
    return tuple(holder for holder in listed if holder.part_of not in ids)


def told(found: Iterable[Holder], aws: Aws) -> list[tuple[Holder, str]]:
    """Return each holder with how much it holds: `at least 12 items, as of 14:02 UTC`.

    What is written meanwhile is not counted, nor what is behind the first pages: so it is at least that.
    """
    listed = list(found)
    with ThreadPoolExecutor(8) as threads:
        amounts = list(threads.map(lambda holder: holder.amount(aws), listed))
    now = f"{datetime.now(UTC):%H:%M} UTC"
    said = (f"at least {amount}, as of {now}" if amount[:1].isdigit() else amount for amount in amounts)
    return list(zip(listed, said, strict=True))
