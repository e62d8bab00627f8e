"""What can go wrong around a payment, in the domain's own words. Adapters map their library's errors to these.

`Lost`, which brings a payment along, is in `ports`, beside the store that raises it.
"""

from __future__ import annotations

from typing import Final

MALFORMED: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What is raised by reading a document that is no JSON, or of another shape than what reads it expects."""


class InvalidField(ValueError):
    """A field of the instruction is wrong; `field` names it, the text says what is accepted."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class IllegalTransition(Exception):
    """A move that the state machine does not have: a bug, never a caller's mistake."""


class Unavailable(Exception):
    """A dependency did not do what it was asked. A write may or may not have happened."""


class Rejected(Unavailable):
    """The dependency said no and would again: a right is missing, the item is too large. Nothing was written."""


class Contended(Unavailable):
    """One item is asked about faster than the table serves one: the dependency is there for all others."""


class Unreadable(Unavailable):
    """The payment is there, and this release cannot read it: a newer one wrote it, or it is damaged."""


class NoAnswer(Exception):
    """The processor did not answer: the charge may or may not exist."""


class NotAsked(NoAnswer):
    """The processor was not asked: no time was left."""


class KeyReused(Exception):
    """The idempotency key was used before for another payload."""


class InProgress(Exception):
    """Another request holds this payment's lease. `retry_after` is in milliseconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the payment is being worked on")
        self.retry_after = retry_after


class Contradiction(Exception):
    """The processor answered otherwise than what is recorded as final: people must look at it, and it is in doubt."""
