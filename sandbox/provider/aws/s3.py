"""S3: buckets, and the parts of a bucket's configuration, each a resource of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.provider.errors import Gone, Refused
from sandbox.provider.resource import SHARED, Resource, setting, tag_map
from sandbox.provider.schema import Block, Boolean, Integer, Json, List, Map, Set, Text
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ON_OFF = ("Enabled", "Disabled")
BUCKET = Text(required=True, replaces=True)


class Bucket(Resource):
    """A bucket."""

    resource_type = "aws:s3/bucket:Bucket"
    service = "s3"
    taggable = True
    properties = {
        "bucket": Text(replaces=True),
        "forceDestroy": Boolean(default=False, carried="it is the provider's, not the cloud's"),
    }
    outputs = ("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName")
    identity = ("bucket",)
    auto_name = "bucket"
    gone = ("404", "NoSuchBucket")
    exists = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")

    def create(self) -> str:
        place = None if self.region == "us-east-1" else {"LocationConstraint": self.region}
        self.call("create_bucket", Bucket=self["bucket"], CreateBucketConfiguration=place)
        self.id = str(self["bucket"])
        if self.tags:
            self.tag(self.tags)
        return self.id

    @setting("forceDestroy")
    def _keep(self) -> None:
        """Nothing to tell the cloud."""

    def tag(self, tags: Mapping[str, str]) -> None:
        """S3 takes all tags at once."""
        del tags
        self.call("put_bucket_tagging", Bucket=self.id, Tagging={"TagSet": self.tag_list})

    def untag(self, keys: Sequence[str]) -> None:
        if self.tags:
            self.tag(self.tags)
        elif keys:
            self.call("delete_bucket_tagging", Bucket=self.id)

    def read(self) -> Mapping[str, Any]:
        self.call("head_bucket", Bucket=self.id)
        return {
            "bucket": self.id,
            "arn": f"arn:aws:s3:::{self.id}",
            "bucketDomainName": f"{self.id}.s3.amazonaws.com",
            "bucketRegion": self.call("get_bucket_location", Bucket=self.id).get("LocationConstraint") or "us-east-1",
            "bucketRegionalDomainName": f"{self.id}.s3.{self.region}.amazonaws.com",
            "tagsAll": self._tags_there(),
        }

    def _tags_there(self) -> dict[str, str]:
        try:
            return tag_map(self.call("get_bucket_tagging", Bucket=self.id)["TagSet"])
        except Refused as error:
            if error.code == "NoSuchTagSet":
                return {}
            raise

    def delete(self) -> None:
        if self["forceDestroy"]:
            delete_versions(self, self.id)
        self.call("delete_bucket", Bucket=self.id)


def delete_versions(resource: Resource, bucket: str, key: str = "") -> None:
    """Delete every version and delete marker of a bucket, or of one key; a page at a time until there is none."""
    while True:
        # Names come in their order, so a key is before all others that begin with it.
        page = resource.call("list_object_versions", Bucket=bucket, Prefix=key)
        found = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for each in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if key in {"", each["Key"]}
        ]
        if not found:
            return
        answer = resource.call("delete_objects", Bucket=bucket, Delete={"Objects": found, "Quiet": True})
        for left in answer.get("Errors", ())[:1]:
            raise Problem(f"cannot delete {left['Key']} of bucket {bucket}: {left['Code']}: {left['Message']}")


class BucketObjectv2(Resource):
    """An object of text, without tags: the provider's default tags have to be overridden by none."""

    resource_type = "aws:s3/bucketObjectv2:BucketObjectv2"
    service = "s3"
    properties = {
        "bucket": Text(required=True, replaces=True),
        "key": Text(required=True, replaces=True),
        "content": Text(default="", carried="a refresh of the official provider does not download objects"),
        "contentType": Text(computed=True),
        "serverSideEncryption": Text(computed=True, choices=("AES256", "aws:kms", "aws:kms:dsse")),
        "overrideProvider": Block(
            required=True,
            carried="it is the provider's, not the cloud's",
            fields={"defaultTags": Block(required=True, fields={"tags": Map(default={})})},
        ),
    }
    outputs = ("arn", "etag", "versionId")
    renewed = dict.fromkeys(("etag", "versionId"), ("content", "contentType", "serverSideEncryption"))
    identity = ("bucket", "key")
    gone = ("404", "NoSuchKey", "NoSuchBucket")

    def create(self) -> str:
        self._put()
        return f"{self['bucket']}/{self['key']}"

    @setting("content", "contentType", "serverSideEncryption", "overrideProvider")
    def _put(self) -> None:
        if self["overrideProvider"]["defaultTags"].get("tags"):
            raise Problem("the sandbox's provider makes objects without tags: give overrideProvider no default tags")
        self.call(
            "put_object",
            Bucket=self["bucket"],
            Key=self["key"],
            Body=self["content"].encode(),
            ContentType=self["contentType"],
            ServerSideEncryption=self["serverSideEncryption"],
        )

    def _place(self) -> dict[str, str]:
        """Where it is, by its id: a bucket's name has no slash."""
        bucket, _, key = self.id.removeprefix("s3://").partition("/")
        return {"Bucket": bucket, "Key": key}

    def read(self) -> Mapping[str, Any]:
        place = self._place()
        found = self.call("head_object", **place)
        return {
            "bucket": place["Bucket"],
            "key": place["Key"],
            "contentType": found.get("ContentType"),
            "serverSideEncryption": found.get("ServerSideEncryption"),
            "arn": f"arn:aws:s3:::{place['Bucket']}/{place['Key']}",
            "etag": found["ETag"].strip('"'),
            "versionId": found.get("VersionId", ""),
        }

    def delete(self) -> None:
        """Every version of it, as the official provider does."""
        place = self._place()
        delete_versions(self, place["Bucket"], place["Key"])


