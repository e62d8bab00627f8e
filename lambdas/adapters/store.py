"""Payments in DynamoDB, correct under MRSC, which has neither transactions nor TTL.

One payment is one item, and every write is conditional on the version that the writer has seen.

An attempt whose answer was lost may have been written. Its repetition then fails on its own condition, so a failed
condition first asks: is what stands there what I wanted to write?
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from lambdas.adapters.items import PARTITIONS, from_item, key, to_item
from lambdas.adapters.retry import ATTEMPT
from lambdas.domain.ports import Due, Lost

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambdas.adapters.retry import Retry
    from lambdas.domain.payment import Payment, Task

INDEX: Final = "unfinished"
CONDITION_FAILED: Final = "ConditionalCheckFailedException"
PAGE: Final = 100
"""Entries that are read from the index at once."""


class TableClient(Protocol):
    """What is used of DynamoDB: the operations of the SDK's low-level client, by its names and in its shapes."""

    def get_item(self, **arguments: Any) -> dict[str, Any]: ...
    def put_item(self, **arguments: Any) -> dict[str, Any]: ...
    def update_item(self, **arguments: Any) -> dict[str, Any]: ...
    def delete_item(self, **arguments: Any) -> dict[str, Any]: ...
    def query(self, **arguments: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class DynamoPayments:
    """The port `PaymentStore` on one region's replica of the table.

    Besides `Lost` all methods raise `Unavailable`, which may be `Rejected` or `Unreadable`.
    """

    table: TableClient
    name: str
    retry: Retry
    timeout: int = ATTEMPT

    def get(self, payment_id: str) -> Payment | None:
        """The newest state in any region."""
        answer = self.retry(self.table.get_item, TableName=self.name, Key=key(payment_id), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def create(self, payment: Payment) -> None:
        """Write a payment that must not exist. Raises Lost."""
        self._write(
            payment,
            self.table.put_item,
            Item=to_item(payment),
            ConditionExpression="attribute_not_exists(pk)",
        )

    def replace(self, seen: Payment, new: Payment) -> None:
        """Move the payment on. Changes only attributes that differ: a newer version's additions survive."""
        before, after = to_item(seen), to_item(new)
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        removed = sorted(before.keys() - after.keys())
        update = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        if removed:
            update += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        self._write(
            new,
            self.table.update_item,
            Key=key(seen.id),
            UpdateExpression=update,
            ConditionExpression="#version = :seen_version AND #status = :seen_status",
            ExpressionAttributeNames={f"#{name}": name for name in (*changed, *removed, "version", "status")},
            ExpressionAttributeValues={
                **{f":{name}": value for name, value in changed.items()},
                ":seen_version": before["version"],
                ":seen_status": before["status"],
            },
        )

    def delete(self, seen: Payment) -> None:
        """Remove a payment. Raises Lost."""
        self._write(
            None,
            self.table.delete_item,
            Key=key(seen.id),
            ConditionExpression="#version = :seen_version",
            ExpressionAttributeNames={"#version": "version"},
            ExpressionAttributeValues={":seen_version": {"N": str(seen.version)}},
        )

    def partitions(self, task: Task) -> Sequence[str]:
        """The index's partitions for the task."""
        return PARTITIONS[task]

    def due(self, partition: str, now: int, *, newest_first: bool) -> Iterator[Due]:
        """What is due, page by page, from the index (eventually consistent)."""
        arguments: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": INDEX,
            "KeyConditionExpression": "#unfinished = :partition AND #due <= :now",
            "ExpressionAttributeNames": {"#unfinished": "unfinished", "#due": "due"},
            "ExpressionAttributeValues": {":partition": {"S": partition}, ":now": {"N": str(now)}},
            "ScanIndexForward": not newest_first,
            "Limit": PAGE,
        }
        while True:
            answer = self.retry(self.table.query, **arguments)
            for item in answer["Items"]:
                # A number of DynamoDB need not be a whole one.
                yield Due(int(Decimal(item["due"]["N"])), item["pk"]["S"])
            if "LastEvaluatedKey" not in answer:
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _write(self, wanted: Payment | None, operation: Any, **arguments: Any) -> None:
        """Write on a condition. `wanted` is what shall stand there afterwards (None: nothing)."""
        try:
            self.retry(
                operation,
                expected=CONDITION_FAILED,
                TableName=self.name,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **arguments,
            )
        except ClientError as error:
            item = error.response.get("Item")
            current = from_item(item) if item else None
            if current != wanted:
                raise Lost(current) from error
