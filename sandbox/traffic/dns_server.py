"""DNS by UDP and TCP at one address, as an authoritative server speaks it (RFC 1035, 7766)."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

from dnslib import EDNS0, QTYPE, RCODE, RR, DNSError, DNSHeader, DNSRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.addresses import Endpoint
    from sandbox.records import RecordSet
    from sandbox.traffic.zones import Resolution

UDP_PAYLOAD = 512
"""Bytes of an answer by UDP to who does not say how many it takes."""
LARGEST_PAYLOAD = 1232
"""Bytes of an answer by UDP at most: more may be lost on its way as fragments."""
IDLE = 30.0
"""Seconds after which a TCP connection that asks nothing ends."""
QUERY, IN, ANY_CLASS = 0, 1, 255


class DnsServer:
    """Answers what `resolve` knows: it takes a name and a type, and tells records or why there are none."""

    def __init__(self, resolve: Callable[[str, str], Resolution]) -> None:
        self._resolve = resolve
        self._datagrams: asyncio.DatagramTransport | None = None
        self._listener: asyncio.Server | None = None

    async def listen(self, endpoint: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await asyncio.start_server(self._converse, *endpoint)
        self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=endpoint)

    def close(self) -> None:
        if self._datagrams is not None:
            self._datagrams.close()
        if self._listener is not None:
            self._listener.close()

    def answer(self, asked: bytes, limit: int | None) -> bytes | None:
        """The answer to a message, at most `limit` bytes long or truncated; None for what is no question.

        A limit of None leaves its length alone, as TCP does.
        """
        try:
            question = DNSRecord.parse(asked)
        except DNSError:
            return _refusal(asked, RCODE.FORMERR)
        if question.header.qr:
            return None
        if question.header.opcode != QUERY:
            return _refusal(asked, RCODE.NOTIMP)
        if len(question.questions) != 1:
            return _refusal(asked, RCODE.FORMERR)
        reply = self._reply(question)
        packed: bytes = reply.pack()
        if limit is not None and len(packed) > max(UDP_PAYLOAD, min(limit, _payload(question))):
            packed = reply.truncate().pack()
        return packed

    def _reply(self, question: DNSRecord) -> DNSRecord:
        reply: DNSRecord = question.reply(ra=0, aa=0)
        if any(each.rtype == QTYPE.OPT for each in question.ar):
            reply.add_ar(EDNS0(udp_len=LARGEST_PAYLOAD))
        if question.q.qclass not in {IN, ANY_CLASS}:
            reply.header.rcode = RCODE.REFUSED
            return reply
        kind = QTYPE.forward.get(question.q.qtype, f"TYPE{question.q.qtype}")
        found = self._resolve(str(question.q.qname), kind)
        reply.header.rcode = getattr(RCODE, found.outcome)
        reply.header.aa = int(found.outcome in {"NOERROR", "NXDOMAIN"})
        for record in found.records:
            reply.add_answer(*_lines(record, str(question.q.qname)))
        if found.authority is not None:
            reply.add_auth(*_lines(found.authority))
        return reply

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions of one TCP connection; each message has its length before it."""
        try:
            while True:
                length = await asyncio.wait_for(reader.readexactly(2), IDLE)
                answered = self.answer(
                    await asyncio.wait_for(reader.readexactly(*struct.unpack("!H", length)), IDLE), None
                )
                if answered is None:
                    break
                writer.write(struct.pack("!H", len(answered)) + answered)
                await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: Endpoint) -> None:
        answered = self._server.answer(data, LARGEST_PAYLOAD)
        if answered is not None:
            self._transport.sendto(answered, addr)


def _payload(question: DNSRecord) -> int:
    """How long an answer by UDP the client takes (EDNS, RFC 6891)."""
    return next((int(each.edns_len) for each in question.ar if each.rtype == QTYPE.OPT), UDP_PAYLOAD)


def _lines(record: RecordSet, spelling: str = "") -> list[RR]:
    """A record set as the server writes it, with the question's own spelling of its name."""
    name = spelling if spelling.rstrip(".").lower() == record.name else f"{record.name}."
    text = "\n".join(f"{name} {record.ttl} IN {record.kind} {value}" for value in record.values)
    found: list[RR] = RR.fromZone(text) if text else []
    return found


def _refusal(asked: bytes, code: int) -> bytes | None:
    """An answer without a question, to what cannot be read; None to what is too short to have an id."""
    if len(asked) < 12 or asked[2] & 0x80:
        return None
    (number,) = struct.unpack("!H", asked[:2])
    packed: bytes = DNSRecord(DNSHeader(id=number, qr=1, opcode=(asked[2] >> 3) & 0xF, rcode=code)).pack()
    return packed
