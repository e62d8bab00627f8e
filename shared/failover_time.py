"""How long a failover takes at most, for each kind of fault: pure arithmetic over Route 53's documented timing.

All durations are whole seconds. The bound is for a client that honours the TTL, and ends when the last such client
gets the secondary's answer from DNS:

    fault      last good attempt ends just before it, so `threshold` whole intervals and attempts follow
      │
      ├─ threshold × (interval + attempt) + staleness ─┤─ propagation ─┤─ TTL ─┤
      │                  detection                     │               │       │ the last cached answer expires

Source: Amazon Route 53 Developer Guide, "How Amazon Route 53 determines whether a health check is healthy": the
interval runs from one response to the next request; connecting may take 4 s, the status 2 s more, the body another 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

INTERVALS = (10, 30)
"""The request intervals that Route 53 offers."""

THRESHOLDS = range(1, 11)

METRIC_PERIOD_SECONDS = 60
METRIC_DELAY_SECONDS = 60
"""API Gateway and load balancers report every minute, and CloudWatch shows it within the next one: assumed."""


class Fault(Enum):
    """What a region does when it fails, with what that costs a health checker."""

    REFUSED = ("refused", 0, 0)
    """Connections are refused at once."""
    ERROR = ("error", 0, 0)
    """Answers come at once and are errors."""
    HANG = ("hang", 4, 0)
    """Connections are never accepted: each attempt waits for its time-out."""
    SLOW = ("slow", 8, 0)
    """Each attempt uses every second it has: connection, status and body."""
    DATA_LAYER = ("data layer", 0, 10)
    """The health function answers, and gives its last good result for as long as that may be old."""

    def __init__(self, label: str, attempt: int, staleness: int) -> None:
        self.label = label
        self.attempt = attempt
        """Seconds that one failing attempt takes."""
        self.staleness = staleness
        """Seconds during which the health route still answers well."""


@dataclass(frozen=True)
class HealthCheckTiming:
    """A health check's timing: seconds between attempts, and failures in a row until it is unhealthy."""

    interval: int
    threshold: int

    def detection(self, fault: Fault) -> int:
        """Seconds from the fault to the verdict, at most."""
        return self.threshold * (self.interval + fault.attempt) + fault.staleness


@dataclass(frozen=True)
class DnsTiming:
    """What DNS takes after the checkers' verdict, in seconds."""

    ttl: int
    """For which a resolver may keep the answer of before."""
    propagation: int
    """From the verdict to all name servers, at most. AWS gives no figure, so an environment says what it assumes."""

    @property
    def total(self) -> int:
        """Until the last client that honours the TTL has the new answer."""
        return self.propagation + self.ttl

    def __str__(self) -> str:
        return f"{self.propagation} propagation + {self.ttl} TTL"


@dataclass(frozen=True)
class Bound:
    """The parts of one failover's time, in seconds."""

    fault: Fault
    check: HealthCheckTiming
    dns: DnsTiming

    @property
    def detection(self) -> int:
        """Until the checkers agree that the primary is unhealthy."""
        return self.check.detection(self.fault)

    @property
    def total(self) -> int:
        """Until the last client that honours the TTL asks DNS again and gets the secondary."""
        return self.detection + self.dns.total

    def __str__(self) -> str:
        """The sum as a person would write it down."""
        stale = f" + {self.fault.staleness}" if self.fault.staleness else ""
        return (
            f"{self.fault.label}: {self.check.threshold} × ({self.check.interval} + {self.fault.attempt}){stale}"
            f" + {self.dns} = {self.total} s"
        )


def bound(checks: Iterable[HealthCheckTiming], dns: DnsTiming, fault: Fault) -> Bound:
    """The failover time under `fault` by the fastest of `checks`, any of which takes the primary out.

    Raises ValueError when there is no check: nothing would ever fail over.
    """
    fastest = min(checks, key=lambda check: check.detection(fault), default=None)
    if fastest is None:
        raise ValueError("a failover needs at least one health check")
    return Bound(fault, fastest, dns)


def worst(checks: Iterable[HealthCheckTiming], dns: DnsTiming, faults: Iterable[Fault] = Fault) -> Bound:
    """The longest of the bounds over `faults`."""
    checks = tuple(checks)
    return max((bound(checks, dns, fault) for fault in faults), key=lambda each: each.total)


