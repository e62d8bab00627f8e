"""Puts the engine and its plugins where only this checkout's sandbox uses them."""

from __future__ import annotations

import shlex
import shutil
import sys
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import environment
from sandbox.plugins.client import SOCKET
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.layout import Layout

STUB = Path(__file__).with_name("stub.py")
PROVIDERS = ("aws", "random")
LANGUAGE_HOST = "pulumi-language-python"
SCRIPT = "#!/bin/sh\n"


def install(layout: Layout, engine: Path) -> None:
    """Fill `.sandbox/bin` and PULUMI_HOME for the engine's executable. Quick, and writes nothing, when all is there.

    The engine takes a provider from the folder of its home that is named after the version that the SDK asks for. With
    SANDBOX_PLUGINS=official it finds none of ours there, and fetches Pulumi's own.
    """
    with _refusals(layout):
        for package in PROVIDERS:
            if environment.official_plugins():
                _remove_provider(layout, package)
            else:
                _install_provider(layout, package)
    place_engine(layout, engine)


def place_engine(layout: Layout, engine: Path) -> Path:
    """Put the engine into `.sandbox/bin`, with language host and policy analyzer; returns the executable there.

    The engine takes those two from beside its executable, following links, so that one is a hard link, or a copy
    where the file system has none. An official release brings its own; one built from source needs these on AWS too.
    """
    executable = layout.bin / "pulumi"
    with _refusals(layout):
        _place(engine, executable)
        _write(layout.bin / LANGUAGE_HOST, _launcher(layout, "language"))
        _write(layout.bin / "pulumi-analyzer-policy-python", _launcher(layout, "policy"))
    return executable


def brings_python(engine: Path) -> bool:
    """Whether an engine can run Python programs by itself."""
    return engine.resolve().with_name(LANGUAGE_HOST).exists()


@contextmanager
def _refusals(layout: Layout) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Problem(
            f"cannot install the engine's plugins in {layout.state}: {error.strerror}; "
            "free some space, or make that folder writable",
        ) from error


def _install_provider(layout: Layout, package: str) -> None:
    plugins = layout.pulumi_home / "plugins"
    current = plugins / f"resource-{package}-v{metadata.version(f'pulumi-{package}')}"
    for outdated in plugins.glob(f"resource-{package}-v*"):
        if outdated != current:
            shutil.rmtree(outdated)
    _write(current / f"pulumi-resource-{package}", _launcher(layout, package))


def _remove_provider(layout: Layout, package: str) -> None:
    """Take ours away, and leave an official one that is there already."""
    for executable in layout.pulumi_home.glob(f"plugins/resource-{package}-v*/pulumi-resource-{package}"):
        if executable.read_bytes().startswith(SCRIPT.encode()):
            shutil.rmtree(executable.parent)


def _launcher(layout: Layout, kind: str) -> str:
    """A shell script, because the line that names an interpreter (#!) has a short limit and takes no spaces."""
    command = shlex.join([sys.executable, "-I", "-S", str(STUB), str(layout.socket(SOCKET)), kind])
    return f'{SCRIPT}exec {command} "$@"\n'


def _place(source: Path, target: Path) -> None:
    source = source.resolve()
    if target.exists():
        if target.samefile(source) or _looks(target) == _looks(source):
            return
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        unfinished = target.with_suffix(".unfinished")
        shutil.copy2(source, unfinished)
        unfinished.replace(target)


def _looks(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _write(path: Path, script: str) -> None:
    if path.exists() and path.read_bytes() == script.encode():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(script)
    unfinished.chmod(0o755)
    unfinished.replace(path)
