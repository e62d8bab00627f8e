"""A bucket of S3 with the stacks: their states through the CLI, their locks directly.

The CLI shows a lock only to who runs into it, and its `cancel` takes away whoever's there are. Each engine's lock is an
object of its own (pulumi/pkg backend/diy/lock.go), so one whose engine has died goes without touching another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from engine.backend import BucketUrl, Lock, is_held, parsed_lock
from engine.cli import Cli, CliBackend
from orchestration.aws import Aws, asked, error_code, or_none
from shared.errors import Problem

if TYPE_CHECKING:
    from engine.processes import Recorded
    from shared.stack import Stack

RELEASED: Final = "NoSuchKey"
DENIED: Final = "AccessDenied"
KEYS: Final = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
"""The shell's, which to the engine count for less than a profile that the address names."""
UNKNOWN: Final = "unknown"
"""No host is called so: a lock that may not be read is none of this machine's."""


class BucketBackend(CliBackend):
    """An `s3://` backend."""

    def __init__(self, cli: Cli, at: BucketUrl) -> None:
        super().__init__(cli)
        told = {"AWS_ENDPOINT_URL": at.endpoint, "AWS_PROFILE": at.profile}
        shell = {name: value for name, value in cli.variables.items() if not (at.profile and name in KEYS)}
        self._aws = Aws({**shell, **{name: value for name, value in told.items() if value}})
        self._at = at

    def locks(self, stack: Stack) -> Sequence[Lock]:
        def listed() -> list[str]:
            prefix = self._at.key(f"locks/{stack.reference}/")
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._at.bucket, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", ())]

        keys = asked(listed, f"look for locks on {stack}", self._region)
        return [lock for key in keys if (lock := self._lock(key)) is not None]

    def unlock(self, stack: Stack, engines: Collection[Recorded] = ()) -> None:
        """Take away dead engines' locks. A host's name proves nothing: GitHub's runners, say, share one."""
        for lock in self.locks(stack):
            if not is_held(lock) and any(each.took(lock.pid, lock.taken.timestamp()) for each in engines):
                asked(self._deleting(lock.name), f"release the lock {lock.name}", self._region)

    @cached_property
    def _region(self) -> str:
        """The address's, or else the shell's or its profile's, as the engine has it."""
        if region := self._at.region or self._aws.default_region():
            return region
        where = f"PULUMI_BACKEND_URL=s3://{self._at.bucket}"
        raise Problem(f"{where} says no region, and neither does the shell: add ?region=…")

    @property
    def _s3(self) -> Any:
        return self._aws.client("s3", self._region)

    def _lock(self, key: str) -> Lock | None:
        """Whose it is; None where it was released meanwhile."""

        def read() -> bytes:
            return bytes(self._s3.get_object(Bucket=self._at.bucket, Key=key)["Body"].read())

        try:
            raw = or_none(lambda: asked(read, f"read the lock {key}", self._region), RELEASED)
        except Problem as problem:
            if error_code(problem) != DENIED:
                raise
            return Lock(key, 0, UNKNOWN, UNKNOWN, datetime.now(UTC))  # of another team: it counts as held
        return None if raw is None else parsed_lock(raw, key)

    def _deleting(self, key: str) -> Callable[[], Any]:
        return lambda: self._s3.delete_object(Bucket=self._at.bucket, Key=key)
