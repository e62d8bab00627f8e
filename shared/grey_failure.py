"""Whether a grey failure is noticed: health is green and payments fail, so only the answers to payments tell.

Behind a REST API alarms look at shares in a minute. Beside clients, probes pay there every minute, so that there are
answers at all when nobody else pays:

    share = (clients' errors + probes' errors) / (clients' payments + probes' payments + other answers)

Other answers hide failures. The share of a whole stage would have the health checkers' good answers, some 128 a
minute: fewer payments than these could all fail unnoticed. API Gateway's share of 5XX to `POST /payment` has 4XX: 401
of whoever sends no key, and 429 where a failure brings a storm of retries, of which the throttle lets less than half
through. So the function itself says of each payment of a known client whether it is served, and that share has no
other answers. A function that ends without an answer says nothing: Lambda does, of all that it is called for. A count
instead of a share would take a busy region out for the errors that are always there.

A load balancer tells numbers of errors, and a health check follows no quotient of two metrics, so there it is a count
(`ByCount`), and beside it an alarm on what the probes themselves found: `CHECKS`.

Probes pay as the client `canary`. Where they fail too, any rate is noticed. Where they do not (a fault of some
customers or currencies), clients' failures must outweigh the probes' successes: `Detection.lowest_rate`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

PROBES = 2
"""Each region's probe pays in both regions."""

CANARIES = 2
"""Those of CloudWatch Synthetics that pay in the primary, the secondary's among them: every five minutes, and at worst
both in the minute that is looked at."""

PROBE_PAYMENTS = 2
"""Requests to `POST /payment` of one probe or canary: a payment, and the same again."""

CHECKS: Mapping[str, tuple[str, ...]] = {
    "rest-api": ("errors", "unserved-payments", "crashes"),
    "load-balancer": ("target-errors", "crashes", "probe-failures"),
}
"""The health checks that follow such alarms, by what clients come by: each takes the primary out."""

CERTAINTY = 0.999
"""How often a grey failure at the lowest rate is noticed in the first minutes that could show it."""


@dataclass(frozen=True, kw_only=True)
class Detection(ABC):
    """An alarm over answers that takes the primary out when minutes in a row are bad, and at which rates it does."""

    periods: int
    probe_payments: int = (PROBES + CANARIES) * PROBE_PAYMENTS

    @property
    @abstractmethod
    def payments_needed(self) -> int | None:
        """Payments in a minute that raise it beside green probes when all of them fail; None when no number does."""

    def certainty(self, rate: float) -> float:
        """The probability that all periods have enough payments, when `rate` a minute arrive at random (Poisson)."""
        needed = self.payments_needed
        if needed is None:
            return 0.0
        fewer = sum(math.exp(-rate + count * math.log(rate) - math.lgamma(count + 1)) for count in range(needed))
        return float(max(0.0, 1 - fewer) ** self.periods)

    def lowest_rate(self, highest: int = 100_000) -> int | None:
        """The fewest payments a minute at which their failure is noticed though probes are green; None when none is."""
        low, high = 1, highest
        if self.certainty(high) < CERTAINTY:
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.certainty(middle) >= CERTAINTY else (middle + 1, high)
        return low


@dataclass(frozen=True, kw_only=True)
class ByShare(Detection):
    """`percent` of what a minute's payments get, those of the probes' `probe_payments` among them."""

    percent: int

    @property
    def _share(self) -> Fraction:
        return Fraction(self.percent, 100)

    def noticed(self, payments: float, failing: float, *, probes_fail: bool, other: float = 0) -> bool:
        """Whether minutes like this raise the alarm: clients' `payments`, the share `failing`, `other` answers.

        What the function says of payments has none of those: `other` is for what counts all requests.
        """
        clients = Fraction(payments)
        answers = clients + self.probe_payments + Fraction(other)
        errors = clients * Fraction(failing) + (self.probe_payments if probes_fail else 0)
        return bool(answers) and errors >= self._share * answers

    @property
    def payments_needed(self) -> int | None:
        if self._share == 1:
            return None if self.probe_payments else 1
        return max(math.ceil(self._share * self.probe_payments / (1 - self._share)), 1)


@dataclass(frozen=True, kw_only=True)
class ByCount(Detection):
    """So many errors in a minute: what a load balancer's metrics let a health check see.

    A count is blind to the rate: the busier the region, the smaller the share of failures that takes it out.
    """

    errors: int

    @property
    def payments_needed(self) -> int | None:
        return self.errors

    def share(self, payments_a_minute: float) -> float:
        """The share of failures, 0 to 1, that takes the region out at this rate; above 1: none does."""
        return self.errors / payments_a_minute
