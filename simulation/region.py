"""One region: the functions' real code on that region's simulated services, in the releases that are live there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.composition import Dependencies, compose
from lambdas.adapters.keys import ApiKeys
from lambdas.domain.payment import WORK_TIME, Response
from lambdas.payment.api import Api
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal
from lambdas.web import view
from lambdas.web.request import Request
from simulation.aws_errors import timed_out
from simulation.dynamodb import DynamoDB
from simulation.link import Way
from simulation.watch import WatchedBucket, WatchedProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.payment import Payment
    from lambdas.domain.ports import Processor
    from lambdas.domain.sweep import Sweep
    from simulation.bucket import Bucket
    from simulation.history import History
    from simulation.link import Link
    from simulation.processor import CardProcessor
    from simulation.scheduler import Scheduler, SimulatedProcess
    from simulation.table import GlobalTable, Item
    from simulation.watch import Watch

FUNCTION_TIMEOUT: Final = 10_000
"""The payment function's (ms)."""
SWEEP_TIMEOUT: Final = 60_000
"""The sweeping function's (ms)."""
MARGIN: Final = 500
"""What both keep of it (ms)."""
SWEEP_EVERY: Final = 60_000
ADDED: Final = "added_by_next_release"
"""An attribute that only the next release knows."""


@dataclass(frozen=True, slots=True)
class RegionClock:
    """The port `Clock`: the one simulated time, as this region's machines have it."""

    scheduler: Scheduler
    skew: int

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return self.scheduler.now + self.skew

    def sleep(self, milliseconds: int) -> None:
        """Wait."""
        self.scheduler.sleep(milliseconds)


class TracedJournal(LogJournal):
    """The functions' log, kept in the seed's history."""

    history: History
    watch: Watch

    def _write(self, line: dict[str, Any]) -> None:
        if line["event"] != "request":
            self.history.trace(f"log {line['event']}", str(line.get("error", "")))
        if line["event"] == "unexpected":
            self.watch.broken(str(line["error"]))


@dataclass(frozen=True, slots=True)
class SimulatedSecrets:
    """Secrets Manager: the API keys, with rotation."""

    link: Link
    clients: dict[str, dict[str, str | None]]

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        """The secret's newest version."""
        del SecretId
        answer: dict[str, Any] = self.link.call(
            "secrets GetSecretValue",
            lambda: {"SecretString": json.dumps({"clients": self.clients})},
            Way(latency=5, patience=2_000, silence=lambda: timed_out("secretsmanager")),
        )
        return answer


