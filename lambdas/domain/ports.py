"""What the domain needs from the world. Everything that varies between AWS, a test and a simulation comes in here.

Times are integers: milliseconds since the epoch, UTC. No code of this package reads a clock or makes an identifier by
any other way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambdas.domain.money import Money
    from lambdas.domain.outcome import Outcome
    from lambdas.domain.payment import Payment, Task


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...

    def sleep(self, milliseconds: int) -> None:
        """Wait; used between attempts only."""
        ...


class Processor(Protocol):
    """One endpoint of a card processor. Every call carries the payment's key, which has at most one outcome, for ever.

    At this endpoint, that is: large processors have several, in regions of their own, and none knows another's keys.

    `timeout` is what one call takes at most (ms): it is made only while so much and the write that must follow are left
    of the request's `Deadline`. An adapter that repeats a call asks that deadline itself, as `adapters/retry.py` does.
    """

    @property
    def timeout(self) -> int: ...

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


class Due(NamedTuple):
    """An entry of the index: since when something is to be done about a payment (ms), and the payment's id."""

    since: int
    payment_id: str


class PaymentStore(Protocol):
    """Payments, each under its id. Every write is conditional on what the writer has seen.

    `timeout` is what one attempt at a call takes at most (ms).
    """

    @property
    def timeout(self) -> int: ...

    def get(self, payment_id: str) -> Payment | None:
        """The newest state (strongly consistent). Raises Unavailable, Unreadable."""
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

    def partitions(self, task: Task) -> Sequence[str]:
        """Names of the lists that payments with this task are spread over."""
        ...

    def due(self, partition: str, now: int, *, newest_first: bool) -> Iterator[Due]:
        """What is due in one of the lists, in order of time; may be stale. Raises Unavailable."""
        ...


class AuditWriter(Protocol):
    """Evidence outside the table."""

    def write(self, key: str, record: bytes) -> None:
        """Store the record under this key unless it is there already. Raises Unavailable."""
        ...


class Journal(Protocol):
    """Where noteworthy things are told: a structured log in the functions, a list in a test."""

    def tell(self, event: str, **fields: str | float | bool | None) -> None:
        """Record one event; `unexpected` is one that only a mistake of ours explains. Must not raise."""
        ...
