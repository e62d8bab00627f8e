"""Forks Pulumi programs from a process that has their libraries imported: fork_server.py FD [PROGRAM DIRECTORY...].

On socket FD each message is a program's directory with three descriptors: its request socket and its standard output
and error (see program.py). When FD's other end closes, this process ends. Between requests it imports, one at a
time, what the given directories' sources name, so that no program waits for more than it needs itself.

Nothing of the checkout is ever imported here, and no thread is started: the former would make edits invisible, the
latter is not safe to fork.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import importlib
import importlib.util
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
    from collections.abc import Iterator
    from types import FrameType

PROGRAM = Path(__file__).with_name("program.py")
LARGEST_MESSAGE = 1 << 16
CONSTRUCTORS = 3
"""Of a resource: Resource, CustomResource or ComponentResource, and its own class."""


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the engine's to handle
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; a program reports by its socket
    gc.disable()  # imports make objects that stay: looking for garbage among them is a fifth of their time
    libraries = Libraries()
    libraries.load("pulumi", "grpc", "asyncio")
    leave_out_traces()
    waiting = [module for directory in sys.argv[2:] for module in libraries.named_by(Path(directory))]
    while True:
        idle = not waiting
        if not select.select([control], [], [], None if idle else 0)[0]:
            libraries.load(waiting.pop(0))
            continue
        directory, descriptors, *_ = socket.recv_fds(control, LARGEST_MESSAGE, 3)
        if not directory:
            return
        libraries.load(*libraries.named_by(Path(os.fsdecode(directory))))
        if os.fork() == 0:
            control.close()
            _become_program(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


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

    def __init__(self) -> None:
        self._tried: set[str] = set()
        self._sources: dict[Path, tuple[int, tuple[str, ...]]] = {}

    def load(self, *names: str) -> None:
        """Import these; one that fails to import is left for the program to report."""
        missing = [name for name in names if name not in self._tried]
        self._tried.update(missing)
        for name in missing:
            with contextlib.suppress(Exception):
                _import(name)
        if missing:
            gc.freeze()  # keeps the collector from touching, and so copying, pages that programs share

    def named_by(self, directory: Path) -> list[str]:
        """The libraries that a program's sources name, and those of the checkout's other sources that they import."""
        found: dict[str, None] = {}
        waiting = sorted(directory.rglob("*.py"))
        seen = set(waiting)
        while waiting:
            for name in self._named_in(waiting.pop()):
                if is_library(name.partition(".")[0]):
                    found[name] = None
                elif (source := local_source(name)) and source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return list(found)

    def _named_in(self, source: Path) -> tuple[str, ...]:
        try:
            changed = source.stat().st_mtime_ns
            known, names = self._sources.get(source, (0, ()))
            if known != changed:
                names = tuple(dict.fromkeys(names_in(ast.parse(source.read_bytes()))))
                self._sources[source] = changed, names
        except (OSError, SyntaxError, ValueError):
            return ()  # the program will say it better
        return names


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


@functools.cache
def is_library(package: str) -> bool:
    """Whether it is installed, as opposed to the checkout's own code. Imports nothing."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return False
    installed = {"site-packages", "dist-packages"}
    return package in sys.stdlib_module_names or bool(
        spec and spec.origin and installed.intersection(Path(spec.origin).parts)
    )


def local_source(module: str) -> Path | None:
    """The file of a module of the checkout's own."""
    for folder in sys.path:
        path = Path(folder, *module.split("."))
        for source in (path.with_suffix(".py"), path / "__init__.py"):
            if source.is_file():
                return source
    return None


def names_in(tree: ast.Module) -> Iterator[str]:
    """The modules that a source imports, and `module.attribute` for what it uses of one.

    `import pulumi_aws as aws` and `aws.ec2.Vpc(...)` name `pulumi_aws`, `pulumi_aws.ec2` and `pulumi_aws.ec2.Vpc`.
    """
    nodes = list(ast.walk(tree))
    aliases: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                aliases[name.asname or name.name.partition(".")[0]] = name.name
                yield name.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
    for node in nodes:
        if isinstance(node, ast.Attribute):
            first, _, attributes = _dotted(node).partition(".")
            if first in aliases:
                yield f"{aliases[first]}.{attributes}"


def _dotted(node: ast.expr) -> str:
    """`aws.ec2.Vpc`, written as that; empty for any other expression."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            above = _dotted(value)
            return above and f"{above}.{attribute}"
    return ""


if __name__ == "__main__":
    main()
