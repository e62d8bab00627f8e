"""The client that callers of the API copy, clients/payments.py itself, as one of a drill's clients.

It waits in threads and asks the drill's event loop for time and names, so it lives by the drill's virtual clock and
resolver; sockets are real. The rules are its own: attempts, waits, connections, what is final. Only patience is the
drill's.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from clients.payments import KeptKey, Limits, PaymentAttempt, PaymentClient, PaymentResult
from drill.clients import SENT_IN_TIME, DuePayment, RetryPlaces, outcome_of
from drill.http import HttpAnswer
from shared.clients import REPLAYED, SERVED_BY

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from drill.clients import Merchandise
    from drill.names import Resolved
    from drill.records import Attempt, AttemptOutcome
    from drill.schedule import Arrival
    from drill.stage import DrillClock

T = TypeVar("T")

LIMITS: Final = Limits()
LONGEST_FAILURE: Final = LIMITS.connect + LIMITS.attempt + LIMITS.longest_wait
"""Virtual seconds that one attempt and the wait after it take, at most: what such a client adds to the failover."""
AT_ONCE: Final = 100
"""Payments of one client, each in a thread."""


class BrokenOff(Exception):
    """The drill is over: the client is to stop where it is."""


class ExampleClient:
    """One client of the drill that pays by clients/payments.py. `told` gets each attempt when it has ended."""

    def __init__(
        self,
        number: int,
        goods: Merchandise,
        *,
        resolve: Callable[[str], Awaitable[Resolved]],
        clock: DrillClock,
        told: Callable[[Attempt], None],
        chance: random.Random,
    ) -> None:
        self.name = f"example-{number}"
        self._goods = goods
        self._resolve = resolve
        self._clock = clock
        self._told = told
        self._chance = chance
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=self.name)
        self._idle: list[_Payer] = []
        self._places = RetryPlaces()

    async def pay(self, arrival: Arrival, due: float) -> None:
        """Pay once, by as many attempts as it takes. `due` is when the schedule wanted it."""
        loop = asyncio.get_running_loop()
        payment = DuePayment(self.name, "example", self._goods.drill, arrival, due)
        sent = self._clock.now()
        if sent - due > SENT_IN_TIME:
            self._told(payment.attempt(1, sent, sent, "late", reason="not sent in time"))
            return
        # "Not for several threads at once: give each its own": one that is idle has a connection that may be young.
        payer = self._idle.pop() if self._idle else _Payer(self._goods, self._resolve, self._clock, self._chance, loop)
        with self._places.taken() as again:
            payer.begin(payment, self._note, self._over, once=not again)
            await loop.run_in_executor(self._threads, payer.pay)
        self._idle.append(payer)

    def close(self) -> None:
        """End what is under way, without waiting for it; nothing of it is told any more."""
        self._over.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for payer in self._idle:
            payer.close()
        self._idle.clear()

    def _note(self, attempt: Attempt) -> None:
        if not self._over.is_set():
            self._told(attempt)


class _Payer:
    """A PaymentClient and what it is given of the drill. For one payment at a time."""

    def __init__(
        self,
        goods: Merchandise,
        resolve: Callable[[str], Awaitable[Resolved]],
        clock: DrillClock,
        chance: random.Random,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._resolve = resolve
        self._clock = clock
        self._loop = loop
        self._address = ""
        self._payment: DuePayment
        self._told: Callable[[Attempt], None]
        self._over: threading.Event
        self._once = False
        scheme = "https" if goods.tls else "http"
        self._client = PaymentClient(
            f"{scheme}://{goods.name}:{goods.port}",
            goods.api_key,
            _NoJournal(),
            limits=replace(LIMITS, give_up=goods.patience),
            resolver=self._resolved,
            clock=clock.monotonic,
            sleep=self._sleep,
            draw=chance.uniform,
            dial=self._dial,
            timer=self._timer,
            tls=goods.tls,
            told=self._tell,
        )

    def begin(
        self, payment: DuePayment, told: Callable[[Attempt], None], over: threading.Event, *, once: bool = False
    ) -> None:
        """Say what is to be paid next; `once`: by one attempt."""
        self._payment, self._told, self._over, self._once = payment, told, over, once

    def pay(self) -> None:
        """Pay it, in a thread."""
        try:
            self._client.pay(self._payment.body, self._payment.key)
        except (BrokenOff, CancelledError):
            self.close()

    def close(self) -> None:
        self._client.close()

    def _tell(self, told: PaymentAttempt) -> None:
        ended = self._clock.now()
        headers = {SERVED_BY.lower(): told.served_by, REPLAYED.lower(): "true" if told.replayed else ""}
        answer = HttpAnswer(told.status, headers, told.body) if told.status else None
        attempt = self._payment.attempt(
            told.number,
            ended - (told.ended - told.began),
            ended,
            _outcome(told, answer),
            answer,
            address=self._address,
            reason="" if answer else "no usable answer",
        )
        if self._over.is_set():
            raise BrokenOff
        self._loop.call_soon_threadsafe(self._told, attempt)

    def _resolved(self, host: str, port: int) -> list[tuple[str, int]]:
        self._address = ""
        self._address = self._of_the_loop(lambda: self._resolve(host)).address
        return [(self._address, port)]

    def _sleep(self, seconds: float) -> None:
        if self._once:
            raise BrokenOff
        self._of_the_loop(lambda: self._clock.sleep(seconds))

    def _dial(self, address: tuple[str, int], seconds: float) -> socket.socket:
        return socket.create_connection(address, timeout=seconds / self._clock.speed)

    def _timer(self, seconds: float, call: Callable[..., None], arguments: list[Any]) -> threading.Timer:
        return threading.Timer(seconds / self._clock.speed, call, arguments)

    def _of_the_loop(self, work: Callable[[], Awaitable[T]]) -> T:
        """What the drill's own loop makes of it. Raises BrokenOff when the drill is over."""

        async def working() -> T:
            return await work()

        if self._over.is_set():
            raise BrokenOff
        coroutine = working()
        try:
            found = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise BrokenOff from None
        return found.result()


class _NoJournal:
    """The drill writes down all attempts, with their keys, itself."""

    def keep(self, key: str, instruction: Mapping[str, Any]) -> None: ...
    def settle(self, result: PaymentResult) -> None: ...
    def open(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return iter(())

    def find(self, key: str) -> KeptKey | None: ...


def _outcome(told: PaymentAttempt, answer: HttpAnswer | None) -> AttemptOutcome:
    """What an answer means. A payment that was read is not a new one: it ends no outage, as a replay does not."""
    if not told.read or answer is None or answer.status >= 500 or answer.status == 429:
        return outcome_of(answer)
    return {"paid": "replayed", "declined": "declined"}.get(told.body.get("status", ""), "pending")  # type: ignore[return-value]