@dataclass(frozen=True, slots=True)
class NextReleaseTable:
    """The table as a later release writes it: with an attribute that the earlier release has never heard of."""

    table: DynamoDB

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        """Read."""
        return self.table.get_item(**arguments)

    def query(self, **arguments: Any) -> dict[str, Any]:
        """Query."""
        return self.table.query(**arguments)

    def put_item(self, *, Item: Item, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        """Write, with the attribute."""
        return self.table.put_item(Item={**Item, ADDED: {"S": "kept"}}, **arguments)

    def update_item(self, **arguments: Any) -> dict[str, Any]:
        """Change."""
        return self.table.update_item(**arguments)

    def delete_item(self, **arguments: Any) -> dict[str, Any]:
        """Delete."""
        return self.table.delete_item(**arguments)


def render_next(payment: Payment) -> Response:
    """The next release words its answers differently; replays must still repeat the first."""
    response = view.render(payment)
    return replace(response, body=json.dumps({**json.loads(response.body), "apiVersion": "next"}))


@dataclass(slots=True)
class Container:
    """One execution environment: what a function keeps between requests."""

    api: Api
    sweep: Sweep


@dataclass(slots=True)
class SimulatedRegion:
    """A region: `release` is the code that its next execution environments run."""

    name: str
    scheduler: Scheduler
    history: History
    link: Link
    table: GlobalTable
    bucket: Bucket
    secrets: SimulatedSecrets
    processor: CardProcessor
    endpoints: dict[str, str]
    """The processor's endpoint that a release opens payments with."""
    watch: Watch
    strong: bool
    skew: int
    release: str = "current"
    lost: bool = False
    warm: list[tuple[str, Container]] = field(default_factory=list)

    def request(self, event: dict[str, Any], deliver: Callable[[dict[str, Any]], None]) -> None:
        """A request has come through the gateway: run the payment function, deliver its response."""
        name = event["requestContext"]["requestId"]

        def body() -> None:
            release, container = self._container()
            request = Request.of(event)
            container.sweep.payments.deadline.begin(WORK_TIME)
            response = request.response(container.api.answer(request), {})
            self.warm.append((release, container))
            deliver(response)

        self._invoke(name, body, FUNCTION_TIMEOUT)

    def sweep(self) -> None:
        """The schedule fires: run the sweep."""

        def body() -> None:
            release, container = self._container()
            sweep = container.sweep
            swept = sweep.run(sweep.payments.clock.now() + SWEEP_TIMEOUT - MARGIN - WORK_TIME)
            self.warm.append((release, container))
            if swept.failure is not None:
                self.history.trace("sweep failed", str(swept.failure))
            if swept.done:
                self.history.trace("swept", " ".join(f"{name}={swept.done[name]}" for name in sorted(swept.done)))

        self._invoke("sweep", body, SWEEP_TIMEOUT)

    def lose_functions(self) -> None:
        """All execution environments die at this moment."""
        self.scheduler.kill_all(self.name)
        self.warm.clear()

    def _invoke(self, function: str, body: Callable[[], None], timeout: int) -> None:
        if self.lost:
            return

        def guarded() -> None:
            try:
                body()
            except Exception as error:  # noqa: BLE001 - whatever the code under test lets out is a finding
                self.watch.broken(f"{type(error).__name__}: {error}")

        process: SimulatedProcess = self.scheduler.spawn(f"{self.name} {function}", guarded, place=self.name)
        self.scheduler.after(timeout, lambda: self._time_out(process))

    def _time_out(self, process: SimulatedProcess) -> None:
        if process.alive:
            self.history.trace("function timed out", process.name)
            self.scheduler.kill(process)

    def _container(self) -> tuple[str, Container]:
        """A warm environment of the live release, or a new one. One environment runs one request at a time."""
        while self.warm:
            release, container = self.warm.pop()
            if release == self.release:
                return release, container
        return self.release, self._compose()

    def _compose(self) -> Container:
        clock = RegionClock(self.scheduler, self.skew)
        journal = TracedJournal(clock, {}, "simulation", "x7k2", self.name)
        journal.history, journal.watch = self.history, self.watch
        table: Any = DynamoDB(self.table, self.name, self.link)
        objects: Any = WatchedBucket(self.bucket, self.watch, self.name, clock.now)
        secrets: Any = self.secrets
        if self.release == "next":
            table = NextReleaseTable(table)
        surroundings = Dependencies(
            table=table,
            table_name="payments",
            objects=objects,
            bucket=self.name,
            processor=lambda name: self._watched(self.processor.at(name), clock),
            endpoint=self.endpoints[self.release],
            clock=clock,
            token=self.watch.token,
            journal=journal,
        )
        settings = Settings("simulation", "x7k2", self.name, self.name, self.release, self.strong)
        service = compose(settings, surroundings)
        payments = replace(
            service.payments,
            play_money=self._watched(service.payments.play_money, clock),
            render=render_next if self.release == "next" else service.payments.render,
        )
        keys = ApiKeys(secrets, "api-keys", service.retry)
        return Container(
            Api(payments, keys.client_of, journal, "pay.simulated"), replace(service.sweep, payments=payments)
        )

    def _watched(self, processor: Processor, clock: RegionClock) -> WatchedProcessor:
        return WatchedProcessor(processor, self.watch, self.name, clock.now)
