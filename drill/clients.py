"""Clients that pay through the failover name and do not give up at the first error.

Each payment keeps its idempotency key through all attempts. Between them a client waits for a random part of a pause
that doubles (exponential back-off with full jitter, AWS Builders' Library, "Timeouts, retries and backoff with
jitter"), or for as long as `Retry-After` says.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from drill.http import Connection, HttpAnswer
from drill.records import Attempt, AttemptOutcome, ClientKind
from shared.clients import API_KEY, IDEMPOTENCY_KEY, REPLAYED, SERVED_BY

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from drill.names import Resolved
    from drill.schedule import Arrival
    from drill.stage import DrillClock

TIMEOUT: Final = 5.0
"""Virtual seconds of one attempt: connection and answer."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0
"""Virtual seconds."""
SENT_IN_TIME: Final = 1.0
"""Virtual seconds by which a payment's first attempt may come later than the schedule wanted it."""
TRYING: Final = 5
"""Payments of one client that are tried again at once. Further ones are tried once: who brings a queue of its own back
to a region that has just taken over fells it (AWS Builders' Library, "Avoiding insurmountable queue backlogs")."""
OVER: Final = frozenset({"created", "replayed", "declined", "refused", "late"})
"""After these a client tries no more."""
OUT_OF_SERVICE: Final = 503
"""After this answer a connection is given up: DNS may lead elsewhere meanwhile (docs/clients.md)."""
CURRENCY: Final = "USD"


@dataclass(frozen=True)
class Merchandise:
    """What all clients of a drill have in common."""

    name: str
    """The failover name."""
    port: int
    api_key: str
    drill: str
    """Begins every idempotency key."""
    tls: ssl.SSLContext | None = None
    patience: float = 300.0
    """Virtual seconds after which a client stops trying."""


@dataclass(frozen=True)
class DuePayment:
    """One payment of one client, and what is written down of its attempts."""

    client: str
    kind: ClientKind
    drill: str
    arrival: Arrival
    due: float

    @property
    def key(self) -> str:
        """The Idempotency-Key of all attempts."""
        return f"{self.drill}-{self.arrival.number}"

    @property
    def body(self) -> dict[str, object]:
        """What is posted."""
        return {"amount": float(self.arrival.amount), "currency": CURRENCY, "customerId": self.arrival.customer}

    def attempt(
        self,
        number: int,
        sent: float,
        ended: float,
        outcome: AttemptOutcome,
        answer: HttpAnswer | None = None,
        *,
        address: str = "",
        reason: str = "",
    ) -> Attempt:
        """One of them. `reason`: why there is no answer."""
        said = answer.body if answer and isinstance(answer.body, dict) else {}
        problem = str(said.get("detail") or said.get("title") or said.get("message") or "")
        return Attempt(
            client=self.client,
            kind=self.kind,
            key=self.key,
            attempt=number,
            due=self.due,
            sent=sent,
            ended=ended,
            outcome=outcome,
            status=answer.status if answer else 0,
            payment=str(said.get("paymentId", "")),
            region=answer.headers.get(SERVED_BY.lower(), "") if answer else "",
            address=address,
            reason=reason or problem,
            amount=self.arrival.amount,
            currency=CURRENCY,
            customer=self.arrival.customer,
        )


class RetryPlaces:
    """The payments of one client that it may try again."""

    def __init__(self) -> None:
        self._taken = 0

    @contextlib.contextmanager
    def taken(self) -> Iterator[bool]:
        """Whether there is a place for one more, which is held while inside."""
        free = self._taken < TRYING
        self._taken += free
        try:
            yield free
        finally:
            self._taken -= free


