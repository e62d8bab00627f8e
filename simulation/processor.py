"""A card processor outside AWS, weaker than the port promises.

The port says "one key has at most one outcome, for ever". Real processors remember idempotency keys for a day or two
and find a payment by its key for years. Here a repeated charge is recognised for little more than a minute, while
`find` always knows and `cancel` is for ever: code that charges again without asking first charges twice.

Nor is it one: each of its endpoints knows only the keys that it was asked about itself. Code that asks another endpoint
than the one that was charged charges twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from lambdas.domain.errors import NoAnswer
from lambdas.domain.outcome import Approved, Declined
from simulation.link import LATEST, STALL, Way

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.money import Money
    from lambdas.domain.outcome import Outcome
    from simulation.link import Link

LATENCY: Final = 60
SLOW: Final = 1_000
"""A processor that contradicts itself also takes its time (ms, one way)."""
PATIENCE: Final = 3_000
REMEMBERED: Final = LATEST + 2 * STALL + 10_000
"""A repeated charge is recognised for so long (ms): longer than a request is under way and its sender stands still
between asking and charging, or nothing could be safe."""
DECLINED: Final = 0.25
"""How many charges are declined."""
DECIDED: Final = 20_000
"""A decision takes at most this long when it is not immediate (ms)."""

_WAY: Final = Way(LATENCY, PATIENCE, silence=lambda: NoAnswer("timed out"))
_WAY_TWICE: Final = replace(_WAY, repeats=True)


@dataclass(frozen=True, slots=True)
class Charge:
    """Money taken: what must happen at most once for a key."""

    key: str
    amount: Money
    customer: str
    reference: str
    at: int


@dataclass(slots=True)
class Manner:
    """How a processor goes about it: see `DECLINED`, `DECIDED`, `SLOW`."""

    declined: float = DECLINED
    decided: int = DECIDED
    slow: int = SLOW


@dataclass(slots=True)
class CardProcessor:
    """The company: one ledger, and endpoints by their names."""

    link: Link
    manner: Manner = field(default_factory=Manner)
    ledger: list[Charge] = field(default_factory=list)
    endpoints: dict[str, ProcessorEndpoint] = field(default_factory=dict)

    def at(self, name: str) -> ProcessorEndpoint:
        """The endpoint of that name."""
        return self.endpoints.setdefault(name, ProcessorEndpoint(self.link, self.ledger, self.manner))


@dataclass(slots=True)
class ProcessorEndpoint:
    """One endpoint's side: what it remembers."""

    link: Link
    ledger: list[Charge]
    manner: Manner
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    charged_at: dict[str, int] = field(default_factory=dict)
    undecided: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    timeout: int = PATIENCE

    def charge(self, key: str, amount: Money, customer: str) -> Outcome:
        """The port's `charge`."""

        def effect() -> Outcome:
            return self._charge(key, amount, customer)

        return self._call("processor charge", key, effect, twice=True)

    def find(self, key: str) -> Outcome | None:
        """The port's `find`."""

        def effect() -> Outcome | None:
            self._require_decided(key)
            outcome = self.outcomes.get(key)
            return None if outcome is None else self._said(outcome)

        outcome: Outcome | None = self._call("processor find", key, effect)
        return outcome

    def cancel(self, key: str) -> Outcome:
        """The port's `cancel`."""

        def effect() -> Outcome:
            self._require_decided(key)
            if key not in self.outcomes:
                self.cancelled.add(key)
                self.outcomes[key] = Declined("abandoned")
            return self.outcomes[key]

        return self._call("processor cancel", key, effect, twice=True)

    def _charge(self, key: str, amount: Money, customer: str) -> Outcome:
        scheduler = self.link.scheduler
        if key in self.cancelled:
            return self.outcomes[key]
        self._require_decided(key)
        first = self.charged_at.get(key)
        if first is not None and scheduler.now - first < REMEMBERED:
            return self._said(self.outcomes[key])
        self.charged_at[key] = scheduler.now
        if scheduler.random.random() < self.link.faults.pending:
            self.undecided.add(key)
            delay = int(scheduler.random.random() * self.manner.decided)
            scheduler.after(delay, partial(self._decide, key, amount, customer))
            self._require_decided(key)
        return self._decide(key, amount, customer)

    def _decide(self, key: str, amount: Money, customer: str) -> Outcome:
        self.undecided.discard(key)
        scheduler = self.link.scheduler
        outcome: Outcome
        if scheduler.random.random() < self.manner.declined:
            outcome = Declined("card_declined")
        else:
            reference = f"ch_{len(self.ledger) + 1}"
            self.ledger.append(Charge(key, amount, customer, reference, scheduler.now))
            outcome = Approved(reference)
        self.outcomes[key] = outcome
        return outcome

    def _said(self, outcome: Outcome) -> Outcome:
        """The outcome; now and then the opposite of it."""
        if self.link.scheduler.random.random() >= self.link.faults.lies:
            return outcome
        self._befalls("lies")
        return Declined("changed its mind") if isinstance(outcome, Approved) else Approved("ch_0")

    def _require_decided(self, key: str) -> None:
        if key in self.undecided:
            self._befalls("pending")
            raise NoAnswer("not decided yet")

    def _befalls(self, fault: str) -> None:
        if self.link.census is not None:
            self.link.census.befalls_running(fault)

    def _call(self, what: str, key: str, effect: Callable[[], Outcome | None], *, twice: bool = False) -> Outcome:
        way = _WAY_TWICE if twice else _WAY
        if self.link.faults.lies:
            way = replace(way, latency=self.manner.slow)  # two must ask at once to be told two things
        outcome: Outcome = self.link.call(what, effect, way, about=key)
        return outcome
