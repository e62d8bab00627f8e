"""A client's view of a region: its health, and a payment made, repeated and read back, as the client `canary`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

from lambdas.domain.payment import CANARY_CLIENT
from lambdas.in_time import in_time
from lambdas.web.headers import API_KEY, IDEMPOTENCY_KEY, REPLAYED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT: Final = 5.0
"""Seconds for one request: a region that is slower than this does not serve."""


class Unhealthy(Exception):
    """The region did not do what a client needs. The text says what, without keys."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
    """Make one request; any status is a reply. Raises Unhealthy when none has come in time.

    A region that hangs must not outlast the function that probes it: nobody would hear its finding then.
    """
    if not url.startswith(("https://", "http://")):
        raise Unhealthy(f"{url} is not an address of a region")
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - checked above
    try:
        return in_time(partial(_asked, request), TIMEOUT)
    except (OSError, HTTPException, ValueError) as error:
        raise Unhealthy(f"{method} {url}: {error}") from error


def _asked(request: urllib.request.Request) -> Reply:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - checked by send
            return _reply(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return _reply(error.code, error.headers, error.read())


def _reply(status: int, headers: Any, body: bytes) -> Reply:
    return Reply(status, {name.lower(): value for name, value in headers.items()}, body)


@dataclass(frozen=True, slots=True)
class Prober:
    """Probes the region at `url`. `token` names payments; `send` makes requests."""

    url: str
    api_key: str
    token: Callable[[], str]
    send: Callable[[str, str, Mapping[str, str], bytes | None], Reply] = send

    def health(self) -> None:
        """The region says that it is healthy. Raises Unhealthy."""
        self._expect(200, "GET", "/health", {})

    def payment(self) -> None:
        """A payment goes through, its repetition is the same payment, and it can be read. Raises Unhealthy."""
        key = self.token()
        paid = self._post(key)
        again = self._post(key)
        if again.body != paid.body or again.headers.get(REPLAYED.lower()) != "true":
            raise Unhealthy(f"POST {self.url}/payment: a repetition was not answered as the payment was")
        try:
            payment_id = json.loads(paid.body)["paymentId"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unhealthy(f"POST {self.url}/payment: the answer has no paymentId") from error
        self._expect(200, "GET", f"/payment/{payment_id}", {API_KEY: self.api_key})

    def pays(self) -> bool:
        """Whether one payment goes through."""
        try:
            self._post(self.token())
        except Unhealthy:
            return False
        return True

    def _post(self, key: str) -> Reply:
        body = json.dumps({"amount": 1, "currency": "USD", "customerId": CANARY_CLIENT}).encode()
        headers = {API_KEY: self.api_key, IDEMPOTENCY_KEY: key, "Content-Type": "application/json"}
        return self._expect(201, "POST", "/payment", headers, body)

    def _expect(
        self, status: int, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Reply:
        reply = self.send(method, self.url + path, headers, body)
        if reply.status != status:
            raise Unhealthy(f"{method} {self.url}{path}: {reply.status} instead of {status}")
        return reply
