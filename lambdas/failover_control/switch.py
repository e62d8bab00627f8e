"""The stop switch: while it says `primary: stop`, no traffic goes to the primary.

It is an object in the secondary that an inverted string-match check of Route 53 reads: the check is unhealthy, and
takes the primary out, only while the text can be read. A secondary that is out of reach, or an object that cannot be
read, leaves the primary where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from lambdas.adapters.retry import Retry

STOPPED: Final = "primary: stop"
DEPLOYED: Final = "primary: run, as deployed"
"""What it says before anybody has moved it: nobody is on his way back, so a failover may last at once."""
SEARCHED_BYTES: Final = 5_120
"""How far a checker reads."""
CONTENT_TYPE: Final = "text/plain"
ENCRYPTION: Final = "AES256"
"""SSE-S3: the checkers sign nothing, and S3 refuses unsigned reads of what a KMS key encrypts."""


class ObjectClient(Protocol):
    """What is used of S3: operations of the SDK's client."""

    def get_object(self, **arguments: Any) -> dict[str, Any]: ...
    def put_object(self, **arguments: Any) -> dict[str, Any]: ...


class SwitchState(NamedTuple):
    """How the switch is."""

    stopped: bool
    """Whether the primary is, as the checkers see it."""
    since: int
    """When somebody has said so (ms; 0: nobody)."""
    seen: str
    """The object's ETag, empty when it is not there. It is of the words: who says the same again leaves it."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The switch that is the object `key` of `bucket`."""

    objects: ObjectClient
    bucket: str
    key: str
    retry: Retry

    def state(self) -> SwitchState:
        """How it is. Raises Unavailable when nobody can tell."""
        try:
            found = self.retry(self._get, expected="NoSuchKey")
        except ClientError:
            return SwitchState(stopped=False, since=0, seen="")  # the checkers find nothing either
        said = found["text"] != DEPLOYED.encode()
        since = int(found["since"].timestamp() * 1000) if said else 0
        return SwitchState(STOPPED.encode() in found["text"], since, found["etag"])

    def stop(self, seen: str) -> bool:
        """Take the primary out, until a person restores it; unless somebody has moved the switch since `seen`.

        Returns whether it did: not either when a repeated write meets its own first one. Raises Unavailable, also when
        the object was deleted since. (S3 User Guide, "How to prevent object overwrites with conditional writes".)
        """
        unmoved = {"IfMatch": seen} if seen else {"IfNoneMatch": "*"}
        try:
            self.retry(
                self.objects.put_object,
                expected="PreconditionFailed",
                Bucket=self.bucket,
                Key=self.key,
                Body=STOPPED.encode(),
                ContentType=CONTENT_TYPE,
                ServerSideEncryption=ENCRYPTION,
                **unmoved,
            )
        except ClientError:
            return False
        return True

    def _get(self) -> dict[str, Any]:
        """One attempt takes the answer with its body, which can break off too."""
        answer = self.objects.get_object(Bucket=self.bucket, Key=self.key)
        return {"text": answer["Body"].read(SEARCHED_BYTES), "since": answer["LastModified"], "etag": answer["ETag"]}
