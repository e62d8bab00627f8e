"""The long-lived process that lends plugins: one connection, one plugin, as long as the connection lasts.

A connection sends one byte, with the stub's standard output and error beside it, then the length of its request in a
line, and the request: kind, engine's address, folder and the engine's variables (`NAME=value` each), separated by
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.plugins.client import STATUS
from engine.plugins.providers import Providers
from shared.errors import Problem
from shared.packaging import imports

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.plugins.language import Launcher

FORK_SERVER = Path(__file__).with_name("fork_server.py")


@dataclass(frozen=True)
class Warmth:
    """What a host does to be quick beside lending."""

    ahead: bool
    """Import what plugins and programs need before the first of them asks."""
    forks: bool
    """Fork programs from a process that has their libraries imported."""
    frozen: bool
    """Keep what has been imported out of the collector's way."""
    places_only: bool
    """Leave stack traces out of what forked programs send with a resource (fork_server.leave_out_traces)."""


class ForkServer:
    """The process that programs are forked from."""

    def __init__(self, root: Path, warmth: Warmth) -> None:
        """Start it for the programs of the checkout at `root`."""
        self._root = root
        self._tree = imports.Tree(root)
        self._control, theirs = socket.socketpair()
        self._turn = threading.Lock()
        with theirs:
            subprocess.Popen(
                [sys.executable, "-P", FORK_SERVER, str(theirs.fileno()), *_options(warmth)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
            )

    def prepare(self) -> None:
        """Have imported, while nobody waits, what the checkout's programs name."""
        for program in sorted(path.parent for path in self._root.glob("projects/*/Pulumi.yaml")):
            self._send(self._libraries(program), [])

    def launch(self, directory: Path, descriptors: list[int]) -> None:
        self._send(self._libraries(directory), descriptors)

    def _libraries(self, directory: Path) -> Sequence[str]:
        """What the program needs; one that is outside the checkout is not looked at."""
        resolved = directory.resolve()
        return self._tree.libraries(resolved.relative_to(self._root)) if resolved.is_relative_to(self._root) else ()

    def _send(self, libraries: Sequence[str], descriptors: list[int]) -> None:
        message = json.dumps(libraries).encode()
        with self._turn:
            socket.send_fds(self._control, [len(message).to_bytes(4, "big")], descriptors)
            self._control.sendall(message)


def _options(warmth: Warmth) -> list[str]:
    chosen = {"frozen": warmth.frozen, "places-only": warmth.places_only}
    return [name for name, given in chosen.items() if given]


class WarmLauncher:
    """Forks a program when its project's interpreter is this one, starts a plain process when it is another."""

    def __init__(self, fork_server: ForkServer, plain: Launcher, stdout: int, stderr: int) -> None:
        self._fork_server, self._plain, self._stdout, self._stderr = fork_server, plain, stdout, stderr

    def launch(self, interpreter: Path, directory: Path, request: socket.socket) -> None:
        if interpreter.parent.resolve() == Path(sys.prefix, "bin").resolve():
            self._fork_server.launch(directory, [request.fileno(), self._stdout, self._stderr])
        else:
            self._plain.launch(interpreter, directory, request)


class Host:
    """Answers stubs until told to stop."""

    def __init__(self, fork_server: ForkServer | None, providers: Providers, sources: str, warmth: Warmth) -> None:
        self._fork_server = fork_server
        self._providers = providers
        self._sources = sources
        self._warmth = warmth

    def prepare(self) -> None:
        """Import what plugins need, behind the listening socket: a request waits for no more than is missing."""
        if self._fork_server:
            self._fork_server.prepare()
        importlib.import_module("engine.plugins.serving")
        self._providers.prepare()
        if self._warmth.frozen:
            gc.freeze()  # what is there now stays: nobody has to look for garbage in it

    def serve(self, listener: socket.socket) -> None:
        if self._warmth.ahead:
            threading.Thread(target=self.prepare, daemon=True).start()
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
                _send(connection, f"the plugin host: {told(error)}")
                return
            try:
                _send(connection, str(port))
                sent.read()  # returns when the stub has gone
            finally:
                server.stop(grace=None)

    def _open(self, request: list[str], stdout: int, stderr: int) -> tuple[Any, int]:
        from engine.plugins.language import PlainLauncher  # noqa: PLC0415 - see prepare
        from engine.plugins.serving import PluginRequest, open_plugin  # noqa: PLC0415 - see prepare

        kind, engine, directory, *entries = request
        variables = dict(entry.split("=", 1) for entry in entries)
        launcher: Launcher = PlainLauncher(stdout, stderr)
        if self._fork_server:
            launcher = WarmLauncher(self._fork_server, launcher, stdout, stderr)
        return open_plugin(PluginRequest(kind, engine, directory, variables), launcher, self._providers)


def told(error: Exception) -> str:
    """Return an error in one line, with its kind unless it is a Problem: its text alone may be a name, or nothing."""
    text = " ".join(str(error).split())
    return text if isinstance(error, Problem) else f"{type(error).__name__}: {text}"


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


def run(root: Path, address: Path, providers: Providers, sources: str, warmth: Warmth) -> None:
    """Lend plugins at the socket `address` to engines of the checkout at `root`, until SIGTERM.

    sources: what `client.status` tells of this host. Raises Problem when another host has that address already.
    """
    with address.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(f"another plugin host serves {root} already; stop it first (./invoke sandbox.down)") from None
        signal.signal(signal.SIGTERM, _stop)
        address.unlink(missing_ok=True)  # of a host that was killed
        try:
            fork_server = ForkServer(root, warmth) if warmth.forks else None
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(address))
                listener.listen()
                print("ready", flush=True)
                Host(fork_server, providers, sources, warmth).serve(listener)
        except KeyboardInterrupt:
            pass
        finally:
            address.unlink(missing_ok=True)


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
