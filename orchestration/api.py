"""The payment API as its clients see it: one region's entry point, asked over HTTP.

`lambdas/probing.py` pays too, in three fixed steps and from inside a function, whose package holds nothing of ours.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from shared.clients import API_KEY, IDEMPOTENCY_KEY
from shared.errors import Problem

TIMEOUT = 30.0
"""Seconds: API Gateway itself answers within 29."""


@dataclass(frozen=True)
class ApiResponse:
    """A status, its headers (names in lower case) and the body, decoded if it is JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def describe(self) -> str:
        """Return the answer in a few words, a problem's own words if it is one."""
        said = (
            self.body.get("detail") or self.body.get("message") if isinstance(self.body, dict) else str(self.body)[:200]
        )
        return f"{self.status} {said}".strip() if said else str(self.status)


@dataclass(frozen=True)
class EntryPoint:
    """Where an API answers: a URL to connect to, and the host name to ask for when that differs."""

    url: str
    host: str = ""

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiResponse:
        """Send one request. Raises Problem, naming the address, when it cannot be sent or there is no answer."""
        parts = urlsplit(self.url)
        connection = _connection(parts.scheme, parts.hostname or "", parts.port)
        sent = {"Accept": "application/json", **(headers or {})}
        if self.host:
            sent["Host"] = self.host
        content = None
        if body is not None:
            content = json.dumps(body)
            sent["Content-Type"] = "application/json"
        try:
            connection.request(method, parts.path.rstrip("/") + path, content, sent)
            response = connection.getresponse()
            raw = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            where = f"{self.url} (for {self.host})" if self.host else self.url
            raise Problem(f"no answer from {where}: {error or type(error).__name__}") from error
        except ValueError:  # http.client's word tells the value, which may be a key
            names = ", ".join(name for name, value in sent.items() if not is_header_value(value)) or "the address"
            raise Problem(
                f"{method} {self.url}{path} cannot be sent: {names} has characters that no request can have"
            ) from None
        finally:
            connection.close()
        return ApiResponse(
            response.status, {name.lower(): value for name, value in response.getheaders()}, decoded(raw)
        )


class Entry(Protocol):
    """A way into the API of one region."""

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiResponse:
        """Make one request. Raises Problem when there is no answer."""


@dataclass(frozen=True)
class Merchant:
    """A client of the API: its way into one region, and its key."""

    entry: Entry
    api_key: str

    def health(self) -> ApiResponse:
        """Ask whether the region is healthy. Raises Problem when there is no answer."""
        return self.entry.ask("GET", "/health")

    def pay(self, payment: Mapping[str, Any], key: str) -> ApiResponse:
        """Post a payment under an idempotency key. Raises Problem when there is no answer."""
        return self.entry.ask("POST", "/payment", payment, {API_KEY: self.api_key, IDEMPOTENCY_KEY: key})

    def payment(self, payment_id: str) -> ApiResponse:
        """Ask for one of the client's payments. Raises Problem when there is no answer."""
        return self.entry.ask("GET", f"/payment/{payment_id}", headers={API_KEY: self.api_key})


def merchant(client: str, entry: Entry, secret: str) -> Merchant:
    """Return a client with its current key from the secret's text. Raises Problem when it has none that can be sent."""
    try:
        key = json.loads(secret)["clients"][client]["current"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Problem(f"the secret with the API keys has none for client {client}") from None
    if not isinstance(key, str) or not is_header_value(key):
        raise Problem(
            f"the key of client {client} in the secret is no header's value: ./invoke rotate-key --client {client} "
            "gives it another"
        )
    return Merchant(entry, key)


def is_header_value(text: str) -> bool:
    """Whether a text can be the value of a header: printable ASCII without blanks around it."""
    return bool(text) and text.isascii() and text.isprintable() and text.strip() == text


def unhealthy(way: Entry, tries: int, pause: float = 0.0) -> str:
    """What a region says that is asked for its health so many times, seconds apart; empty once it is healthy."""
    said = ""
    for number in range(tries):
        time.sleep(pause if number else 0)
        try:
            answer = way.ask("GET", "/health")
        except Problem as problem:
            said = str(problem)
            continue
        if answer.status == 200:
            return ""
        said = f"GET /health answered {answer.status}"
    return said


def entry(gateways: Mapping[str, str], region: str, host: str, path: str = "") -> EntryPoint:
    """Return where `https://<host><path>` answers: in the sandbox through the region's gateway, else directly."""
    gateway = gateways.get(region)
    return EntryPoint(f"{gateway}{path}", host) if gateway else EntryPoint(f"https://{host}{path}")


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    """Return a connection, on AWS through the user's proxy if he has one: the SDK and the engine ask it too."""
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - the quick path does without

    proxy = getproxies().get("https", "")
    if not proxy or proxy_bypass(host):
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT)
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = http.client.HTTPSConnection(via.hostname or "", via.port or 80, timeout=TIMEOUT)
    login = base64.b64encode(f"{unquote(via.username or '')}:{unquote(via.password or '')}".encode()).decode()
    connection.set_tunnel(host, port or 443, {"Proxy-Authorization": f"Basic {login}"} if via.username else None)
    return connection


def decoded(raw: str) -> Any:
    """A body as JSON, or as it is."""
    try:
        return json.loads(raw)
    except ValueError:
        return raw
