"""Audit records in the region's bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from lambdas.domain.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from lambdas.adapters.retry import Retry

_EXISTS: Final = "PreconditionFailed"


class Objects(Protocol):
    """What is used of S3: an operation of the SDK's client."""

    def put_object(self, **arguments: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class BucketAudits:
    """The port `AuditWriter`: writes an object once; a second version of a record would be a second record."""

    objects: Objects
    bucket: str
    retry: Retry

    def write(self, key: str, record: bytes, *, content_type: str = "application/json") -> None:
        """Store the record unless its key is taken.

        Raises Unavailable, also when access is refused: the record is then still owed, and a payment must not fail.
        """
        try:
            self.retry(
                self.objects.put_object,
                expected=_EXISTS,
                Bucket=self.bucket,
                Key=key,
                Body=record,
                ContentType=content_type,
                IfNoneMatch="*",
            )
        except ClientError:
            pass  # it is there already
        except Rejected as error:
            # Every record's fate, not this one's: it is owed until somebody gives the right back.
            raise Unavailable(str(error)) from error
