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
import gc
import importlib
import importlib.util
import os
import runpy
import select
import signal
import socket
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("program.py")
LARGEST_MESSAGE = 1 << 16


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the engine's to handle
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps; a program reports by its socket
    libraries = _Libraries()
    libraries.load("pulumi", "grpc", "asyncio")
    waiting = [module for directory in sys.argv[2:] for module in named_libraries(Path(directory))]
    while True:
        idle = not waiting
        if not select.select([control], [], [], None if idle else 0)[0]:
            libraries.load(waiting.pop(0))
            continue
        directory, descriptors, *_ = socket.recv_fds(control, LARGEST_MESSAGE, 3)
        if not directory:
            return
        libraries.load(*named_libraries(Path(os.fsdecode(directory))))
        if os.fork() == 0:
            control.close()
            _become_program(descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _become_program(descriptors: list[int]) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    runpy.run_path(str(PROGRAM), run_name="__main__")  # ends the process


class _Libraries:
    """What has been imported for the programs."""

    def __init__(self) -> None:
        self._tried: set[str] = set()
        self._site_packages = Path(sysconfig.get_path("purelib"))

    def load(self, *names: str) -> None:
        """Import those that are installed; one that fails to import is left for the program to report."""
        missing = [name for name in names if name not in self._tried]
        self._tried.update(missing)
        for name in missing:
            if self._is_installed(name.partition(".")[0]):
                with contextlib.suppress(Exception):
                    # dir(): the SDK's service modules are lazy, and load at the first look at their attributes.
                    dir(importlib.import_module(name))
        if missing:
            gc.freeze()  # keeps the collector from touching, and so copying, pages that programs share

    def _is_installed(self, package: str) -> bool:
        """Whether it is a library, as opposed to the checkout's own code."""
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            return False
        if spec is None:
            return False
        return package in sys.stdlib_module_names or (
            spec.origin is not None and Path(spec.origin).is_relative_to(self._site_packages)
        )


def named_libraries(directory: Path) -> list[str]:
    """The modules that a directory's sources import, and `package.attribute` for each attribute of an alias they use.

    `import pulumi_aws as aws` and `aws.ec2.Vpc(...)` name `pulumi_aws` and `pulumi_aws.ec2`.
    """
    found: dict[str, None] = {}
    for source in sorted(directory.rglob("*.py")):
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            found.update(dict.fromkeys(_named_in(ast.parse(source.read_bytes()))))
    return list(found)


def _named_in(tree: ast.Module) -> Iterator[str]:
    nodes = list(ast.walk(tree))
    aliases: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                aliases[name.asname or name.name.partition(".")[0]] = name.name
                yield name.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names if name.name.islower())
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield f"{aliases[node.value.id]}.{node.attr}"


if __name__ == "__main__":
    main()