class DrillClient:
    """One client. `told` gets each attempt when it has ended."""

    def __init__(
        self,
        number: int,
        kind: ClientKind,
        goods: Merchandise,
        *,
        resolve: Callable[[str], Awaitable[Resolved]],
        clock: DrillClock,
        told: Callable[[Attempt], None],
        chance: random.Random,
    ) -> None:
        self.name = f"{kind}-{number}"
        self._kind = kind
        self._goods = goods
        self._resolve = resolve
        self._clock = clock
        self._told = told
        self._chance = chance
        self._idle: list[Connection] = []
        self._places = RetryPlaces()

    async def pay(self, arrival: Arrival, due: float) -> None:
        """Pay once, by as many attempts as it takes. `due` is when the schedule wanted it."""
        with self._places.taken() as again:
            await self._pay(arrival, due, self._goods.patience if again else 0.0)

    async def _pay(self, arrival: Arrival, due: float, patience: float) -> None:
        payment = DuePayment(self.name, self._kind, self._goods.drill, arrival, due)
        give_up = due + patience
        number = 0
        while True:
            number += 1
            sent, begun = self._clock.now(), self._clock.monotonic()
            late = number == 1 and sent - due > SENT_IN_TIME
            asked = (None, "", "not sent in time") if late else await self._ask(payment.key, payment.body)
            answer, address, reason = asked
            outcome: AttemptOutcome = "late" if late else outcome_of(answer)
            ended = sent + self._clock.monotonic() - begun
            self._told(payment.attempt(number, sent, ended, outcome, answer, address=address, reason=reason))
            if outcome in OVER:
                return
            pause = self.pause(number, answer)
            if self._clock.now() + pause > give_up:
                return
            await self._clock.sleep(pause)

    def pause(self, attempt: int, answer: HttpAnswer | None) -> float:
        """Seconds until the next attempt."""
        longest = min(FIRST_PAUSE * 2 ** min(attempt - 1, 10), LONGEST_PAUSE)
        jittered = self._chance.uniform(0, longest)
        asked = (answer.headers if answer else {}).get("retry-after", "")
        wanted = float(asked) if asked.isascii() and asked.isdecimal() else 0.0
        return min(wanted, 60.0) + jittered

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _ask(self, key: str, body: Mapping[str, object]) -> tuple[HttpAnswer | None, str, str]:
        """One attempt: the answer, where it was sent, and why there is none."""
        connection: Connection | None = None
        address = ""
        try:
            keep = self._kind == "keep-alive"
            connection = self._open_one() if keep else None
            if connection is None:
                address = (await self._resolve(self._goods.name)).address
                connection = Connection((address, self._goods.port), self._goods.tls, self._goods.name)
            else:
                address = connection.address[0]
            answer = await self._clock.wait_for(self._exchange(connection, key, body, keep=keep), TIMEOUT)
            if keep and connection.is_open and answer.status != OUT_OF_SERVICE:
                self._idle.append(connection)
        except TimeoutError:
            reason = f"no answer in {TIMEOUT:g} s"
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
        else:
            return answer, address, ""
        if connection:
            connection.close()
        return None, address, reason

    def _open_one(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            connection.close()
        return None

    async def _exchange(
        self, connection: Connection, key: str, body: Mapping[str, object], *, keep: bool
    ) -> HttpAnswer:
        if not connection.is_open:
            await connection.open()
        headers = {
            "Host": self._goods.name,
            "Content-Type": "application/json",
            API_KEY: self._goods.api_key,
            IDEMPOTENCY_KEY: key,
        }
        return await connection.ask("/payment", headers, json.dumps(body).encode(), keep=keep)


def outcome_of(answer: HttpAnswer | None) -> AttemptOutcome:
    """What an answer means to a client."""
    if answer is None or answer.status >= 500 or answer.status == 429:
        return "failed"
    if answer.status == 201:
        return "replayed" if answer.headers.get(REPLAYED.lower()) == "true" else "created"
    if answer.status in {202, 409}:
        return "pending"
    return "declined" if answer.status == 402 else "refused"


async def finished(tasks: set[asyncio.Task[None]], clock: DrillClock, seconds: float) -> int:
    """Wait for payments under way, for so many virtual seconds; return how many were broken off."""
    if tasks:
        with contextlib.suppress(TimeoutError):
            await clock.wait_for(asyncio.ensure_future(asyncio.wait(tasks)), seconds)
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    return len(left)
