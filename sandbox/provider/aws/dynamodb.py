"""DynamoDB: tables, with their replicas in other regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, setting, tag_list, tag_map
from sandbox.provider.schema import Block, Boolean, Integer, List, Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Values = Mapping[str, Any]

_RECOVERY_DAYS = 35  # unless it is said
_INDEX = Block(
    fields={
        "name": Text(required=True, api="indexName"),
        "keySchemas": List(
            required=True,
            api="keySchema",
            of=Block(fields={"attributeName": Text(required=True), "keyType": Text(required=True)}),
        ),
        "projectionType": Text(required=True, choices=("ALL", "INCLUDE", "KEYS_ONLY")),
        "nonKeyAttributes": Set(),
    }
)
_REPLICA = Block(
    fields={
        "regionName": Text(required=True),
        "consistencyMode": Text(default="EVENTUAL", choices=("EVENTUAL", "STRONG")),
        "kmsKeyArn": Text(),
        "pointInTimeRecovery": Boolean(default=False),
        "propagateTags": Boolean(default=False),
        "deletionProtectionEnabled": Boolean(default=False),
    }
)


class Table(Resource):
    """A table on demand, global when it has replicas. Strong consistency takes a witness or a second replica."""

    resource_type = "aws:dynamodb/table:Table"
    service = "dynamodb"
    taggable = True
    properties = {
        "name": Text(replaces=True, api="tableName"),
        "billingMode": Text(required=True, replaces=True, choices=("PAY_PER_REQUEST",)),
        "hashKey": Text(required=True, replaces=True),
        "rangeKey": Text(replaces=True),
        "attributes": Set(
            required=True,
            api="attributeDefinitions",
            of=Block(
                fields={
                    "name": Text(required=True, api="attributeName"),
                    "type": Text(required=True, api="attributeType"),
                }
            ),
        ),
        "globalSecondaryIndexes": Set(of=_INDEX),
        "streamEnabled": Boolean(computed=True),  # replicas of eventual consistency turn it on
        "streamViewType": Text(computed=True),
        "serverSideEncryption": Block(fields={"enabled": Boolean(required=True, default=False), "kmsKeyArn": Text()}),
        "pointInTimeRecovery": Block(
            fields={
                "enabled": Boolean(required=True, default=False),
                "recoveryPeriodInDays": Integer(default=_RECOVERY_DAYS, within=(1, 35)),
            }
        ),
        "ttl": Block(fields={"attributeName": Text(default=""), "enabled": Boolean(default=False)}),
        "deletionProtectionEnabled": Boolean(default=False),
        "replicas": Set(of=_REPLICA),
        "globalTableWitness": Block(fields={"regionName": Text(required=True)}),
    }
    outputs = ("arn", "streamArn", "streamLabel")
    renewed = {"streamArn": ("streamEnabled", "replicas"), "streamLabel": ("streamEnabled", "replicas")}
    identity = ("name",)
    auto_name = "name"
    gone = ("ResourceNotFoundException",)
    exists = ("ResourceInUseException",)

    def create(self) -> str:
        keys = {"HASH": self["hashKey"], "RANGE": self.get("rangeKey")}
        names = ("name", "billingMode", "attributes", "deletionProtectionEnabled")
        answer = self.call(
            "create_table",
            **self.arguments("create_table", *names),
            KeySchema=[{"AttributeName": name, "KeyType": kind} for kind, name in keys.items() if name],
            GlobalSecondaryIndexes=[_index(each) for each in self.get("globalSecondaryIndexes") or ()] or None,
            SSESpecification=self._encryption() if self.get("serverSideEncryption") else None,
            StreamSpecification=self._stream() if self.get("streamEnabled") else None,
            Tags=self.tag_list or None,
        )
        self.id = str(answer["TableDescription"]["TableName"])
        self._settle()
        return self.id

    def _settle(self) -> None:
        self.until(self._active, f"table {self.id} becoming active", seconds=120)

    def _active(self) -> bool:
        table = self._described()
        replicas = table.get("Replicas") or ()
        return table["TableStatus"] == "ACTIVE" and all(each["ReplicaStatus"] == "ACTIVE" for each in replicas)

    def _described(self, region: str = "") -> dict[str, Any]:
        table: dict[str, Any] = self.call("describe_table", region=region, TableName=self.id)["Table"]
        return table

    def _update(self, *, region: str = "", **changes: Any) -> None:
        self.call("update_table", region=region, TableName=self.id, **changes)
        self._settle()

    def _encryption(self) -> dict[str, Any]:
        wanted = self["serverSideEncryption"] or {}
        if not wanted.get("enabled"):
            return {"Enabled": False}
        key = {"KMSMasterKeyId": wanted["kmsKeyArn"]} if wanted.get("kmsKeyArn") else {}
        return {"Enabled": True, "SSEType": "KMS", **key}

    def _stream(self) -> dict[str, Any]:
        if not self["streamEnabled"]:
            return {"StreamEnabled": False}
        return {"StreamEnabled": True, "StreamViewType": self["streamViewType"] or "NEW_AND_OLD_IMAGES"}

    @setting("serverSideEncryption")
    def _encrypt(self) -> None:
        self._update(SSESpecification=self._encryption())

    @setting("streamEnabled", "streamViewType")
    def _set_stream(self) -> None:
        if self.previous.get("streamEnabled"):  # a view cannot change while the stream is on
            self._update(StreamSpecification={"StreamEnabled": False})
        if self["streamEnabled"]:
            self._update(StreamSpecification=self._stream())

    @setting("deletionProtectionEnabled")
    def _protect(self) -> None:
        self._update(DeletionProtectionEnabled=self["deletionProtectionEnabled"])

    @setting("attributes", "globalSecondaryIndexes")
    def _set_indexes(self) -> None:
        """One index at a time, as the API wants it."""
        before = {each["name"]: each for each in self.previous.get("globalSecondaryIndexes") or ()}
        now = {each["name"]: each for each in self["globalSecondaryIndexes"] or ()}
        attributes = self.arguments("update_table", "attributes")
        for name, index in before.items():
            if not _INDEX.same(index, now.get(name)):
                self._update(GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
        for name, index in now.items():
            if not _INDEX.same(before.get(name), index):
                self._update(GlobalSecondaryIndexUpdates=[{"Create": _index(index)}], **attributes)

    @setting("ttl", after_create=True)
    def _expire(self) -> None:
        wanted = self["ttl"] or self.previous["ttl"]
        enabled = bool(self["ttl"] and self["ttl"].get("enabled"))
        how = {"Enabled": enabled, "AttributeName": wanted["attributeName"]}
        self.call("update_time_to_live", TableName=self.id, TimeToLiveSpecification=how)

    @setting("pointInTimeRecovery", after_create=True)
    def _back_up(self) -> None:
        wanted = self["pointInTimeRecovery"] or {"enabled": False}
        self._set_backups(wanted["enabled"], days=wanted.get("recoveryPeriodInDays"))

    def _set_backups(self, enabled: bool, *, days: int | None = None, region: str = "") -> None:
        how = {"PointInTimeRecoveryEnabled": enabled, **({"RecoveryPeriodInDays": days} if enabled and days else {})}
        self.call("update_continuous_backups", region=region, TableName=self.id, PointInTimeRecoverySpecification=how)

    @setting("replicas", "globalTableWitness", after_create=True)
    def _replicate(self) -> None:
        before, now = _by_region(self.previous.get("replicas")), _by_region(self["replicas"])
        had, wanted = self.previous.get("globalTableWitness"), self["globalTableWitness"]
        remade = [region for region in before if not _same_replica(before[region], now.get(region))]
        if remade or (had and had != wanted):
            self._remove_replicas(remade, had if had != wanted else None)
        made = [region for region in now if region in remade or region not in before]
        if made:
            strong = any(now[region].get("consistencyMode") == "STRONG" for region in made)
            self._update(
                ReplicaUpdates=[{"Create": _new_replica(now[region])} for region in made],
                MultiRegionConsistency="STRONG" if strong else None,
                GlobalTableWitnessUpdates=[{"Create": {"RegionName": wanted["regionName"]}}] if wanted else None,
            )
        for region, replica in now.items():
            if region not in made:
                self._set_replica(region, replica, before[region])
            elif replica.get("consistencyMode") == "STRONG":
                # The official provider protects the replica of a strongly consistent table in an update only.
                self._set_replica(region, {**replica, "deletionProtectionEnabled": False}, {})
            else:
                self._set_replica(region, replica, {})

    def _set_replica(self, region: str, replica: Values, was: Values) -> None:
        """What each replica has of its own: backups, protection, tags."""
        backups, protected = bool(replica.get("pointInTimeRecovery")), bool(replica.get("deletionProtectionEnabled"))
        if backups != bool(was.get("pointInTimeRecovery")):
            self._set_backups(backups, region=region)
        if protected != bool(was.get("deletionProtectionEnabled")):
            self._update(region=region, DeletionProtectionEnabled=protected)
        if replica.get("propagateTags") and not was.get("propagateTags") and self.tags:
            self.call("tag_resource", region=region, ResourceArn=self._arn(region), Tags=self.tag_list)

    def _remove_replicas(self, regions: Sequence[str], witness: Values | None) -> None:
        self._update(
            ReplicaUpdates=[{"Delete": {"RegionName": region}} for region in regions] or None,
            GlobalTableWitnessUpdates=[{"Delete": {"RegionName": witness["regionName"]}}] if witness else None,
        )

    def _arn(self, region: str = "") -> str:
        return self.arn(f"table/{self.id}", region=region or self.region)

    def _tagged_regions(self) -> list[str]:
        replicas = _by_region(self["replicas"])
        return [self.region, *(region for region, each in replicas.items() if each.get("propagateTags"))]

    def tag(self, tags: Mapping[str, str]) -> None:
        for region in self._tagged_regions():
            self.call("tag_resource", region=region, ResourceArn=self._arn(region), Tags=tag_list(tags))

    def untag(self, keys: Sequence[str]) -> None:
        for region in self._tagged_regions():
            self.call("untag_resource", region=region, ResourceArn=self._arn(region), TagKeys=keys)

    def read(self) -> Mapping[str, Any]:
        table = self._described()
        keys = {each["KeyType"]: each["AttributeName"] for each in table["KeySchema"]}
        stream = table.get("StreamSpecification") or {}
        more = {
            "billingMode": (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
            "hashKey": keys["HASH"],
            "rangeKey": keys.get("RANGE"),
            "globalSecondaryIndexes": [_described_index(each) for each in table.get("GlobalSecondaryIndexes") or ()],
            "streamEnabled": bool(stream.get("StreamEnabled")),
            "streamViewType": stream.get("StreamViewType", ""),
            "streamArn": table.get("LatestStreamArn") or None,
            "streamLabel": table.get("LatestStreamLabel") or None,
            "serverSideEncryption": self._described_encryption(table),
            "pointInTimeRecovery": self._described_backups(),
            "ttl": self._described_ttl(),
            "replicas": [self._described_replica(table, each["RegionName"]) for each in table.get("Replicas") or ()],
            "globalTableWitness": self._described_witness(table),
            "arn": table["TableArn"],
            "tagsAll": tag_map(self.call("list_tags_of_resource", ResourceArn=table["TableArn"])["Tags"]),
        }
        return self.observed(table, **{key: value for key, value in more.items() if value is not None})

    def _described_encryption(self, table: Values) -> dict[str, Any] | None:
        encryption = table.get("SSEDescription") or {}
        if encryption.get("Status") not in ("ENABLED", "ENABLING", "UPDATING"):
            return None
        declared = self.inputs.get("serverSideEncryption") or {}
        asked = "kmsKeyArn" in declared or not self.inputs  # without one the table has DynamoDB's own key
        return {"enabled": True, **({"kmsKeyArn": encryption.get("KMSMasterKeyArn")} if asked else {})}

    def _backups(self, region: str = "") -> dict[str, Any]:
        answer = self.call("describe_continuous_backups", region=region, TableName=self.id)
        backups: dict[str, Any] = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription") or {}
        return backups

    def _described_backups(self) -> dict[str, Any]:
        backups = self._backups()
        enabled = backups.get("PointInTimeRecoveryStatus") == "ENABLED"
        days = backups.get("RecoveryPeriodInDays", _RECOVERY_DAYS)
        return {"enabled": enabled, **({"recoveryPeriodInDays": days} if enabled else {})}

    def _described_ttl(self) -> dict[str, Any] | None:
        ttl = self.call("describe_time_to_live", TableName=self.id)["TimeToLiveDescription"]
        if ttl.get("TimeToLiveStatus") not in ("ENABLED", "ENABLING"):
            return None
        return {"enabled": True, "attributeName": ttl["AttributeName"]}

    def _described_replica(self, table: Values, region: str) -> dict[str, Any]:
        declared = _by_region(self.inputs.get("replicas")).get(region, {})
        replica = self._described(region)
        key = (replica.get("SSEDescription") or {}).get("KMSMasterKeyArn")
        asked = "kmsKeyArn" in declared or (not self.inputs and key)
        found = {
            "regionName": region,
            "consistencyMode": table.get("MultiRegionConsistency") or "EVENTUAL",
            "pointInTimeRecovery": self._backups(region).get("PointInTimeRecoveryStatus") == "ENABLED",
            "propagateTags": bool(declared.get("propagateTags")),  # how it was tagged cannot be seen in the cloud
            "deletionProtectionEnabled": bool(replica.get("DeletionProtectionEnabled")),
            **({"kmsKeyArn": key} if asked else {}),
        }
        return {name: value for name, value in found.items() if value or name in declared}

    def _described_witness(self, table: Values) -> dict[str, Any] | None:
        witnesses = table.get("GlobalTableWitnesses") or ()
        return {"regionName": witnesses[0]["RegionName"]} if witnesses else None

    def delete(self) -> None:
        table = self._described()
        replicas = [each["RegionName"] for each in table.get("Replicas") or ()]
        witness = self._described_witness(table)
        if replicas or witness:
            self._remove_replicas(replicas, witness)
        self.call("delete_table", TableName=self.id)


class Tag(Resource):
    """One tag of a table, for replicas: the table's own declaration reaches only its own region's tags."""

    resource_type = "aws:dynamodb/tag:Tag"
    service = "dynamodb"
    properties = {
        "resourceArn": Text(required=True, replaces=True),
        "key": Text(required=True, replaces=True),
        "value": Text(required=True),
    }
    gone = ("ResourceNotFoundException",)

    def create(self) -> str:
        self._write()
        return f"{self['resourceArn']},{self['key']}"

    @setting("value")
    def _write(self) -> None:
        tags = tag_list({self["key"]: self["value"]})
        self.call("tag_resource", ResourceArn=self["resourceArn"], Tags=tags)

    def read(self) -> Mapping[str, Any] | None:
        arn, _, key = self.id.rpartition(",")
        tags = tag_map(self.call("list_tags_of_resource", ResourceArn=arn)["Tags"])
        return {"resourceArn": arn, "key": key, "value": tags[key]} if key in tags else None

    def delete(self) -> None:
        self.call("untag_resource", ResourceArn=self["resourceArn"], TagKeys=[self["key"]])


def _by_region(replicas: Sequence[Values] | None) -> dict[str, Values]:
    return {each["regionName"]: each for each in replicas or ()}


def _same_replica(before: Values, now: Values | None) -> bool:
    """Whether the replica can stay: its key and its consistency cannot change."""
    fixed = ("kmsKeyArn", "consistencyMode")
    return now is not None and all(_REPLICA.fields[name].same(before.get(name), now.get(name)) for name in fixed)


def _new_replica(replica: Values) -> dict[str, Any]:
    key = {"KMSMasterKeyId": replica["kmsKeyArn"]} if replica.get("kmsKeyArn") else {}
    return {"RegionName": replica["regionName"], **key}


def _index(index: Values) -> dict[str, Any]:
    others = {"NonKeyAttributes": index["nonKeyAttributes"]} if index.get("nonKeyAttributes") else {}
    return {
        "IndexName": index["name"],
        "KeySchema": [
            {"AttributeName": each["attributeName"], "KeyType": each["keyType"]} for each in index["keySchemas"]
        ],
        "Projection": {"ProjectionType": index["projectionType"], **others},
    }


def _described_index(index: Values) -> Any:
    return _INDEX.from_api({**index, **index["Projection"]})
