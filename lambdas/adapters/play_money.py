"""The processor of the canaries, who pay with play money: it approves everything.

It behaves as card processors do: one outcome for each key, for ever. Its charges live in the payments' global table
under keys of their own, so that both regions reach the same processor, and go with the canaries' payments.
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

_PREFIX: Final = "canary-charge#"
_APPROVED, _DECLINED = "approved", "declined"


@dataclass(frozen=True, slots=True)
class PlayMoney:
    """The port `Processor`."""

    table: TableClient
    name: str
    retry: Retry
    timeout: int = ATTEMPT

    def charge(self, key: str, amount: Money, customer: str) -> Outcome:  # noqa: ARG002 - the port's
        """Charge once for the key. Raises NoAnswer."""
        money = {"minor_units": {"N": str(amount.minor_units)}, "currency": {"S": amount.currency}}
        return self._answer(self._first({**self._key(key), "outcome": {"S": _APPROVED}, **money}), key)

    def find(self, key: str) -> Outcome | None:
        """The outcome for the key. Raises NoAnswer."""
        charge = self._call(self.table.get_item, Key=self._key(key), ConsistentRead=True).get("Item")
        return None if charge is None else self._answer(charge, key)

    def cancel(self, key: str) -> Outcome:
        """Refuse the key for ever, unless it has an outcome. Raises NoAnswer."""
        tombstone = {**self._key(key), "outcome": {"S": _DECLINED}, "reason": {"S": "abandoned"}}
        return self._answer(self._first(tombstone), key)

    def forget(self, key: str) -> None:
        """Remove a charge, as the canaries' payments are removed too. Raises Unavailable."""
        self.retry(self.table.delete_item, TableName=self.name, Key=self._key(key))

    def _key(self, key: str) -> dict[str, dict[str, Any]]:
        return {"pk": {"S": _PREFIX + key}, "sk": {"S": "charge"}}

    def _first(self, item: dict[str, Any]) -> dict[str, Any]:
        """Record this, unless something is recorded already; returns what is then there."""
        try:
            self._call(
                self.table.put_item,
                expected=CONDITION_FAILED,
                Item=item,
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            return dict(error.response["Item"])
        return item

    def _answer(self, charge: dict[str, Any], key: str) -> Outcome:
        if charge["outcome"]["S"] == _DECLINED:
            return Declined(charge["reason"]["S"])
        return Approved("ch_" + key.removeprefix("pay_"))

    def _call(self, operation: Any, **arguments: Any) -> dict[str, Any]:
        try:
            return self.retry(operation, TableName=self.name, **arguments)
        except Unavailable as error:
            raise NoAnswer(str(error)) from error
