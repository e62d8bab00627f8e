"""Who pays: clients that retry with their key, in both regions, send duplicates, change payloads, give up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from lambdas.domain.instruction import payment_id
from lambdas.web.headers import API_KEY, IDEMPOTENCY_KEY
from simulation.history import Wish

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulation.history import ClientCall, History
    from simulation.region import SimulatedRegion, SimulatedSecrets
    from simulation.scheduler import Scheduler

SETTLED: Final = frozenset({200, 201, 400, 401, 402, 404, 422})
"""Answers after which a client has no reason to ask again."""
_payment_id = lru_cache(payment_id)
_CUSTOMERS: Final = ("alice", "alice", "alice", "decline-bob", "timeout-eve", "late-max", "twice-ada")
_AMOUNTS: Final = (("100", "USD"), ("100", "USD"), ("99.5", "EUR"), ("100", "JPY"), ("1.234", "KWD"))
"""Amounts in currencies of two, no and three decimals."""
CLIENTS: Final = "clients"
"""Where they all are."""
_NETWORK: Final = 40
_LONGEST_PAUSE: Final = 60_000


@dataclass(frozen=True, slots=True)
class Habits:
    """How a client goes about it. Times in ms."""

    start: int
    patience: int
    attempts: int
    pause: int
    wanders: bool
    """Goes to the other region when it gets no answer, or a 5xx."""
    doubles: bool
    """Sends its first request twice."""
    asks: bool
    """After a 202 it asks by GET, as it was told, instead of paying again."""
    returns: bool
    """Comes back later and sends the same once more."""

    @classmethod
    def draw(cls, random: Random) -> Habits:
        """Some client."""
        return cls(
            start=random.choice((0, 0, 10, 500, 5_000, int(random.random() * 240_000))),
            patience=random.choice((1_000, 5_000, 12_000, 29_000)),
            attempts=random.choice((1, 2, 4, 6)),
            pause=random.choice((100, 1_000, 10_000, 40_000)),
            wanders=random.random() < 0.7,
            doubles=random.random() < 0.2,
            asks=random.random() < 0.5,
            returns=random.random() < 0.3,
        )


@dataclass(frozen=True, slots=True)
class Internet:
    """The way from clients to the regions: requests and answers are delayed, reordered, lost."""

    scheduler: Scheduler
    history: History
    regions: tuple[SimulatedRegion, ...]
    secrets: SimulatedSecrets
    loss: Callable[[], float]

    def send(
        self, actor: str, method: str, wish: Wish, home: int, patience: int, *, stranger: str | None = None
    ) -> ClientCall:
        """Send one request and wait for its answer, at most `patience` ms. A `stranger` is who asks instead."""
        region = self.regions[home % len(self.regions)]
        name = _payment_id(wish.client, wish.key)
        operation = self.history.invoke(actor, method, wish, name, region.name)
        operation.stranger = stranger
        event = self._event(operation)

        def start(deliver: Callable[[Any], None]) -> None:
            self.scheduler.after(patience, lambda: deliver(None))
            if self._arrives():
                self.scheduler.after(self._way(), lambda: region.request(event, back))

            def back(response: dict[str, Any]) -> None:
                if self._arrives():
                    self.scheduler.after(self._way(), lambda: deliver(response))

        self.history.answer(operation, self.scheduler.wait(start))
        return operation

    def _event(self, operation: ClientCall) -> dict[str, Any]:
        """API Gateway's proxy event."""
        wish, posting = operation.wish, operation.method == "POST"
        headers = {API_KEY: self.secrets.clients[operation.stranger or wish.client]["current"], "Host": "pay.simulated"}
        if posting:
            headers |= {IDEMPOTENCY_KEY: wish.key, "Content-Type": "application/json"}
        return {
            "httpMethod": operation.method,
            "path": "/payment" if posting else f"/payment/{operation.payment_id}",
            "headers": headers,
            "body": wish.body if posting else None,
            "requestContext": {"requestId": f"#{operation.invoked}"},
        }

    def _arrives(self) -> bool:
        return self.scheduler.random.random() >= self.loss()

    def _way(self) -> int:
        return 1 + int(self.scheduler.random.random() * _NETWORK)


@dataclass(frozen=True, slots=True)
class Client:
    """One client with one wish."""

    name: str
    wish: Wish
    home: int
    habits: Habits
    internet: Internet

    def run(self) -> None:
        """Pay, and perhaps come back."""
        scheduler, habits = self.internet.scheduler, self.habits
        if habits.doubles:
            scheduler.spawn(
                f"{self.name}'", lambda: self._send("POST", self.home), delay=int(scheduler.random.random() * 50)
            )
        self._insist()
        if habits.returns:
            scheduler.sleep(int(scheduler.random.random() * 120_000))
            self._send("POST", self.home + 1)
            self._send("GET", self.home)

    def _insist(self) -> None:
        scheduler, habits, home, method = self.internet.scheduler, self.habits, self.home, "POST"
        for attempt in range(habits.attempts):
            status = self._send(method, home).status
            if status in SETTLED and not (method == "GET" and status == 404):
                return
            if habits.wanders and (status is None or status >= 500):
                home += 1
            method = "GET" if status == 202 and habits.asks else "POST"
            scheduler.sleep(int((0.5 + scheduler.random.random()) * min(habits.pause * 2**attempt, _LONGEST_PAUSE)))

    def _send(self, method: str, home: int) -> ClientCall:
        return self.internet.send(self.name, method, self.wish, home, self.habits.patience)


def draw_wishes(random: Random, owners: tuple[str, ...]) -> list[list[Wish]]:
    """One to three payments, each as the payloads that clients will send under its key: mostly all the same.

    Now and then two clients have come to the same key: these are two payments.
    """
    wishes = []
    for number in range(1 + int(random.random() * 3)):
        owner = random.choice(owners)
        wishes.append(_draw_payloads(random, owner, f"key-{number}"))
        if random.random() < 0.15:
            other = random.choice([name for name in owners if name != owner] or [owner])
            if other != owner:
                wishes.append(_draw_payloads(random, other, f"key-{number}"))
    return wishes


def _draw_payloads(random: Random, owner: str, key: str) -> list[Wish]:
    amount, currency = random.choice(_AMOUNTS)
    wish = Wish(owner, key, amount, currency, random.choice(_CUSTOMERS))
    others = [replace(wish, amount=f"{wish.amount}e0")]  # the same amount, written otherwise
    if random.random() < 0.3:
        others.append(
            random.choice(
                (
                    replace(wish, amount="250"),
                    replace(wish, currency="EUR" if currency == "USD" else "USD", amount="100"),
                    replace(wish, customer="alice" if wish.customer != "alice" else "bob"),
                )
            )
        )
    return [wish] + [random.choice((wish, *others)) for _ in range(int(random.random() * 4))]
