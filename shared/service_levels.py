"""Service levels: which share of the answers may fail, and how fast that may be used up before somebody is told.

After Google's SRE workbook, chapter 5, approach 6 (https://sre.google/workbook/alerting-on-slos/): a long
window says that it is worth waking somebody, a short one that it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

MINUTE = 60
HOUR = 60 * MINUTE
BUDGET_DAYS = 30
BUDGET = BUDGET_DAYS * 24 * HOUR
"""Seconds over which a budget is counted."""

LevelName = Literal["availability", "latency"]
BurnName = Literal["fast", "slow"]


@dataclass(frozen=True)
class Burn:
    """A speed at which a budget is used up: so many percent of it within the long window. Windows in seconds."""

    name: BurnName
    spends_percent: int
    long: int
    short: int

    @property
    def rate(self) -> Fraction:
        """How many times as fast as would use up the budget just at its end."""
        return Fraction(self.spends_percent, 100) * BUDGET / self.long


BURNS: Sequence[Burn] = (
    Burn("fast", spends_percent=2, long=HOUR, short=5 * MINUTE),
    Burn("slow", spends_percent=5, long=6 * HOUR, short=30 * MINUTE),
)
"""The workbook's two that page: 14.4 times and 6 times."""


@dataclass(frozen=True)
class ServiceLevel:
    """So many percent of the payments are good ones; `bad` says what the others do."""

    name: LevelName
    percent: float
    bad: str

    @property
    def budget(self) -> Fraction:
        """The share of payments that may be bad."""
        return 1 - Fraction(str(self.percent)) / 100

    def bad_share(self, burn: Burn) -> Fraction:
        """The share of bad ones beyond which the budget is used up faster than that; 1 or more: there is none."""
        return self.budget * burn.rate

    def least_requests(self, burn: Burn, least_failures: int) -> int:
        """Fewer payments than this in the long window count as this many: so `least_failures` of them tell nobody.

        One bad payment of three in a night is a third of them and no reason to wake anybody; one more than
        `least_failures` is, at any rate.
        """
        return int(least_failures / self.bad_share(burn)) + 1


def least_percent() -> Fraction:
    """The promise must be more than this, or the fastest burn could not be told from a failure of everything."""
    return 100 * (1 - 1 / max(burn.rate for burn in BURNS))


def spelled(seconds: int) -> str:
    """A window as names and people have it: `5m`, `6h`."""
    return f"{seconds // HOUR}h" if seconds % HOUR == 0 else f"{seconds // MINUTE}m"


def decimal(value: Fraction) -> str:
    """A number as digits, which CloudWatch's expressions take; an exponent they do not."""
    return f"{float(value):.12f}".rstrip("0").rstrip(".")
