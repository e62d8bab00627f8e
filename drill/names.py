"""Resolving a name as clients do: one question by UDP, an answer for as long as its TTL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnslib import QTYPE, RCODE, DNSRecord

if TYPE_CHECKING:
    from drill.stage import DrillClock

TIMEOUT = 2.0
"""Virtual seconds that one question waits for its answer."""

Ask = Callable[[str], Awaitable["Resolved"]]


class NotResolved(OSError):
    """The name leads nowhere, or nobody answered."""


@dataclass(frozen=True)
class Resolved:
    """Where a name leads."""

    address: str
    ttl: float
    """Seconds for which every part of the answer holds."""


class DnsClient(asyncio.DatagramProtocol):
    """Asks one server. A question that is lost is asked once more."""

    def __init__(self, server: tuple[str, int], clock: DrillClock) -> None:
        self._server = server
        self._clock = clock
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[int, asyncio.Future[DNSRecord]] = {}

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=self._server)

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:  # noqa: ARG002 - asyncio's
        try:
            answer = DNSRecord.parse(data)
        except Exception:  # noqa: BLE001  whatever dnslib makes of what is no answer
            return
        waiting = self._waiting.pop(answer.header.id, None)
        if waiting and not waiting.done():
            waiting.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens: the time-out says so too."""

    async def __call__(self, name: str) -> Resolved:
        """Where the name leads. Raises NotResolved."""
        for _ in range(2):
            question = DNSRecord.question(name, "A")
            waiting = self._waiting[question.header.id] = asyncio.get_running_loop().create_future()
            try:
                if self._transport is None:
                    raise NotResolved("the resolver is closed")
                self._transport.sendto(question.pack())
                return _read(await self._clock.wait_for(waiting, TIMEOUT), name)
            except TimeoutError:
                continue
            finally:
                self._waiting.pop(question.header.id, None)
        raise NotResolved(f"no answer for {name} from DNS")


def _read(answer: DNSRecord, name: str) -> Resolved:
    addresses = [record for record in answer.rr if record.rtype == QTYPE.A]
    if not addresses:
        raise NotResolved(f"{name}: {RCODE.get(answer.header.rcode, 'no address')}")
    return Resolved(str(addresses[0].rdata), float(min(record.ttl for record in answer.rr)))


class NameCache:
    """A resolver's cache in front of a server. `floor`: answers are kept for at least so many seconds."""

    def __init__(self, ask: Ask, clock: DrillClock, *, floor: float = 0.0) -> None:
        self._ask = ask
        self._clock = clock
        self._floor = floor
        self._known: dict[str, tuple[Resolved, float]] = {}

    async def __call__(self, name: str) -> Resolved:
        known = self._known.get(name)
        if known and self._clock.monotonic() < known[1]:
            return known[0]
        found = await self._ask(name)
        self._known[name] = (found, self._clock.monotonic() + max(found.ttl, self._floor))
        return found
