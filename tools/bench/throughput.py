"""Requests a second: payments through a region's gateway, beside what bounds them, the emulator's bare PutItem."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from orchestration import pay
from orchestration.aws import Aws, asked
from orchestration.target import choose
from sandbox import Sandbox
from shared.clients import CANARY
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PRIMARY
from shared.root import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestration.target import Target


@dataclass(frozen=True, slots=True)
class Throughput:
    """Requests a second, and how many of them did not succeed."""

    what: str
    per_second: float
    failed: int


class Deployed:
    """The environment in this checkout's sandbox. Raises Problem when it is not deployed."""

    def __init__(self, environment: str, tell: Callable[[str], None]) -> None:
        if not Sandbox(ROOT).status().running:
            raise Problem("bench: nothing is deployed in the sandbox: run ./invoke deploy-all first")
        self._settings = Environment.load(environment, ROOT)
        self._target: Target = choose("sandbox", self._settings, tell)
        self._merchant = pay.merchant(self._target, self._settings, CANARY, PRIMARY)

    def measure(self, requests: int, threads: int) -> list[Throughput]:
        """So many payments, then so many puts, from so many threads."""
        payments = _rate("payments through the gateway", self._pay, requests, threads)
        aws = Aws(self._target.cli.variables)
        with _bare_table(aws, self._settings.region(PRIMARY)) as put:
            return [payments, _rate("bare PutItem", put, requests, threads)]

    def _pay(self, number: int) -> bool:
        payment = {"amount": 1, "currency": "USD", "customerId": f"benchmark-{number}"}
        return self._merchant.pay(payment, secrets.token_urlsafe(16)).status == 201


@contextmanager
def _bare_table(aws: Aws, region: str) -> Iterator[Callable[[int], bool]]:
    """A table of its own, without replicas or indexes, for as long as it is needed: what puts an item into it."""
    client = aws.client("dynamodb", region)
    name = f"benchmark-{secrets.token_hex(8)}"
    key = {"AttributeName": "pk", "KeyType": "HASH"}
    definition = {"AttributeName": "pk", "AttributeType": "S"}
    asked(
        lambda: client.create_table(
            TableName=name, KeySchema=[key], AttributeDefinitions=[definition], BillingMode="PAY_PER_REQUEST"
        ),
        "make a table to measure with",
        region,
    )

    def put(number: int) -> bool:
        item = {"pk": {"S": secrets.token_urlsafe(16)}, "number": {"N": str(number)}}
        asked(lambda: client.put_item(TableName=name, Item=item), "put an item", region)
        return True

    try:
        yield put
    finally:
        asked(lambda: client.delete_table(TableName=name), "remove the table that was measured with", region)


def _rate(what: str, act: Callable[[int], bool], requests: int, threads: int) -> Throughput:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(act, range(2 * threads)))  # not counted: functions start, connections are made
        began = perf_counter()
        succeeded = sum(pool.map(act, range(requests)))
        took = perf_counter() - began
    return Throughput(what, succeeded / took, requests - succeeded)
