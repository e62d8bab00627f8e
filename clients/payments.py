"""A client of the payment API that does it right. Copy this file: it needs Python's standard library only.

    journal = FileJournal(Path("payments.jsonl"))
    client = PaymentClient("https://api.example.com", api_key, journal)
    result = client.pay({"amount": 100, "currency": "USD", "customerId": "c-1"})

`result.state` is final when it is "paid", "declined" or "refused". "unknown" is not an error to be shown as "failed":
the money may have moved. Leave such a payment in the journal and call `client.reconcile()` until it is settled.
Each rule, with its source, is in docs/clients.md; what the API answers is in lambdas/openapi.yaml.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

STATES = {201: "paid", 402: "declined"}
"""Final, whatever came before: the payment itself was found or made."""
NOT_SENT = 0
"""Ours, for a connection that was not made."""
TRY_AGAIN = frozenset({NOT_SENT, 409, 429, 500, 502, 503, 504})
NOT_BEGUN = ("/problems/late", "/problems/out-of-service")
"""503 of these types is answered before anything is written. Of every other one the payment may have been made."""
REFUSED = frozenset({400, 401, 413, 415, 422})
"""This request did nothing, and will never do anything. What an earlier one did, it does not say."""
KEY_REUSED = "/problems/idempotency-key-reused"
"""422 of this type: the key has a payment already, of another instruction."""
KEY_LENGTH = 255
BARE_KEY = re.compile(r"[!#-+\--~]([ -+\--~]*[!-+\--~])?")
QUOTED_KEY = re.compile(r'"([!#-\[\]-~]|\\["\\])(([ !#-\[\]-~]|\\["\\]){0,253}([!#-\[\]-~]|\\["\\]))?"')
"""What the API takes for a key, and a header can carry (lambdas/openapi.yaml)."""
VISIBLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Limits:
    """All in seconds. The defaults suit a failover record with a TTL of 30 s and an objective of 120 s."""

    connect: float = 3.0
    """To one address."""
    attempt: float = 15.0
    """From the first byte sent to the last byte read, however slowly they come."""
    give_up: float = 300.0
    """For one payment, all attempts and waits together; longer than a failover takes."""
    connection_age: float = 30.0
    """A connection is not used again when it is older: no longer than the record's TTL."""
    first_wait: float = 0.2
    longest_wait: float = 10.0


@dataclass(frozen=True)
class PaymentResult:
    """What is known of a payment: `state` is "paid", "declined", "refused" or "unknown"."""

    key: str
    state: str
    status: int | None
    """The last answer's; None when there was none."""
    attempts: int
    payment: Mapping[str, Any] = field(default_factory=dict)
    """The answer's body: the payment, or the problem (RFC 9457)."""
    replayed: bool = False

    @property
    def final(self) -> bool:
        """Whether asking again would tell nothing else."""
        return self.state != "unknown"


@dataclass(frozen=True)
class PaymentAttempt:
    """One attempt that has ended, for your log and your metrics."""

    key: str
    number: int
    """From 1 on."""
    began: float
    ended: float
    """By the client's clock."""
    status: int | None
    """None when there was no usable answer."""
    body: Mapping[str, Any]
    served_by: str
    """The region that says that it answered."""
    replayed: bool
    read: bool
    """Whether it read the payment at its Location, and did not send it again."""


@dataclass(frozen=True)
class KeptKey:
    """What a journal knows of a key: what it was to pay, and the state of the final result, or "" while it has none."""

    instruction: Mapping[str, Any]
    state: str = ""

    @property
    def may_have_paid(self) -> bool:
        """Whether there may be a payment: nothing but a final refusal says that there is none."""
        return self.state != "refused"


