"""The bucket that keeps the stacks' states, and the key that encrypts it and their secrets: outside both regions.

A state must be there when a serving region is not: else the fix for the other one could not be deployed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine import secrets_provider
from engine.backend import BucketUrl, Checkpoint, parsed_state
from orchestration.aws import asked, error_code, or_none
from orchestration.bootstrap.step import BootstrapContext, StateHome, StepFinding, cannot
from orchestration.quotas import ACCOUNT
from shared.errors import Problem
from shared.stack import Stack

ALIAS: Final = "alias/pulumi-state"
DESCRIPTION: Final = "States of Pulumi stacks, and their secrets"
OLD_DAYS: Final = 90
"""For how long a state that was replaced is kept: an update writes it anew after each resource."""
STATES: Final = ".pulumi/"
"""The folder of all that Pulumi keeps."""
WITH_THE_KEY: Final = "encryption with the key"
WHOLE: Final = "replaces what the bucket has: put that into it as well"
NO_BUCKET, DENIED = frozenset({"404", "NoSuchBucket"}), frozenset({"403", "AccessDenied"})
NO_KEY = "NotFoundException"
AWSS_OWN: Final = "alias/aws/s3"
"""The key of AWS's by which S3 encrypts for everybody of the account, whose right to it is S3's to check."""
NONE_YET = frozenset({"NoSuchBucketPolicy", "NoSuchLifecycleConfiguration", "NoSuchPublicAccessBlockConfiguration"})
NONE_YET |= {"ServerSideEncryptionConfigurationNotFoundError"}


def home(account: str, default_region: str, told: Mapping[str, str], endpoint: str, *, passphrase: bool) -> StateHome:
    """Where the states are to be, by what the user has set; what is not set is named here. Raises Problem.

    `told`: the user's variables. `endpoint`: of AWS, where that is not its own (the sandbox). `passphrase`: whether the
    stacks have one, as long as no key is named.
    """
    backend, provider = told.get("PULUMI_BACKEND_URL", ""), told.get(secrets_provider.VARIABLE, "")
    found = BucketUrl.parse(backend)
    here = f"&endpoint={endpoint}" if endpoint else ""
    region, bucket, folder = default_region, "", ""
    if found:
        region, bucket, folder = found.region, found.bucket, found.folder
        if not region:
            raise Problem(f"PULUMI_BACKEND_URL={backend} says no region, so it would be the shell's: add ?region=…")
    elif not backend:
        bucket = f"pulumi-state-{account}-{default_region}"
        backend = f"s3://{bucket}?region={region}{here}{'&s3ForcePathStyle=true' * bool(here)}"
    if passphrase and not provider:
        return StateHome(region, bucket, backend, "", "", folder)
    key = secrets_provider.KmsKey.parse(provider or f"{secrets_provider.SCHEME}://{ALIAS}?region={region}{here}")
    return StateHome(region if bucket else key.region, bucket, backend, key.key, key.url, folder)


def _getting(s3: Any, bucket: str, key: str) -> Callable[[], Any]:
    return lambda: s3.get_object(Bucket=bucket, Key=key)


def deployed(context: BootstrapContext, stack: Stack) -> Checkpoint | None:
    """A stack's state in the bucket, without an engine: it has the layout of a file backend."""
    home = context.home
    if not home.bucket:
        return None
    s3 = context.aws.client("s3", home.region)
    for name in (f"{stack.name}.json", f"{stack.name}.json.gz"):
        key = f"{home.folder}/.pulumi/stacks/{stack.layer}/{name}".removeprefix("/")
        try:
            answer = asked(_getting(s3, home.bucket, key), "read a state", home.region)
        except Problem:  # there is none, or no bucket; what may not be read is asked for as if it were not there
            continue
        return parsed_state(answer["Body"].read(), key)
    return None


def key_arn(context: BootstrapContext) -> str:
    """The ARN of the key of the states. Raises Problem; of NO_KEY where there is none."""
    key = secrets_provider.KmsKey.parse(context.home.provider)
    return str(_described(context, key.key, key.region)["Arn"])


