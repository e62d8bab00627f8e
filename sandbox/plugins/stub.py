"""What the engine starts as a plugin: borrows a server from the sandbox's host and prints its port.

`python -I -S stub.py ADDRESS KIND [ENGINE'S ARGUMENTS...]`. It starts in a hundredth of a second because it
imports next to nothing, and becomes plain.py when no host answers. The engine's interrupt, or its death in any
manner, ends the stub; the host sees the connection close and ends what it lent.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys

ADDRESS, KIND, *ARGUMENTS = sys.argv[1:]


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the engine's way to say that it is done: no traceback
    if KIND == "policy":
        return run_policy_pack()
    host = None if os.environ.get("SANDBOX_PLUGINS") == "plain" else connect()
    if host is None:
        os.execv(sys.executable, [sys.executable, "-P", "-m", "sandbox.plugins.plain", KIND, *ARGUMENTS])  # noqa: S606
    request = {
        "kind": KIND,
        "engine": next((argument for argument in reversed(ARGUMENTS) if not argument.startswith("-")), ""),
        "directory": os.getcwd(),  # noqa: PTH109 - pathlib would double the time to start
        "environment": dict(os.environ),
    }
    socket.send_fds(host, [b"\n"], [1, 2])
    host.sendall(json.dumps(request).encode() + b"\n")
    answers = host.makefile("rb")
    answer = json.loads(answers.readline() or b'{"error": "the sandbox\'s plugin host ended"}')
    if "error" in answer:
        print(answer["error"], file=sys.stderr)
        return 1
    print(answer["port"], flush=True)

    watch = select.poll()
    watch.register(host, select.POLLIN)
    watch.register(0, 0)  # no events asked for: only the hang-up of the engine's pipe is told
    watch.register(1, 0)
    host_has_gone = any(descriptor == host.fileno() for descriptor, _ in watch.poll())
    return int(host_has_gone)


def connect() -> socket.socket | None:
    host = socket.socket(socket.AF_UNIX)
    try:
        host.connect(ADDRESS)
    except OSError:
        return None
    return host


def run_policy_pack() -> int:
    """Run the SDK's own analyzer, in the pack's virtualenv when PulumiPolicy.yaml names one; its exit code."""
    import subprocess  # noqa: PLC0415 - only here

    virtualenv = next((argument.partition("=")[2] for argument in ARGUMENTS if argument.startswith("-virtualenv=")), "")
    interpreter = os.path.join(virtualenv, "bin", "python") if virtualenv else sys.executable  # noqa: PTH118
    alive, held_by_analyzer = os.pipe()
    command = [interpreter, "-u", "-m", "pulumi.policy", *ARGUMENTS]
    with subprocess.Popen(command, pass_fds=[held_by_analyzer]) as analyzer:
        os.close(held_by_analyzer)
        watch = select.poll()
        for descriptor in (alive, 0, 1):
            watch.register(descriptor, 0)
        if all(descriptor != alive for descriptor, _ in watch.poll()):
            analyzer.kill()
    return analyzer.returncode


if __name__ == "__main__":
    sys.exit(main())
