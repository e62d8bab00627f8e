"""The fence as a person moves it: one item of the payments table, by the secondary's DynamoDB and nothing else.

It keeps away clients that have not followed DNS. It is never worth waiting for: what does not answer in time is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestration.aws import Aws, asked
from orchestration.questions import Question, answered
from shared import fence, naming
from shared.errors import Problem
from shared.roles import PRIMARY, SECONDARY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.environment import Environment

WITHIN = 5.0
"""Seconds that DynamoDB may take."""
LATER = "attribute_not_exists(pk) OR NOT attribute_type(#from, :number) OR #from > :from"
"""There is no fence, none that the functions can read, or one that holds only later."""


@dataclass(frozen=True)
class PrimaryFence:
    """Before the primary of one environment."""

    aws: Aws
    region: str
    """The secondary's, by which it is moved."""
    table: str
    primary: str

    @staticmethod
    def of(environment: Environment, aws: Aws) -> PrimaryFence:
        """Find it by its name."""
        table = environment.foundation().names.of(naming.PAYMENTS_TABLE)
        return PrimaryFence(aws, environment.region(SECONDARY), table, environment.region(PRIMARY))

    def put_up(self, holds_from: float) -> datetime:
        """Let it hold from a moment on (seconds since the epoch), and return from when it does. Raises Problem.

        One that stands and holds from an earlier moment stays: moved to the later one, it would let everybody in until
        then. What says no moment is no fence to the functions either. `WITHIN` holds for this too.
        """
        item = {**self._key, fence.FROM: {"N": str(int(holds_from * 1000))}}

        def put(client: Any) -> dict[str, Any]:
            from botocore.exceptions import ClientError  # noqa: PLC0415

            try:
                client.put_item(
                    TableName=self.table,
                    Item=item,
                    ConditionExpression=LATER,
                    ExpressionAttributeNames={"#from": fence.FROM},
                    ExpressionAttributeValues={":number": {"S": "N"}, ":from": item[fence.FROM]},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                    raise
                return dict(error.response["Item"])
            return item

        return self._moment(self._asked("put up", put))

    def take_down(self) -> bool:
        """Let it hold no longer, and return whether it stood. Raises Problem, after `WITHIN` too."""
        answer = self._asked(
            "take down",
            lambda client: client.delete_item(TableName=self.table, Key=self._key, ReturnValues="ALL_OLD"),
        )
        return bool(answer.get("Attributes"))

    def holds_from(self) -> datetime | None:
        """From when on it holds, if it does. Raises Problem."""
        found = self._asked(
            "read", lambda client: client.get_item(TableName=self.table, Key=self._key, ConsistentRead=True)
        ).get("Item")
        return self._moment(found) if found else None

    def _moment(self, item: Mapping[str, Any]) -> datetime:
        try:
            return datetime.fromtimestamp(int(item[fence.FROM]["N"]) / 1000, UTC)
        except (KeyError, ValueError, OverflowError, OSError):
            raise Problem(
                f"the fence in {self.table} says no moment ({fence.FROM}: {item.get(fence.FROM)}), and does not hold: "
                "./invoke restore takes it away"
            ) from None

    @property
    def _key(self) -> dict[str, Any]:
        return {"pk": {"S": fence.PARTITION}, "sk": {"S": self.primary}}

    def _asked(self, doing: str, question: Callable[[Any], Any]) -> Any:
        """The answer, in time, or a Problem that says what was not done."""
        found: list[Any] = []

        def ask() -> str:
            client = self.aws.client("dynamodb", self.region)
            found.append(asked(lambda: question(client), f"{doing} the fence in {self.table}", self.region))
            return ""

        (row,) = answered([Question("fence", self.region, ask)], WITHIN)
        if not row.known:
            raise Problem(row.said.removeprefix("unknown: "))
        return found[0]
