"""Payments in DynamoDB, correct under MRSC, which has neither transactions nor TTL.

One payment is one item, and every write is conditional on the version that the writer has seen.

An attempt whose answer was lost may have been written. Its repetition then fails on its own condition, so a failed
condition first asks: is what stands there what I wanted to write?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from lambdas.adapters.items import SHARDS, from_item, key, to_item
from lambdas.adapters.retry import code_of
from lambdas.domain.ports import Lost

if TYPE_CHECKING:
    from lambdas.adapters.retry import Retry
    from lambdas.domain.payment import Payment

INDEX: Final = "unfinished"
CONDITION_FAILED: Final = "ConditionalCheckFailedException"


class TableClient(Protocol):
    """What is used of DynamoDB: the operations of the SDK's low-level client, by its names and in its shapes."""

    def get_item(self, **arguments: Any) -> dict[str, Any]: ...
    def put_item(self, **arguments: Any) -> dict[str, Any]: ...
    def update_item(self, **arguments: Any) -> dict[str, Any]: ...
    def delete_item(self, **arguments: Any) -> dict[str, Any]: ...
    def query(self, **arguments: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class DynamoPayments:
    """The port `PaymentStore` on one region's replica of the table."""

    table: TableClient
    name: str
    retry: Retry

    def get(self, payment_id: str) -> Payment | None:
        """The newest state in any region. Raises Unavailable."""
        answer = self.retry(self.table.get_item, TableName=self.name, Key=key(payment_id), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def create(self, payment: Payment) -> None:
        """Write a payment that must not exist. Raises Lost, Unavailable."""
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
        """Remove a payment. Raises Lost, Unavailable."""
        self._write(
            None,
            self.table.delete_item,
            Key=key(seen.id),
            ConditionExpression="#version = :seen_version",
            ExpressionAttributeNames={"#version": "version"},
            ExpressionAttributeValues={":seen_version": {"N": str(seen.version)}},
        )

    def due(self, now: int, limit: int) -> list[str]:
        """Ids of what is due, oldest first, from the index (eventually consistent). Raises Unavailable."""
        found: list[tuple[int, str]] = []
        for shard in SHARDS:
            answer = self.retry(
                self.table.query,
                TableName=self.name,
                IndexName=INDEX,
                KeyConditionExpression="#unfinished = :shard AND #due <= :now",
                ExpressionAttributeNames={"#unfinished": "unfinished", "#due": "due"},
                ExpressionAttributeValues={":shard": {"S": shard}, ":now": {"N": str(now)}},
                Limit=limit,
            )
            found += ((int(item["due"]["N"]), item["pk"]["S"]) for item in answer["Items"])
        return [payment_id for _, payment_id in sorted(found)[:limit]]

    def _write(self, wanted: Payment | None, operation: Any, **arguments: Any) -> None:
        """Write on a condition. `wanted` is what shall stand there afterwards (None: nothing)."""
        try:
            self.retry(operation, TableName=self.name, ReturnValuesOnConditionCheckFailure="ALL_OLD", **arguments)
        except ClientError as error:
            if code_of(error) != CONDITION_FAILED:
                raise
            item = error.response.get("Item")
            current = from_item(item) if item else None
            if current != wanted:
                raise Lost(current) from error