class KeyJournal(Protocol):
    """Where keys are kept. It must outlive the process: a key that is lost cannot be asked about."""

    def keep(self, key: str, instruction: Mapping[str, Any]) -> None:
        """Store durably, before the first attempt; raise when that is not possible."""

    def settle(self, result: PaymentResult) -> None:
        """Store a final result."""

    def open(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The keys without a final result, each with its instruction."""

    def find(self, key: str) -> KeptKey | None:
        """What is known of a key, also of a settled one; None when it was never kept."""


class FileJournal:
    """A journal in one file, a JSON object a line, on the disk before a call returns. For one process at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, KeptKey] = {}
        self._read = 0

    def keep(self, key: str, instruction: Mapping[str, Any]) -> None:
        self._append({"key": key, "instruction": dict(instruction)})

    def settle(self, result: PaymentResult) -> None:
        self._append({"key": result.key, "state": result.state, "payment": result.payment.get("paymentId")})

    def open(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield from [(key, kept.instruction) for key, kept in self._kept().items() if not kept.state]

    def find(self, key: str) -> KeptKey | None:
        return self._kept().get(key)

    def _kept(self) -> dict[str, KeptKey]:
        """All keys. Of the file only what is new is read: it grows with every payment."""
        with self._lock:
            try:
                with self._path.open("rb") as file:
                    if os.fstat(file.fileno()).st_size < self._read:  # another file has taken its place
                        self._known, self._read = {}, 0
                    file.seek(self._read)
                    new = file.read()
            except FileNotFoundError:
                return {}
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.splitlines():
                with suppress(ValueError):  # a line cut off by a crash: its attempt was never made
                    self._learn(json.loads(line))
            return self._known

    def _learn(self, entry: Mapping[str, Any]) -> None:
        key = entry["key"]
        if "state" not in entry:
            self._known[key] = KeptKey(entry["instruction"])
        elif key in self._known:
            self._known[key] = KeptKey(self._known[key].instruction, entry["state"])

    def _append(self, entry: Mapping[str, Any]) -> None:
        # A new line first: what a crash cut off stays a line of its own.
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())


_RANDOM = random.SystemRandom()


