"""`python -m sandbox.cloud ROOT`: the cloud of the checkout at ROOT, until SIGTERM."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path

from sandbox import ports, sources
from sandbox.cloud import emulator, names
from sandbox.layout import Layout
from sandbox.processes import PORT_TAKEN
from shared.errors import Problem


async def serve(layout: Layout, port: int, digest: str) -> None:
    from sandbox.cloud.cloud import Cloud  # noqa: PLC0415 - the emulator reads its environment when it is imported

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    cloud = Cloud(layout, port, digest)
    await cloud.start()
    os.write(1, b"ready\n")
    await ended.wait()
    await cloud.stop()
    os._exit(0)  # what the emulator's threads still do is nobody's any more


def main() -> None:
    layout = Layout(Path(sys.argv[1]))
    port = ports.remembered(layout)
    if port is None:
        sys.exit(f"{layout.ports} names no port")
    emulator.configure(layout, port)
    try:
        digest = sources.digest("sandbox/cloud")
        names.check(layout.run / "cloud.names", digest)
        asyncio.run(serve(layout, port, digest))
    except Problem as problem:
        sys.exit(str(problem))
    except OSError as error:
        print(f"{error.filename or layout.cloud}: {error.strerror or error}", file=sys.stderr)
        sys.exit(PORT_TAKEN if error.errno == errno.EADDRINUSE else 1)


if __name__ == "__main__":
    main()
