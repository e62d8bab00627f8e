"""One region: the functions' real code on that region's simulated services, in the releases that are live there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.adapters.clock import SystemClock
from lambdas.adapters.composition import Dependencies, compose
from lambdas.adapters.keys import ApiKeys
from lambdas.adapters.retry import ATTEMPT
from lambdas.domain.payment import WORK_TIME, Response
from lambdas.health.health import read_strongly
from lambdas.payment.api import Api
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal
from lambdas.web import view
from lambdas.web.request import Request
from simulation.aws_errors import refused, timed_out
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
UNDECIDED: Final = "UNDECIDED"
"""A status that only the next release knows."""
ADDED: Final = "added_by_next_release"
"""An attribute that only the next release knows."""


def clock_of(scheduler: Scheduler, skew: int) -> SystemClock:
    """The functions' own clock on a region's machines: the one simulated time, so much ahead."""
    return SystemClock(
        lambda: (scheduler.now + skew) * 1_000_000, lambda seconds: scheduler.sleep(round(seconds * 1_000))
    )


class TracedJournal(LogJournal):
    """The functions' log, kept in the seed's history."""

    history: History
    watch: Watch

    def _write(self, line: dict[str, Any]) -> None:
        if line["event"] != "request":
            self.history.trace(f"log {line['event']}", str(line.get("error", "")))
        self.watch.telling(line["event"], line.get("payment_id", ""))
        if line["event"] == "unexpected":
            self.watch.broken(str(line["error"]))


_TO_SECRETS: Final = Way(
    latency=5,
    patience=ATTEMPT,
    silence=lambda: timed_out("secretsmanager"),
    denial=lambda _: refused("AccessDeniedException", "GetSecretValue", 400),
)


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
            _TO_SECRETS,
        )
        return answer


@dataclass(slots=True)
class NewStatus:
    """The next release calls some unknown outcomes UNDECIDED. `steps` holds those that it has called so."""

    used: bool
    steps: set[tuple[str, str]] = field(default_factory=set)

    def written(self, payment_id: str, attributes: Item, *, prefix: str = "") -> Item:
        """Attributes (each name after `prefix`) as the next release writes them."""
        status, steps = attributes.get(f"{prefix}status"), attributes.get(f"{prefix}steps")
        if not self.used or steps is None:
            return attributes
        named = [step["S"].split(" ") for step in steps["L"]]
        if status == {"S": "UNKNOWN"}:
            self.steps.add((payment_id, named[-1][1]))
            attributes = {**attributes, f"{prefix}status": {"S": UNDECIDED}}
        renamed = [{"S": f"{self._outside(payment_id, name, at)} {at}"} for name, at in named]
        return {**attributes, f"{prefix}steps": {"L": renamed}}

    def read(self, item: Item) -> Item:
        """An item as the next release understands it."""
        if item.get("sk") != {"S": "payment"}:
            return item
        steps = [{"S": step["S"].replace(UNDECIDED, "UNKNOWN")} for step in item["steps"]["L"]]
        return {**item, "steps": {"L": steps}, "status": {"S": item["status"]["S"].replace(UNDECIDED, "UNKNOWN")}}

    def recorded(self, record: bytes) -> bytes:
        """An audit record as the next release writes it."""
        document = json.loads(record)
        name = document["paymentId"]
        document["steps"] = [[self._outside(name, status, str(at)), at] for status, at in document["steps"]]
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    def _outside(self, payment_id: str, status: str, at: str) -> str:
        return UNDECIDED if status == "UNKNOWN" and (payment_id, at) in self.steps else status


@dataclass(frozen=True, slots=True)
class NextReleaseTable:
    """The table as a later release uses it: with an attribute and a status that the earlier one has never heard of."""

    table: DynamoDB
    status: NewStatus

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        """Read."""
        answer = self.table.get_item(**arguments)
        return {**answer, "Item": self.status.read(answer["Item"])} if "Item" in answer else answer

    def query(self, **arguments: Any) -> dict[str, Any]:
        """Query."""
        return self.table.query(**arguments)

    def put_item(self, *, Item: Item, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        """Write, with the attribute."""
        return self._told(self.table.put_item, Item={**Item, ADDED: {"S": "kept"}}, **arguments)

    def update_item(self, **arguments: Any) -> dict[str, Any]:
        """Change. Where it has seen UNKNOWN, either name may stand."""
        values = arguments["ExpressionAttributeValues"]
        values = self.status.written(arguments["Key"]["pk"]["S"], values, prefix=":")
        if values.get(":seen_status") == {"S": "UNKNOWN"}:
            condition = arguments["ConditionExpression"]
            values = {**values, ":either": {"S": UNDECIDED}}
            arguments["ConditionExpression"] = condition.replace(
                "#status = :seen_status", "(#status = :seen_status OR #status = :either)"
            )
        return self._told(self.table.update_item, **{**arguments, "ExpressionAttributeValues": values})

    def delete_item(self, **arguments: Any) -> dict[str, Any]:
        """Delete."""
        return self._told(self.table.delete_item, **arguments)

    def _told(self, operation: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
        try:
            return operation(**arguments)
        except ClientError as error:
            found: Any = error.response
            if "Item" in found:
                found["Item"] = self.status.read(found["Item"])
            raise


@dataclass(frozen=True, slots=True)
class NextReleaseBucket:
    """The bucket as a later release writes to it."""

    objects: WatchedBucket
    status: NewStatus

    def put_object(self, *, Body: bytes, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        """Store a record."""
        return self.objects.put_object(Body=self.status.recorded(Body), **arguments)


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
    status: NewStatus
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
            self.watch.answering(response["statusCode"])
            self.warm.append((release, container))
            deliver(response)

        process = self._invoke(name, body, FUNCTION_TIMEOUT)
        if self.link.census is not None and process is not None and event["httpMethod"] == "POST":
            self.link.census.employs(process, self.name, sweeps=False)

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

        process = self._invoke("sweep", body, SWEEP_TIMEOUT)
        if self.link.census is not None and process is not None:
            self.link.census.employs(process, self.name, sweeps=True)

    def probe(self) -> None:
        """The health function's read. In a region that is cut off all the while it must fail."""

        def body() -> None:
            cut_off = self.name in self.table.isolated
            table: Any = DynamoDB(self.table, self.name, self.link)
            try:
                read_strongly(table, "payments")
            except (BotoCoreError, ClientError):
                return
            if cut_off and self.strong and self.name in self.table.isolated:
                self.watch.healthy_alone()

        self._invoke("health", body, FUNCTION_TIMEOUT)

    def lose_functions(self) -> None:
        """All execution environments die at this moment."""
        if self.link.census is not None:
            self.link.census.befalls_region(self.name, "loss")
        self.scheduler.kill_all(self.name)
        self.warm.clear()

    def _invoke(self, function: str, body: Callable[[], None], timeout: int) -> SimulatedProcess | None:
        if self.lost:
            return None

        def guarded() -> None:
            try:
                body()
            except Exception as error:  # noqa: BLE001 - whatever the code under test lets out is a finding
                self.watch.broken(f"{type(error).__name__}: {error}")

        process: SimulatedProcess = self.scheduler.spawn(f"{self.name} {function}", guarded, place=self.name)
        self.scheduler.after(timeout, lambda: self._time_out(process))
        return process

    def _time_out(self, process: SimulatedProcess) -> None:
        if process.alive:
            self.history.trace("function timed out", process.name)
            self.watch.too_slow(process)
            self.scheduler.kill(process)

    def _container(self) -> tuple[str, Container]:
        """A warm environment of the live release, or a new one. One environment runs one request at a time."""
        while self.warm:
            release, container = self.warm.pop()
            if release == self.release:
                return release, container
        return self.release, self._compose()

    def _compose(self) -> Container:
        clock = clock_of(self.scheduler, self.skew)
        journal = TracedJournal(clock, {}, "simulation", "x7k2", self.name)
        journal.history, journal.watch = self.history, self.watch
        table: Any = DynamoDB(self.table, self.name, self.link)
        objects: Any = WatchedBucket(self.bucket, self.watch, self.name, clock.now)
        secrets: Any = self.secrets
        if self.release == "next":
            table, objects = NextReleaseTable(table, self.status), NextReleaseBucket(objects, self.status)
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
            Api(payments, keys.client_of, journal, "pay.simulated", service.fence),
            replace(service.sweep, payments=payments),
        )

    def _watched(self, processor: Processor, clock: SystemClock) -> WatchedProcessor:
        return WatchedProcessor(processor, self.watch, self.name, clock.now)
