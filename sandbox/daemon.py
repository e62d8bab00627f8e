"""What the daemons beside the cloud do alike: begin at the remembered port, say so, and end when they are asked to."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import ports, sources
from sandbox.layout import Layout
from sandbox.processes import PORT_TAKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


def ending() -> asyncio.Event:
    """Set when the process is asked to end, by SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


async def until(ended: asyncio.Event) -> None:
    """Say that all of it serves, and wait for the end."""
    os.write(1, b"ready\n")
    await ended.wait()


def run(folder: str, serve: Callable[[Layout, int, str], Coroutine[Any, Any, None]]) -> None:
    """Serve the checkout that the first argument names; `serve` gets its layout, port and sources' digest."""
    layout = Layout(Path(sys.argv[1]))
    port = ports.remembered(layout)
    if port is None:
        sys.exit(f"{layout.ports} names no port")
    try:
        asyncio.run(serve(layout, port, sources.digest(folder)))
    except OSError as error:
        print(f"{error.filename or layout.state}: {error.strerror or error}", file=sys.stderr)
        sys.exit(PORT_TAKEN if error.errno == errno.EADDRINUSE else 1)
