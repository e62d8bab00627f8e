"""What the engine starts as a plugin: borrows a server from the sandbox's host and prints its port.

`python -I -S stub.py ADDRESS KIND [ENGINE'S ARGUMENTS...]`. It starts in a hundredth of a second because it imports
nothing that is not compiled into the interpreter or beside it (socket, signal and json would double that; an engine
starts three of it), and becomes plain.py when no host answers. The engine's interrupt, or its death in any manner,
ends the stub; the host sees the connection close and ends what it lent.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import select
import sys

ADDRESS, KIND, *ARGUMENTS = sys.argv[1:]


def main() -> int:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # the engine's way to say that it is done: no traceback
    if KIND == "policy":
        return run_policy_pack()
    host = None if os.environ.get("SANDBOX_PLUGINS") == "plain" else connect()
    if host is None:
        os.execv(sys.executable, [sys.executable, "-P", "-m", "sandbox.plugins.plain", KIND, *ARGUMENTS])  # noqa: S606
    engine = next((argument for argument in reversed(ARGUMENTS) if not argument.startswith("-")), "")
    # The engine's folder: pathlib would double the time to start.
    fields = [KIND, engine, os.getcwd(), *(f"{name}={value}" for name, value in os.environ.items())]  # noqa: PTH109
    request = os.fsencode("\0".join(fields))
    output = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in (1, 2))
    host.sendmsg([b"\n"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, output)])
    host.sendall(b"%d\n%b" % (len(request), request))
    answer = b""
    while not answer.endswith(b"\n"):
        part = host.recv(1024)
        answer += part or b"the sandbox's plugin host ended\n"
    if not answer.strip().isdigit():
        print(answer.decode().strip(), file=sys.stderr)
        return 1
    print(answer.decode().strip(), flush=True)

    watch = select.poll()
    watch.register(host, select.POLLIN)
    watch.register(0, 0)  # no events asked for: only the hang-up of the engine's pipe is told
    watch.register(1, 0)
    host_has_gone = any(descriptor == host.fileno() for descriptor, _ in watch.poll())
    return int(host_has_gone)


def connect() -> _socket.socket | None:
    host = _socket.socket(_socket.AF_UNIX)
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
