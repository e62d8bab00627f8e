"""`python -m sandbox.traffic ROOT`: DNS and health checkers of the checkout at ROOT, until SIGTERM."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path

from sandbox import ports, sources
from sandbox.layout import Layout
from sandbox.processes import PORT_TAKEN
from sandbox.traffic.daemon import Traffic


async def serve(layout: Layout, port: int, digest: str) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    traffic = Traffic(layout, port, digest)
    await traffic.start()
    os.write(1, b"ready\n")
    await ended.wait()
    await traffic.stop()


def main() -> None:
    layout = Layout(Path(sys.argv[1]))
    port = ports.remembered(layout)
    if port is None:
        sys.exit(f"{layout.ports} names no port")
    try:
        asyncio.run(serve(layout, port, sources.digest("sandbox/traffic")))
    except OSError as error:
        print(f"{error.filename or layout.state}: {error.strerror or error}", file=sys.stderr)
        sys.exit(PORT_TAKEN if error.errno == errno.EADDRINUSE else 1)


if __name__ == "__main__":
    main()
