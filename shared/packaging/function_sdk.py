"""The SDK as functions take it along: what requirements.lock pins, cut down to what functions use of it.

Its modules are the same for every function, so they are one archive, made once for a virtualenv when that is made
(`python -m shared.packaging.function_sdk`), or else in `.build/` when the first package wants it.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.errors import Problem
from shared.packaging import archives

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIBRARIES: Final = ("botocore", "dateutil", "jmespath", "six", "urllib3")
"""What the SDK is made of: top-level modules."""

_NAME: Final = "function-sdk"
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


@functools.cache
def digest() -> str:
    """What decides the content of the archive and of the data, hashed: versions, interpreter, and how both are made."""
    parts = [sys.implementation.cache_tag, *_versions()]
    parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in (Path(__file__), Path(archives.__file__))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def prepare() -> None:
    """Make the virtualenv's archive, in the place of an earlier one."""
    target = _of_the_virtualenv()
    for earlier in target.parent.glob(f"{_NAME}-*.zip"):
        earlier.unlink()
    archives.write(target, _modules())


def modules(folder: Path) -> Path:
    """The archive of the SDK's modules: the virtualenv's, or one in `folder`, made if it is not there."""
    for path in (_of_the_virtualenv(), folder / _name()):
        if path.exists():
            return path
    archives.write(path, _modules())
    return path


def data(services: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Entries for the models of these services, without their prose, and for their endpoints."""
    for name in ("_retry.json", "partitions.json", "sdk-default-configuration.json"):
        yield f"botocore/data/{name}", (_data() / name).read_bytes()
    endpoints = {**_endpoints(), "partitions": []}
    for partition in _endpoints()["partitions"]:
        kept = {name: value for name, value in partition["services"].items() if name in services}
        endpoints["partitions"].append({**partition, "services": kept})
    yield "botocore/data/endpoints.json", _json(endpoints)
    for service in services:
        yield from _models(service)


def _name() -> str:
    return f"{_NAME}-{digest()[:16]}.zip"


def _of_the_virtualenv() -> Path:
    return _location("botocore").with_name(_name())


def _modules() -> Iterator[tuple[str, bytes]]:
    for library in LIBRARIES:
        location = _location(library)
        for path in [location] if location.is_file() else location.rglob("*.py"):
            name = path.relative_to(location.parent).as_posix()
            if not name.startswith(_UNUSED):
                yield from archives.module(name, path.read_bytes())
    yield "botocore/cacert.pem", (_location("botocore") / "cacert.pem").read_bytes()


@functools.cache
def _endpoints() -> Any:
    return json.loads((_data() / "endpoints.json").read_bytes())


@functools.cache
def _models(service: str) -> tuple[tuple[str, bytes], ...]:
    newest = max(path for path in (_data() / service).iterdir() if path.is_dir())
    found = []
    for name in ("service-2", "endpoint-rule-set-1"):
        with gzip.open(newest / f"{name}.json.gz") as file:
            model = _without_prose(json.load(file))
        found.append((f"botocore/data/{service}/{newest.name}/{name}.json", _json(model)))
    return tuple(found)


def _data() -> Path:
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


def _versions() -> tuple[str, ...]:
    """`botocore-1.43.106` and the like, of the installed libraries."""
    site = _location("botocore").parent
    names = sorted(info.name.removesuffix(".dist-info") for info in site.glob("*.dist-info"))
    return tuple(name for name in names if name.split("-")[0].removeprefix("python_") in LIBRARIES)


if __name__ == "__main__":
    prepare()
