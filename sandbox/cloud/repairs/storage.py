"""S3's configuration of buckets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ministack import app

from sandbox.cloud.watch.here import Here

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

SIZE_RULE = "x-amz-transition-default-minimum-object-size"
SIZE_RULES = ("all_storage_classes_128K", "varies_by_storage_class")
"""From which size on objects change their storage class, where a rule's filter names none; the first by default."""
_KEPT = "_size_rule"


def size_rule() -> None:
    """A lifecycle's rule for small objects is not kept: it reads back as all_storage_classes_128K."""
    when_loaded(_repair)


def virtual_time() -> None:
    """Objects have the machine's time, whatever the sandbox's clock says: their age would be wrong."""

    def changed() -> None:
        from ministack.services import s3  # noqa: PLC0415 - see when_loaded

        s3.now_iso = _now

    when_loaded(changed)


def retention_of_replicas() -> None:
    """A replica in a bucket with Object Lock is not locked: anybody could delete the copy.

    What is copied is locked as its bucket's rule says. AWS copies the source's own lock where it has one, which is the
    same where both buckets have one rule.
    """

    def changed() -> None:
        from ministack.services import s3  # noqa: PLC0415 - see when_loaded

        copy = s3._maybe_replicate

        def copied(bucket: str, key: str, record: dict[str, Any], *more: Any) -> None:
            copy(bucket, key, record, *more)
            replica = record.get("_replica")
            if record.get("replication_status") == "COMPLETED" and replica:
                s3._apply_object_lock_from_headers(replica[0], key, {}, replica[1])

        s3._maybe_replicate = copied

    when_loaded(changed)


def _now() -> str:
    told = datetime.fromtimestamp(Here.clock.now(), UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


def when_loaded(change: Callable[[], None]) -> None:
    """Change S3's module when the first request wants it: it reads what is on disk when it is imported."""
    load = app._get_module

    def loaded(name: str) -> ModuleType:
        known = name in app._loaded_modules
        module: ModuleType = load(name)
        if name == "s3" and not known:
            change()
        return module

    app._get_module = loaded


def _repair() -> None:
    from ministack.services import s3  # noqa: PLC0415 - see above

    handle = s3.handle_request

    async def handled(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any, **of_a_name: Any
    ) -> Any:
        if "lifecycle" not in query or method not in ("GET", "PUT"):
            return await handle(method, path, headers, body, query, **of_a_name)
        given = headers.get(SIZE_RULE, SIZE_RULES[0])
        if given not in SIZE_RULES:
            return s3._error("InvalidArgument", f"{SIZE_RULE}: {given}", 400)
        status, answered, content = await handle(method, path, headers, body, query, **of_a_name)
        if status != 200:
            return status, answered, content
        rules = s3._bucket_lifecycle[s3._parse_bucket_key(path, headers)[0]]
        if method == "PUT":
            rules[0][_KEPT] = given  # what is kept elsewhere is not saved with the cloud's state
        return status, {**answered, SIZE_RULE: rules[0].get(_KEPT, SIZE_RULES[0])}, content

    s3.handle_request = handled
