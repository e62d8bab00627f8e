"""DynamoDB's API in one region, over the simulated global table: what the payment code uses of it.

What it does not know is refused by name (a ValidationException), as DynamoDB refuses what does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.retry import ATTEMPT
from lambdas.adapters.store import INDEX
from simulation import expressions
from simulation.aws_errors import refused, timed_out
from simulation.link import Way
from simulation.table import Conflict, CutOff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from botocore.exceptions import ClientError

    from simulation.link import Link
    from simulation.table import GlobalTable, Item, Key

LATENCY: Final = 4
"""Milliseconds one way; a strong write adds the way to the peer."""
PATIENCE: Final = ATTEMPT
KEY: Final = ("pk", "sk")
INDEXES: Final = {INDEX: (INDEX, "due")}
"""Index -> its hash and range key; items without either are not in it (a sparse index), and it holds keys only."""

_REFUSALS: Final = (
    ("ThrottlingException", 400),
    ("ProvisionedThroughputExceededException", 400),
    ("InternalServerError", 500),
)
DENIALS: Final = (
    ("AccessDeniedException", 400),
    ("ExpiredTokenException", 400),
    ("KMSInvalidStateException", 400),
    ("ResourceNotFoundException", 400),
)


def _way(operation: str) -> Way:
    """How calls of an operation go: the same for all clients and seeds, as chance comes with the call."""

    def one_of(refusals: tuple[tuple[str, int], ...]) -> Callable[[Random], ClientError]:
        def refusal(random: Random) -> ClientError:
            code, status = random.choice(refusals)
            return refused(code, operation, status)

        return refusal

    return Way(
        LATENCY,
        PATIENCE,
        silence=lambda: timed_out("dynamodb"),
        refusal=one_of(_REFUSALS),
        denial=one_of(DENIALS),
    )


_WAYS: Final = {each: _way(each) for each in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")}


@dataclass(frozen=True, slots=True)
class DynamoDB:
    """The low-level client of one region."""

    table: GlobalTable
    region: str
    link: Link

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> dict[str, Any]:  # noqa: N803
        """Read one item."""
        del TableName
        key = _key(Key)

        def effect() -> dict[str, Any]:
            item = self.table.read(self.region, key, strong=ConsistentRead)
            return {} if item is None else {"Item": dict(item)}

        return self._call("GetItem", effect, key[0])

    def put_item(self, *, TableName: str, Item: dict[str, Any], **condition: Any) -> dict[str, Any]:  # noqa: N803
        """Replace one item, on a condition."""
        del TableName
        checked = _Condition.of(condition)

        def change(current: dict[str, Any] | None) -> dict[str, Any]:
            checked.require(current)
            return dict(Item)

        return self._write("PutItem", _key(Item), change)

    def update_item(
        self,
        *,
        TableName: str,  # noqa: N803
        Key: Item,  # noqa: N803
        UpdateExpression: str,  # noqa: N803
        ReturnValues: str = "NONE",  # noqa: N803
        **condition: Any,
    ) -> dict[str, Any]:
        """Change attributes of one item, on a condition; creates it when it is missing and the condition allows it."""
        del TableName
        compiled = _compiled(expressions.update, UpdateExpression)
        checked = _Condition.of(condition, compiled.placeholders)
        answer: dict[str, Any] = {}

        def change(current: Item | None) -> Item:
            checked.require(current)
            try:
                new: Item = compiled.evaluate(current or Key, checked.names, checked.values)
            except expressions.InvalidExpression as error:
                raise _invalid(str(error)) from None
            if any(new.get(name) != Key[name] for name in KEY):
                raise _invalid("a key attribute cannot be changed")
            if ReturnValues == "ALL_NEW":
                answer["Attributes"] = dict(new)
            return new

        self._write("UpdateItem", _key(Key), change)
        return answer

    def delete_item(self, *, TableName: str, Key: Item, **condition: Any) -> dict[str, Any]:  # noqa: N803
        """Remove one item, on a condition."""
        del TableName
        checked = _Condition.of(condition)

        def change(current: Item | None) -> None:
            checked.require(current)

        return self._write("DeleteItem", _key(Key), change)

    def query(
        self,
        *,
        TableName: str,  # noqa: N803
        IndexName: str,  # noqa: N803
        KeyConditionExpression: str,  # noqa: N803
        Limit: int,  # noqa: N803
        ScanIndexForward: bool = True,  # noqa: N803
        ExclusiveStartKey: Item | None = None,  # noqa: N803
        **placeholders: Any,
    ) -> dict[str, Any]:
        """Keys of an index's items that meet the condition, in the order of its range key or against it, by pages."""
        del TableName
        names = INDEXES[IndexName]
        condition = _Condition.of({"ConditionExpression": KeyConditionExpression, **placeholders})

        def place(item: Item) -> tuple[Decimal, str]:
            return Decimal(item[names[1]]["N"]), item["pk"]["S"]

        def effect() -> dict[str, Any]:
            found = [
                {name: item[name] for name in (*KEY, *names)}
                for item in self.table.scan_stale(self.region)
                if names[0] in item and names[1] in item and condition.holds(item)
            ]
            if not found:
                return {"Items": [], "Count": 0}  # mostly: sweeps look more often than there is something to do
            found.sort(key=place, reverse=not ScanIndexForward)
            if ExclusiveStartKey is not None:
                start = place(ExclusiveStartKey)
                found = [item for item in found if (place(item) > start) == ScanIndexForward and place(item) != start]
            page = found[:Limit]
            more = {"LastEvaluatedKey": page[-1]} if len(found) >= Limit else {}
            return {"Items": page, "Count": len(page), **more}

        return self._call("Query", effect)

    def _write(self, operation: str, key: Key, change: Callable[[Item | None], Item | None]) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            self.table.write(self.region, key, change)
            return {}

        return self._call(operation, effect, key[0])

    def _call(self, operation: str, effect: Callable[[], dict[str, Any]], about: str = "") -> dict[str, Any]:
        def translated() -> dict[str, Any]:
            try:
                return effect()
            except Conflict:
                raise refused("ReplicatedWriteConflictException", operation, 400) from None
            except CutOff:
                raise refused("InternalServerError", operation, 500) from None

        answer: dict[str, Any] = self.link.call(f"dynamodb {operation}", translated, _WAYS[operation], about=about)
        return answer


