"""The region's fence, as one item of the payments table: `pk` fence, `sk` the region, `from` when it holds from."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from lambdas.domain.errors import Unavailable

if TYPE_CHECKING:
    from lambdas.adapters.retry import Retry
    from lambdas.adapters.store import TableClient

PARTITION: Final = "fence"
FROM: Final = "from"
"""Milliseconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class FenceItem:
    """Reads it."""

    table: TableClient
    name: str
    region: str
    retry: Retry

    def __call__(self) -> int | None:
        """From when on it holds (ms), or None: one strongly consistent read. Raises Unavailable."""
        key = {"pk": {"S": PARTITION}, "sk": {"S": self.region}}
        found = self.retry(self.table.get_item, TableName=self.name, Key=key, ConsistentRead=True).get("Item")
        try:
            return int(Decimal(found[FROM]["N"])) if found else None
        except (ArithmeticError, KeyError, ValueError) as error:
            raise Unavailable(f"the fence of {self.region} cannot be read") from error
