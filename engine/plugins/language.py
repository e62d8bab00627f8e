"""The Python language host: answers the engine's questions about a project and has its program run.

Official releases of the CLI bring Pulumi's own; one built from source has none. Source of the protocol:
proto/pulumi/language.proto of pulumi/pulumi.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from engine.plugins.hold import GO
from engine.plugins.variables import HELD_BY, NO_DEBUG
from shared.errors import Problem
from shared.packaging import imports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAM = Path(__file__).with_name("program.py")


class Launcher(Protocol):
    """Starts program.py with a socket as its standard input."""

    def launch(self, interpreter: Path, directory: Path, request: socket.socket) -> None:
        """Start it for the program in `directory`; return at once."""


class PlainLauncher:
    """A new process for each program."""

    def __init__(self, stdout: int | IO[bytes] | None = None, stderr: int | IO[bytes] | None = None) -> None:
        self._stdout, self._stderr = stdout, stderr

    def launch(self, interpreter: Path, directory: Path, request: socket.socket) -> None:
        process = subprocess.Popen(
            [str(interpreter), "-P", "-u", str(PROGRAM)],
            cwd=directory,
            stdin=request.fileno(),
            stdout=self._stdout,
            stderr=self._stderr,
            start_new_session=True,  # it ends by its socket, so that the engine's interrupt leaves it time to finish
        )
        threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """One engine's language host; `variables` is that engine's."""

    def __init__(self, engine: str, variables: Mapping[str, str], launcher: Launcher) -> None:
        self._engine, self._variables, self._launcher = engine, dict(variables), launcher

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return plugin_pb2.PluginInfo()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        """None beforehand: each registration names its provider's version itself."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return language_pb2.GetRequiredPluginsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return language_pb2.GetProgramDependenciesResponse()

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: ARG002, N802
        note = b"The virtualenv is made from requirements.lock by ./invoke; nothing to install here.\n"
        yield language_pb2.InstallDependenciesResponse(stdout=note)

    def About(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return language_pb2.AboutResponse(executable=sys.executable, version=platform.python_version())

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: ARG002, N802
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Run the program to its end; when the engine gives up the call, the program ends too."""
        info = request.info
        try:
            interpreter = project_interpreter(
                json_format.MessageToDict(info.options),
                Path(info.root_directory),
                self._variables.get("PATH"),
            )
        except Problem as problem:
            return language_pb2.RunResponse(error=str(problem))
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._launcher.launch(interpreter, Path(info.program_directory), theirs)
            if not context.add_callback(lambda: _hang_up(ours)):
                _hang_up(ours)  # the engine gave up before the program was there
            ours.sendall(json.dumps(self._program_request(request)).encode() + b"\n")
            with ours.makefile("rb") as answers:
                answer = answers.readline()
        if not answer:
            return language_pb2.RunResponse(error="the program's process ended before the program did")
        return language_pb2.RunResponse(**json.loads(answer))

    def _program_request(self, request: Any) -> dict[str, Any]:
        info = request.info
        return {
            "variables": self._variables,
            "pwd": request.pwd,
            "root": info.root_directory,
            "program": str(Path(info.program_directory, info.entry_point)),
            "args": list(request.args),
            "project": request.project,
            "stack": request.stack,
            "organization": request.organization or "organization",
            "monitor": request.monitor_address,
            "engine": self._engine,
            "parallel": request.parallel,
            "dry_run": request.dryRun,
            "config": dict(request.config),
            "secret_keys": list(request.configSecretKeys),
            "debug": NO_DEBUG not in self._variables,
            "exports": str(json_format.MessageToDict(info.options).get("exports", "")),
            "hold": self._hold(Path(info.program_directory, info.entry_point)),
        }

    def _hold(self, entry: Path) -> Mapping[str, Any] | None:
        """What holds the program back, and what it imports meanwhile; None when nothing does."""
        if HELD_BY not in self._variables:
            return None
        script = entry / "__main__.py" if entry.is_dir() else entry
        return {"file": self._variables[HELD_BY], "word": GO, "imports": imports.first_imports(script)}


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the program has ended by itself
        connection.shutdown(socket.SHUT_RDWR)


def project_interpreter(options: Mapping[str, Any], root: Path, search_path: str | None) -> Path:
    """The Python that a project's `runtime: options:` ask for.

    `virtualenv` is relative to Pulumi.yaml's folder, `root`; without it, Python is taken from `search_path`, as
    Pulumi's own language host does.
    """
    toolchain = options.get("toolchain", "pip")
    if toolchain != "pip":
        raise Problem(
            f"{root / 'Pulumi.yaml'}: the sandbox's language host does not know the toolchain {toolchain!r}; "
            "name the virtualenv instead (runtime: options: virtualenv)",
        )
    if name := options.get("virtualenv"):
        interpreter = root.joinpath(name, "bin", "python")
        if not interpreter.exists():
            raise Problem(f"{root / 'Pulumi.yaml'}: there is no virtualenv at {root / name}; make it first (./invoke)")
        return interpreter
    for candidate in ("python3", "python"):
        if found := shutil.which(candidate, path=search_path):
            return Path(found)
    raise Problem(f"{root / 'Pulumi.yaml'} names no virtualenv, and there is no Python on PATH")
