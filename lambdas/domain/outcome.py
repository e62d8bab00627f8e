"""What a card processor says of a charge, once and for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lambdas.domain.errors import NoAnswer

LONGEST: Final = 255
"""Characters of a text that a processor gives: it is stored with the payment, whose size must be bounded."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The processor took the money. `reference` is its name for the charge."""

    reference: str

    def __post_init__(self) -> None:
        """Raise NoAnswer for what cannot be a processor's answer."""
        _require_storable(self.reference)


@dataclass(frozen=True, slots=True)
class Declined:
    """The processor refused, finally: the key will never be charged."""

    reason: str

    def __post_init__(self) -> None:
        """Raise NoAnswer for what cannot be a processor's answer."""
        _require_storable(self.reason)


def _require_storable(text: str) -> None:
    if len(text) > LONGEST:
        raise NoAnswer(f"a text of {len(text)} characters")
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can say half a character, and no table keeps one
        raise NoAnswer("a text that is no Unicode") from None


Outcome = Approved | Declined
