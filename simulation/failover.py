"""Failovers as the latch sees them, in simulated time: clients behind resolvers, checkers, metrics that come late.

The latch, its rule, its metrics and its probes are the functions' own code. What is simulated is the world: which
region DNS answers, which clients have asked it again, what of their requests CloudWatch has by now, and a primary that
is well, fails, or fails only for those who are not probes. Time is whole seconds; chance comes from the seed alone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.retry import Retry
from lambdas.failover_control.figures import Figures
from lambdas.failover_control.latch import Latch
from lambdas.failover_control.rule import LatchRule
from lambdas.failover_control.switch import SwitchState
from lambdas.probing import Prober, Reply
from lambdas.telemetry.journal import FAILOVER_TRAFFIC, NAMESPACE, LogJournal
from lambdas.telemetry.sources import mark
from lambdas.web.headers import REPLAYED
from shared.failover_time import MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.failover_time import HealthCheckTiming, LatchTiming

SECOND: Final = 1_000
EPOCH: Final = 1_790_000_040_000
"""When simulated time begins (ms): at a whole minute."""
ALARM: Final = 3 * MINUTE
"""From the first failing payment to the verdict of a check that follows an alarm."""
ALARM_BACK: Final = 2 * MINUTE
LONGEST_DELAY: Final = 90
"""Seconds that a metric is late at most."""

_Statistics = dict[str, float]


@dataclass(frozen=True)
class Outage:
    """From `begins` to `ends`, seconds from the start, the primary serves nobody; a `grey` one only clients see."""

    begins: int
    ends: int
    grey: bool = False


@dataclass(frozen=True)
class Scenario:
    """What happens. `pinned` clients stay at the secondary for ever, `clients` honour the TTL; each pays regularly.

    `failing` is the share of the primary's requests that fail without an outage. `restored` is when somebody has said
    `run` (s); before the start counts too.
    """

    seconds: int
    clients: int = 0
    pinned: int = 0
    outages: tuple[Outage, ...] = ()
    failing: float = 0.0
    restored: int = -3600
    every: int = 5
    """Seconds between a client's requests."""


