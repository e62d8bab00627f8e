"""One question of a health checker to an endpoint: how it connects, how long it waits, what it takes for an answer."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import ssl
import time
import traceback
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import httptools

from sandbox.traffic.checks import BODY_WITHIN, CONNECT_WITHIN, SEARCHED, STATUS_WITHIN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.addresses import Endpoint
    from sandbox.checker_ranges import Place
    from sandbox.clock import VirtualClock
    from sandbox.traffic.checks import CheckSettings

T = TypeVar("T")

CHUNK = 4096
REMEMBERED = 20_000
"""Limits of which is remembered how near an answer came to them: minutes, at any speed."""
WELL_KNOWN = {"HTTP": 80, "HTTPS": 443}


class ProbeResult(NamedTuple):
    """What a checker found, in the words of GetHealthCheckStatus."""

    good: bool
    reason: str


class _Failure(Exception):
    """Why the endpoint did not pass."""


class EndpointProbe:
    """Asks endpoints by virtual time."""

    def __init__(self, clock: VirtualClock, lead: Callable[[str, int], Endpoint | None]) -> None:
        """`lead` tells where a name's port is served, as DNS has it at the moment; None when it resolves to nothing."""
        self._clock = clock
        self._lead = lead
        self._strains: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    def strain(self, since: float) -> float:
        """How near the limits the slowest answer came since a virtual moment: its share of them at the speed 1."""
        return max((strain for at, strain in self._strains if at >= since), default=0.0)

    async def ask(self, check: CheckSettings, place: Place) -> ProbeResult:
        """Ask once, within the limits that Route 53 sets."""
        connection = socket.socket()
        try:
            return ProbeResult(good=True, reason=f"Success: {await self._ask(check, place, connection)}")
        except _Failure as failure:
            return ProbeResult(good=False, reason=f"Failure: {failure}")
        except OSError as error:
            return ProbeResult(good=False, reason=f"Failure: {os.strerror(error.errno) if error.errno else error}")
        except (EOFError, httptools.HttpParserError):
            return ProbeResult(good=False, reason="Failure: the connection ended without an HTTP answer")
        except Exception as error:  # noqa: BLE001 - whatever it is, a checker goes on, and the log says what it was
            traceback.print_exc()
            return ProbeResult(good=False, reason=f"Failure: {type(error).__name__}: {error}")
        finally:
            connection.close()

    async def _ask(self, check: CheckSettings, place: Place, connection: socket.socket) -> str:
        endpoint = self._lead(check.address or check.host, check.port)
        if endpoint is None:
            raise _Failure(f"{check.host} resolves to no address")
        connection.setblocking(False)
        with suppress(OSError):  # where only 127.0.0.1 exists, all checkers ask from there
            connection.bind((place.source, 0))
        connecting = asyncio.get_running_loop().sock_connect(connection, endpoint)
        await self._within(CONNECT_WITHIN, connecting, "no connection")
        if check.kind == "TCP":
            return "TCP connection"
        exchange = _Exchange(check, connection)
        try:
            status = await self._within(STATUS_WITHIN, exchange.status(), "no answer")
            said = f"HTTP Status Code {status}, {_phrase(status)}"
            if not 200 <= status < 400:
                raise _Failure(said)
            if check.words and not await self._within(
                BODY_WITHIN, exchange.says(check.words.encode()), "no whole body"
            ):
                raise _Failure(f"{said}; the first {SEARCHED} bytes do not have the words")
            return said
        finally:
            exchange.end()

    async def _within(self, seconds: float, work: Awaitable[T], without: str) -> T:
        began = time.monotonic()
        try:
            return await self._clock.wait_for(work, seconds)
        except TimeoutError as error:
            raise _Failure(f"{without} within {seconds:.0f} seconds") from error
        finally:
            self._strains.append((self._clock.now(), (time.monotonic() - began) / seconds))


class _Exchange:
    """One request and its answer on a connection, as far as it has come."""

    def __init__(self, check: CheckSettings, connection: socket.socket) -> None:
        self._check = check
        self._connection = connection
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._writer: asyncio.StreamWriter
        self._reader: asyncio.StreamReader
        self._status = 0
        self._body = b""
        self._complete = False

    async def status(self) -> int:
        """Ask, and return the answer's status; an EOFError when the connection ends before."""
        check = self._check
        self._reader, self._writer = await asyncio.open_connection(sock=self._connection)
        self._transport = self._writer.transport
        if check.tls:
            await self._writer.start_tls(_unverifying(), server_hostname=check.host if check.sni else "")
        host = check.host or check.address
        if check.port != WELL_KNOWN["HTTPS" if check.tls else "HTTP"]:
            host = f"{host}:{check.port}"
        lines = (f"GET {check.path} HTTP/1.1", f"Host: {host}", f"User-Agent: {_agent(check.id)}", "Connection: close")
        self._writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        while not self._status:
            await self._more()
        return self._status

    async def says(self, words: bytes) -> bool:
        """Whether the searched part of the body has the words, once that part is here."""
        while words not in self._body and not self._complete and len(self._body) < SEARCHED:
            try:
                await self._more()
            except EOFError:
                break
        return words in self._body[:SEARCHED]

    def end(self) -> None:
        """End the connection at once. TLS alone would say good-bye first, on a socket that is another's by then."""
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        data = await self._reader.read(CHUNK)
        if not data:
            raise EOFError
        self._parser.feed_data(data)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= HTTPStatus.OK:  # an interim one comes before the answer
            self._status = status

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        self._complete = self._status > 0


@functools.cache
def _unverifying() -> ssl.SSLContext:
    """Route 53's checkers validate no certificate, and speak TLS 1.2 at most."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _agent(check: str) -> str:
    """How a checker introduces itself: with the id of its check."""
    return f"Amazon-Route53-Health-Check-Service (ref {check}; report http://amzn.to/1vsZADi)"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown"
