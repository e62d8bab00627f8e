"""The notifications that the audit functions have filed: one object each, under the day on which it was filed (UTC)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestration.aws import asked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


def filed(s3: Any, bucket: str, region: str, begin: datetime, end: datetime) -> Iterator[dict[str, Any]]:
    """Yield what S3 lists of each that was filed from `begin` to `end`, copies of the other region's too.

    Raises Problem.
    """
    day = begin
    while day.date() <= end.date():
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"notifications/{day:%Y/%m/%d}/")
        listed: list[dict[str, Any]] = asked(lambda pages=pages: list(pages), "list what was filed", region)  # type: ignore[misc]
        for page in listed:
            yield from (each for each in page.get("Contents", ()) if begin <= each["LastModified"] <= end)
        day += timedelta(days=1)
