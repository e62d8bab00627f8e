"""Requests a second: payments through a region's gateway, beside what bounds them, the emulator's bare PutItem."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from orchestration import pay
from orchestration.aws import Aws, asked
from orchestration.target import ROOT, choose
from sandbox import Sandbox
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import PRIMARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from orchestration.target import Target

CLIENT: Final = "canary"
"""Its payments stay out of the business figures, and are removed after a day."""


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
        self._merchant = pay.merchant(self._target, self._settings, CLIENT, PRIMARY)

    def measure(self, requests: int, threads: int) -> list[Throughput]:
        """So many payments, then so many puts, from so many threads."""
        payments = _rate("payments through the gateway", self._pay, requests, threads)
        with self._bare_table() as put:
            return [payments, _rate("bare PutItem", put, requests, threads)]

    def _pay(self, number: int) -> bool:
        payment = {"amount": 1, "currency": "USD", "customerId": f"benchmark-{number}"}
        return self._merchant.pay(payment, secrets.token_urlsafe(16)).status == 201

    def _bare_table(self) -> AbstractContextManager[Callable[[int], bool]]:
        return _bare_table(Aws(self._target.cli.variables), self._settings.region(PRIMARY))
