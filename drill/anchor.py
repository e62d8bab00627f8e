"""Where the head of an evidence's chain is put so that nobody can change it later, the one who measured included.

In production it is a locked object of the secondary's audit bucket, which the bucket's own replication copies to the
primary's (S3 User Guide, "Locking objects with Object Lock"). Elsewhere no bucket is locked: people publish it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from drill import reading
from orchestration.aws import asked, error_code
from shared.errors import Problem
from shared.roles import SECONDARY

if TYPE_CHECKING:
    from orchestration.target import Target
    from shared.environment import Environment

PREFIX: Final = "evidence/"
THERE_ALREADY: Final = {"PreconditionFailed", "412"}
"""What S3 answers to `If-None-Match: *` when the object is there."""


@dataclass(frozen=True)
class Anchor:
    """A version of an object that nobody can delete or change before a moment."""

    url: str
    version: str
    mode: str
    """GOVERNANCE, which a named few may lift, or COMPLIANCE, which nobody may."""
    until: str

    def __str__(self) -> str:
        return f"{self.url} (version {self.version}), locked until {self.until} ({self.mode})"


@dataclass(frozen=True)
class PublishedHead:
    """The head of a chain, and where it is kept."""

    head: str
    out: str
    """The folder of the evidence."""
    anchor: Anchor | None = None
    failure: str = ""
    """Why it could not be anchored where it should have been."""

    @property
    def code(self) -> int:
        return 1 if self.failure else 0

    def to_json(self) -> dict[str, Any]:
        """head, anchor (null where no bucket is locked), and why it is not anchored where it should be."""
        failure = {"not_anchored": self.failure} if self.failure else {}
        return {"head": self.head, "anchor": vars(self.anchor) if self.anchor else None, **failure}

    def lines(self) -> list[str]:
        """For people: the head first, and what to do with it."""
        if self.anchor:
            kept = f"anchored in {self.anchor}"
        elif self.failure:
            kept = f"not anchored: {self.failure}; publish this head"
        else:
            kept = "publish this head"
        return [self.head, f"{kept}; check the evidence with: python3 -I {Path(self.out) / 'verify.py'} {self.head}"]


def publish(place: Target, environment: Environment, head: str, out: str) -> PublishedHead:
    """Lock the head away in production; elsewhere there is nothing that could. Never raises: the evidence is there."""
    if not environment.production:
        return PublishedHead(head, out)
    try:
        return PublishedHead(head, out, _anchored(reading.places(place, environment), head))
    except Problem as problem:
        return PublishedHead(head, out, failure=str(problem))


def _anchored(where: reading.Places, head: str) -> Anchor:
    """The first object of that name; a head that is anchored already is not written again. Raises Problem."""
    region, bucket = where.regions.of(SECONDARY), where.buckets.of(SECONDARY)
    s3, name = where.aws.client("s3", region), {"Bucket": bucket, "Key": f"{PREFIX}{head}.json"}
    body = json.dumps({"head": head}) + "\n"  # when it was written, S3 says
    new = {"Body": body.encode(), "ContentType": "application/json", "ChecksumAlgorithm": "SHA256", "IfNoneMatch": "*"}
    try:
        asked(lambda: s3.put_object(**name, **new), f"write {PREFIX}{head}.json", region)
    except Problem as problem:
        if error_code(problem) not in THERE_ALREADY:
            raise
    found = asked(lambda: s3.head_object(**name), f"look at {PREFIX}{head}.json", region)
    if "ObjectLockRetainUntilDate" not in found:
        raise Problem(f"{bucket} locks nothing: deploy data with production: true (docs/decisions/0031)")
    until = found["ObjectLockRetainUntilDate"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Anchor(f"s3://{bucket}/{name['Key']}", str(found["VersionId"]), str(found["ObjectLockMode"]), until)
