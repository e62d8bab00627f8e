"""What a region that is out does with requests."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.control import RegionState

LONGEST_HANG = 900.0
"""Seconds that a hanging region keeps a connection: far more than any client waits, and an end all the same."""

GLOBAL_SERVICES = frozenset({"iam", "route53", "cloudfront", "organizations"})
"""They are signed for us-east-1 and do not end with it: DNS and permissions go on when a region is out."""

_SCOPE = re.compile(r"/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")


class RegionStates:
    """The state of each region."""

    def __init__(self) -> None:
        self._closed: dict[str, RegionState] = {}
        self._changed = asyncio.Event()

    def set(self, region: str, state: RegionState) -> None:
        if state == "open":
            self._closed.pop(region, None)
        else:
            self._closed[region] = state
        self._changed.set()
        self._changed = asyncio.Event()

    def state(self, region: str) -> RegionState:
        return self._closed.get(region, "open")

    def closed(self) -> Mapping[str, RegionState]:
        return dict(self._closed)

    async def hang(self) -> None:
        """Return when a client that was left hanging should lose its connection: a region has changed, or very late."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), LONGEST_HANG)


class Signed(NamedTuple):
    """What an AWS request was signed for; empty when it was not."""

    region: str
    """Empty for global services, which belong to no region."""
    service: str


def signed(authorization: str, query: str) -> Signed:
    """Read a request's signature, in its header or in its presigned URL."""
    scope = _SCOPE.search(authorization) or _SCOPE.search(unquote(query))
    if scope is None:
        return Signed("", "")
    return Signed("" if scope[2] in GLOBAL_SERVICES else scope[1], scope[2])
