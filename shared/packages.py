"""Function packages: deterministic zips of exactly what a function imports.

A package holds the SDK (function_sdk.py), cut down to the services that the function uses, and behind it the function's
own import closure out of `lambdas/`.

Packages are kept by their content's digest in `.build/` of the checkout; an unchanged one costs some milliseconds.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared import archives, function_sdk, syntax
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
_PACKAGES: Final = ROOT / ".build" / "packages"


def functions() -> list[str]:
    """The functions that can be packaged: folders of `lambdas/` with a `main.py`."""
    return sorted(main.parent.name for main in (ROOT / "lambdas").glob("*/main.py"))


def handler(function: str) -> str:
    """The handler's name for Lambda."""
    return f"lambdas.{function}.main.handler"


def sources(function: str) -> list[Path]:
    """The function's own files, sorted: what `lambdas.<function>.main` imports at run time, directly or not.

    Raises Problem for a function that is not there.
    """
    if function not in functions():
        raise Problem(f"packages: there is no function '{function}' in lambdas/; there are: {', '.join(functions())}")
    found: set[Path] = set()
    waiting = [ROOT / "lambdas" / function / "main.py"]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += _imports(path, path.stat().st_mtime_ns)[0]
        # A package's __init__ runs before its modules.
        waiting += [
            init for parent in path.parents if ROOT in parent.parents and (init := parent / "__init__.py").exists()
        ]
    return sorted(found)


def services(function: str) -> list[str]:
    """AWS services that the function uses, from its calls of `client("<service>")`."""
    return sorted({service for path in sources(function) for service in _imports(path, path.stat().st_mtime_ns)[1]})


def digest(function: str) -> str:
    """What decides the package's content, hashed; without building it."""
    content = hashlib.sha256()
    for part in (function_sdk.digest(), *services(function)):
        content.update(part.encode() + b"\n")
    for path in (Path(__file__), *sources(function)):
        content.update(path.relative_to(ROOT).as_posix().encode() + b"\n" + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()


def package(function: str) -> Path:
    """The function's zip, built if there is none of this content yet. Safe to call from several processes at once."""
    target = _PACKAGES / f"{function}-{digest(function)[:16]}.zip"
    if not target.exists():
        used = services(function)
        archives.write(target, _content(function, used), onto=function_sdk.modules(_PACKAGES) if used else None)
    return target


def _content(function: str, used: list[str]) -> Iterator[tuple[str, bytes]]:
    for path in sources(function):
        yield from archives.module(path.relative_to(ROOT).as_posix(), path.read_bytes())
    if used:
        yield from function_sdk.data(used)


@functools.cache
def _imports(path: Path, _changed: int) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Files of `lambdas/` that a file imports at run time, and services that it makes clients of."""
    files: set[Path] = set()
    used: set[str] = set()
    waiting: list[ast.AST] = [syntax.tree(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            files.update(filter(None, (_file(name.name) for name in node.names)))
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = (node.module, *(f"{node.module}.{name.name}" for name in node.names))
            files.update(filter(None, map(_file, names)))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "client" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                used.add(first.value)
        waiting += ast.iter_child_nodes(node)
    return tuple(sorted(files)), tuple(sorted(used))


def _file(module: str) -> Path | None:
    if not f"{module}.".startswith("lambdas."):
        return None
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
