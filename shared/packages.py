"""Function packages: deterministic zips of exactly what a function imports.

A package holds the function's own import closure out of `lambdas/`, and the SDK that requirements.lock pins, cut down
to the services that the closure uses. Equal sources give equal bytes: sorted names, fixed times, no paths of a machine.
Bytecode for the building interpreter goes along (hash-based, unchecked): without it an environment whose code folder
cannot be written compiles the SDK at every cold start, 0.3 s of it.

Packages are kept by their content's digest in `.build/` of the checkout; an unchanged one costs some milliseconds.
"""

from __future__ import annotations

import ast
import functools
import gzip
import hashlib
import importlib.util
import json
import marshal
import os
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
LIBRARIES: Final = ("botocore", "dateutil", "jmespath", "six", "urllib3")
"""What the SDK is made of: top-level modules."""

_UNUSED: Final = (
    "botocore/data/",  # trimmed separately
    "botocore/stub.py",
    "dateutil/easter.py",
    "dateutil/rrule.py",
    "dateutil/zoneinfo/",
    "urllib3/contrib/emscripten/",
    "urllib3/contrib/pyopenssl.py",
    "urllib3/contrib/socks.py",
)
_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


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
    for part in (sys.implementation.cache_tag, *_versions(), *services(function)):
        content.update(part.encode() + b"\n")
    for path in (Path(__file__), *sources(function)):
        content.update(path.relative_to(ROOT).as_posix().encode() + b"\n" + hashlib.sha256(path.read_bytes()).digest())
    return content.hexdigest()


def package(function: str) -> Path:
    """The function's zip, built if there is none of this content yet. Safe to call from several processes at once."""
    target = ROOT / ".build" / "packages" / f"{function}-{digest(function)[:16]}.zip"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".{os.getpid()}")
    try:
        with zipfile.ZipFile(draft, "w") as archive:
            for name, data in sorted(_content(function)):
                entry = zipfile.ZipInfo(name, _TIME)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data, compresslevel=1)  # half the time of the default, an eighth larger
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def _content(function: str) -> Iterator[tuple[str, bytes]]:
    for path in sources(function):
        yield from _module(path.relative_to(ROOT).as_posix(), path.read_bytes())
    used = services(function)
    if used:
        yield from _sdk_modules()
        yield from _sdk_data(used)


def _module(name: str, source: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, source
    folder, _, module = name.rpartition("/")
    compiled = f"{module.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
    yield f"{folder}/__pycache__/{compiled}".lstrip("/"), _compiled(name, source)


def _compiled(name: str, source: bytes) -> bytes:
    # The path in the code object is the one inside Lambda, not this machine's.
    code = compile(source, f"/var/task/{name}", "exec", dont_inherit=True, optimize=0)
    flags = 0b01  # PEP 552: invalidated by hash, and not checked
    header = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + importlib.util.source_hash(source)
    return header + marshal.dumps(code)


@functools.cache
def _sdk_modules() -> tuple[tuple[str, bytes], ...]:
    found: list[tuple[str, bytes]] = []
    for library in LIBRARIES:
        location = _location(library)
        paths = [location] if location.is_file() else sorted(location.rglob("*.py"))
        for path in paths:
            name = path.relative_to(location.parent).as_posix()
            if not name.startswith(_UNUSED):
                found += _module(name, path.read_bytes())
    found.append(("botocore/cacert.pem", (_location("botocore") / "cacert.pem").read_bytes()))
    return tuple(found)


def _sdk_data(used: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Models of the services, without their prose, and the endpoints of these services only."""
    yield from _partitions()
    endpoints = {**_endpoints(), "partitions": []}
    for partition in _endpoints()["partitions"]:
        kept = {name: value for name, value in partition["services"].items() if name in used}
        endpoints["partitions"].append({**partition, "services": kept})
    yield "botocore/data/endpoints.json", _json(endpoints)
    for service in used:
        yield from _models(service)


@functools.cache
def _partitions() -> tuple[tuple[str, bytes], ...]:
    names = ("_retry.json", "partitions.json", "sdk-default-configuration.json")
    return tuple((f"botocore/data/{name}", (_sdk() / name).read_bytes()) for name in names)


@functools.cache
def _endpoints() -> Any:
    return json.loads((_sdk() / "endpoints.json").read_bytes())


@functools.cache
def _models(service: str) -> tuple[tuple[str, bytes], ...]:
    newest = max(path for path in (_sdk() / service).iterdir() if path.is_dir())
    found = []
    for name in ("service-2", "endpoint-rule-set-1"):
        with gzip.open(newest / f"{name}.json.gz") as file:
            model = _without_prose(json.load(file))
        found.append((f"botocore/data/{service}/{newest.name}/{name}.json", _json(model)))
    return tuple(found)


def _sdk() -> Path:
    return _location("botocore") / "data"


def _without_prose(model: Any) -> Any:
    if isinstance(model, dict):
        # Emptied, not left out: botocore reads some of these without a default (S3's client context parameters).
        return {
            name: "" if name == "documentation" and isinstance(value, str) else _without_prose(value)
            for name, value in model.items()
        }
    if isinstance(model, list):
        return [_without_prose(value) for value in model]
    return model


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@functools.cache
def _location(library: str) -> Path:
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        raise Problem(f"packages: the library '{library}' is not installed; run ./invoke --list to install the lock")
    origin = Path(spec.origin)
    return origin.parent if origin.name == "__init__.py" else origin


@functools.cache
def _versions() -> tuple[str, ...]:
    """`botocore-1.43.106` and the like, of the installed libraries."""
    site = _location("botocore").parent
    names = sorted(info.name.removesuffix(".dist-info") for info in site.glob("*.dist-info"))
    return tuple(name for name in names if name.split("-")[0].removeprefix("python_") in LIBRARIES)


@functools.cache
def _imports(path: Path, _changed: int) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Files of `lambdas/` that a file imports at run time, and services that it makes clients of."""
    files: set[Path] = set()
    used: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_bytes(), str(path))]
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
