"""The emulator's state as one file: every store of every service, exactly as it is in memory.

The emulator can save its services too, at a clean end and as JSON; what that leaves out (private keys of
certificates, stream records, sessions, validators, ...) would be missing after each restart.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import pickle
import sys
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any

from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

from shared import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

FORMAT = 1
_SERVICES = "ministack.services."

_OURS = ("sandbox.cloud.backups.store", "sandbox.cloud.synthetics.store")
"""Modules of ours with stores like the emulator's: services that it lacks."""

_PLAIN_STORES = frozenset({"ministack.services.ec2._default_initialized_scopes", "ministack.services.sts._sessions"})
"""Stores that are plain containers: nothing tells them from caches and tables but their names."""


class StateError(Exception):
    """A saved state that cannot be used; its text says why."""


@dataclass(frozen=True)
class Header:
    """The first line of a state file."""

    ministack: str
    generation: str
    log: int
    """The first write-ahead log whose writes may be newer than this state."""
    format: int = FORMAT


class Blobs:
    """The functions' code, kept once each by its digest, beside the states that refer to it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self._known: dict[int, tuple[bytes, str]] = {}  # by id(); holding the bytes keeps the id theirs

    def keep(self) -> None:
        """Store the code of functions that came since the last call, and forget what no function has any more."""
        found = {id(code): code for code in _function_code()}
        for identity, code in found.items():
            if identity not in self._known:
                digest = hashlib.sha256(code).hexdigest()
                path = self._directory / digest
                if not path.exists():
                    files.replace(path, code)
                self._known[identity] = (code, digest)
        for identity in self._known.keys() - found.keys():
            del self._known[identity]

    def prune(self) -> None:
        """Remove code that no function had when `keep` was last called."""
        wanted = {digest for _, digest in self._known.values()}
        for path in self._directory.iterdir():
            if path.name not in wanted:
                path.unlink(missing_ok=True)

    def name(self, value: bytes) -> str | None:
        known = self._known.get(id(value))
        return known[1] if known else None

    def read(self, name: str) -> bytes:
        return (self._directory / name).read_bytes()


class _Pickler(pickle.Pickler):
    def __init__(self, file: IO[bytes], blobs: Blobs) -> None:
        super().__init__(file, protocol=5)
        self._blobs = blobs

    def persistent_id(self, value: Any) -> str | None:
        return self._blobs.name(value) if type(value) is bytes else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: IO[bytes], blobs: Blobs) -> None:
        super().__init__(file)
        self._blobs = blobs
        self._read: dict[str, bytes] = {}

    def persistent_load(self, name: Any) -> bytes:
        if name not in self._read:
            self._read[name] = self._blobs.read(name)
        return self._read[name]


def save(path: Path, header: Header, blobs: Blobs) -> None:
    """Write all state to a file, in the place of what it held before."""
    services: dict[str, Any] = {}
    for name, module in _modules():
        if own := _own_form(name):
            services[name] = own[0]()
        elif stores := dict(_stores(name, module)):
            services[name] = stores
    content = io.BytesIO()
    content.write(json.dumps(asdict(header)).encode() + b"\n")
    _Pickler(content, blobs).dump(services)
    files.replace(path, content.getbuffer())


def load(path: Path, ministack: str, generation: str, blobs: Blobs) -> Header:
    """Fill the emulator, which must be empty; StateError, and nothing filled, when the file is not for this cloud."""
    try:
        with path.open("rb") as file:
            header = _header(file.readline(), ministack, generation)
            services = _Unpickler(file, blobs).load()
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError) as error:
        raise StateError(f"cannot be read ({error})") from error
    for name, stores in services.items():
        if own := _own_form(name):
            own[1](stores)
        else:
            module = importlib.import_module(name if name in _OURS else _SERVICES + name)
            for store, content in stores.items():
                _contents(getattr(module, store)).update(content)
    return header


def resume() -> None:
    """Start what works in the background on restored state, when the emulator is repaired."""
    from ministack.services import lambda_svc  # noqa: PLC0415 - what it imports, the cloud's start does not wait for

    if lambda_svc._esms.has_any():
        lambda_svc._ensure_poller()


def _header(line: bytes, ministack: str, generation: str) -> Header:
    try:
        header = Header(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise StateError("is damaged") from error
    if (header.format, header.ministack) != (FORMAT, ministack):
        raise StateError(f"is of ministack {header.ministack}, and this one is {ministack}")
    if header.generation != generation:
        raise StateError("is of another cloud")
    return header


def _modules() -> Iterator[tuple[str, ModuleType]]:
    """The emulator's modules; one that another thread is importing at the moment has no state yet."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(_SERVICES) and not getattr(module.__spec__, "_initializing", False):
            yield name.removeprefix(_SERVICES), module
        elif name in _OURS:
            yield name, module


def _own_form(name: str) -> tuple[Callable[[], Any], Callable[[Any], None]] | None:
    """How a module that has a form of its own gives its state and takes it back; it is imported for that.

    S3 keeps objects on disk itself, KMS may hold key objects that are not data.
    """
    if name == "s3":
        from ministack.services import s3  # noqa: PLC0415 - importing it reads the objects that are on disk

        return s3.get_state, s3.load_persisted_state
    if name == "kms":
        from ministack.services import kms  # noqa: PLC0415

        return kms.get_state, kms.load_persisted_state
    return None


def _stores(name: str, module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The module's stores with something in them."""
    plain = {store.removeprefix(f"{_SERVICES}{name}.") for store in _PLAIN_STORES}
    for attribute, value in vars(module).items():
        scoped = isinstance(value, AccountScopedDict | AccountRegionScopedDict)
        if (scoped or attribute in plain) and (contents := _contents(value)):
            yield attribute, contents


def _contents(store: Any) -> Any:
    return store._data if isinstance(store, AccountScopedDict | AccountRegionScopedDict) else store


def _function_code() -> Iterator[bytes]:
    if "lambda_svc" not in dict(_modules()):
        return
    from ministack.services import lambda_svc  # noqa: PLC0415

    for function in list(lambda_svc._functions._data.values()):
        for record in (function, *list(function.get("versions", {}).values())):
            if isinstance(code := record.get("code_zip"), bytes):
                yield code
