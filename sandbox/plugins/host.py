"""The long-lived process that lends plugins: one connection, one plugin, as long as the connection lasts.

A connection sends one byte, with the stub's standard output and error beside it, then the length of its request in a
line, and the request: kind, engine's address, folder and the engine's environment (`NAME=value` each), separated by
zero bytes. It gets one line back, a port or an error. The request `status` alone asks who is there, and gets JSON.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.layout import Layout
from sandbox.plugins.client import SOCKET, STATUS, source_digest
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

FORK_SERVER = Path(__file__).with_name("fork_server.py")


class ForkServer:
    """The process that programs are forked from."""

    def __init__(self, program_directories: list[Path]) -> None:
        self._control, theirs = socket.socketpair()
        self._turn = threading.Lock()
        with theirs:
            subprocess.Popen(
                [sys.executable, "-P", FORK_SERVER, str(theirs.fileno()), *program_directories],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
            )

    def launch(self, directory: Path, descriptors: list[int]) -> None:
        with self._turn:
            socket.send_fds(self._control, [os.fsencode(directory)], descriptors)


class WarmLauncher:
    """Forks a program when its project's interpreter is this one, starts a plain process when it is another."""

    def __init__(self, fork_server: ForkServer, stdout: int, stderr: int) -> None:
        self._fork_server, self._stdout, self._stderr = fork_server, stdout, stderr

    def launch(self, interpreter: Path, directory: Path, request: socket.socket) -> None:
        from sandbox.plugins.language import PlainLauncher  # noqa: PLC0415 - see Host.import_sdks

        if interpreter.parent.resolve() == Path(sys.prefix, "bin").resolve():
            self._fork_server.launch(directory, [request.fileno(), self._stdout, self._stderr])
        else:
            PlainLauncher(self._stdout, self._stderr).launch(interpreter, directory, request)


class Host:
    """Answers stubs until told to stop."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._sources = source_digest()

    def import_sdks(self) -> None:
        """What plugins need, imported behind the listening socket: a request waits for no more than is missing."""
        for module in ("sandbox.plugins.serving", "sandbox.provider.server", "sandbox.provider.aws"):
            importlib.import_module(module)
        from sandbox.provider.clients import get_ahead  # noqa: PLC0415 - see above
        from sandbox.provider.resource import TYPES  # noqa: PLC0415

        get_ahead(dict.fromkeys(kind.service for kind in TYPES.values() if kind.service))
        gc.freeze()  # what is there now stays: nobody has to look for garbage in it

    def serve(self, listener: socket.socket) -> None:
        threading.Thread(target=self.import_sdks, daemon=True).start()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, _descriptors_of(connection) as descriptors, connection.makefile("rb") as sent:
            request = sent.read(int(sent.readline() or 0))
            if not request:
                return
            if request == STATUS:
                _send(connection, json.dumps({"pid": os.getpid(), "sources": self._sources}))
                return
            try:
                server, port = self._open(os.fsdecode(request).split("\0"), *descriptors)
            except Exception as error:  # noqa: BLE001 - whatever it is, the engine's user must see it
                _send(connection, f"the sandbox's plugin host: {error!r}")
                return
            try:
                _send(connection, str(port))
                sent.read()  # returns when the stub has gone
            finally:
                server.stop(grace=None)

    def _open(self, request: list[str], stdout: int, stderr: int) -> tuple[Any, int]:
        from sandbox.plugins.serving import PluginRequest, open_plugin  # noqa: PLC0415 - see import_sdks

        kind, engine, directory, *environment = request
        variables = dict(entry.split("=", 1) for entry in environment)
        launcher = WarmLauncher(self._fork_server, stdout, stderr)
        return open_plugin(PluginRequest(kind, engine, directory, variables), launcher)


def _send(connection: socket.socket, answer: str) -> None:
    with contextlib.suppress(OSError):  # the stub has gone meanwhile, and needs no answer
        connection.sendall(f"{answer}\n".encode())


@contextlib.contextmanager
def _descriptors_of(connection: socket.socket) -> Iterator[list[int]]:
    """The descriptors that came with a connection's first byte, closed at the end."""
    try:
        _, descriptors, *_ = socket.recv_fds(connection, 1, 2)
    except OSError:
        descriptors = []
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def run(root: Path) -> None:
    """Serve the sandbox of the checkout at `root` until SIGTERM; Problem when another host does so already."""
    layout = Layout(root)
    layout.run.mkdir(parents=True, exist_ok=True)
    address = layout.socket(SOCKET)
    with (layout.run / "plugins.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(f"another plugin host serves {root} already; stop it first (./invoke sandbox.down)") from None
        fork_server = ForkServer(sorted(path.parent for path in root.glob("projects/*/Pulumi.yaml")))
        signal.signal(signal.SIGTERM, _stop)
        address.unlink(missing_ok=True)  # of a host that was killed
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(address))
                listener.listen()
                print("ready", flush=True)
                Host(fork_server).serve(listener)
        except KeyboardInterrupt:
            pass
        finally:
            address.unlink(missing_ok=True)


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
