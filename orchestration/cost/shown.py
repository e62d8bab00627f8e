"""A month's costs as values, and as the lines that people read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from orchestration.cost.alternatives import Alternative, alternatives, as_it_is
from orchestration.cost.bill import Bill, bill
from orchestration.cost.comparison import FIRST_ESTIMATE, SAMPLES, compared
from orchestration.cost.inventory import PLACES
from orchestration.cost.load import Load
from orchestration.cost.month import Month
from orchestration.cost.prices import AS_OF, HOURS, PRICES, Seen
from shared.columns import columns
from shared.contracts import LAYERS

LARGEST = 5


def values(month: Month) -> dict[str, Any]:
    """All of it as JSON values: dollars a month, times in seconds."""
    found, now = bill(month), as_it_is(month)
    used = sorted({row.price for row in found.rows})
    return {
        "environment": month.environment.name,
        "regions": month.environment.regions.model_dump(mode="json"),
        "objectives": month.environment.objectives.model_dump(mode="json"),
        "prices_of": AS_OF,
        "hours": HOURS,
        "payments_per_second": month.load.payments_per_second,
        "total": round(found.total, 2),
        "without_payments": round(bill(_idle(month)).total, 2),
        "layers": {layer: _places(found, layer) for layer in LAYERS},
        "items": [
            {"price": price, "quantity": _quantity(found, price), "per": PRICES[price].per, "dollars": round(spent, 2)}
            for price, spent in found.by(lambda row: row.price).items()
        ],
        "failover": now.failover,
        "grey_failure": now.grey_failure,
        "settings": [_compared(each, found) for each in alternatives(month)],
        "samples": [dataclasses.asdict(each) for each in SAMPLES],
        "first_estimate": list(FIRST_ESTIMATE),
        "comparison": list(compared(found)),
        "assumed": [
            {"name": each.name, "value": getattr(month.load, each.name), "why": each.metadata["why"]}
            for each in dataclasses.fields(Load)
            if each.metadata
        ],
        "prices": {name: {**dataclasses.asdict(PRICES[name]), "seen": PRICES[name].seen.value} for name in used},
    }


def _idle(month: Month) -> Month:
    return dataclasses.replace(month, load=dataclasses.replace(month.load, payments_per_second=0.0))


def _places(found: Bill, layer: str) -> dict[str, float]:
    """A layer's dollars by place."""
    sums = found.by(lambda row: (row.layer, row.place))
    return {place: round(sums.get((layer, place), 0.0), 2) for place in PLACES}


def _quantity(found: Bill, price: str) -> float:
    return round(sum(row.quantity for row in found.rows if row.price == price), 3)


def _compared(other: Alternative, found: Bill) -> dict[str, Any]:
    return {
        "setting": other.setting,
        "instead": other.instead,
        "dollars": round(bill(other.month).total - found.total, 2),
        "failover": other.failover,
        "grey_failure": other.grey_failure,
        "note": other.note,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    promised = f"promised: {found['objectives']['failover']} s and {found['objectives']['grey_failure']} s"
    regions = f"{found['regions']['primary']} and {found['regions']['secondary']}"
    return [
        f"{found['environment']}, in {regions}: ${found['total']:,.2f} a month of {HOURS} h",
        (
            f"for {found['payments_per_second']:g} payments a second on average (--payments-per-second); without any "
            f"it is ${found['without_payments']:,.2f}"
        ),
        f"by AWS's list prices of {AS_OF}, without free tiers, discounts, taxes, support and the card processor's fees",
        "",
        *_table(_layer_rows(found)),
        "",
        f"the {LARGEST} largest items",
        *_table(
            (each["price"], f"{each['quantity']:,.0f}", each["per"], _money(each["dollars"]))
            for each in found["items"][:LARGEST]
        ),
        "",
        *found["comparison"],
        "",
        "what another setting would cost, and how long a failover would then take at most",
        *_table(
            [
                ("setting", "instead", "$ a month", "failover", "grey failure", ""),
                ("as it is", "", "", f"{found['failover']} s", f"{found['grey_failure']} s", promised),
                *(_setting_row(each, found) for each in found["settings"]),
            ]
        ),
        "*: breaks the promise, so the environment would not load",
        "",
        "assumed of the load",
        *_table(
            (f"{each['value']:g}", f"{each['name'].replace('_', ' ')}: {each['why']}") for each in found["assumed"]
        ),
        "",
        *_doubtful(found),
    ]


def _layer_rows(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    yield ("layer", *PLACES, "both")
    for layer, spent in found["layers"].items():
        yield (layer, *(_money(spent[place]) for place in PLACES), _money(sum(spent.values())))
    sums = [sum(spent[place] for spent in found["layers"].values()) for place in PLACES]
    yield ("", *map(_money, sums), _money(found["total"]))


def _setting_row(each: dict[str, Any], found: dict[str, Any]) -> tuple[str, ...]:
    objectives = found["objectives"]
    return (
        each["setting"],
        each["instead"],
        f"{each['dollars']:+,.2f}",
        _time(each["failover"], found["failover"], objectives["failover"]),
        _time(each["grey_failure"], found["grey_failure"], objectives["grey_failure"]),
        each["note"],
    )


def _time(seconds: int, now: int, promised: int) -> str:
    if seconds == now:
        return "="
    return f"{seconds} s{'*' if seconds > promised else ''}"


def _doubtful(found: dict[str, Any]) -> Iterator[str]:
    for seen in (Seen.QUOTED, Seen.UNVERIFIED):
        named = sorted(name for name, price in found["prices"].items() if price["seen"] == seen.value)
        if named:
            source = "as others quote AWS's pages" if seen is Seen.QUOTED else "not found anywhere, and to be verified"
            yield f"prices {source}: {', '.join(named)}"
    yield "each price with its page: orchestration/cost/prices.py, and with --json"


def _money(dollars: float) -> str:
    return f"{dollars:,.2f}"


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Columns: numbers to the right, words to the left."""
    cells = list(rows)
    numbers = zip(*(cells[1:] or cells), strict=True)
    return list(columns(cells, right=[place for place, column in enumerate(numbers) if all(map(_is_number, column))]))


def _is_number(cell: str) -> bool:
    return (
        cell.lstrip("+-").replace(",", "").replace(".", "").removesuffix("*").removesuffix(" s").isdigit()
        or cell == "="
    )
