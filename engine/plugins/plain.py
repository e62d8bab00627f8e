"""A plugin in a process of its own: python -m engine.plugins.plain KIND [ENGINE ADDRESS]."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from engine.plugins.language import PlainLauncher
from engine.plugins.providers import POLICIES, Providers
from engine.plugins.serving import LANGUAGE, PluginRequest, open_plugin


def run(providers: Providers) -> None:
    """Serve what the command line asks for, and end with the engine that started it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the engine's way to say that it is done: no traceback
    kind, *arguments = sys.argv[1:]
    engine = next((argument for argument in reversed(arguments) if not argument.startswith("-")), "")
    server, port = open_plugin(PluginRequest(kind, engine, str(Path.cwd()), os.environ), PlainLauncher(), providers)
    print(port, flush=True)
    wait_for_engine_end()
    server.stop(grace=None).wait()
    if kind not in {LANGUAGE, POLICIES}:
        providers.settle()
    os._exit(0)  # gRPC's threads may be in the middle of a call that nobody waits for


def wait_for_engine_end() -> None:
    """Return when the engine has closed its ends of the pipes that it starts every plugin with."""
    pipes = select.poll()
    pipes.register(0, 0)  # no events asked for: only a hang-up or an error of the pipe is told
    pipes.register(1, 0)
    pipes.poll()


if __name__ == "__main__":
    run(Providers({}))
