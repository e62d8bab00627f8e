"""What the domain needs from the world. Everything that varies between AWS, a test and a simulation comes in here.

Times are integers: milliseconds since the epoch, UTC. No code of this package reads a clock or makes an identifier by
any other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.domain.money import Money
    from lambdas.domain.outcome import Outcome
    from lambdas.domain.payment import Payment


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def sleep(self, milliseconds: int) -> None:
        """Wait; used between attempts only."""
        ...


class Processor(Protocol):
    """A card processor. Every call carries the payment's key, and one key has at most one outcome, for ever."""

    def charge(self, key: str, amount: Money, customer: str) -> Outcome:
        """Charge once for this key; a repeated call answers the first outcome. Raises NoAnswer."""
        ...

    def find(self, key: str) -> Outcome | None:
        """The outcome for this key, or None while there is none. Raises NoAnswer."""
        ...

    def cancel(self, key: str) -> Outcome:
        """Make sure that this key is not charged later; answers the outcome it already had, if any. Raises NoAnswer."""
        ...


class Lost(Exception):
    """A conditional write lost to another writer. `current` is what the table holds now (None: nothing)."""

    def __init__(self, current: Payment | None) -> None:
        super().__init__("another writer was first")
        self.current = current


class PaymentStore(Protocol):
    """Payments, each under its id. Every write is conditional on what the writer has seen."""

    def get(self, payment_id: str) -> Payment | None:
        """The newest state (strongly consistent). Raises Unavailable."""
        ...

    def create(self, payment: Payment) -> None:
        """Write a payment that must not exist. Raises Lost with what is there, or Unavailable."""
        ...

    def replace(self, seen: Payment, new: Payment) -> None:
        """Move a payment on, if the table still holds `seen`. Raises Lost with what is there, or Unavailable."""
        ...

    def delete(self, seen: Payment) -> None:
        """Remove a canary's payment, if the table still holds `seen`. Raises Lost or Unavailable."""
        ...

    def due(self, now: int, limit: int) -> Sequence[str]:
        """Ids of payments whose due time has passed, oldest first; may be stale. Raises Unavailable."""
        ...


class AuditWriter(Protocol):
    """Evidence outside the table."""

    def write(self, key: str, record: bytes) -> None:
        """Store the record under this key unless it is there already. Raises Unavailable."""
        ...


class Journal(Protocol):
    """Where noteworthy things are told: a structured log in the functions, a list in a test."""

    def tell(self, event: str, **fields: str | float | bool | None) -> None:
        """Record one event. Must not raise."""
        ...
