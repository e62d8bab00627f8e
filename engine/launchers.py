"""Puts executables where an engine looks for them: the engine itself, and what starts its plugins."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from engine.plugins.providers import POLICIES
from shared import files

PLUGINS = Path(__file__).with_name("plugins")
LANGUAGE_HOST = "pulumi-language-python"
POLICY_ANALYZER = "pulumi-analyzer-policy-python"
FIRST_LINE = "#!/bin/sh\n"


def brings_python(engine: Path) -> bool:
    """Whether an engine can run Python programs by itself."""
    return engine.resolve().with_name(LANGUAGE_HOST).exists()


def place_engine(engine: Path, folder: Path, language: str, policies: str = "") -> Path:
    """Put an engine into a folder, with a language host and the policy analyzer; returns the executable there.

    The engine takes those two from beside its executable, following links, so that one is a hard link, or a copy
    where the file system has none. An official release brings its own; one built from source has none.

    language: the launcher of the language host.
    policies: that of the policy analyzer; by default each pack gets a process of its own.
    """
    executable = folder / "pulumi"
    _place(engine, executable)
    write(folder / LANGUAGE_HOST, language)
    write(folder / POLICY_ANALYZER, policies or _script(_any_pack()))
    return executable


def plain(module: str, kind: str) -> str:
    """A launcher that starts a plugin as a process of its own: `python -m MODULE KIND`."""
    return _script(_plain(module, kind))


def warm(address: Path, module: str, kind: str, *, plain_if: str) -> str:
    """A launcher that borrows a plugin from the host at the socket `address`.

    It starts one by `module` where no host answers, and where `plain_if`, a test of the shell, succeeds.
    """
    stub = [sys.executable, "-I", "-S", str(PLUGINS / "stub.py"), str(address), module, kind]
    return _script(stub, f'if {plain_if}; then exec {shlex.join(_plain(module, kind))} "$@"; fi\n')


def warm_policies(address: Path, module: str, pack: Path, *, plain_if: str) -> str:
    """A launcher of the policy analyzer that borrows it for one pack, and for any other starts a process.

    The engine starts it in the pack's folder. Without a host, and where `plain_if`, it is as `warm`.
    """
    stub = [sys.executable, "-I", "-S", str(PLUGINS / "stub.py"), str(address), module, POLICIES]
    another = f"! [ . -ef {shlex.quote(str(pack))} ]"
    return _script(stub, f'if {plain_if} || {another}; then exec {shlex.join(_any_pack())} "$@"; fi\n')


def write(path: Path, script: str) -> None:
    """Write an executable script, unless it is there."""
    if not path.exists() or path.read_bytes() != script.encode():
        files.replace(path, script, mode=0o777)


def _plain(module: str, kind: str) -> list[str]:
    return [sys.executable, "-P", "-m", module, kind]


def _any_pack() -> list[str]:
    return [sys.executable, "-I", "-S", str(PLUGINS / "policy.py")]


def _script(command: list[str], before: str = "") -> str:
    """A shell script, because the line that names an interpreter (#!) has a short limit and takes no spaces."""
    return f'{FIRST_LINE}{before}exec {shlex.join(command)} "$@"\n'


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
        with files.replacing(target) as draft:
            shutil.copy2(source, draft)


def _looks(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
