"""S3 in one region: a bucket with versions, conditional writes, and replication to the other region's bucket."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.retry import ATTEMPT
from simulation.aws_errors import refused, timed_out
from simulation.link import Unreachable, Way

if TYPE_CHECKING:
    from random import Random

    from botocore.exceptions import ClientError

    from simulation.link import Link

LATENCY: Final = 15
PATIENCE: Final = ATTEMPT
REPLICATION: Final = 60_000
"""Replication between buckets takes up to this (ms); the service's own limit is 15 minutes."""

_REFUSALS: Final = (("SlowDown", 503), ("InternalError", 500), ("ConditionalRequestConflict", 409))


def _refusal(random: Random) -> ClientError:
    code, status = random.choice(_REFUSALS)
    return refused(code, "PutObject", status)


_WAY: Final = Way(
    LATENCY,
    PATIENCE,
    silence=lambda: timed_out("s3"),
    refusal=_refusal,
    denial=lambda _: refused("AccessDenied", "PutObject", 403),
)
"""The same for all buckets and seeds: chance comes with the call."""


@dataclass(slots=True)
class Bucket:
    """A bucket: key -> versions, oldest first. `written` counts what callers stored, replicas apart."""

    link: Link
    lost: bool = False
    peer: Bucket | None = None
    objects: dict[str, list[bytes]] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        ContentType: str = "",  # noqa: N803
    ) -> dict[str, Any]:
        """Store an object; with `IfNoneMatch="*"` only where there is none."""
        del Bucket, ContentType

        def effect() -> dict[str, Any]:
            if self.lost:
                raise Unreachable
            if IfNoneMatch is not None and self.objects.get(Key):
                raise refused("PreconditionFailed", "PutObject", 412)
            self.objects.setdefault(Key, []).append(Body)
            self.written[Key] = self.written.get(Key, 0) + 1
            self._replicate(Key, Body)
            return {}

        answer: dict[str, Any] = self.link.call("s3 PutObject", effect, _WAY, about=Key.rsplit("/", 1)[-1])
        return answer

    def _replicate(self, key: str, body: bytes) -> None:
        """As S3 does it: a new version at the other side, whatever is there."""
        delay = int(self.link.scheduler.random.random() * REPLICATION)
        self.link.scheduler.after(delay, lambda: self._arrive(key, body))

    def _arrive(self, key: str, body: bytes) -> None:
        if self.peer is None:
            return
        if self.lost or self.peer.lost:
            self.link.scheduler.after(REPLICATION, lambda: self._arrive(key, body))
        else:
            self.peer.objects.setdefault(key, []).append(body)
