"""Forks Pulumi programs from a process that has their libraries imported: fork_server.py FD [frozen] [places-only].

On socket FD each message is its length in four bytes and a JSON list: names of libraries, and of what is used of them.
With three descriptors (a program's request socket, standard output and error; see program.py) these are imported and
the program is forked; without, they are imported one at a time while no program waits. When FD's other end closes, this
process ends.

Nothing of the checkout is ever imported here, and no thread is started: the former would make edits invisible, the
latter is not safe to fork.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

PROGRAM = Path(__file__).with_name("program.py")
LENGTH = 4
"""Bytes of a message's length."""
CONSTRUCTORS = 3
"""Of a resource: Resource, CustomResource or ComponentResource, and its own class."""


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the engine's to handle
    signal.signal(signal.SIGCHLD, _reap)  # a program reports by its socket
    frozen = "frozen" in sys.argv
    if frozen:
        gc.disable()  # imports make objects that stay: looking for garbage among them is a fifth of their time
    libraries = Libraries(frozen=frozen)
    libraries.load("pulumi", "grpc", "asyncio")
    if "places-only" in sys.argv:
        leave_out_traces()
    waiting: list[str] = []
    while True:
        if not select.select([control], [], [], 0 if waiting else None)[0]:
            libraries.load(waiting.pop(0))
            continue
        message = _received(control)
        if message is None:
            return
        names, descriptors = message
        if not descriptors:
            waiting += names
            continue
        libraries.load(*names)
        if os.fork() == 0:
            control.close()
            _become_program(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _reap(*_: object) -> None:
    """Let programs go that have ended; their processor time counts as this process's then."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _received(control: socket.socket) -> tuple[list[str], list[int]] | None:
    """The next message: libraries' names, and a program's descriptors or none. None when the other end is closed."""
    length, descriptors, *_ = socket.recv_fds(control, LENGTH, 3)
    if not length:
        return None
    length += _exactly(control, LENGTH - len(length))
    return json.loads(_exactly(control, int.from_bytes(length, "big"))), descriptors


def _exactly(control: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = control.recv(size - len(found))
        if not part:
            raise EOFError("the plugin host ended in the middle of a message")
        found += part
    return found


def _become_program(descriptors: list[int]) -> None:
    os.setsid()
    gc.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    runpy.run_path(str(PROGRAM), run_name="__main__")  # ends the process


class Libraries:
    """What has been imported for the programs."""

    def __init__(self, *, frozen: bool = True) -> None:
        self._frozen = frozen
        self._tried: set[str] = set()

    def load(self, *names: str) -> None:
        """Import these; one that fails to import is left for the program to report."""
        missing = [name for name in names if name not in self._tried]
        self._tried.update(missing)
        for name in missing:
            with contextlib.suppress(Exception):
                _import(name)
        if missing and self._frozen:
            gc.freeze()  # keeps the collector from touching, and so copying, pages that programs share


def _import(name: str) -> None:
    """Import a module, or what one imports when it is first asked for it: pydantic's classes, the SDK's services.

    Of the SDK's own classes also have what it finds out when it meets one: the types of its properties.
    """
    package, _, attribute = name.rpartition(".")
    found = getattr(importlib.import_module(package), attribute, None) if package else None
    getattr(found or importlib.import_module(name), "loaded", None)
    types: Any = importlib.import_module("pulumi._types")
    if isinstance(found, type) and issubclass(found, importlib.import_module("pulumi").Resource):
        types.resource_types(found)
    elif isinstance(found, type) and types.is_input_type(found):
        types.input_type_types(found)


def leave_out_traces() -> None:
    """Let the SDK send along with a resource the place where it is made, and not the stack that it is made on.

    The engine writes the stacks of all resources into the state, and the state at each step; what it shows is the
    place. Twenty frames of launchers and event loop below a program's own would be half of the state.
    """
    resource: Any = importlib.import_module("pulumi.runtime.resource")

    def place(_: Any) -> Any:
        """The frame that calls the constructor of the resource's own class, the third from within, as in the SDK."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - documented
        constructors = 0
        while frame is not None and constructors < CONSTRUCTORS:
            constructors += frame.f_code.co_name == "__init__"
            frame = frame.f_back
        if frame is None:
            return None
        caller = traceback.FrameSummary(frame.f_code.co_filename, frame.f_lineno, "", lookup_line=False)
        return resource._get_source_position_for_frame(caller)  # noqa: SLF001

    resource._get_stack_trace = resource.source_pb2.StackTrace  # noqa: SLF001 - the SDK has no setting for it
    resource._get_source_position = place  # noqa: SLF001


if __name__ == "__main__":
    main()