def key_to_read(context: BootstrapContext) -> str | None:
    """The ARN of the key that the states are read with; None where it is not there yet. Raises Problem.

    Empty where they take none: the stacks have a passphrase, and S3 encrypts the bucket with a key of AWS's own.
    """
    if context.home.provider:
        return or_none(lambda: key_arn(context), NO_KEY)
    if not context.home.bucket:
        return ""
    s3, region = context.aws.client("s3", context.home.region), context.home.region

    def encryption() -> Any:
        return s3.get_bucket_encryption(**bucket_of(context))["ServerSideEncryptionConfiguration"]

    told = or_none(lambda: asked(encryption, "ask what encrypts the bucket", region), *NO_BUCKET)
    if told is None:
        return None
    keys = [each.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID") for each in told["Rules"]]
    given = next((each for each in keys if each and not each.endswith(AWSS_OWN)), "")
    return str(_described(context, given, region)["Arn"]) if given else ""


def bucket_of(context: BootstrapContext) -> Mapping[str, str]:
    """The name of a bucket is anybody's who took it first: it must be this account's."""
    return {"Bucket": context.home.bucket, "ExpectedBucketOwner": context.account}


def _described(context: BootstrapContext, key: str, region: str) -> Mapping[str, Any]:
    kms = context.aws.client("kms", region)
    answer = asked(lambda: kms.describe_key(KeyId=key), f"look for the key {key}", region)
    return dict(answer["KeyMetadata"])


@dataclass(frozen=True)
class StateKey:
    """A key of KMS under an alias, rotated each year. Its policy is KMS's own: the account's IAM policies decide."""

    context: BootstrapContext
    what = "key"
    needed = True

    @property
    def where(self) -> str:
        return secrets_provider.KmsKey.parse(self.context.home.provider).region

    @property
    def by_hand(self) -> Sequence[str]:
        return (
            f"aws kms create-key --region {self.where} --description '{DESCRIPTION}'",
            f"aws kms create-alias --region {self.where} --alias-name {ALIAS} --target-key-id <key id>",
            f"aws kms enable-key-rotation --region {self.where} --key-id <key id>",
        )

    def look(self) -> StepFinding:
        name = self.context.home.key
        if self.where in self.context.serving:
            return cannot(
                f"{name} is to be in {self.where}, which serves: while that is out, nothing could be deployed to the "
                f"other region. Name a key elsewhere: export {secrets_provider.VARIABLE}=…"
            )
        found = self._described(name)
        if found is None:
            if not name.startswith("alias/"):
                return cannot(f"{secrets_provider.VARIABLE} names {name}, and there is no such key: name an alias")
            return StepFinding(there=False, said=f"{name} is missing")
        if found["KeyState"] != "Enabled":
            return cannot(
                f"{name} is {found['KeyState']}, and nothing that it encrypts can be read: aws kms cancel-key-deletion "
                f"or enable-key --region {self.where} --key-id {found['KeyId']}"
            )
        rotated = asked(
            lambda: self._kms.get_key_rotation_status(KeyId=found["KeyId"])["KeyRotationEnabled"],
            "ask whether the key rotates",
            self.where,
        )
        said = f"{name} ({found['Arn']})" + ("" if rotated else " does not rotate")
        return StepFinding(bool(rotated), said, values={secrets_provider.VARIABLE: self.context.home.provider})

    def make(self) -> StepFinding:
        name = self.context.home.key
        found = self._described(name)
        identifier = found["KeyId"] if found else (self._left_behind() or self._new())
        asked(lambda: self._kms.enable_key_rotation(KeyId=identifier), "have the key rotate", self.where)
        if not found:
            asked(lambda: self._kms.create_alias(AliasName=name, TargetKeyId=identifier), "name the key", self.where)
        return self.look()

    @property
    def _kms(self) -> Any:
        return self.context.aws.client("kms", self.where)

    def _described(self, key: str) -> Mapping[str, Any] | None:
        return or_none(lambda: _described(self.context, key, self.where), NO_KEY)

    def _new(self) -> str:
        tags = [{"TagKey": name, "TagValue": value} for name, value in self.context.tags.items()]
        answer = asked(lambda: self._kms.create_key(Description=DESCRIPTION, Tags=tags), "make the key", self.where)
        return str(answer["KeyMetadata"]["KeyId"])

    def _naming(self, identifier: str) -> Callable[[], Any]:
        return lambda: self._kms.list_aliases(KeyId=identifier)["Aliases"]

    def _left_behind(self) -> str | None:
        """A key that a run has made which was cut off before it had named it: another would cost $1 a month more."""

        def listed() -> Iterable[str]:
            pages = self._kms.get_paginator("list_keys").paginate()
            return [each["KeyId"] for page in pages for each in page["Keys"]]

        for identifier in asked(listed, "list the keys", self.where):
            found = self._described(identifier)
            if found and (found.get("Description"), found["KeyState"]) == (DESCRIPTION, "Enabled"):
                names = asked(self._naming(identifier), "list its names", self.where)
                if not names:
                    return identifier
        return None


@dataclass(frozen=True)
class BucketSetting:
    """One setting of the bucket: whether it has it, and how it gets it."""

    what: str
    has: Callable[[], bool]
    put: Callable[[], object]


@dataclass(frozen=True)
class StateBucket:
    """The bucket: versioned, encrypted with the key, by TLS alone, and public to nobody."""

    context: BootstrapContext
    what = "bucket"
    needed = True

    @property
    def where(self) -> str:
        return self.context.home.region

    @property
    def by_hand(self) -> Sequence[str]:
        bucket, region = self.context.home.bucket, self.where
        settings = f"--region {region} --bucket {bucket}"
        encrypted = (
            f"aws s3api put-bucket-encryption {settings} --server-side-encryption-configuration "
            f"'{json.dumps(self._encryption('<key ARN>'))}'"
        )
        return (
            f"aws s3api create-bucket {settings} --create-bucket-configuration LocationConstraint={region}",
            f"aws s3api put-bucket-versioning {settings} --versioning-configuration Status=Enabled",
            *([encrypted] if self.context.home.provider else []),
            f"aws s3api put-public-access-block {settings} --public-access-block-configuration "
            + ",".join(f"{name}=true" for name in PRIVATE),
            (
                f"aws s3api put-bucket-policy {settings} --policy "
                f"'{json.dumps({'Version': '2012-10-17', 'Statement': [self._tls_only()]})}'  # {WHOLE}"
            ),
            (
                f"aws s3api put-bucket-lifecycle-configuration {settings} --lifecycle-configuration "
                f"'{json.dumps({'Rules': [self._end_of_old()]})}'  # {WHOLE}"
            ),
        )

    def look(self) -> StepFinding:
        bucket = self.context.home.bucket
        if self.where in self.context.serving:
            return cannot(
                f"{bucket} is to be in {self.where}, which serves: while that is out, nothing could be deployed to the "
                "other region. Name a bucket elsewhere: export PULUMI_BACKEND_URL='s3://<bucket>?region=<region>'"
            )
        found = self._head()
        if isinstance(found, StepFinding):
            return found
        if found != self.where:
            return cannot(f"{bucket} is in {found}: say ?region={found} in PULUMI_BACKEND_URL")
        lacks = [each.what for each in self._settings() if not each.has()]
        said = f"{bucket} lacks {', '.join(lacks)}" if lacks else bucket
        if lacks and (other := self._beside()):
            return cannot(
                f"{said}, and is left as it is: it keeps other things too ({other}), which such settings concern as "
                "well. Have its owner give it them, or name a bucket for states alone in PULUMI_BACKEND_URL"
            )
        if WITH_THE_KEY in lacks and (theirs := self._others_states()):
            lacks.remove(WITH_THE_KEY)
            left = f"{bucket} lacks {', '.join(lacks)}" if lacks else bucket
            said = (
                f"{left}; its encryption is left as it is: it keeps another system's states too ({theirs}), which who "
                "has no right to this system's key could work with no more"
            )
        return StepFinding(not lacks, said, values={"PULUMI_BACKEND_URL": self.context.home.backend})

    def make(self) -> StepFinding:
        found = self._head()
        if isinstance(found, StepFinding):
            asked(self._create, f"make the bucket {self.context.home.bucket}", self.where)
        elif self._beside():
            return self.look()
        for each in self._settings():
            if not each.has() and not (each.what == WITH_THE_KEY and self._others_states()):
                asked(each.put, f"give the bucket {each.what}", self.where)
        return self.look()

    @property
    def _s3(self) -> Any:
        return self.context.aws.client("s3", self.where)

    @property
    def _mine(self) -> Mapping[str, str]:
        return bucket_of(self.context)

    def _head(self) -> str | StepFinding:
        """The region in which the bucket is, or what is found without it."""
        bucket = self.context.home.bucket
        try:
            answer = asked(lambda: self._s3.head_bucket(**self._mine), f"look for the bucket {bucket}", self.where)
        except Problem as problem:
            if error_code(problem) in NO_BUCKET:
                return StepFinding(there=False, said=f"{bucket} is missing")
            if error_code(problem) in DENIED:
                return cannot(
                    f"{bucket} is another account's, or you may not ask (s3:ListBucket): name another one in "
                    "PULUMI_BACKEND_URL, or ask for the right"
                )
            raise
        return str(answer.get("BucketRegion") or self.where)

    def _create(self) -> None:
        # us-east-1 has no constraint (S3 API Reference, CreateBucket).
        elsewhere = {} if self.where == "us-east-1" else {"LocationConstraint": self.where}
        settings = {"CreateBucketConfiguration": elsewhere} if elsewhere else {}
        self._s3.create_bucket(Bucket=self.context.home.bucket, ObjectOwnership="BucketOwnerEnforced", **settings)

    def _settings(self) -> Sequence[BucketSetting]:
        s3, mine = self._s3, self._mine

        def read(operation: str, key: str) -> Any:
            return self._read(lambda: getattr(s3, operation)(**mine).get(key))

        with_the_key = BucketSetting(
            WITH_THE_KEY,
            lambda: "aws:kms" in json.dumps(read("get_bucket_encryption", "ServerSideEncryptionConfiguration")),
            lambda: s3.put_bucket_encryption(
                **mine, ServerSideEncryptionConfiguration=self._encryption(self._key_arn())
            ),
        )
        return (
            BucketSetting(
                "versions",
                lambda: read("get_bucket_versioning", "Status") == "Enabled",
                lambda: s3.put_bucket_versioning(**mine, VersioningConfiguration={"Status": "Enabled"}),
            ),
            *([with_the_key] if self.context.home.provider else []),  # else S3 does it with its own
            BucketSetting(
                "a wall against the public",
                lambda: (read("get_public_access_block", "PublicAccessBlockConfiguration") or {}) == PRIVATE,
                lambda: s3.put_public_access_block(**mine, PublicAccessBlockConfiguration=PRIVATE),
            ),
            BucketSetting(
                "TLS alone",
                lambda: _only_by_tls(json.loads(read("get_bucket_policy", "Policy") or "{}")),
                lambda: self._put_policy(json.loads(read("get_bucket_policy", "Policy") or "{}")),
            ),
            BucketSetting(
                "an end of old versions",
                lambda: any(map(self._ends_old, read("get_bucket_lifecycle_configuration", "Rules") or ())),
                lambda: self._put_rules(read("get_bucket_lifecycle_configuration", "Rules") or ()),
            ),
        )

    def _read(self, question: Callable[[], Any]) -> Any:
        return or_none(lambda: asked(question, f"look at the bucket {self.context.home.bucket}", self.where), *NONE_YET)

    def _key_arn(self) -> str:
        key = secrets_provider.KmsKey.parse(self.context.home.provider)
        if key.region != self.where:
            raise Problem(
                f"S3 encrypts with keys of its own region alone: {key.key} is in {key.region}, and the bucket in "
                f"{self.where}: have both in one region"
            )
        return key_arn(self.context)

    @staticmethod
    def _encryption(key: str) -> dict[str, Any]:
        by = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": by, "BucketKeyEnabled": True}]}

    def _tls_only(self) -> dict[str, Any]:
        bucket = f"arn:aws:s3:::{self.context.home.bucket}"
        return {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket, f"{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }

    def _put_policy(self, before: Mapping[str, Any]) -> None:
        """Beside what somebody else has put there."""
        statements = [*before.get("Statement", ()), self._tls_only()]
        policy = {"Version": "2012-10-17", **before, "Statement": statements}
        self._s3.put_bucket_policy(**self._mine, Policy=json.dumps(policy))

    @property
    def _states(self) -> str:
        """How the key of every object begins that is the stacks'."""
        return f"{self.context.home.folder}/{STATES}".removeprefix("/")

    def _beside(self) -> str:
        """The key of something in the bucket that is no stacks' state, of whatever folder; empty where all is."""
        return next((each for each in self._kept() if not _is_states(each)), "")

    def _others_states(self) -> str:
        """Another folder of states in the bucket; empty where there is none."""
        return next((each for each in self._kept() if _is_states(each) and each != self._states), "")

    def _kept(self, within: str = "") -> Iterator[str]:
        """The keys of what is in the bucket, and each folder of states as one."""

        def listed() -> Any:
            pages = self._s3.get_paginator("list_objects_v2")
            return pages.paginate(**self._mine, Prefix=within, Delimiter="/").build_full_result()

        found = asked(listed, f"look at what the bucket {self.context.home.bucket} keeps", self.where)
        yield from (key for each in found.get("Contents", ()) if (key := str(each["Key"])) != within)
        for each in found.get("CommonPrefixes", ()):
            folder = str(each["Prefix"])
            yield from [folder] if _is_states(folder) else self._kept(folder)

    def _end_of_old(self) -> dict[str, Any]:
        """Of the stacks' objects alone: what goes so is gone for good."""
        return {
            "ID": f"old-versions of {self._states}",
            "Status": "Enabled",
            "Filter": {"Prefix": self._states},
            "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_DAYS},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }

    def _ends_old(self, rule: Mapping[str, Any]) -> bool:
        """Whether a rule ends the old versions of all of the stacks' objects."""
        filtered = rule.get("Filter", {"Prefix": rule.get("Prefix", "")})  # an older rule has no filter
        ends = rule["Status"] == "Enabled" and "NoncurrentVersionExpiration" in rule
        return ends and filtered.keys() <= {"Prefix"} and self._states.startswith(filtered.get("Prefix", ""))

    def _put_rules(self, before: Iterable[Mapping[str, Any]]) -> None:
        """Beside what somebody else has put there."""
        rule = self._end_of_old()
        rules = [*(each for each in before if each.get("ID") != rule["ID"]), rule]
        self._s3.put_bucket_lifecycle_configuration(**self._mine, LifecycleConfiguration={"Rules": rules})


PRIVATE: Final = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)


def _is_states(key: str) -> bool:
    return f"/{key}".endswith(f"/{STATES}")


def _only_by_tls(policy: Mapping[str, Any]) -> bool:
    return any(
        each.get("Effect") == "Deny"
        and str(((each.get("Condition") or {}).get("Bool") or {}).get("aws:SecureTransport")).lower() == "false"
        for each in policy.get("Statement", ())
    )


@dataclass(frozen=True)
class NotMadeHere:
    """Where the user has chosen something else: nothing of it is made."""

    what: str
    said: str
    where = ACCOUNT
    needed = True
    by_hand: Sequence[str] = ()

    def look(self) -> StepFinding:
        return StepFinding(there=True, said=f"none: {self.said}")

    def make(self) -> StepFinding:
        return self.look()


def steps(context: BootstrapContext) -> Iterable[StateKey | StateBucket | NotMadeHere]:
    """The key first: the bucket is encrypted with it."""
    if context.home.provider:
        yield StateKey(context)
    else:
        yield NotMadeHere(
            "key", f"the stacks have a passphrase; for a key in its place set {secrets_provider.VARIABLE}"
        )
    if context.home.bucket:
        yield StateBucket(context)
    else:
        yield NotMadeHere("bucket", f"PULUMI_BACKEND_URL keeps the states in {context.home.backend}")