class BucketPart(Resource):
    """A part of a bucket's configuration: put, read and deleted as a whole.

    part      how the API's calls name it: put_PART, get_PART, delete_PART
    wrapper   the argument of put_PART that holds it
    removal   delete_PART, where that is named differently
    """

    service = "s3"
    identity = ("bucket",)
    part: ClassVar[str] = ""
    wrapper: ClassVar[str] = ""
    removal: ClassVar[str] = ""

    def create(self) -> str:
        self.id = str(self["bucket"])
        self.put()
        return self.id

    @setting()
    def put(self) -> None:
        """Bring it to the cloud."""
        operation = f"put_{self.part}"
        inputs = (name for name in self.properties if name not in ("bucket", *SHARED))
        whole: dict[str, Any] = {self.wrapper: self.structure(operation, self.wrapper, *inputs)}
        self.call(operation, Bucket=self.id, **whole)

    def read(self) -> Mapping[str, Any] | None:
        answer = self.call(f"get_{self.part}", Bucket=self.id)
        return {"bucket": self.id, **self.observed(answer.get(self.wrapper, answer))}

    def delete(self) -> None:
        self.call(self.removal or f"delete_{self.part}", Bucket=self.id)


class BucketVersioning(BucketPart):
    """Whether a bucket keeps versions; once enabled it can only be suspended."""

    resource_type = "aws:s3/bucketVersioning:BucketVersioning"
    properties = {
        "bucket": BUCKET,
        "versioningConfiguration": Block(
            required=True, fields={"status": Text(required=True, choices=("Enabled", "Suspended", "Disabled"))}
        ),
    }
    gone = ("NoSuchBucket",)
    part = "bucket_versioning"

    @setting()
    def put(self) -> None:
        status = self["versioningConfiguration"]["status"]
        if status != "Disabled":  # how a bucket begins
            self.call("put_bucket_versioning", Bucket=self.id, VersioningConfiguration={"Status": status})

    def read(self) -> Mapping[str, Any]:
        status = self.call("get_bucket_versioning", Bucket=self.id).get("Status", "Disabled")
        return {"bucket": self.id, "versioningConfiguration": {"status": status}}

    def delete(self) -> None:
        self.call("put_bucket_versioning", Bucket=self.id, VersioningConfiguration={"Status": "Suspended"})


