"""The region's fence, as one item of the payments table: `pk` fence, `sk` the region, and when it holds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from lambdas.domain.errors import Unavailable
from lambdas.domain.fence import FencedPeriod

if TYPE_CHECKING:
    from lambdas.adapters.retry import Retry
    from lambdas.adapters.store import TableClient

PARTITION: Final = "fence"
FROM: Final = "from"
UNTIL: Final = "until"
"""Milliseconds since the epoch, UTC, as `FROM`."""
HOLDS: Final = 3_600_000
"""How long one holds that does not say until when (ms)."""


@dataclass(frozen=True, slots=True)
class FenceItem:
    """Reads it."""

    table: TableClient
    name: str
    region: str
    retry: Retry

    def __call__(self) -> FencedPeriod | None:
        """When it holds, or None: one strongly consistent read. Raises Unavailable."""
        key = {"pk": {"S": PARTITION}, "sk": {"S": self.region}}
        found = self.retry(self.table.get_item, TableName=self.name, Key=key, ConsistentRead=True).get("Item")
        if not found:
            return None
        try:
            begin = int(Decimal(found[FROM]["N"]))
            return FencedPeriod(begin, int(Decimal(found[UNTIL]["N"])) if UNTIL in found else begin + HOLDS)
        except (ArithmeticError, KeyError, ValueError) as error:
            raise Unavailable(f"the fence of {self.region} cannot be read") from error
