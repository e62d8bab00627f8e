"""`python -m sandbox.processor ROOT`: the card processor of the checkout at ROOT, until SIGTERM."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import addresses, checker_ranges, control, daemon
from sandbox.authority import Authority
from sandbox.clock import SharedClock
from sandbox.faults import rules
from sandbox.faults.book import Book
from sandbox.layout import Layout
from sandbox.mail import Mailbox
from sandbox.processor.ledger import Ledger
from sandbox.processor.pager import TYPE, Pager
from sandbox.processor.protocol import answer
from sandbox.server import Server

if TYPE_CHECKING:
    from sandbox.processor.protocol import Reply
    from sandbox.server import Receive, Scope, Send

LARGEST = 64 * 1024
"""Bytes of a request."""
LOOKS = 0.1
"""Seconds between two looks at the faults while one keeps a request waiting."""
LONGEST_HANG = 900.0
"""Seconds that one is kept."""


class ProcessorApplication:
    """The application behind every name outside: the processor's, the pager's, and the one of AWS's addresses."""

    def __init__(self, ledger: Ledger, faults: Path, pager: Pager) -> None:
        self._ledger = ledger
        self._pager = pager
        self._book = Book(faults)
        self._regions = {address: region for region, address in addresses.of_functions().items()}
        self.server = Server(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not any(name == TYPE.encode() for name, _ in scope["headers"]) and await self._keeps_away(scope, receive):
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body, more = b"", True
        while more and len(body) <= LARGEST:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message["body"], message["more_body"]
        if headers.get("host") == checker_ranges.HOST and scope["path"] == checker_ranges.PATH:
            reply: Reply | None = (200, checker_ranges.document())
        elif TYPE in headers:
            await _send(send, (await asyncio.to_thread(self._pager.answer, headers, body), {}))
            return
        else:
            reply = answer(self._ledger, scope["method"], scope["path"], headers, body)
        if reply is None:
            await self.server.cut(scope, receive)
            return
        if await self._keeps_away(scope, receive):
            return
        await _send(send, reply)

    async def _keeps_away(self, scope: Scope, receive: Receive) -> bool:
        """Cut off a request that a fault keeps from the processor, or its answer; a hanging one when that is over."""
        region = self._regions.get(scope["client"][0], "")
        waited = 0.0
        while how := self._kept_away(region):
            if how == "refuse" or waited >= LONGEST_HANG:
                break
            await asyncio.sleep(LOOKS)
            waited += LOOKS
        if not how and not waited:
            return False
        await self.server.cut(scope, receive)
        return True

    def _kept_away(self, region: str) -> str:
        self._book.refresh()
        return rules.dependency(self._book.faults, region, "processor") if self._book.faults else ""


async def _send(send: Send, reply: Reply) -> None:
    status, told = reply
    content = json.dumps(told).encode()
    lines = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": content})


async def serve(layout: Layout, port: int, digest: str) -> None:
    ended = daemon.ending()
    clock = SharedClock(layout.clock)
    layout.pages.parent.mkdir(parents=True, exist_ok=True)
    pager = Pager(Mailbox(layout.pages), clock.now, (addresses.AWS, port))
    ledger = Ledger(layout.processor_ledger, lambda: int(clock.now() * 1000))
    processor = ProcessorApplication(ledger, layout.faults, pager)
    await processor.server.listen(addresses.outside(port), Authority(layout).context())
    path = layout.processor_socket
    path.unlink(missing_ok=True)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(json.dumps({"sources": digest}).encode() + b"\n")
        await writer.drain()
        writer.close()

    control_server = await asyncio.start_unix_server(converse, path, limit=control.LARGEST)
    await daemon.until(ended)
    control_server.close()
    await processor.server.close()


if __name__ == "__main__":
    daemon.run("sandbox/processor", serve)
