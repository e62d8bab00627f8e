"""The HTTP server: uvicorn's protocol on listeners of ours, whose connections can be cut off."""

from __future__ import annotations

import asyncio
import socket
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from sandbox.addresses import Endpoint

    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept, as AWS's own endpoints roughly do; SDKs reuse connections."""
BACKLOG = 1024

RECEIVED: ContextVar[list[tuple[bytes, bytes]]] = ContextVar("headers of the request", default=[])  # noqa: B039 - read only
"""The headers of the request that is being answered, line by line: the emulator keeps one value for each name."""


class Server:
    """Serves one ASGI application on several endpoints."""

    def __init__(self, application: Application) -> None:
        self._config = Config(
            application,
            interface="asgi3",
            http=HttpToolsProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        self._config.load()
        self._state = ServerState()
        self._listeners: dict[Endpoint, asyncio.Server] = {}

    async def listen(self, endpoint: Endpoint, tls: ssl.SSLContext | None = None) -> None:
        """Serve there too; by https with `tls`."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms for a late ACK
        listener.bind(endpoint)
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        self._listeners[endpoint] = await loop.create_server(self._protocol, sock=listener, backlog=BACKLOG, ssl=tls)

    def silence(self, endpoint: Endpoint) -> None:
        """Refuse connections at the endpoint, and cut those that are open."""
        listener = self._listeners.pop(endpoint, None)
        if listener is not None:
            listener.close()
        for connection in self._connections():
            if connection.server == endpoint:
                connection.transport.abort()

    def listens(self, endpoint: Endpoint) -> bool:
        return endpoint in self._listeners

    def abort(self, scope: Scope) -> None:
        """Reset the connection that a request came by."""
        for connection in self._connections():
            if (connection.client, connection.server) == (scope["client"], scope["server"]):
                connection.transport.abort()

    async def cut(self, scope: Scope, receive: Receive) -> None:
        """End the connection that a request came by, without an answer."""
        self.abort(scope)
        while (await receive())["type"] != "http.disconnect":
            pass

    async def close(self) -> None:
        for endpoint in list(self._listeners):
            self._listeners.pop(endpoint).close()
        for connection in self._connections():
            connection.transport.abort()

    def _protocol(self) -> HttpToolsProtocol:
        return HttpToolsProtocol(self._config, self._state, {})

    def _connections(self) -> list[Any]:
        return list(self._state.connections)
