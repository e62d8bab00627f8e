"""The HTTP server: hypercorn's protocol on listeners of ours, whose connections can be cut off."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.addresses import Endpoint

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

KEEP_ALIVE = 75.0
"""Seconds that an idle connection is kept, as AWS's own endpoints roughly do; SDKs reuse connections."""
BACKLOG = 1024


class Server:
    """Serves one ASGI application on several endpoints."""

    def __init__(self, application: Application) -> None:
        self._application = ASGIWrapper(application)
        self._config = Config()
        self._config.keep_alive_timeout = KEEP_ALIVE
        self._config.keep_alive_max_requests = 1 << 31
        self._config.loglevel = "WARNING"
        self._config.errorlog = None
        self._context = WorkerContext(None)
        self._listeners: dict[Endpoint, asyncio.Server] = {}
        self._connections: dict[tuple[Endpoint, Endpoint], asyncio.StreamWriter] = {}

    async def listen(self, endpoint: Endpoint) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms for a late ACK
        listener.bind(endpoint)
        listener.setblocking(False)
        self._listeners[endpoint] = await asyncio.start_server(self._serve, sock=listener, backlog=BACKLOG)

    def silence(self, endpoint: Endpoint) -> None:
        """Refuse connections at the endpoint, and cut those that are open."""
        listener = self._listeners.pop(endpoint, None)
        if listener is not None:
            listener.close()
        for (_, server), writer in list(self._connections.items()):
            if server == endpoint:
                writer.transport.abort()

    def listens(self, endpoint: Endpoint) -> bool:
        return endpoint in self._listeners

    def cut(self, scope: Scope) -> None:
        """End the connection that a request came by, without an answer."""
        writer = self._connections.get((_endpoint(scope["client"]), _endpoint(scope["server"])))
        if writer is not None:
            writer.transport.abort()

    async def close(self) -> None:
        await self._context.terminated.set()
        for endpoint in list(self._listeners):
            self._listeners.pop(endpoint).close()
        for writer in list(self._connections.values()):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        if connection.fileno() == -1:
            return
        key = (_endpoint(writer.get_extra_info("peername")), _endpoint(writer.get_extra_info("sockname")))
        self._connections[key] = writer
        try:
            loop = asyncio.get_running_loop()
            await TCPServer(self._application, loop, self._config, self._context, {}, reader, writer)
        finally:
            self._connections.pop(key, None)


def _endpoint(address: Any) -> Endpoint:
    return str(address[0]), int(address[1])
