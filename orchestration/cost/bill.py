"""A month's bill: a row for whatever a resource uses of a price."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from orchestration.cost.free import free
from orchestration.cost.inventory import Item, Place
from orchestration.cost.meters import METERS
from orchestration.cost.month import Month
from orchestration.cost.prices import PRICES, REGIONS
from orchestration.cost.usage import Usage
from shared.errors import Problem

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class BilledRow:
    """What a resource costs in one respect."""

    layer: str
    place: Place
    type: str
    name: str
    """The resource's logical name."""
    price: str
    quantity: float
    """In the price's units."""

    @property
    def dollars(self) -> float:
        return self.quantity * PRICES[self.price].dollars


@dataclass(frozen=True)
class Bill:
    """All rows of a month that are not nought."""

    rows: tuple[BilledRow, ...]

    @property
    def total(self) -> float:
        return sum(row.dollars for row in self.rows)

    def by(self, key: Callable[[BilledRow], K]) -> Mapping[K, float]:
        """The dollars of the rows that have a key in common, the largest first."""
        sums: dict[K, float] = {}
        for row in self.rows:
            sums[key(row)] = sums.get(key(row), 0.0) + row.dollars
        return dict(sorted(sums.items(), key=lambda each: -each[1]))

    def of(self, price: str) -> float:
        """The dollars that one price makes."""
        return sum(row.dollars for row in self.rows if row.price == price)


def unknown_types(month: Month) -> list[str]:
    """Declared types of which nobody has said what they cost, not even nothing."""
    return sorted({each.type for each in month.inventory.items if each.type not in METERS and not free(each.type)})


def bill(month: Month) -> Bill:
    """Price all that is declared. Raises Problem for a region or a type without prices."""
    for role in ("primary", "secondary"):
        region = getattr(month.environment.regions, role)
        if region not in REGIONS:
            raise Problem(
                f"environments/{month.environment.name}.yaml: regions.{role}: there are no prices of {region}: "
                f"orchestration/cost/prices.py knows those of {', '.join(REGIONS)}"
            )
    if unknown := unknown_types(month):
        raise Problem(
            f"nobody has said what {', '.join(unknown)} costs: add it to orchestration/cost/meters/, or to "
            "orchestration/cost/free.py with the page that says that it is free"
        )
    return Bill(tuple(row for item in month.inventory.items for row in _rows(item, month) if row.quantity))


def _rows(item: Item, month: Month) -> Iterator[BilledRow]:
    meter = METERS.get(item.type)
    used: Iterator[Usage] = meter(item, month) if meter else iter(())
    for usage in used:
        place = usage.place or item.place
        yield BilledRow(item.layer, place, item.type, item.resource.name, usage.price, usage.quantity)
