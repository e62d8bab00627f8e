"""`python -m sandbox.traffic ROOT`: DNS and health checkers of the checkout at ROOT, until SIGTERM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import daemon
from sandbox.traffic.daemon import Traffic

if TYPE_CHECKING:
    from sandbox.layout import Layout


async def serve(layout: Layout, port: int, digest: str) -> None:
    ended = daemon.ending()
    traffic = Traffic(layout, port, digest)
    await traffic.start()
    await daemon.until(ended)
    await traffic.stop()


if __name__ == "__main__":
    daemon.run("sandbox/traffic", serve)
