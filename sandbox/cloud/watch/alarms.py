"""Evaluates the alarms of all regions, each at a second of its own, and acts when one changes its state."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch

from sandbox.cloud.watch.evaluation import AlarmSettings, AlarmVerdict, decide, evaluate
from sandbox.cloud.watch.metrics import Metrics, Scope
from sandbox.cloud.watch.points import MINUTE, Point
from sandbox.cloud.watch.shapes import Shape, UnknownShape, shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.clock import VirtualClock
    from sandbox.cloud.watch.expressions import Values
    from sandbox.cloud.watch.queries import MetricStat

log = logging.getLogger(__name__)

TICK = 10
"""Seconds: no alarm is evaluated more often."""


@dataclass
class AlarmEvaluator:
    """Evaluates the alarms of every region that is not `out`; `changed` hears of each change of a state."""

    clock: VirtualClock
    metrics: Metrics
    out: Callable[[str], bool]
    changed: Callable[[], None]
    _shapes: dict[str, tuple[Any, Shape]] = field(default_factory=dict)

    async def run(self) -> None:
        """Evaluate for ever. A machine that is too slow for the clock's speed leaves none out for good."""
        last = int(self.clock.now()) // TICK
        while True:
            await self.clock.sleep(TICK - self.clock.now() % TICK)
            now = self.clock.now()
            tick = int(now) // TICK
            self.evaluate(now, range(max(last + 1, tick - MINUTE // TICK + 1), tick + 1))
            last = tick

    def evaluate(self, now: float, ticks: range) -> None:
        """Evaluate at a moment those that are due at any of these ticks."""
        for (account, region, name), alarm in list(cloudwatch._alarms._data.items()):
            if self.out(region):
                continue
            try:
                shape = self._shape(alarm)
                if any(_is_due(shape.rule, alarm["AlarmArn"], tick) for tick in ticks):
                    self._take(account, region, alarm, verdict_of(self.metrics, Scope(account, region), shape, now))
            except UnknownShape:
                continue  # put before alarms were evaluated: a deployment that touches it says so
            except Exception:
                log.exception("the alarm %s of %s cannot be evaluated", name, region)

    def _shape(self, alarm: Mapping[str, Any]) -> Shape:
        arn = str(alarm["AlarmArn"])
        known = self._shapes.get(arn)
        if known is None or known[0] is not alarm:
            known = self._shapes[arn] = (alarm, shape_of(alarm))
        return known[1]

    def _take(self, account: str, region: str, alarm: dict[str, Any], verdict: AlarmVerdict) -> None:
        before, state = alarm["StateValue"], verdict.state
        if state is None or state == before:
            return
        with request_scope(account, region):
            alarm["StateValue"], alarm["StateReason"] = state, verdict.reason
            alarm["StateUpdatedTimestamp"] = int(self.clock.now())
            cloudwatch._record_history(alarm["AlarmName"], before, state, verdict.reason)
            cloudwatch._dispatch_alarm_actions(alarm, before, state, verdict.reason)
            cloudwatch._evaluate_parent_alarms(alarm)
        self.changed()


def verdict_of(metrics: Metrics, scope: Scope, shape: Shape, now: float) -> AlarmVerdict:
    """The verdict over the periods in an alarm's range; the last of them ended at the last minute."""
    rule = shape.rule
    unit = min(rule.period, MINUTE)
    end = int(now) // unit * unit
    periods = range(end - rule.range * rule.period, end, rule.period)

    def points(measured: MetricStat) -> list[Point | None]:
        found: list[Point | None] = [None] * rule.range
        series = metrics.find(scope, measured.name)
        if series is None or measured.unit not in {None, series.unit}:
            return found
        for start, point in series.read(periods.start, end, unit).items():
            place = (start - periods.start) // rule.period
            whole = found[place] or Point()
            whole.merge(point)
            found[place] = whole
        return found

    def values(measured: MetricStat) -> Values:
        told = zip(periods, points(measured), strict=True)
        known = ((period, point.statistic(measured.statistic)) for period, point in told if point is not None)
        return {period: value for period, value in known if value is not None}

    if shape.watched in shape.queries.measured:
        return evaluate(rule, points(shape.queries.measured[shape.watched]))
    computed = shape.queries.values(shape.watched, values, periods)
    return decide(rule, [computed.get(period) for period in periods])


def _is_due(rule: AlarmSettings, arn: str, tick: int) -> bool:
    ticks = rule.every // TICK
    return (tick - zlib.crc32(arn.encode())) % ticks == 0
