"""Runs the canaries that are started, each on its schedule, as the cloud's clock says."""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ministack.core.responses import request_scope
from ministack.services import eventbridge

from sandbox.cloud.synthetics import engine
from sandbox.cloud.synthetics.service import interval
from sandbox.cloud.synthetics.store import CANARIES, StoredCanary
from sandbox.cloud.watch.metrics import Metrics, Name, Scope
from sandbox.cloud.watch.points import Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.clock import VirtualClock

log = logging.getLogger(__name__)

LOOKS_EVERY = 5
"""Seconds within which a canary that was started is noticed."""
SPREAD = 50
"""Seconds: on AWS the first run begins at once. Here canaries that are started together do not run together."""
NAMESPACE = "CloudWatchSynthetics"

_Key = tuple[str, str, str]


@dataclass
class CanaryRunner:
    """Runs canaries of regions that are not `out`; `changed` hears of each run that has ended."""

    clock: VirtualClock
    metrics: Metrics
    out: Callable[[str], bool]
    changed: Callable[[], None]
    _due: dict[_Key, tuple[float, float]] = field(default_factory=dict)
    """By canary: when it was started, and when it is to run next."""
    _running: dict[_Key, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Run canaries for ever."""
        while True:
            now = self.clock.now()
            soonest = min((due for _, due in self._due.values()), default=math.inf)
            await self.clock.sleep(max(0.0, min(soonest - now, LOOKS_EVERY)))
            self.look(self.clock.now())

    def look(self, now: float) -> None:
        """Begin the runs that are due. A canary that still runs is left alone: on AWS, too, it runs once at a time."""
        started = {key: each for key, each in list(CANARIES._data.items()) if each.running}
        self._due = {key: due for key, due in self._due.items() if key in started}
        for key, canary in started.items():
            since = float(canary.told["Timeline"]["LastStarted"])
            known = self._due.get(key)
            if known is None or known[0] != since:
                self._due[key] = (since, first(canary, key, since, now))
            elif known[1] <= now:
                self._due[key] = (since, after(canary, key, since, now))
                if key not in self._running and not self.out(key[1]):
                    self._running[key] = asyncio.create_task(self._one(key, canary))

    async def _one(self, key: _Key, canary: StoredCanary) -> None:
        try:
            run = await asyncio.to_thread(self._made, key, canary)
        except Exception:
            log.exception("the canary %s cannot run", key[2])
            return
        finally:
            del self._running[key]
        canary.remember(run)
        self.changed()

    def _made(self, key: _Key, canary: StoredCanary) -> dict[str, Any]:
        account, region, name = key
        began = self.clock.now()
        at = datetime.fromtimestamp(began, UTC)
        bucket, _, prefix = canary.told["ArtifactS3Location"].partition("/")
        folder = f"canary/{region}/{name}/{at:%Y/%m/%d/%H/%M-%S}-{at.microsecond // 1000:03}"
        place = f"{prefix}/{folder}".lstrip("/")
        event = {"canary": name, "entry": canary.told["Code"]["Handler"], "bucket": bucket, "prefix": place}
        with request_scope(account, region):
            found = engine.invoke(canary.told["EngineArn"].rpartition(":")[0], event)
        if not found.get("ended"):
            self._unfinished(Scope(account, region), name)
        for each in found.get("trouble") or ():
            log.warning("canary %s in %s: %s", name, region, each)
        status = {"State": found["state"], "StateReason": found["reason"]}
        if found["state"] == "FAILED":
            status["StateReasonCode"] = "CANARY_FAILURE" if found.get("ended") else "EXECUTION_FAILURE"
        return {
            "Id": str(uuid.uuid4()),
            "Name": name,
            "Status": {each: value for each, value in status.items() if value},
            "Timeline": {"Started": began, "Completed": self.clock.now()},
            "ArtifactS3Location": f"{bucket}/{place}",
        }

    def _unfinished(self, scope: Scope, name: str) -> None:
        """Tell of a run whose process did not come to its end: it could not tell itself."""
        for metric, value, unit in (("SuccessPercent", 0.0, "Percent"), ("Failed", 1.0, "Count")):
            point = Point()
            point.add(value)
            self.metrics.keep(scope, Name.of(NAMESPACE, metric, {"CanaryName": name}), point, unit, self.clock.now())


def first(canary: StoredCanary, key: _Key, since: float, now: float) -> float:
    """When a canary runs for the first time after its start, or for the next time after the cloud's."""
    ran = any(float(run["Timeline"]["Started"]) >= since for run in canary.runs)
    return after(canary, key, since, now) if ran else since + _spread(key)


def after(canary: StoredCanary, key: _Key, since: float, now: float) -> float:
    """When it runs next; never again when it was to run once, or its time is over."""
    schedule = canary.told["Schedule"]
    every = interval(schedule["Expression"])
    if every == 0:
        return math.inf
    if every is None:
        fields = eventbridge._parse_cron_fields(schedule["Expression"])
        found = eventbridge._cron_next_fire(fields, datetime.fromtimestamp(now - _spread(key), UTC)) if fields else None
        due = math.inf if found is None else float(found.timestamp()) + _spread(key)
    else:
        begun = since + _spread(key)
        due = begun + (max(0, math.floor((now - begun) / every)) + 1) * every
    lasts = float(schedule.get("DurationInSeconds") or 0)
    return math.inf if lasts and due > since + lasts else due


def _spread(key: _Key) -> int:
    return zlib.crc32("/".join(key).encode()) % SPREAD
