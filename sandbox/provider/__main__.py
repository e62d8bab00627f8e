"""A provider as a plain plugin process: `python -m sandbox.provider aws|random [ENGINE-ADDRESS]` prints its port."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import cast, get_args

from sandbox.provider.server import Package, serve

_PARENT_CHECK_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Serve until told to end, or until the engine that started this process is gone."""
    if not arguments or arguments[0] not in get_args(Package):
        print(f"usage: python -m sandbox.provider {'|'.join(get_args(Package))} [ENGINE-ADDRESS]", file=sys.stderr)
        return 2
    server, port = serve(cast("Package", arguments[0]))
    print(port, flush=True)
    ended, parent = threading.Event(), os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C: the engine lets running operations finish
    while not ended.wait(_PARENT_CHECK_SECONDS) and os.getppid() == parent:
        pass  # an engine that was killed says nothing
    server.stop(grace=5).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
