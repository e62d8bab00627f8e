"""Names of AWS's own that lead into one region."""

from __future__ import annotations

import re

_REGION = r"[a-z]{2}(?:-[a-z]+)+-\d+"
_ENTRY_POINT = re.compile(
    r"[a-z0-9.-]+\.(?:execute-api\.(?P<of_api>[a-z0-9-]+)|(?P<of_balancer>[a-z0-9-]+)\.elb)\.amazonaws\.com"
)
"""In a region that there may not be: such a name leads nowhere, and not out of AWS."""
_BUCKET = re.compile(rf"[a-z0-9.-]+\.s3\.({_REGION})\.amazonaws\.com")


def entry_region(name: str) -> str:
    """The region of the name of an API, of its regional domain name, or of a load balancer; else empty."""
    found = _ENTRY_POINT.fullmatch(name)
    return (found["of_api"] or found["of_balancer"]) if found else ""


def region_of(name: str) -> str:
    """The region of such a name, or of a bucket's; else empty."""
    if region := entry_region(name):
        return region if re.fullmatch(_REGION, region) else ""
    found = _BUCKET.fullmatch(name)
    return found[1] if found else ""
