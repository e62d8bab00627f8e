"""What the engine starts as a plugin: borrows a server from a plugin host and prints its port.

`python -I -S stub.py ADDRESS PLAIN KIND [ENGINE'S ARGUMENTS...]`. It starts in a hundredth of a second because it
imports nothing that is not compiled into the interpreter or beside it (socket, signal and json would double that; an
engine starts three of it). When no host answers, it becomes the plugin itself, by the module PLAIN. The engine's
interrupt, or its death in any manner, ends the stub; the host sees the connection close and ends what it lent.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import select
import sys

ADDRESS, PLAIN, KIND, *ARGUMENTS = sys.argv[1:]


def main() -> int:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # the engine's way to say that it is done: no traceback
    host = connect()
    if host is None:
        os.execv(sys.executable, [sys.executable, "-P", "-m", PLAIN, KIND, *ARGUMENTS])  # noqa: S606
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
        answer += part or b"the plugin host ended\n"
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


if __name__ == "__main__":
    sys.exit(main())