def fitting(objective: int, ttls: Iterable[int], propagation: int) -> Iterator[tuple[HealthCheckTiming, int]]:
    """Every (check, TTL) whose worst bound is within `objective`, the least eager first.

    Longer intervals, higher thresholds and longer TTLs cost less and flap less, so they come first.
    """
    for interval in sorted(INTERVALS, reverse=True):
        for threshold in sorted(THRESHOLDS, reverse=True):
            for ttl in sorted(ttls, reverse=True):
                check = HealthCheckTiming(interval, threshold)
                if worst([check], DnsTiming(ttl, propagation)).total <= objective:
                    yield check, ttl


@dataclass(frozen=True)
class GreyBound:
    """The time of a failover that metrics decide: the health route is well and payments fail."""

    periods: int
    """One-minute periods in a row that must be bad."""
    dns: DnsTiming

    @property
    def detection(self) -> int:
        """The fault may begin just inside a period that still looks well: one period more."""
        return (self.periods + 1) * METRIC_PERIOD_SECONDS + METRIC_DELAY_SECONDS

    @property
    def total(self) -> int:
        """Until the last client that honours the TTL gets the secondary."""
        return self.detection + self.dns.total

    def periods_within(self, objective: int) -> int:
        """The most periods that keep `objective` with this TTL; 0 when none does."""
        room = objective - GreyBound(0, self.dns).total
        return max(room // METRIC_PERIOD_SECONDS, 0)

    def __str__(self) -> str:
        return (
            f"grey failure: ({self.periods} + 1) × {METRIC_PERIOD_SECONDS} + {METRIC_DELAY_SECONDS} metric delay"
            f" + {self.dns} = {self.total} s"
        )


PROBE_SPREAD = 3
"""Minutes from the first failed probe to the last: with one a minute, more than two whole ones lie between."""


@dataclass(frozen=True)
class LatchTiming:
    """Which outages a latch that looks once a minute makes last. All in seconds."""

    checks: tuple[HealthCheckTiming, ...]
    """Those that take the primary out, and let it back in."""
    dns: DnsTiming

    @property
    def returning(self) -> int:
        """From a primary that serves again to the last client that is back: the checks, DNS, and the TTL."""
        return max(check.threshold * check.interval for check in self.checks) + self.dns.total

    @property
    def lasting(self) -> int:
        """So many whole minutes in a row have failover traffic only when it lasts longer than the way back takes.

        Of the first and the last of them it may have a moment alone.
        """
        return 2 + -(-self.returning // METRIC_PERIOD_SECONDS)

    @property
    def _first_verdict(self) -> int:
        """When the checkers can agree at the earliest: the fault comes just before they ask."""
        return min((check.threshold - 1) * check.interval for check in self.checks)

    @property
    def by_probes(self) -> int:
        """The shortest outage that failed probes can make last."""
        return self._first_verdict + (PROBE_SPREAD - 1) * METRIC_PERIOD_SECONDS

    @property
    def by_clients(self) -> int:
        """The shortest outage that clients who stay away can make last."""
        traffic = (self.lasting - 2) * METRIC_PERIOD_SECONDS
        return max(self._first_verdict, traffic + self._first_verdict - self.returning)

    @property
    def shortest(self) -> int:
        """A shorter outage always returns by itself, if it is the first for a while."""
        return min(self.by_probes, self.by_clients)

    @property
    def certain(self) -> int:
        """An outage of this length always lasts: the last client moves, its metric is late, the probes have failed."""
        looking = METRIC_DELAY_SECONDS + METRIC_PERIOD_SECONDS
        return worst(self.checks, self.dns).total + looking + (PROBE_SPREAD + 1) * METRIC_PERIOD_SECONDS


MINUTE = 60
DAY = 24 * 3600
MONTH = 30 * DAY
YEAR = 365 * DAY
"""Seconds, as availability is counted."""


@dataclass(frozen=True)
class Spending:
    """What one kind of failure takes of the time that an availability leaves. All in seconds."""

    failure: str
    at_most: int
    """By the arithmetic above."""
    promised: int
    """By the objective; what is left is counted with this."""
    left_of_a_month: int
    """After one. Below zero: one such failure breaks the availability of its month."""
    left_of_a_year: int
    in_a_year: int
    """How many a year has room for, when nothing else fails."""


@dataclass(frozen=True)
class Allowance:
    """The time without service that an availability leaves: 99.99 % is 259 s a month and 3153 s a year."""

    percent: float

    def seconds(self, period: int) -> int:
        """Of `period` seconds, whole ones."""
        return int(period * (100 - Fraction(str(self.percent))) / 100)

    def after(self, failure: str, at_most: int, promised: int) -> Spending:
        """What one failure of a kind leaves, if it takes all the time that is promised for it."""
        month, year = self.seconds(MONTH), self.seconds(YEAR)
        return Spending(failure, at_most, promised, month - promised, year - promised, year // promised)
