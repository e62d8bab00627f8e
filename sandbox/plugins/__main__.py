"""Runs the plugin host of a checkout's sandbox: `python -m sandbox.plugins ROOT`. Prints `ready` when it serves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.plugins.host import Warmth, run
from sandbox.layout import Layout
from sandbox.plugins import client
from sandbox.plugins.providers import PROVIDERS
from sandbox.tricks import Trick, on
from shared.errors import Problem


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m sandbox.plugins ROOT")
    layout = Layout(Path(sys.argv[1]).resolve())
    layout.run.mkdir(parents=True, exist_ok=True)
    try:
        run(layout.root, layout.plugins_socket, PROVIDERS, client.source_digest(), warmth())
    except Problem as problem:
        sys.exit(str(problem))
    os._exit(0)  # plugins still lent end with this process: their calls are nobody's any more


def warmth() -> Warmth:
    return Warmth(
        ahead=on(Trick.READ_AHEAD),
        forks=on(Trick.FORKED_PROGRAMS),
        frozen=on(Trick.GARBAGE),
        places_only=on(Trick.TRACES),
    )


if __name__ == "__main__":
    main()
