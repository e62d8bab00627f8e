"""A small world for the payment code: one clock, a table with DynamoDB's conditions, a bucket, failures on request."""

from __future__ import annotations

import itertools
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from lambdas.adapters.composition import Dependencies, Service, compose
from lambdas.adapters.https import HttpsCall, HttpsReply, NoReply
from lambdas.adapters.keys import ApiKeys
from lambdas.adapters.processor import HttpsProcessor
from lambdas.adapters.retry import code_of
from lambdas.domain.instruction import payment_id
from lambdas.domain.ports import Processor
from lambdas.payment.api import Api
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal
from lambdas.web.request import Request
from sandbox.processor import protocol
from sandbox.processor.ledger import Ledger
from simulation.dynamodb import DynamoDB

START = 1_795_000_000_000
STOREFRONT, CANARY = "storefront-key", "canary-key"


def named(error: BaseException) -> str:
    """The error in a word: AWS's code, or its type."""
    return code_of(error) if isinstance(error, ClientError) else type(error).__name__


def refused(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "an operation")


def timed_out() -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url="https://nowhere")


@dataclass
class ManualClock:
    """Stands still but for sleeping."""

    time: int = START
    slept: list[int] = field(default_factory=list)

    def now(self) -> int:
        return self.time

    def sleep(self, milliseconds: int) -> None:
        self.slept.append(milliseconds)
        self.time += milliseconds


class PlainTable:
    """One replica, strongly consistent; safe for threads."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.lock = threading.Lock()
        self.ledger: Ledger | None = None
        """The card processor's, for all regions of the table."""

    def read(self, _region: str, key: tuple[str, str], *, strong: bool) -> dict[str, dict[str, Any]] | None:
        assert strong, "payments are read strongly"
        return self.items.get(key)

    def write(self, _region: str, key: tuple[str, str], change: Callable[[Any], Any]) -> None:
        with self.lock:
            new = change(self.items.get(key))
            if new is None:
                self.items.pop(key, None)
            else:
                self.items[key] = new

    def scan_stale(self, _region: str) -> Iterator[dict[str, dict[str, Any]]]:
        return iter(list(self.items.values()))

    def truth(self, _region: str) -> dict[tuple[str, str], dict[str, dict[str, Any]]]:
        return dict(self.items)


@dataclass
class Wire:
    """The way to the table. Each planned failure meets the next call whose name ends with `operation`."""

    calls: list[str] = field(default_factory=list)
    planned: deque[tuple[str, BaseException, bool]] = field(default_factory=deque)
    meanwhile: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def fail(self, operation: str, error: BaseException, *, applied: bool = False, times: int = 1) -> None:
        """`applied`: the call has its effect, only its answer is lost."""
        self.planned.extend([(operation, error, applied)] * times)

    def before(self, operation: str, action: Callable[[], object]) -> None:
        """Let something happen just before the next call whose name ends with `operation`."""
        self.meanwhile.append((operation, action))

    def call(self, what: str, effect: Callable[[], Any], *_: Any, **__: Any) -> Any:
        self.calls.append(what.removeprefix("dynamodb "))
        for meanwhile in self.meanwhile:
            if what.endswith(meanwhile[0]):
                self.meanwhile.remove(meanwhile)
                meanwhile[1]()
                break
        for plan in self.planned:
            operation, error, applied = plan
            if what.endswith(operation):
                self.planned.remove(plan)
                if applied:
                    effect()
                raise error
        return effect()


def client(table: PlainTable, wire: Wire, region: str = "us-east-1") -> Any:
    """The region's low-level DynamoDB client."""
    given: Any = table, wire
    return DynamoDB(given[0], region, given[1])


@dataclass
class Bucket:
    """S3: objects with conditional writes; `versions` counts all writes of a key."""

    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    error: Exception | None = None

    def put_object(self, **arguments: Any) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        key = arguments["Key"]
        if arguments.get("IfNoneMatch") == "*" and key in self.objects:
            raise refused("PreconditionFailed", 412)
        self.objects[key] = arguments["Body"]
        self.versions[key] = self.versions.get(key, 0) + 1
        return {}