@dataclass(slots=True)
class _Condition:
    """The condition of a write, with its placeholders; `holds` for everything when there is none."""

    compiled: expressions.Compiled | None
    names: Mapping[str, str]
    values: Mapping[str, Mapping[str, Any]]
    tells: bool

    @classmethod
    def of(cls, arguments: dict[str, Any], used: frozenset[str] = frozenset()) -> _Condition:
        """From a call's arguments; `used` are the placeholders that its other expression has."""
        text = arguments.pop("ConditionExpression", None)
        names = arguments.pop("ExpressionAttributeNames", {})
        values = arguments.pop("ExpressionAttributeValues", {})
        tells = arguments.pop("ReturnValuesOnConditionCheckFailure", "NONE") == "ALL_OLD"
        if arguments:
            raise _invalid(f"unknown parameters: {sorted(arguments)}")
        compiled = None if text is None else _compiled(expressions.condition, text)
        if compiled is not None:
            used |= compiled.placeholders
        if used != names.keys() | values.keys():
            raise _invalid(f"placeholders without a use or a value: {sorted(used ^ (names.keys() | values.keys()))}")
        return cls(compiled, names, values, tells)

    def holds(self, item: Item | None) -> bool:
        return self.compiled is None or self.compiled.evaluate(item or {}, self.names, self.values)

    def require(self, item: Item | None) -> None:
        if not self.holds(item):
            told = {"Item": dict(item)} if self.tells and item is not None else {}
            raise refused("ConditionalCheckFailedException", "conditional write", 400, **told)


def _compiled(compiler: Callable[[str], expressions.Compiled], text: str) -> expressions.Compiled:
    try:
        return compiler(text)
    except expressions.InvalidExpression as error:
        raise _invalid(str(error)) from None


def _invalid(reason: str) -> ClientError:
    error = refused("ValidationException", "simulated", 400)
    error.response["Error"]["Message"] = reason
    error.args = (reason,)
    return error


def _key(item: Mapping[str, Mapping[str, Any]]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]
