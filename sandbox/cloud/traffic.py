"""What the cloud, DNS and health checkers tell each other, and the checkers' addresses as policies see them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from sandbox import control
from sandbox.checker_ranges import PLACES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from sandbox.server import Scope

ANSWER_WITHIN = 2.0
"""Seconds that the checkers may take to tell what they found."""
_BUCKET = re.compile(r"[a-z0-9.-]+\.s3\.([a-z0-9-]+)\.amazonaws\.com(?::\d+)?")
_CHECKERS = {place.source: place.address for place in PLACES}


class TrafficLink:
    """The cloud's end: what Route 53's health checks say, by which its functions resolve names."""

    def __init__(self, path: Path, is_out: Callable[[str], bool]) -> None:
        """`path` is the daemon's socket; `is_out` tells whether a region is."""
        self._path = path
        self._is_out = is_out
        self._changes = 0
        self._healthy: dict[str, bool] = {}

    def changed(self) -> None:
        """Route 53 has answered a change."""
        self._changes += 1

    def healthy(self, check: str) -> bool:
        """Whether DNS takes a check for healthy: it is by default, as a new one is."""
        return self._healthy.get(check, True)

    def hear(self, generation: str, healthy: Mapping[str, bool], alarms: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """What DNS and checkers need to know: has anything been declared since, and what do these alarms say."""
        self._healthy = dict(healthy)
        return {
            "changes": [id(self), generation, self._changes],
            "alarms": [[region, name, self._alarm(region, name)] for region, name in alarms],
        }

    async def observations(self, check: str) -> dict[str, Any] | None:
        """What the checkers tell of a check; None when there is none of that id, or nobody checks."""
        try:
            told = await asyncio.wait_for(control.ask_soon(self._path, "health"), ANSWER_WITHIN)
        except OSError:  # TimeoutError is one
            return None
        checks: list[dict[str, Any]] = told["checks"]
        return next((each for each in checks if each["id"] == check), None)

    def _alarm(self, region: str, name: str) -> str:
        """An alarm's state. Out of a region that is out comes no data."""
        from ministack.services import cloudwatch  # noqa: PLC0415 - as late as the emulator's own import of it

        if self._is_out(region):
            return "INSUFFICIENT_DATA"
        kept: list[tuple[Any, dict[str, Any]]] = cloudwatch._alarms.all_items()
        states = {(key[1], key[2]): str(alarm.get("StateValue", "INSUFFICIENT_DATA")) for key, alarm in kept}
        return states.get((region, name), "INSUFFICIENT_DATA")


def seen_from_outside(scope: Scope) -> Scope:
    """A request with the address of who sent it: a health checker's is not the one of this machine."""
    host, port = scope.get("client") or ("", 0)
    return {**scope, "client": (_CHECKERS[host], port)} if host in _CHECKERS else scope


def names_a_bucket(host: str, region: str) -> bool:
    """Whether a host name is that of a bucket in a region."""
    found = _BUCKET.fullmatch(host.lower())
    return found is not None and found[1] == region