class BucketServerSideEncryptionConfiguration(BucketPart):
    """How a bucket encrypts."""

    resource_type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    properties = {
        "bucket": BUCKET,
        "rules": List(
            required=True,
            of=Block(
                fields={
                    "applyServerSideEncryptionByDefault": Block(
                        fields={"sseAlgorithm": Text(required=True), "kmsMasterKeyId": Text()}
                    ),
                    "bucketKeyEnabled": Boolean(default=False),
                }
            ),
        ),
    }
    gone = ("NoSuchBucket", "ServerSideEncryptionConfigurationNotFoundError")
    part = "bucket_encryption"
    wrapper = "ServerSideEncryptionConfiguration"


class BucketPublicAccessBlock(BucketPart):
    """What keeps a bucket private."""

    resource_type = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    properties = {
        "bucket": BUCKET,
        "blockPublicAcls": Boolean(default=False),
        "blockPublicPolicy": Boolean(default=False),
        "ignorePublicAcls": Boolean(default=False),
        "restrictPublicBuckets": Boolean(default=False),
    }
    gone = ("NoSuchBucket", "NoSuchPublicAccessBlockConfiguration")
    part = "public_access_block"
    wrapper = "PublicAccessBlockConfiguration"


class BucketOwnershipControls(BucketPart):
    """Who owns a bucket's objects."""

    resource_type = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    properties = {
        "bucket": BUCKET,
        "rule": Block(required=True, api="rules", fields={"objectOwnership": Text(required=True)}),
    }
    gone = ("NoSuchBucket", "OwnershipControlsNotFoundError")
    part = "bucket_ownership_controls"
    wrapper = "OwnershipControls"


class BucketPolicy(BucketPart):
    """A bucket's policy."""

    resource_type = "aws:s3/bucketPolicy:BucketPolicy"
    properties = {
        "bucket": BUCKET,
        "policy": Json(required=True),
    }
    gone = ("NoSuchBucket", "NoSuchBucketPolicy")
    part = "bucket_policy"

    @setting()
    def put(self) -> None:
        self.call("put_bucket_policy", Bucket=self.id, Policy=self["policy"])


class BucketLogging(BucketPart):
    """Where a bucket's access log goes."""

    resource_type = "aws:s3/bucketLogging:BucketLogging"
    properties = {
        "bucket": BUCKET,
        "targetBucket": Text(required=True),
        "targetPrefix": Text(required=True),
    }
    gone = ("NoSuchBucket",)
    part = "bucket_logging"

    @setting()
    def put(self) -> None:
        told = {"TargetBucket": self["targetBucket"], "TargetPrefix": self["targetPrefix"]}
        self.call("put_bucket_logging", Bucket=self.id, BucketLoggingStatus={"LoggingEnabled": told})

    def read(self) -> Mapping[str, Any]:
        found = self.call("get_bucket_logging", Bucket=self.id).get("LoggingEnabled")
        if not found:
            raise Gone
        return {"bucket": self.id, **self.observed(found)}

    def delete(self) -> None:
        self.call("put_bucket_logging", Bucket=self.id, BucketLoggingStatus={})


