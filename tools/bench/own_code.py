"""Time in our own code for one request: the payment function on the simulation's services, without faults.

The boundary is the SDK's client: what passes inside its calls is I/O. The function's log is written to nowhere.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from time import perf_counter_ns
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.clock import SystemClock, token
from lambdas.adapters.composition import Dependencies, compose
from lambdas.adapters.keys import ApiKeys
from lambdas.domain.outcome import Approved
from lambdas.payment.api import Api
from lambdas.settings import Settings
from lambdas.telemetry.journal import LogJournal
from lambdas.web import headers
from lambdas.web.headers import API_KEY, IDEMPOTENCY_KEY
from lambdas.web.request import Request
from shared.clients import STOREFRONT
from simulation.bucket import Bucket
from simulation.dynamodb import DynamoDB
from simulation.history import History
from simulation.link import Link
from simulation.region import SimulatedSecrets
from simulation.scheduler import Scheduler
from simulation.table import StrongTable
from tools.bench.figures import Meter, percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REGION: Final = "us-east-1"
HOST: Final = "api.payments.example"
KEY: Final = "a-key-of-the-benchmark"
WARM_UP: Final = 100
"""Requests of each kind that are not counted: a function is warm for nearly all of its requests."""
OPERATIONS: Final = ("get_item", "put_item", "update_item", "delete_item", "query")


@dataclass(slots=True)
class OwnTime:
    """One kind of request. `nanoseconds` of each one apart from I/O; `calls` to AWS that each one made."""

    kind: str
    calls: int = 0
    nanoseconds: list[int] = field(default_factory=list)

    def milliseconds(self, percent: float) -> float:
        """A percentile."""
        return percentile(self.nanoseconds, percent) / 1e6


class PaymentFunction:
    """The function as its entry puts it together, with every call to AWS metered."""

    def __init__(self, meter: Meter, scheduler: Scheduler) -> None:
        link = Link(scheduler, History(scheduler))
        table = DynamoDB(StrongTable(scheduler, (REGION,)), REGION, link)
        clock = SystemClock()
        self._settings = Settings("payments", "x7k2", "primary", REGION, "benchmark", strong=True)
        journal = LogJournal.of(self._settings, clock)
        metered: Any = SimpleNamespace(**{name: meter.wrap(getattr(table, name)) for name in OPERATIONS})
        objects: Any = SimpleNamespace(put_object=meter.wrap(Bucket(link).put_object))
        clients: dict[str, dict[str, str | None]] = {STOREFRONT: {"current": KEY, "previous": None}}
        secrets: Any = SimpleNamespace(get_secret_value=meter.wrap(SimulatedSecrets(link, clients).get_secret_value))
        charge: Any = meter.wrap(dict)
        processor: Any = SimpleNamespace(charge=lambda *_: charge() or Approved("ch_1"), timeout=0)
        surroundings = Dependencies(
            table=metered,
            table_name="payments",
            objects=objects,
            bucket="audit",
            processor=lambda _: processor,
            endpoint=HOST,
            clock=clock,
            token=token,
            journal=journal,
        )
        service = compose(self._settings, surroundings)
        keys = ApiKeys(secrets, "api-keys", service.retry)
        self._api = Api(service.payments, keys.client_of, journal, HOST, service.fence)

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The response to one proxy event, as the handler makes it."""
        request = Request.of(event)
        return request.response(self._api.answer(request), headers.of_every_answer(self._settings.place))


def measure(requests: int, clock: Callable[[], int] = perf_counter_ns) -> list[OwnTime]:
    """Time so many requests of each kind: a new payment, the same one again, and reading it.

    On a busy machine other processes' turns are in it, unless `clock` is the thread's processor time.
    """
    kinds = [OwnTime("POST, new"), OwnTime("POST, repeated"), OwnTime("GET")]
    meter, scheduler = Meter(clock), Scheduler(0)
    function = PaymentFunction(meter, scheduler)

    def time(kind: OwnTime, event: Mapping[str, Any], status: int) -> dict[str, Any]:
        response: dict[str, Any] = {}
        took = meter.own_time(lambda: response.update(function(event)))
        if response["statusCode"] != status:
            raise AssertionError(f"{kind.kind} was answered {response}")
        kind.nanoseconds.append(took)
        kind.calls = meter.calls
        return response

    def client() -> None:
        for number in range(WARM_UP + requests):
            if number == WARM_UP:
                for kind in kinds:
                    kind.nanoseconds.clear()
            body = json.dumps({"amount": 12.5, "currency": "USD", "customerId": f"customer-{number}"})
            post = _event("POST", "/payment", body, {IDEMPOTENCY_KEY: f"key-{number}"})
            response = time(kinds[0], post, 201)
            time(kinds[1], post, 201)
            time(kinds[2], _event("GET", response["headers"]["Location"], None, {}), 200)

    with redirect_stdout(_Nowhere()):
        _run(scheduler, client)
    return kinds


def _run(scheduler: Scheduler, body: Callable[[], None]) -> None:
    """Simulated services take simulated time, so their caller is a process of the simulation."""
    scheduler.spawn("client", body)
    scheduler.run(sys.maxsize)


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def _event(method: str, path: str, body: str | None, headers: Mapping[str, str]) -> dict[str, Any]:
    """What API Gateway sends for a client's request."""
    sent = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Host": HOST,
        "User-Agent": "benchmark",
        "X-Amzn-Trace-Id": "Root=1-00000000-000000000000000000000000",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        API_KEY: KEY,
        **headers,
    }
    return {
        "httpMethod": method,
        "path": path,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "body": body,
        "isBase64Encoded": False,
        "requestContext": {"requestId": "00000000-0000-0000-0000-000000000000"},
    }
