"""HTTP/1.1 as a payment client needs it, on asyncio's sockets: the machine also serves the answers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

LARGEST = 1_000_000
"""Bytes of an answer."""


class NotAnswered(OSError):
    """The connection ended, or what came was no answer."""


@dataclass(frozen=True)
class HttpAnswer:
    """Status, headers (names in lower case) and the body, decoded if it is JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any = None


@dataclass
class Connection:
    """One connection to an address, kept open when both sides want that."""

    address: tuple[str, int]
    tls: ssl.SSLContext | None = None
    host: str = ""
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, repr=False)

    @property
    def is_open(self) -> bool:
        return self._streams is not None and not self._streams[1].is_closing() and not self._streams[0].at_eof()

    async def open(self) -> None:
        """Connect. Raises OSError."""
        name = self.host if self.tls else None
        self._streams = await asyncio.open_connection(*self.address, ssl=self.tls, server_hostname=name)

    async def ask(
        self, path: str, headers: Mapping[str, str], body: bytes, *, method: str = "POST", keep: bool = False
    ) -> HttpAnswer:
        """Send one request and return its answer. Raises OSError."""
        if self._streams is None:
            raise NotAnswered("not connected")
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        lines += [f"Content-Length: {len(body)}", f"Connection: {'keep-alive' if keep else 'close'}", "", ""]
        writer.write("\r\n".join(lines).encode("latin-1") + body)
        await writer.drain()
        try:
            answer, stays = await _read(reader)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
            self.close()
            raise NotAnswered("the connection ended before its answer") from error
        if not (keep and stays):
            self.close()
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort() if self.tls else self._streams[1].close()
            self._streams = None


async def _read(reader: asyncio.StreamReader) -> tuple[HttpAnswer, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ", 2)[1])
    headers = {}
    for line in head[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        raw = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            raw += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    else:
        length = int(headers.get("content-length", "0"))
        if length > LARGEST:
            raise ValueError("too long")
        raw = await reader.readexactly(length)
    try:
        body: Any = json.loads(raw)
    except ValueError:
        body = raw.decode("utf-8", "replace")
    return HttpAnswer(status, headers, body), headers.get("connection", "").lower() != "close"
