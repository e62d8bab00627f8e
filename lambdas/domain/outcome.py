"""What a card processor says of a charge, once and for all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Approved:
    """The processor took the money. `reference` is its name for the charge."""

    reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The processor refused, finally: the key will never be charged."""

    reason: str


Outcome = Approved | Declined
