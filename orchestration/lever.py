"""The stop switch as a person moves it: one object, by the secondary's own STS and S3 and nothing else.

Its bucket's name follows from the environment file and the account, so neither a stack's state nor the primary, nor
us-east-1, has to be there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from orchestration.aws import Aws, asked, error_code
from shared import naming, stop_switch
from shared.errors import Problem
from shared.roles import SECONDARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.environment import Environment

T = TypeVar("T")

RUNBOOK = "docs/runbooks/evacuate-the-primary.md"
MOVED = frozenset({"ConditionalRequestConflict", "NoSuchKey", "PreconditionFailed"})
"""How S3 answers a conditional write of what is no longer as it was seen."""


@dataclass(frozen=True)
class Lever:
    """The switch of one environment in one account."""

    aws: Aws
    region: str
    account: str
    bucket: str

    @staticmethod
    def of(environment: Environment, aws: Aws, account: str) -> Lever:
        """Find it by its name."""
        region = environment.region(SECONDARY)
        names = environment.foundation().names
        return Lever(aws, region, account, names.of(naming.STOP_SWITCH_BUCKET, SECONDARY, account=account))

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{stop_switch.KEY}"

    def say(self, words: str, seen: Mapping[str, str] | None = None) -> str:
        """Write these words, and return the version that holds them. Raises Problem.

        `seen`: what `unmoved` has returned; then it is written only if nobody has moved it since.
        """
        try:
            answer = self._asked(
                "put_object",
                "write",
                Key=stop_switch.KEY,
                Body=words.encode(),
                ContentType=stop_switch.CONTENT_TYPE,
                ServerSideEncryption=stop_switch.ENCRYPTION,
                **(seen or {}),
            )
        except Problem as problem:
            if not seen or error_code(problem) not in MOVED:
                raise
            # Who repeats a write that was not answered meets its own first one.
            answer = self._read() or {}
            if answer.get("words") != words:
                raise Problem(
                    f"the stop switch {self.url} was not written: somebody has moved it since (./invoke situation says "
                    "how it stands)"
                ) from problem
        return str(answer.get("VersionId", ""))

    def unmoved(self) -> Mapping[str, str]:
        """Return the condition that it is as it is now: for a write that must not undo another one. Raises Problem.

        An ETag is of the words: that somebody has said the same once more is not seen (S3 User Guide, "How to prevent
        object overwrites with conditional writes").
        """
        answer = self._read()
        return {"IfMatch": answer["ETag"]} if answer else {"IfNoneMatch": "*"}

    def stopped(self) -> bool:
        """Return whether it keeps the primary out, as the checkers see it. Raises Problem."""
        return self.standing()[0]

    def standing(self) -> tuple[bool, datetime | None]:
        """Return whether it keeps the primary out, and since when it says what it says. Raises Problem."""
        words, since = self.said()
        return stop_switch.STOPPED in words, since

    def said(self) -> tuple[str, datetime | None]:
        """Return what it says, as far as the checkers read it, and since when. Raises Problem."""
        answer = self._read()
        return (answer["words"], answer.get("LastModified")) if answer else ("", None)  # the checkers find nothing

    def _read(self) -> dict[str, Any] | None:
        """GetObject's answer with its `words`, None where there is no object. Raises Problem."""

        def read() -> dict[str, Any] | None:
            client = self.aws.client("s3", self.region)
            try:
                answer = client.get_object(Bucket=self.bucket, Key=stop_switch.KEY, ExpectedBucketOwner=self.account)
            except client.exceptions.NoSuchKey:
                return None
            words = bytes(answer["Body"].read(stop_switch.SEARCHED_BYTES))
            return {**answer, "words": words.decode(errors="replace")}

        return self._told(read, "read")

    def readers(self) -> tuple[str, ...]:
        """Return the CIDRs that may read it, by the bucket's policy. Raises Problem."""
        document = json.loads(self._asked("get_bucket_policy", "read the policy of")["Policy"])
        return tuple(
            str(cidr)
            for statement in document["Statement"]
            if statement.get("Sid") == stop_switch.READERS and statement["Effect"] == "Allow"
            for cidr in _listed(statement.get("Condition", {}).get("IpAddress", {}).get("aws:SourceIp", []))
        )

    def _asked(self, operation: str, doing: str, **arguments: Any) -> dict[str, Any]:
        client = self.aws.client("s3", self.region)
        place = {"Bucket": self.bucket, "ExpectedBucketOwner": self.account}
        return self._told(lambda: dict(getattr(client, operation)(**place, **arguments)), doing)

    def _told(self, question: Callable[[], T], doing: str) -> T:
        try:
            return asked(question, f"{doing} the stop switch {self.url}", self.region)
        except Problem as problem:
            if error_code(problem) in {"NoSuchBucket", "404"}:
                raise Problem(
                    f"there is no stop switch in {self.region} of account {self.account}: the bucket {self.bucket} is "
                    "not there; choose the --environment that is deployed, or run ./invoke deploy-all"
                ) from problem
            raise


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
