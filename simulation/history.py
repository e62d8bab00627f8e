"""What clients asked and were told, and beneath it everything that happened, in order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Any

from lambdas.domain.payment import RESPONSE_KEPT
from simulation.scheduler import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants paid: `client` and `key` name the payment, the rest is the payload."""

    client: str
    key: str
    amount: str
    currency: str
    customer: str

    @property
    def body(self) -> str:
        """The payload as the request's body."""
        return f'{{"amount":{self.amount},"currency":"{self.currency}","customerId":"{self.customer}"}}'


@dataclass(slots=True)
class ClientCall:
    """One request of a client. `invoked` and `returned` are places in the seed's one order; `returned` None: no answer.

    `method` is POST or GET; `status`, `headers` and `body` are the answer's.
    """

    actor: str
    method: str
    wish: Wish
    payment_id: str
    region: str
    invoked: int
    at: int
    is_last: bool = False
    """One of the questions after everything was finished."""
    stranger: str | None = None
    """Another client, who asks about this payment with a key of its own."""
    returned: int | None = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def is_late(self) -> bool:
        """Asked after stored answers were dropped."""
        return self.at - EPOCH > RESPONSE_KEPT

    @property
    def document(self) -> dict[str, Any]:
        """The answer's body."""
        return dict(json.loads(self.body))


def short(name: str) -> str:
    """A payment's id, or what contains it, short enough for people: the end of the id is cut off."""
    return name[: name.find("pay_") + 10]


def payment_of(name: str) -> str | None:
    """The id of the payment that a name contains, or None."""
    begin = name.find("pay_")
    return None if begin < 0 else name[begin:].removesuffix(".json")


class History:
    """One seed's history."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.operations: list[ClientCall] = []
        self.is_ending = False
        self._scheduler = scheduler
        self._events: list[tuple[int, str, str, str]] = []
        self._order = count()

    def invoke(self, actor: str, method: str, wish: Wish, payment_id: str, region: str) -> ClientCall:
        """A client sends a request."""
        operation = ClientCall(
            actor, method, wish, payment_id, region, next(self._order), self._scheduler.now, is_last=self.is_ending
        )
        self.operations.append(operation)
        payload = f" {wish.amount} {wish.currency}" if method == "POST" else ""
        self.trace(f"{method} to {region}", f"#{operation.invoked} {wish.key} = {short(payment_id)}{payload}")
        return operation

    def answer(self, operation: ClientCall, response: dict[str, Any] | None) -> None:
        """It gets a function's response, or gives up waiting (None)."""
        if response is None:
            self.trace("no answer", f"#{operation.invoked}")
            return
        operation.returned = next(self._order)
        operation.status = response["statusCode"]
        operation.headers = response["headers"]
        operation.body = response["body"]
        self.trace(f"answered {operation.status}", f"#{operation.invoked} {operation.body}")

    def trace(self, what: str, detail: str = "") -> None:
        """Something happened, to whoever is running."""
        self._events.append((self._scheduler.now, self._scheduler.actor, what, detail))

    @property
    def digest(self) -> str:
        """Equal for equal histories, different otherwise: 128 bits, in hexadecimal digits."""
        return blake2b("".join(map(repr, self._events)).encode(), digest_size=16).hexdigest()

    def lines(self) -> Iterator[str]:
        """The history for people: seconds since the start, who, what."""
        for when, who, what, detail in self._events:
            yield f"{(when - EPOCH) / 1000:10.3f}  {who:<22}  {what}{'  ' + detail if detail else ''}"