class BucketLifecycleConfiguration(BucketPart):
    """When a bucket's objects move to another storage class, and when they go."""

    resource_type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    properties = {
        "bucket": BUCKET,
        "rules": List(
            required=True,
            of=Block(
                fields={
                    "id": Text(required=True),
                    "status": Text(required=True, choices=ON_OFF),
                    "filter": Block(fields={"prefix": Text(default="")}),
                    "transitions": Set(
                        of=Block(fields={"days": Integer(default=0), "storageClass": Text(required=True)})
                    ),
                    "expiration": Block(
                        fields={"days": Integer(default=0), "expiredObjectDeleteMarker": Boolean(default=False)}
                    ),
                    "noncurrentVersionExpiration": Block(
                        fields={"noncurrentDays": Integer(required=True), "newerNoncurrentVersions": Integer()}
                    ),
                    "noncurrentVersionTransitions": Set(
                        of=Block(
                            fields={
                                "noncurrentDays": Integer(required=True),
                                "storageClass": Text(required=True),
                                "newerNoncurrentVersions": Integer(),
                            }
                        )
                    ),
                    "abortIncompleteMultipartUpload": Block(fields={"daysAfterInitiation": Integer()}),
                }
            ),
        ),
    }
    gone = ("NoSuchBucket", "NoSuchLifecycleConfiguration")
    part = "bucket_lifecycle_configuration"
    wrapper = "LifecycleConfiguration"
    removal = "delete_bucket_lifecycle"

    @setting()
    def put(self) -> None:
        shape = self.shape("put_bucket_lifecycle_configuration")
        rules = self.properties["rules"].to_api(self["rules"], shape.members[self.wrapper].members["Rules"])
        for rule in rules:
            rule.setdefault("Filter", {"Prefix": ""})  # the API wants one: all objects
        self.call("put_bucket_lifecycle_configuration", Bucket=self.id, LifecycleConfiguration={"Rules": rules})


class BucketObjectLockConfiguration(BucketPart):
    """How long every new version of a bucket's objects is kept. Deleted, it leaves Object Lock on, without a rule."""

    resource_type = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    properties = {
        "bucket": BUCKET,
        "objectLockEnabled": Text(default="Enabled", replaces=True, choices=("Enabled",)),
        "rule": Block(
            required=True,
            fields={
                "defaultRetention": Block(
                    required=True,
                    fields={
                        "mode": Text(required=True, choices=("GOVERNANCE", "COMPLIANCE")),
                        "days": Integer(),
                        "years": Integer(),
                    },
                )
            },
        ),
    }
    gone = ("NoSuchBucket", "ObjectLockConfigurationNotFoundError")
    part = "object_lock_configuration"
    wrapper = "ObjectLockConfiguration"

    def read(self) -> Mapping[str, Any] | None:
        found = super().read()
        return found if found and found.get("rule") else None

    def delete(self) -> None:
        self.call(
            "put_object_lock_configuration", Bucket=self.id, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )


_STATUS = Block(fields={"status": Text(required=True, choices=ON_OFF)})
_MINUTES = Block(fields={"minutes": Integer(required=True)})


class BucketReplicationConfig(BucketPart):
    """Where a bucket's objects are copied."""

    resource_type = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
    properties = {
        "bucket": BUCKET,
        "role": Text(required=True),
        "rules": List(
            required=True,
            of=Block(
                fields={
                    "id": Text(),
                    "status": Text(required=True, choices=ON_OFF),
                    "priority": Integer(default=0),
                    "filter": Block(fields={"prefix": Text(default="")}),
                    "deleteMarkerReplication": _STATUS,
                    "existingObjectReplication": _STATUS,
                    "sourceSelectionCriteria": Block(
                        fields={"replicaModifications": _STATUS, "sseKmsEncryptedObjects": _STATUS}
                    ),
                    "destination": Block(
                        required=True,
                        fields={
                            "bucket": Text(required=True),
                            "account": Text(),
                            "storageClass": Text(),
                            "encryptionConfiguration": Block(fields={"replicaKmsKeyId": Text(required=True)}),
                            "replicationTime": Block(
                                fields={"status": Text(required=True, choices=ON_OFF), "time": _MINUTES}
                            ),
                            "metrics": Block(
                                fields={"status": Text(required=True, choices=ON_OFF), "eventThreshold": _MINUTES}
                            ),
                        },
                    ),
                }
            ),
        ),
    }
    gone = ("NoSuchBucket", "ReplicationConfigurationNotFoundError")
    part = "bucket_replication"
    wrapper = "ReplicationConfiguration"