def resolve(host: str, port: int) -> list[tuple[str, int]]:
    """The system's answer, asked for anew with each connection: it honours the TTL, and we keep nothing beside it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(address[0]), int(address[1])) for *_, address in found))


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Mapping[str, Any]
    retry_after: float
    replayed: bool
    served_by: str = ""

    @property
    def did_nothing(self) -> bool:
        """Whether it says that its request was not begun; what may be said of a payment that was made, does not."""
        return self.status == NOT_SENT or (self.status == 503 and self.body.get("type") in NOT_BEGUN)


class PaymentClient:
    """Pays, and never twice. Not for several threads at once: give each its own.

    `base` is "https://host[:port][/stage]", in ASCII. What is none, and an API key that no header can carry, raises
    ValueError. `told` gets each attempt when it has
    ended. `resolver`, `clock` (monotonic seconds), `sleep`, `draw` (uniform between two numbers), `dial` (connect to an
    address within seconds; raises OSError) and `timer` (call a function with arguments after seconds) are there for
    tests and drills.
    """

    def __init__(
        self,
        base: str,
        api_key: str,
        journal: KeyJournal,
        *,
        limits: Limits = Limits(),
        resolver: Callable[[str, int], list[tuple[str, int]]] = resolve,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        draw: Callable[[float, float], float] = _RANDOM.uniform,
        dial: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection,
        timer: Callable[[float, Callable[..., None], list[Any]], threading.Timer] = threading.Timer,
        tls: ssl.SSLContext | None = None,
        told: Callable[[PaymentAttempt], object] = lambda _: None,
    ) -> None:
        if not _is_address(base):
            raise ValueError(f"not the address of an API: {base!r}; give https://host")
        if not VISIBLE.fullmatch(api_key):
            raise ValueError("not an API key: visible ASCII characters, without spaces")
        self._base = base.rstrip("/")
        self._api_key = api_key
        self._journal = journal
        self._limits = limits
        self._resolver = resolver
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._dial = dial
        self._timer = timer
        self._told = told
        self._tls = (tls or ssl.create_default_context()) if urlsplit(base).scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None
        self._opened = 0.0

    def pay(self, instruction: Mapping[str, Any], key: str | None = None) -> PaymentResult:
        """Make one payment: `instruction` has amount, currency, customerId. Take `key` from your order, if it has one.

        Raises ValueError for a key that the API does not take, and for one that the journal has for another instruction
        that may be paid; and what the journal raises. All of it before anything is kept or sent.
        """
        key = str(uuid.uuid4()) if key is None else key
        if not _is_key(key):
            raise ValueError(f"{key!r} is no Idempotency-Key: 1 to {KEY_LENGTH} characters, visible ASCII")
        kept = self._journal.find(key)
        if kept is None or not kept.may_have_paid:
            self._journal.keep(key, instruction)
            return self._settle(key, instruction, earlier_unknown=False)
        if kept.instruction != dict(instruction):
            raise ValueError(f"{key!r} is the key of another payment, which may be paid: ask about that one first")
        result = self._settle(key, instruction, earlier_unknown=True)
        return result if result.final or not kept.state else replace(result, state=kept.state)

    def reconcile(self) -> list[PaymentResult]:
        """Ask again, with its own key, about every payment without a final result: after a crash, and now and then."""
        return [self._settle(key, what, earlier_unknown=True) for key, what in list(self._journal.open())]

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _settle(self, key: str, instruction: Mapping[str, Any], *, earlier_unknown: bool) -> PaymentResult:
        asked = key.strip(" \t")  # the API leaves blanks out, and one may have been kept with them
        if _is_key(asked):
            result = replace(self._insist(asked, instruction, earlier_unknown), key=key)
        else:  # whoever has kept it: it has no payment
            result = PaymentResult(key, "refused", None, 0)
        if result.final:
            self._journal.settle(result)
        return result

    def _insist(self, key: str, instruction: Mapping[str, Any], may_be_done: bool) -> PaymentResult:
        """Repeat until something final is known or the time is over.

        `may_be_done`: an earlier attempt may have made the payment, so that a refusal of this one decides nothing.
        """
        deadline = self._clock() + self._limits.give_up
        attempts = 0
        read_at = ""
        answer: _Answer | None = None
        while True:
            attempts += 1
            began = self._clock()
            answer = self._ask(key, instruction, read_at, deadline)
            self._tell(key, attempts, began, answer, read=bool(read_at))
            state = _state(answer, reading=bool(read_at))
            if state == "refused" and may_be_done:
                state = "unknown"
            if state:
                status, body, replayed = (answer.status, answer.body, answer.replayed) if answer else (None, {}, False)
                return PaymentResult(key, state, status or None, attempts, body, replayed)
            may_be_done = may_be_done or answer is None or not answer.did_nothing
            if answer is not None and answer.status == 202:
                read_at = self._place(answer.body.get("paymentId"))
            elif answer is not None and answer.status == 404:
                read_at = ""  # not in this region (yet): the key finds it, or makes it
            wait = self._wait(attempts, answer)
            if self._clock() + wait >= deadline:
                status, body = (answer.status or None, answer.body) if answer else (None, {})
                return PaymentResult(key, "unknown", status, attempts, body)
            self._sleep(wait)

    def _tell(self, key: str, number: int, began: float, answer: _Answer | None, *, read: bool) -> None:
        status, body = (answer.status or None, answer.body) if answer else (None, {})
        region, replayed = (answer.served_by, answer.replayed) if answer else ("", False)
        self._told(PaymentAttempt(key, number, began, self._clock(), status, body, region, replayed, read))

    def _wait(self, attempts: int, answer: _Answer | None) -> float:
        """Full jitter under an exponential cap, after what Retry-After asks for."""
        most = min(self._limits.longest_wait, self._limits.first_wait * 2.0 ** min(attempts - 1, 32))
        return (answer.retry_after if answer else 0.0) + self._draw(0.0, most)

    def _place(self, name: object) -> str:
        """The path to read a payment at, "" for one without a name. `Location` knows nothing of a stage in the base."""
        return f"{urlsplit(self._base).path}/payment/{quote(name, safe='')}" if name and isinstance(name, str) else ""

    def _ask(self, key: str, instruction: Mapping[str, Any], read_at: str, deadline: float) -> _Answer | None:
        """One attempt; None when there was no usable answer, so that nobody knows what it did."""
        headers = {"x-api-key": self._api_key, "Accept": "application/json"}
        try:
            connection = self._connected()
        except (OSError, ValueError):
            self.close()
            return _Answer(NOT_SENT, {}, 0.0, replayed=False)
        seconds = max(0.01, min(self._limits.attempt, deadline - self._clock()))
        timer = self._timer(seconds, _cut, [connection.sock])
        timer.daemon = True
        timer.start()
        try:
            if read_at:
                connection.request("GET", read_at, headers=headers)
            else:
                headers |= {"Idempotency-Key": key, "Content-Type": "application/json"}
                path = urlsplit(self._base).path + "/payment"
                connection.request("POST", path, json.dumps(instruction).encode(), headers)
            answer = _read(connection.getresponse())
        except (OSError, ValueError, http.client.HTTPException):
            self.close()
            return None
        finally:
            timer.cancel()
        if answer.status >= 500:
            self.close()  # the next attempt asks DNS where to go
        return answer

    def _connected(self) -> http.client.HTTPConnection:
        """The open connection while it is young, or a new one to what the name resolves to now. Raises OSError."""
        young = self._clock() - self._opened < self._limits.connection_age
        if self._connection is not None and self._connection.sock is not None and young:
            return self._connection
        self.close()
        parts = urlsplit(self._base)
        host = parts.hostname or ""
        port = parts.port or (443 if self._tls else 80)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = self._dialled(host, self._resolver(host, port))
        connection.auto_open = 0  # never a silent second connection
        self._connection, self._opened = connection, self._clock()
        return connection

    def _dialled(self, host: str, addresses: list[tuple[str, int]]) -> socket.socket:
        failure: OSError = OSError(f"{host} has no address")
        for address in addresses:
            try:
                plain = self._dial(address, self._limits.connect)
            except OSError as error:
                failure = error
                continue
            try:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready = self._tls.wrap_socket(plain, server_hostname=host) if self._tls else plain
                ready.settimeout(self._limits.attempt)
            except OSError as error:
                plain.close()
                failure = error
            else:
                return ready
        raise failure


def _is_key(key: str) -> bool:
    return bool((BARE_KEY.fullmatch(key) and len(key) <= KEY_LENGTH) or QUOTED_KEY.fullmatch(key))


def _is_address(base: str) -> bool:
    try:
        parts = urlsplit(base)
        is_port = parts.port != 0
    except ValueError:  # its port is no number
        return False
    return bool(is_port and VISIBLE.fullmatch(base) and parts.scheme in {"http", "https"} and parts.hostname)


def _state(answer: _Answer | None, *, reading: bool) -> str:
    """The state that an answer settles, "unknown" for one outside the contract, "" for one to go on after."""
    if answer is None or answer.status in TRY_AGAIN or answer.status == (404 if reading else 202):
        return ""
    if answer.status == 200:
        found = answer.body.get("status")
        return str(found) if found in ("paid", "declined") else ""
    if answer.status in REFUSED:
        return "unknown" if answer.body.get("type") == KEY_REUSED else "refused"
    return STATES.get(answer.status, "unknown")


def _read(response: http.client.HTTPResponse) -> _Answer:
    """Raises ValueError when a good answer is not the API's: something between us and it may have made it."""
    try:
        body = json.loads(response.read() or b"{}")
    except ValueError:
        body = None
    if response.status < 300 and not isinstance(body, dict):
        raise ValueError("not the API's answer")
    return _Answer(
        response.status,
        body if isinstance(body, dict) else {},
        _seconds(response.headers.get("Retry-After", "")),
        replayed=response.headers.get("Idempotent-Replayed") == "true",
        served_by=response.headers.get("Served-By", ""),
    )


def _seconds(retry_after: str) -> float:
    """Retry-After in seconds from now: a number or an HTTP date (RFC 9110, 10.2.3); 0 when it is neither."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return 0.0


def _cut(connection: socket.socket) -> None:
    """End an attempt whose time is over: whoever reads is told at once."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
