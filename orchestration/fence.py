"""The fence as a person moves it: one item of the payments table, put up by the secondary's DynamoDB and nothing else.

It keeps away clients that have not followed DNS. It is never worth waiting for: what does not answer in time is left.
It ends by itself, and is taken down by the primary's DynamoDB as well: the secondary may be lost while it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchestration.aws import Aws, asked
from orchestration.questions import Unanswered, first_answer
from shared import fence, naming
from shared.errors import Problem
from shared.roles import PRIMARY, SECONDARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.environment import Environment

WITHIN = 5.0
"""Seconds that DynamoDB may take."""
ANOTHER: Final = 0.4
"""Of that, when the other region is asked as well."""
TRIES: Final = 3
"""Writes until one meets the fence as it was read: who else moves it does so once."""
SAID: Final = (fence.FROM, fence.UNTIL)
UNREADABLE: Final = (ArithmeticError, KeyError, OSError, ValueError)
"""What an item raises that says no moment, or none of this calendar."""
FOR_GOOD: Final = 100 * 365 * 24 * 60 * 60.0
"""Seconds that a fence holds before a region which is never to take a payment again."""


@dataclass(frozen=True)
class HoldingFence:
    """When a fence holds."""

    begin: datetime
    end: datetime

    def __str__(self) -> str:
        return f"from {self.begin:%Y-%m-%d %H:%M:%SZ} on until {self.end:%Y-%m-%d %H:%M:%SZ}"

    def is_over(self, now: float) -> bool:
        """Whether it has ended (`now` in seconds since the epoch)."""
        return self.end.timestamp() <= now


@dataclass(frozen=True)
class PrimaryFence:
    """Before the primary of one environment."""

    aws: Aws
    region: str
    """The secondary's, by which it is moved."""
    table: str
    primary: str
    other: str = ""
    """The region by which it is looked at and taken down where that one does not answer."""

    @staticmethod
    def of(environment: Environment, aws: Aws) -> PrimaryFence:
        """Find it by its name."""
        table = environment.foundation().names.of(naming.PAYMENTS_TABLE)
        primary = environment.region(PRIMARY)
        return PrimaryFence(aws, environment.region(SECONDARY), table, primary, primary)

    def put_up(self, holds_from: float, seconds: float = fence.HOLDS / 1000) -> HoldingFence:
        """Let it hold from a moment on (seconds since the epoch) for so long, and return when it does. Raises Problem.

        One that holds from an earlier moment goes on holding, until the later end: moved to the later beginning, it
        would let everybody in until then. `WITHIN` holds for this too.
        """
        new = int(holds_from * 1000), int((holds_from + seconds) * 1000)
        return _holding(*self._asked("put up", partial(self._write, new), self.region))

    def take_down(self) -> bool:
        """Let it hold no longer, and return whether it stood. Raises Problem, after `WITHIN` too."""
        answer = self._asked(
            "take down",
            lambda client: client.delete_item(TableName=self.table, Key=self._key, ReturnValues="ALL_OLD"),
            self.region,
            self.other,
        )
        return bool(answer.get("Attributes"))

    def standing(self) -> HoldingFence | None:
        """When it holds, if there is one: it may be over. Raises Problem."""
        found = self._asked("read", self._read, self.region, self.other)
        if found is None:
            return None
        try:
            return _holding(*_moments(found))
        except UNREADABLE:
            said = ", ".join(f"{name}: {found.get(name)}" for name in SAID)
            raise Problem(
                f"the fence in {self.table} says no moment ({said}), and does not hold: ./invoke restore takes it away"
            ) from None

    @property
    def _key(self) -> dict[str, Any]:
        return {"pk": {"S": fence.PARTITION}, "sk": {"S": self.primary}}

    def _read(self, client: Any) -> dict[str, Any] | None:
        found: dict[str, Any] | None = client.get_item(TableName=self.table, Key=self._key, ConsistentRead=True).get(
            "Item"
        )
        return found

    def _write(self, new: tuple[int, int], client: Any) -> tuple[int, int]:
        """Write it beside what is there, and return when it holds then (ms)."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        for _ in range(TRIES):
            seen = self._read(client)
            wanted = _joined(seen, new)
            told = {name: {"N": str(moment)} for name, moment in zip(SAID, wanted, strict=True)}
            if seen is not None and all(seen.get(name) == told[name] for name in SAID):
                return wanted
            try:
                client.put_item(TableName=self.table, Item={**self._key, **told}, **_unmoved(seen))
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
            else:
                return wanted
        raise Problem(f"cannot put up the fence in {self.table}: somebody else moves it at the same time")

    def _asked(self, doing: str, question: Callable[[Any], Any], *regions: str) -> Any:
        """The first region's answer, in time, or a Problem that says what was not done."""

        def ask(region: str) -> Any:
            client = self.aws.client("dynamodb", region)
            return asked(lambda: question(client), f"{doing} the fence in {self.table}", region)

        found = first_answer([partial(ask, each) for each in regions if each], WITHIN * ANOTHER, WITHIN)
        if isinstance(found, Unanswered):
            raise Problem(found.why)
        return found


def _moments(item: Mapping[str, Any]) -> tuple[int, int]:
    """From when on until when the functions take it to hold (ms). Raises one of `UNREADABLE`."""
    begin = int(Decimal(item[fence.FROM]["N"]))
    end = int(Decimal(item[fence.UNTIL]["N"])) if fence.UNTIL in item else begin + fence.HOLDS
    _holding(begin, end)
    return begin, end


def _holding(begin: int, end: int) -> HoldingFence:
    return HoldingFence(*(datetime.fromtimestamp(each / 1000, UTC) for each in (begin, end)))


def _joined(seen: Mapping[str, Any] | None, new: tuple[int, int]) -> tuple[int, int]:
    """From the earlier beginning to the later end; what says no moment, or is over by then, counts for nothing."""
    try:
        begin, end = _moments(seen or {})
    except UNREADABLE:
        return new
    return new if end <= new[0] else (min(begin, new[0]), max(end, new[1]))


def _unmoved(seen: Mapping[str, Any] | None) -> dict[str, Any]:
    """The condition of a write: nobody has moved it since it was seen."""
    if seen is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    there = {name: seen[name] for name in SAID if name in seen}
    parts = ["attribute_exists(pk)"]
    parts += [f"#{name} = :{name}" if name in there else f"attribute_not_exists(#{name})" for name in SAID]
    condition = {
        "ConditionExpression": " AND ".join(parts),
        "ExpressionAttributeNames": {f"#{name}": name for name in SAID},
    }
    values = {f":{name}": value for name, value in there.items()}
    return {**condition, "ExpressionAttributeValues": values} if values else condition
