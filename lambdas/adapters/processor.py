"""A card processor for tests and demonstrations, deterministic by the customer's name.

It behaves as card processors do: one outcome for each idempotency key, kept for ever, and now and then no answer. Its
charges live in the payments' global table under keys of their own, so that both regions reach the same processor.

| customer begins with | it                                                                     |
|----------------------|------------------------------------------------------------------------|
| `decline-`           | refuses                                                                |
| `timeout-`           | loses the first request: no charge, no answer                          |
| `late-`              | takes the charge, answers nothing for 20 s, then tells it when asked   |
| `twice-`             | gets the request twice and answers twice, with one charge              |
| anything else        | approves                                                               |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from lambdas.adapters.retry import ATTEMPT
from lambdas.adapters.store import CONDITION_FAILED
from lambdas.domain.errors import NoAnswer, Unavailable
from lambdas.domain.outcome import Approved, Declined

if TYPE_CHECKING:
    from lambdas.adapters.retry import Retry
    from lambdas.adapters.store import TableClient
    from lambdas.domain.money import Money
    from lambdas.domain.outcome import Outcome

LATE: Final = 20_000
"""How long `late-` stays silent (ms)."""

_LOST, _APPROVED, _DECLINED = "lost", "approved", "declined"


@dataclass(frozen=True, slots=True)
class SimulatedProcessor:
    """The port `Processor`. `prefix` keeps canaries' charges apart."""

    table: TableClient
    name: str
    retry: Retry
    prefix: str = "charge#"
    timeout: int = ATTEMPT

    def charge(self, key: str, amount: Money, customer: str) -> Outcome:
        """Charge once for the key. Raises NoAnswer."""
        scenario = customer.split("-", 1)[0]
        outcome = _DECLINED if scenario == "decline" else _APPROVED
        first = {
            **self._key(key),
            "outcome": {"S": _LOST if scenario == "timeout" else outcome},
            "reason": {"S": "card_declined"},
            "answers_at": {"N": str(self.retry.clock.now() + (LATE if scenario == "late" else 0))},
            "minor_units": {"N": str(amount.minor_units)},
            "currency": {"S": amount.currency},
        }
        charge = self._first(first)
        if scenario == "twice":
            charge = self._first(first)
        if charge["outcome"]["S"] == _LOST:
            if charge is first:
                raise NoAnswer("the request was lost")
            charge = self._decide(key, outcome, "card_declined")
        return self._answer(charge, key)

    def find(self, key: str) -> Outcome | None:
        """The outcome for the key, as far as the processor tells it. Raises NoAnswer."""
        answer = self._call(self.table.get_item, Key=self._key(key), ConsistentRead=True)
        charge = answer.get("Item")
        return None if charge is None or charge["outcome"]["S"] == _LOST else self._answer(charge, key)

    def cancel(self, key: str) -> Outcome:
        """Refuse the key for ever, unless it has an outcome. Raises NoAnswer."""
        tombstone = {
            **self._key(key),
            "outcome": {"S": _DECLINED},
            "reason": {"S": "abandoned"},
            "answers_at": {"N": "0"},
        }
        charge = self._first(tombstone)
        if charge["outcome"]["S"] == _LOST:
            charge = self._decide(key, _DECLINED, "abandoned")
        return self._answer(charge, key)

    def forget(self, key: str) -> None:
        """Remove a charge: for canaries only, whose payments are removed too. Raises Unavailable."""
        self.retry(self.table.delete_item, TableName=self.name, Key=self._key(key))

    def _key(self, key: str) -> dict[str, dict[str, Any]]:
        return {"pk": {"S": self.prefix + key}, "sk": {"S": "charge"}}

    def _first(self, item: dict[str, Any]) -> dict[str, Any]:
        """Record this, unless something is recorded already; returns what is then there."""
        condition = "attribute_not_exists(pk)"
        return self._conditional(self.table.put_item, Item=item, ConditionExpression=condition) or item

    def _decide(self, key: str, outcome: str, reason: str) -> dict[str, Any]:
        """Give a lost request its outcome, unless it has one by now; returns what is then there."""
        return self._conditional(
            self.table.update_item,
            Key=self._key(key),
            UpdateExpression="SET #outcome = :outcome, #reason = :reason",
            ConditionExpression="#outcome = :lost",
            ExpressionAttributeNames={"#outcome": "outcome", "#reason": "reason"},
            ExpressionAttributeValues={":outcome": {"S": outcome}, ":reason": {"S": reason}, ":lost": {"S": _LOST}},
            ReturnValues="ALL_NEW",
        )

    def _conditional(self, operation: Any, **arguments: Any) -> dict[str, Any]:
        """Write; returns the item that did not meet the condition, or else what the write answers of its own."""
        try:
            answer = self._call(
                operation, **arguments, expected=CONDITION_FAILED, ReturnValuesOnConditionCheckFailure="ALL_OLD"
            )
        except ClientError as error:
            return dict(error.response["Item"])
        return dict(answer.get("Attributes", {}))

    def _answer(self, charge: dict[str, Any], key: str) -> Outcome:
        if self.retry.clock.now() < int(charge["answers_at"]["N"]):
            raise NoAnswer("the answer is late")
        if charge["outcome"]["S"] == _DECLINED:
            return Declined(charge["reason"]["S"])
        return Approved("ch_" + key.removeprefix("pay_"))

    def _call(self, operation: Any, **arguments: Any) -> dict[str, Any]:
        try:
            return self.retry(operation, TableName=self.name, **arguments)
        except Unavailable as error:
            raise NoAnswer(str(error)) from error
