"""What a resource uses of a price."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestration.cost.inventory import Item, Place
from orchestration.cost.month import Month


@dataclass(frozen=True)
class Usage:
    """So much of a price of `prices.PRICES`, in a month."""

    price: str
    quantity: float
    place: Place | None = None
    """Where it is paid, if not where the resource is declared: of a replica."""


Meter = Callable[[Item, Month], Iterator[Usage]]
"""Reads a resource's usage from what it was given, and from what the month asks of it."""
