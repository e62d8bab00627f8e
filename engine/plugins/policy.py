"""Runs a policy pack by the SDK's own analyzer: policy.py [ENGINE'S ARGUMENTS...].

The engine starts it as it starts a plugin. It takes the pack's virtualenv when PulumiPolicy.yaml names one, and ends
the analyzer when the engine has gone.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the engine's way to say that it is done: no traceback
    virtualenv = next((argument.partition("=")[2] for argument in arguments if argument.startswith("-virtualenv=")), "")
    interpreter = os.path.join(virtualenv, "bin", "python") if virtualenv else sys.executable  # noqa: PTH118
    alive, held_by_analyzer = os.pipe()
    # The engine's address and the pack, as in Pulumi's launcher: the SDK would take `-virtualenv` for `-v`.
    command = [interpreter, "-u", "-m", "pulumi.policy", *arguments[:2]]
    with subprocess.Popen(command, pass_fds=[held_by_analyzer]) as analyzer:
        os.close(held_by_analyzer)
        watch = select.poll()
        for descriptor in (alive, 0, 1):
            watch.register(descriptor, 0)
        if all(descriptor != alive for descriptor, _ in watch.poll()):
            analyzer.kill()
    return analyzer.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
