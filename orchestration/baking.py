"""The time between the regions: a release that the secondary has got is watched before the primary gets it.

The secondary has few clients, so canaries and a smoke payment every so often are its load. What counts are the alarms
that the secondary's observability stack declares. Those that say something about the primary, or that clients have come
over, are no release's fault.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from engine.operations import Interrupted
from orchestration.aws import Aws, asked
from orchestration.releases import Serving
from shared import naming
from shared.errors import MALFORMED, Problem
from shared.roles import PRIMARY
from shared.stack import Stack

if TYPE_CHECKING:
    from engine.backend import Backend

MINUTE: Final = 60.0
LOOK_EVERY: Final = 10.0
"""Seconds between two looks, by the target's clock: alarms, and a smoke payment."""
TICK: Final = 0.25
"""Real seconds after which an interrupt is noticed: the target's clock may be a fast one."""
AT_ONCE: Final = 100
"""Alarms that DescribeAlarms takes by their names (CloudWatch API Reference, "DescribeAlarms")."""


@dataclass(frozen=True)
class Baking:
    """A bake: for how long, of what, and what serves again when it ends badly."""

    minutes: float
    since: float
    """When the release began, in seconds since 1970 by the target's clock: alarms raised before are not its fault."""
    before: Serving
    release: str = ""
    """The id of the sources that it was made of."""

    def to_tag(self) -> str:
        told = {"minutes": self.minutes, "since": self.since, "before": self.before.to_json(), "release": self.release}
        return json.dumps({"baking": told}, separators=(",", ":"), sort_keys=True)

    @staticmethod
    def from_tag(text: str) -> Baking | None:
        """Read a tag; None for any other one."""
        try:
            told = json.loads(text)["baking"]
            before = Serving.from_json(told["before"])
            return Baking(float(told["minutes"]), float(told["since"]), before, str(told["release"]))
        except MALFORMED:
            return None


def watching(stack: Stack) -> Stack:
    """Return the stack whose alarms watch a region's release."""
    return Stack("observability", stack.environment, stack.role)


def watched(backend: Backend, stack: Stack) -> Mapping[str, str]:
    """Return the alarms that count for a region's release: names by what they watch. None before they are deployed."""
    checkpoint = backend.checkpoint(watching(stack))
    arns: Mapping[str, str] = (checkpoint.outputs.get("alarm_arns") if checkpoint else None) or {}
    return {what: arn.partition(":alarm:")[2] for what, arn in arns.items() if _counts(what)}


def _counts(what: str) -> bool:
    return what != naming.FAILOVER_TRAFFIC_ALARM.purpose and PRIMARY not in what.split("-")


@dataclass(frozen=True)
class BakeWatch:
    """Watches one release in its region."""

    aws: Aws
    region: str
    alarms: Mapping[str, str]
    """Names by what they watch."""
    pay: Callable[[], None]
    """Makes a smoke payment; raises Problem when it fails."""
    now: Callable[[], float]
    tell: Callable[[str], None]

    def watch(self, baking: Baking, stop: threading.Event) -> str:
        """Watch for the whole time; return a remark. Raises Problem for an alarm or payment, Interrupted on `stop`."""
        begun = self.now()
        ends, look_at, tell_at, payments = begun + baking.minutes * MINUTE, begun, begun, 0
        before = self._raised_before(baking.since)
        counted = {what: name for what, name in self.alarms.items() if name not in before}
        while True:
            now = self.now()
            if now >= look_at or now >= ends:
                self._look(counted, baking.since, begun)
                self._pay(begun)
                payments += 1
                look_at = now + LOOK_EVERY
            quiet = f"{_count(len(counted), 'alarm')} quiet, {_count(payments, 'smoke payment')} made"
            if now >= ends:
                return f"baked {baking.minutes:g} min: {quiet}"
            if now >= tell_at:
                self.tell(f"baking {self.region}: {(ends - now) / MINUTE:.1f} of {baking.minutes:g} min left, {quiet}")
                tell_at = now + MINUTE
            if stop.wait(TICK):
                raise Interrupted(
                    f"in its bake: {self.region} serves the release, the primary does not have it; "
                    "the next run begins the bake anew"
                )

    def _look(self, counted: Mapping[str, str], since: float, begun: float) -> None:
        raised = [(at, what) for what, name, at in self._raised(counted) if at >= int(since)]
        if raised:
            at, what = min(raised)
            raise Problem(f"alarm {what} was raised at {_clock(at)}, {_minutes(at - begun)} into the bake")

    def _pay(self, begun: float) -> None:
        try:
            self.pay()
        except Problem as problem:
            now = self.now()
            raise Problem(f"at {_clock(now)}, {_minutes(now - begun)} into the bake, {problem}") from problem

    def _raised_before(self, since: float) -> set[str]:
        before = {name: (what, at) for what, name, at in self._raised(self.alarms) if at < int(since)}
        for what, at in before.values():
            self.tell(f"not watched: alarm {what} was raised before the release, at {_clock(at)}")
        if not self.alarms:
            self.tell(f"no alarms are deployed in {self.region}: smoke payments alone are watched")
        return set(before)

    def _raised(self, alarms: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
        """Yield each alarm that is raised: what it watches, its name, and since when."""
        whats = {name: what for what, name in alarms.items()}
        names = sorted(whats)
        for first in range(0, len(names), AT_ONCE):
            for alarm in self._described(names[first : first + AT_ONCE]):
                at: datetime = alarm.get("StateTransitionedTimestamp") or alarm["StateUpdatedTimestamp"]
                yield whats[alarm["AlarmName"]], alarm["AlarmName"], at.timestamp()

    def _described(self, names: list[str]) -> list[Any]:
        client = self.aws.client("cloudwatch", self.region)
        ask: Callable[[], list[Any]] = lambda: client.describe_alarms(  # noqa: E731
            AlarmNames=names, AlarmTypes=["MetricAlarm"], StateValue="ALARM", MaxRecords=AT_ONCE
        )["MetricAlarms"]
        return asked(ask, "look at the alarms", self.region)


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%SZ}"


def _minutes(seconds: float) -> str:
    return f"{max(0.0, seconds) / MINUTE:.1f} min"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