@dataclass
class _World:
    """The clock, the switch, CloudWatch and the primary, as the latch's ports."""

    random: Random
    scenario: Scenario
    elapsed: int = 0
    stopped: int | None = None
    series: dict[str, dict[int, _Statistics]] = field(default_factory=lambda: defaultdict(dict))
    late: list[tuple[int, int, int, Mapping[str, float]]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def now(self) -> int:
        return EPOCH + self.elapsed * SECOND

    def sleep(self, milliseconds: int) -> None:
        raise AssertionError(f"nothing waits here, not even {milliseconds} ms")

    def state(self) -> SwitchState:
        said = self.scenario.restored if self.stopped is None else self.stopped
        return SwitchState(self.stopped is not None, EPOCH + said * SECOND, str(said))

    def stop(self, seen: str) -> bool:
        if seen != self.state().seen:
            return False
        self.stopped = self.elapsed
        return True

    def out(self, *, probe: bool) -> bool:
        """Whether the primary serves nobody now."""
        return any(
            each.begins <= self.elapsed < each.ends and not (each.grey and probe) for each in self.scenario.outages
        )

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """The primary's answer to a probe."""
        del url, headers, body
        if self.out(probe=True) or self.random.random() < self.scenario.failing:
            return Reply(503, {}, b"")
        if method == "POST":
            again = {REPLAYED.lower(): "true"}
            return Reply(201, again, b'{"paymentId": "pay_1"}')
        return Reply(200, {}, b"{}")

    def measure(self, metrics: Mapping[str, float]) -> None:
        """A line of a log: its metrics can be read after a while, under the time that they were measured."""
        arrives = self.elapsed + int(self.random.random() * LONGEST_DELAY)
        heappush(self.late, (arrives, next(self._order), self.elapsed // MINUTE, metrics))

    def arrive(self) -> None:
        """What has taken its time can be read."""
        while self.late and self.late[0][0] <= self.elapsed:
            _, _, minute, metrics = heappop(self.late)
            for name, value in metrics.items():
                known = self.series[name].get(minute)
                if known is None:
                    self.series[name][minute] = {"Sum": value, "Maximum": value}
                else:
                    known["Sum"] += value
                    known["Maximum"] = max(known["Maximum"], value)

    def get_metric_data(self, **arguments: Any) -> dict[str, Any]:
        """CloudWatch's, for what has arrived."""
        begin, end = (self._minute(arguments[name]) for name in ("StartTime", "EndTime"))
        results = []
        for query in arguments["MetricDataQueries"]:
            stat = query["MetricStat"]
            if stat["Metric"]["Namespace"] != NAMESPACE:
                raise AssertionError(stat)
            values = self.series[stat["Metric"]["MetricName"]]
            found = {at: values[at][stat["Stat"]] for at in range(begin, end) if at in values}
            times = [datetime.fromtimestamp(EPOCH / SECOND + at * MINUTE, UTC) for at in found]
            results.append({"Label": query["Label"], "Timestamps": times, "Values": list(found.values())})
        return {"MetricDataResults": results}

    @staticmethod
    def _minute(date: datetime) -> int:
        return int(date.timestamp() - EPOCH / SECOND) // MINUTE


class _Journal(LogJournal):
    """Hands the metrics of each line to CloudWatch instead of printing it."""

    world: _World

    def _write(self, line: dict[str, Any]) -> None:
        directives = line.get("_aws", {}).get("CloudWatchMetrics", ())
        self.world.measure({each["Name"]: line[each["Name"]] for one in directives for each in one["Metrics"]})


@dataclass
class _Resolver:
    """Which region Route 53 answers: the checks' verdicts on the outages, with the switch's."""

    scenario: Scenario
    checks: Iterable[HealthCheckTiming]
    propagation: int
    random: Random
    red_from: int | None = None
    green_from: int | None = None
    red: bool = False
    grey: bool = False

    def answers_secondary(self, world: _World) -> bool:
        """As checkers and alarm see the primary now, some seconds after the fact."""
        if world.stopped is not None and world.elapsed >= world.stopped + 3 * 10 + self.propagation:
            return True
        outage = next((each for each in self.scenario.outages if each.begins <= world.elapsed < each.ends), None)
        if outage is not None:
            self.green_from = None
            if self.red_from is None and not self.red:
                fastest = min(check.threshold * check.interval for check in self.checks)
                grown = self.random.randint(fastest - 10, fastest)
                self.red_from = world.elapsed + (ALARM if outage.grey else grown)
        elif self.red_from is not None and not self.red and world.elapsed < self.red_from:
            self.red_from = None
        if not self.red and self.red_from is not None and world.elapsed >= self.red_from:
            self.red, self.red_from, self.grey = True, None, bool(outage and outage.grey)
        # An alarm has only what clients do: when they have left, nothing fails, and it is content.
        well = outage is None or outage.grey
        if self.red and well and self.green_from is None:
            slowest = max(check.threshold * check.interval for check in self.checks)
            self.green_from = world.elapsed + (ALARM_BACK if outage else slowest)
        if self.red and self.green_from is not None and world.elapsed >= self.green_from:
            self.red, self.green_from = False, None
        return self.red


def run(scenario: Scenario, values: Mapping[str, int], timing: LatchTiming, seed: int) -> int | None:
    """When the latch stopped the primary, in seconds from the start; None when it did not."""
    random = Random(seed)  # noqa: S311 - reproducible on purpose
    world = _World(random, scenario)
    journal = _Journal(world, {}, "payments", "x7k2", "secondary")
    journal.world = world
    tokens = count()
    latch = Latch(
        world,
        Figures(world, journal.dimensions, Retry(world)),
        LatchRule.of(values),
        lambda: Prober("https://primary", "key", lambda: f"probe-{next(tokens)}", world.send),
        journal,
        world,
    )
    resolver = _Resolver(scenario, timing.checks, timing.dns.propagation, random)
    total = scenario.clients + scenario.pinned
    addresses = [f"203.0.113.{number}/{random.random()}" for number in range(total)]
    hashes = [mark(address, "api") for address in addresses]
    asked = [random.randrange(timing.dns.ttl) for _ in range(total)]
    pays = [random.randrange(scenario.every) for _ in range(total)]
    away = [number >= scenario.clients for number in range(total)]
    tick = random.randrange(MINUTE)
    for world.elapsed in range(scenario.seconds):
        secondary = resolver.answers_secondary(world)
        for number in range(scenario.clients):
            if world.elapsed % timing.dns.ttl == asked[number]:
                away[number] = secondary
        for number in range(total):
            if away[number] and world.elapsed % scenario.every == pays[number]:
                world.measure({FAILOVER_TRAFFIC: 1, **hashes[number]})
        world.arrive()
        if world.elapsed % MINUTE == tick:
            latch.run()
            if world.stopped is not None:
                return world.stopped
    return None
