"""The gRPC server behind a plugin, as the engine expects one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_MESSAGE = 400 << 20
"""Bytes, for archives in the state: the engine's own limit."""


def listen(threads: int, add: Callable[[grpc.Server], None]) -> tuple[grpc.Server, int]:
    """Start a server to which `add` adds its service, and return it with its port on the loopback address."""
    limits = [(f"grpc.max_{way}_message_length", LARGEST_MESSAGE) for way in ("receive", "send")]
    server = grpc.server(ThreadPoolExecutor(threads), options=limits)
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port
