"""Brings payments of another table into the deployed one while that serves: restored data, or a system before this one.

Only what is not there is written, an item at a time on the condition that there is none. So nothing that the deployed
system has written is replaced, and a run that was cut off is run again. DynamoDB makes a table strongly consistent in
two regions only while it is empty, which is why payments come in by writes. Source: DynamoDB Developer Guide, "How
DynamoDB global tables work".

A payment that is not finished still changes in the table that it comes from, unless nobody works there any more: it
comes in only when whoever asks says so, and then the deployed sweep finishes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from drill.restored import NEVER_CHANGES, WrongItem
from lambdas.adapters.items import PAYMENT
from lambdas.domain.payment import CANARY_CLIENT, FINAL
from orchestration.aws import asked

if TYPE_CHECKING:
    from drill.restored import Item

WORKERS: Final = 8
AT_ONCE: Final = 200
"""Items that are written before the next are read."""
ONE_PAYMENT: Final = tuple(name for name in NEVER_CHANGES if name not in {"created", "region", "endpoint"})
"""What two items of one key must share: a payment that was asked for again here has its own region and time."""


@dataclass(frozen=True)
class BroughtIn:
    """What came of it. `counts`: items by what became of them; `contradictions`: one key, two payments."""

    counts: Mapping[str, int]
    contradictions: tuple[WrongItem, ...]


@dataclass(frozen=True)
class Destination:
    """The table that payments come into, in one region."""

    client: Any
    region: str
    table: str

    def bring_in(self, items: Iterable[Item], *, unfinished: bool, progress: Callable[[int], None]) -> BroughtIn:
        """Write every payment of another table that is not there yet. Raises Problem; what was written stays.

        unfinished: whether the other table's payments no longer change, so that those come too that are not finished.
        progress: called with the number of items that have been looked at.
        """
        counts: Counter[str] = Counter()
        contradictions: list[WrongItem] = []
        with ThreadPoolExecutor(WORKERS) as threads:
            for some in _parts(items):
                for item, what in zip(some, threads.map(lambda each: self._one(each, unfinished), some), strict=True):
                    counts[what] += 1
                    if what == CONTRADICTION:
                        key = (item["pk"]["S"], item["sk"]["S"])
                        contradictions.append(WrongItem(key, "is another payment here: who pays whom what differs"))
                progress(sum(counts.values()))
        return BroughtIn(dict(sorted(counts.items())), tuple(contradictions))

    def _one(self, item: Item, unfinished: bool) -> str:
        return left_behind(item, unfinished=unfinished) or self._write(item)

    def _write(self, item: Item) -> str:
        """Write an item unless there is one, and say which it was."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 - the SDK takes a fifth of a second

        def put() -> Item | None:
            try:
                self.client.put_item(
                    TableName=self.table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                return dict(error.response["Item"])
            return None

        there = asked(put, f"write a payment into {self.table}", self.region)
        return "brought in" if there is None else _met(item, there)


CONTRADICTION: Final = "another payment"


def left_behind(item: Item, *, unfinished: bool) -> str:
    """Why an item does not come in; empty when it does."""
    if item["sk"]["S"] != PAYMENT:
        return "no payment"
    if item["client"]["S"] == CANARY_CLIENT:
        return "a canary's"
    over = item["status"]["S"] in FINAL and "lease_holder" not in item and "audit_pending" not in item
    return "" if over or unfinished else "not finished"


def _met(item: Item, there: Item) -> str:
    """What an item is that was there before one could be written."""
    if item == there:
        return "there already"
    same = all(item.get(name) == there.get(name) for name in ONE_PAYMENT)
    return "gone on here" if same else CONTRADICTION


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Lists of so many items, the last one shorter."""
    part: list[Item] = []
    for item in items:
        part.append(item)
        if len(part) == AT_ONCE:
            yield part
            part = []
    if part:
        yield part
