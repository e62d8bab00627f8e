"""Finds the Pulumi engine (its CLI), or gets one: from PATH, by Pulumi's installer, or built from its Go modules.

What is got is kept outside the checkout, once per version for all checkouts of this user:

```
${XDG_CACHE_HOME:-~/.cache}/region-failover/pulumi/
    lock                  held by whoever gets an engine; the kernel frees it with its process
    versions.json         what `pulumi version` said of the executables on PATH, by path, time and size
    <version>/bin/        the executable; engine.json beside bin/ says where it is from, and why
```
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shared import files
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Origin = Literal["path", "installer", "built"]
Version = tuple[int, ...]

MINIMUM: Version = (3, 220, 0)
CACHE = ("region-failover", "pulumi")
VERSION_TIMEOUT = 20  # seconds for `pulumi version`, which takes 0.1 s on an idle machine


@dataclass(frozen=True)
class Engine:
    version: str
    """As in "3.220.0"."""
    executable: Path
    origin: Origin
    why: str
    """One line: why this one was chosen."""


def find(progress: Callable[[str], None] | None = None) -> Engine:
    """The engine to use. Milliseconds when it is known; else it is got, which takes up to some minutes.

    progress: called with one line whenever there is something to tell during those.
    Raises Problem when there is none and none can be got.
    """
    try:
        cache = cache_directory()
    except Problem:
        if engine := _on_path(None)[0]:
            return engine
        raise
    engine, rejected = _on_path(cache)
    return engine or _cached(cache) or _get(cache, rejected, progress or _silent)


def cache_directory() -> Path:
    """Where engines are kept. Raises Problem for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification of base directories has a relative path ignored.
    if Path(base).is_absolute():
        return Path(base, *CACHE)
    try:
        return Path(Path.home(), ".cache", *CACHE)
    except RuntimeError:  # neither HOME nor an entry in the system's list of users
        raise Problem(
            "there is no home folder to keep the Pulumi engine in: set HOME or XDG_CACHE_HOME to a folder of yours"
        ) from None


def _silent(_: str) -> None:
    pass


def _on_path(cache: Path | None) -> tuple[Engine | None, str]:
    """The first executable on PATH that is new enough; or None, and a phrase that says what is there instead."""
    versions = _Versions(cache / "versions.json" if cache else None)
    rejected = []
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        # A sandbox's own copy (`eval "$(./invoke sandbox.env)"` puts it first) is not where engines come from.
        if not folder or Path(folder).parts[-2:] == (".sandbox", "bin"):
            continue
        executable = Path(folder, "pulumi").absolute()
        if not os.access(executable, os.X_OK) or not executable.is_file():  # also where the folder is closed to us
            continue
        version = versions.of(executable)
        if version and _parsed(version) >= MINIMUM:
            return Engine(version, executable, "path", f"the first on PATH that is {_text(MINIMUM)} or newer"), ""
        rejected.append(f"{executable} is {version}" if version else f"{executable} does not tell its version")
    return None, f"PATH has none of {_text(MINIMUM)} or newer" + (f" ({'; '.join(rejected)})" if rejected else "")


class _Versions:
    """What executables said of themselves, remembered as long as they do not change."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = (_read_json(path) if path else None) or {}

    def of(self, executable: Path) -> str:
        stat = executable.stat()
        now = [stat.st_mtime_ns, stat.st_size]
        known = self._known.get(str(executable))
        if isinstance(known, dict) and known.get("file") == now and isinstance(known.get("version"), str):
            return str(known["version"])
        version = ask_version(executable)
        self._known[str(executable)] = {"file": now, "version": version}
        if self._path:
            with contextlib.suppress(OSError):  # a cache that cannot be written costs 0.1 s each time, no more
                _write_json(self._path, self._known)
        return version


def ask_version(executable: Path) -> str:
    """What `pulumi version` says, as in "3.220.0"; "" when it says nothing of the kind."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    settings["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    try:
        said = subprocess.run(
            [executable, "version"],
            env=settings,
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.match(r"v?(\d+\.\d+\.\d+\S*)\s*$", said)
    return found[1] if found else ""


def _parsed(version: str) -> Version:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _text(version: Version) -> str:
    return ".".join(map(str, version))


def _cached(cache: Path) -> Engine | None:
    """The newest engine that was got before and is whole."""
    found = [engine for record in cache.glob("[!.]*/engine.json") if (engine := _recorded(record))]
    return max(found, key=lambda engine: _parsed(engine.version), default=None)


def _recorded(record: Path) -> Engine | None:
    """The engine beside a record; None for one that is not whole, or whose record is damaged."""
    facts = _read_json(record) or {}
    executable = record.parent / "bin" / "pulumi"
    try:
        whole = executable.stat().st_size == facts.pop("size")
        engine = Engine(**facts, executable=executable)
    except (OSError, KeyError, TypeError):
        return None
    told = all(isinstance(each, str) for each in (engine.version, engine.origin, engine.why))
    return engine if whole and told and _parsed(engine.version) >= MINIMUM else None


def _get(cache: Path, rejected: str, tell: Callable[[str], None]) -> Engine:
    from engine import get  # noqa: PLC0415 - needed once per machine

    try:
        with _exclusive(cache, tell) as lock, _workplace(cache) as place:
            if engine := _cached(cache):
                return engine  # got by whom we waited for
            reasons = [rejected]
            for origin, source in get.SOURCES.items():
                try:
                    version = source(place, lock, tell)
                except get.SourceUnavailable as unavailable:
                    reasons.append(str(unavailable))
                    shutil.rmtree(place)
                    place.mkdir()
                else:
                    return _keep(place, cache, Engine(version, place / "bin" / "pulumi", origin, "; ".join(reasons)))
    except OSError as error:
        where = error.filename or cache
        raise Problem(
            f"the Pulumi engine cannot be kept in {where}: {error.strerror}; "
            "free some space, or set XDG_CACHE_HOME to a folder that can be written",
        ) from error
    raise Problem(
        f"no Pulumi engine: {'; '.join(reasons)}. "
        "Install Pulumi (https://www.pulumi.com/docs/install/) or Go (https://go.dev/dl/), and run this again",
    )


@contextlib.contextmanager
def _exclusive(cache: Path, tell: Callable[[str], None]) -> Iterator[int]:
    """Be the only one who gets an engine; yields the lock's descriptor, which a build keeps open.

    So a build whose starter was killed still holds the lock until it ends, and no second one runs beside it.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another process that gets the Pulumi engine")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


@contextlib.contextmanager
def _workplace(cache: Path) -> Iterator[Path]:
    """A folder to make an engine in, on the file system where it will stay; what killed processes left is removed."""
    engine = cache / "engine"
    files.forget_drafts(engine)
    with files.drafting(engine) as place:
        place.mkdir()
        yield place


def _keep(place: Path, cache: Path, engine: Engine) -> Engine:
    """Move a finished engine to where it stays, whole or not at all."""
    said = ask_version(engine.executable)
    if said != engine.version:
        raise Problem(
            f"the Pulumi engine that was made says it is {said or 'nothing'}, not {engine.version}; report this"
        )
    final = cache / engine.version
    kept = Engine(engine.version, final / "bin" / "pulumi", engine.origin, engine.why)
    _write_json(place / "engine.json", _without_executable(kept) | {"size": engine.executable.stat().st_size})
    files.put(place, final)
    return kept


def _without_executable(engine: Engine) -> dict[str, Any]:
    return {key: value for key, value in asdict(engine).items() if key != "executable"}


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    files.replace(path, json.dumps(content, indent=1))