@dataclass
class Secrets:
    clients: dict[str, dict[str, str | None]]
    asked: int = 0
    error: Exception | None = None

    def get_secret_value(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return {"SecretString": json.dumps({"clients": self.clients})}


class ListJournal(LogJournal):
    """Keeps its lines."""

    lines: list[dict[str, Any]]

    def _write(self, line: dict[str, Any]) -> None:
        self.lines.append({**line, **self.correlation} | line)


@dataclass
class Region:
    """One region's payment function and sweep; regions may share table, clock and processor.

    Without a `processor` it is the sandbox's own, asked in its protocol, at an endpoint for each region.
    """

    name: str = "us-east-1"
    clock: ManualClock = field(default_factory=ManualClock)
    table: PlainTable = field(default_factory=PlainTable)
    wire: Wire = field(default_factory=Wire)
    bucket: Bucket = field(default_factory=Bucket)
    processor: Processor | None = None
    endpoint: str = ""
    strong: bool = True
    limit: int | None = None
    """Milliseconds that a request has."""
    secrets: Secrets = field(
        default_factory=lambda: Secrets(
            {
                "storefront": {"current": STOREFRONT, "previous": "storefront-old"},
                "rival": {"current": "rival-key", "previous": None},
                "canary": {"current": CANARY, "previous": None},
            }
        )
    )

    def __post_init__(self) -> None:
        self.journal = ListJournal(self.clock, {}, "payments", "x7k2", "primary")
        self.journal.lines = []
        settings = Settings("payments", "x7k2", "primary", self.name, "1", self.strong)
        numbers = itertools.count(1)
        if self.table.ledger is None:
            self.table.ledger = Ledger(now=self.clock.now)
        world = Dependencies(
            table=client(self.table, self.wire, self.name),
            table_name="payments",
            objects=self.bucket,
            bucket="audit",
            processor=self._processor,
            endpoint=self.endpoint or f"{self.name}.processor.example",
            clock=self.clock,
            token=lambda: f"{self.name}-{next(numbers)}",
            journal=self.journal,
        )
        self.service: Service = compose(settings, world)
        self.keys = ApiKeys(self.secrets, "keys", self.service.retry)
        self.api = Api(
            self.service.payments, self.keys.client_of, self.journal, "api.payments.example", self.service.fence
        )

    def post(
        self, key: str | None, body: Any = None, api_key: str | None = STOREFRONT, **headers: str
    ) -> dict[str, Any]:
        """POST /payment through the proxy event; `body` as JSON unless it is text already."""
        given = {"Content-Type": "application/json", "Idempotency-Key": key, "x-api-key": api_key, **headers}
        if body is None:
            body = {"amount": 100, "currency": "USD", "customerId": "test-123"}
        return self.send("POST", "/payment", given, body if isinstance(body, str) else json.dumps(body))

    def get(self, path: str, api_key: str | None = STOREFRONT) -> dict[str, Any]:
        return self.send("GET", path, {"x-api-key": api_key})

    def send(self, method: str, path: str, headers: dict[str, str | None], body: str | None = None) -> dict[str, Any]:
        request = Request.of(
            {
                "httpMethod": method,
                "path": path,
                "headers": {name: value for name, value in headers.items() if value is not None},
                "body": body,
                "requestContext": {"requestId": "request-1", "identity": {"sourceIp": "203.0.113.9"}},
            }
        )
        self.service.deadline.until = None if self.limit is None else self.clock.now() + self.limit
        return request.response(self.api.answer(request), {})

    def sweep(self) -> dict[str, int]:
        return dict(self.service.sweep.run(self.clock.now() + 60_000).done)

    def payments(self) -> dict[str, dict[str, Any]]:
        """The payments' items by id."""
        return {pk: item for (pk, sk), item in self.table.items.items() if sk == "payment"}

    def payment(self) -> dict[str, dict[str, Any]]:
        """The item of the only payment."""
        (item,) = self.payments().values()
        return item

    def payment_of(self, key: str, client: str = "storefront") -> dict[str, dict[str, Any]]:
        """The item of the payment that the client asked for under this key."""
        return self.payments()[payment_id(client, key)]

    @property
    def ledger(self) -> Ledger:
        """The card processor's memory, where no other processor was given."""
        assert self.table.ledger is not None
        return self.table.ledger

    def charges(self) -> list[str]:
        """Money that has moved, real and play."""
        real = [f"charge#{line['key']}" for line in self.ledger.lines if line["what"] == "approved"]
        return real + [pk for pk, sk in self.table.items if sk == "charge"]

    def _processor(self, endpoint: str) -> Processor:
        return self.processor or HttpsProcessor(endpoint, self._send)

    def _send(self, call: HttpsCall, _: int) -> HttpsReply:
        headers = {name.lower(): value for name, value in {**call.headers, "Host": call.host}.items()}
        answer = protocol.answer(self.ledger, call.method, call.path, headers, call.body or b"")
        if answer is None:
            raise NoReply("cut off")
        return HttpsReply(answer[0], json.dumps(answer[1]).encode())
