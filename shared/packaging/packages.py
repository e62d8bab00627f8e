"""Function packages: deterministic zips of exactly what a function imports.

A package holds the SDK (function_sdk.py), cut down to the services that the function uses, and behind it the function's
own import closure out of `lambdas/`.

Packages are kept by their content's digest in `.build/` of the checkout; an unchanged one costs some milliseconds.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared import root
from shared.errors import Problem
from shared.packaging import archives, function_sdk, imports

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = root.ROOT
Closure = tuple[imports.Source, ...]
PACKED: Final = sys.stdlib_module_names | {"lambdas", *function_sdk.LIBRARIES}
SCRIPT_HANDLER: Final = "script.handler"
_PACKAGES: Final = ROOT / ".build" / "packages"


def functions() -> list[str]:
    """The functions that can be packaged: folders of `lambdas/` with a `main.py`."""
    return sorted(main.parent.name for main in (ROOT / "lambdas").glob("*/main.py"))


def handler(function: str) -> str:
    """The handler's name for Lambda."""
    return f"lambdas.{function}.main.handler"


def sources(function: str) -> list[Path]:
    """The function's own files, sorted: what `lambdas.<function>.main` imports at run time, directly or not.

    Raises Problem for a function that is not there, and for an import that would not be there when it runs.
    """
    return [ROOT / source.path for source in _closure(function)]


def services(function: str) -> list[str]:
    """AWS services that the function uses, from its calls of `client("<service>")`."""
    return _services(_closure(function))


def digest(function: str) -> str:
    """What decides the package's content, hashed; without building it."""
    return _digest(_closure(function))


def package(function: str) -> Path:
    """The function's zip, built if there is none of this content yet. Safe to call from several processes at once."""
    closure = _closure(function)
    target = _PACKAGES / f"{function}-{_digest(closure)[:16]}.zip"
    if not target.exists():
        used = _services(closure)
        archives.write(target, _content(closure, used), onto=function_sdk.modules(_PACKAGES) if used else None)
    return target


def script(function: str) -> Path:
    """The zip of a canary's script for CloudWatch Synthetics, whose runtime brings the SDK: `SCRIPT_HANDLER` is in it.

    Its own files alone, in the folder where the runtime looks, without bytecode: the runtime has a Python of its own.
    """
    closure = _closure(function)
    target = _PACKAGES / f"{function}-script-{_digest(closure)[:16]}.zip"
    if not target.exists():
        entry = f'from lambdas.{function}.main import handler\n\n__all__ = ["handler"]\n'
        own = [(source.path.as_posix(), (ROOT / source.path).read_bytes()) for source in closure]
        archives.write(target, [(f"python/{name}", code) for name, code in [("script.py", entry.encode()), *own]])
    return target


def _digest(closure: Closure) -> str:
    content = hashlib.sha256()
    for part in (function_sdk.digest(), *_services(closure)):
        content.update(part.encode() + b"\n")
    for path in (Path(__file__).relative_to(ROOT), *(source.path for source in closure)):
        content.update(path.as_posix().encode() + b"\n" + hashlib.sha256((ROOT / path).read_bytes()).digest())
    return content.hexdigest()


def _content(closure: Closure, used: list[str]) -> Iterator[tuple[str, bytes]]:
    for source in closure:
        yield from archives.module(source.path.as_posix(), (ROOT / source.path).read_bytes())
    if used:
        yield from function_sdk.data(used)


def _closure(function: str) -> Closure:
    if function not in functions():
        raise Problem(f"packages: there is no function '{function}' in lambdas/; there are: {', '.join(functions())}")
    tree = imports.Tree(ROOT)
    found = tree.closure(Path("lambdas", function, "main.py"))
    for source in found:
        if source.dynamic:
            raise Problem(f"packages: {source.path} imports by a computed name, so what it needs cannot be packed")
    for source in found:
        if source.path.parts[0] != "lambdas":
            raise Problem(f"packages: the function '{function}' imports {source.path}, and only lambdas/ is packed")
    for source in found:
        if missing := sorted({name.partition(".")[0] for name in source.names} - PACKED):
            raise Problem(f"packages: {source.path} imports {', '.join(missing)}, which no package holds")
    return found


def _services(closure: Closure) -> list[str]:
    return sorted({service for source in closure for service in source.clients})
