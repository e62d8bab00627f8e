"""What a Pulumi backend knows about stacks: outputs, pending work, the newest update, tags and locks.

A file backend is read directly, which takes a millisecond where the CLI takes 120; any other is asked through the CLI.
Layout of the files: pulumi/pkg backend/diy (state.go, store.go, stack_tags.go, lock.go).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from engine.processes import Recorded, alive
from shared import files
from shared.errors import MALFORMED, Problem
from shared.stack import Stack

DAMAGED = (*MALFORMED, OverflowError, EOFError, zlib.error, gzip.BadGzipFile)
"""What is raised by reading a file that is cut, or not of its kind."""
STACK_TYPE = "pulumi:pulumi:Stack"
CIPHERTEXT = re.compile(r'"ciphertext": "[^"]*"')
"""Of a secret: another one for the same secret, whenever it is encrypted."""


@dataclass(frozen=True)
class Checkpoint:
    """A stack's state as the engine last wrote it."""

    resources: Sequence[Mapping[str, Any]] = ()
    pending: Sequence[Mapping[str, Any]] = ()
    """Operations that began and whose end nobody recorded: {"resource": …, "type": "creating" | …}."""
    secrets_provider: Mapping[str, Any] = field(default_factory=dict)
    """{"type": "passphrase", "state": {"salt": …}}."""

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs; empty before the first update."""
        for resource in self.resources:
            if resource["type"] == STACK_TYPE:
                return dict(resource.get("outputs") or {})
        return {}

    @property
    def empty(self) -> bool:
        """Whether no resource is left but the stack itself."""
        return not self.pending and all(resource["type"] == STACK_TYPE for resource in self.resources)

    @cached_property
    def digest(self) -> str:
        """What tells the state from another: what there is, made of what, and what the stack publishes.

        The rest of the outputs is the cloud's, and three quarters of a state.
        """
        told = [
            [
                *(each.get(name) for name in ("urn", "id", "delete", "inputs")),
                each.get("outputs") if each["type"] == STACK_TYPE else None,
            ]
            for each in self.resources
        ]
        text = CIPHERTEXT.sub("", json.dumps(told, sort_keys=True))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @staticmethod
    def parse(deployment: Mapping[str, Any] | None) -> Checkpoint:
        """Read the `deployment` of an export, or `checkpoint.latest` of a state file."""
        deployment = deployment or {}
        return Checkpoint(
            resources=deployment.get("resources") or (),
            pending=deployment.get("pending_operations") or (),
            secrets_provider=deployment.get("secrets_providers") or {},
        )


@dataclass(frozen=True)
class Update:
    """One entry of a stack's history."""

    kind: str
    """`update`, `destroy`, `refresh`, …"""
    message: str
    succeeded: bool
    began: datetime | None = None
    """To the second, in UTC; None where the entry does not say."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the engine knew of where it ran: `git.head`, `git.dirty`, `git.author`, `git.committer`, …"""

    @staticmethod
    def parse(entry: Mapping[str, Any]) -> Update:
        return Update(
            entry["kind"],
            entry.get("message", ""),
            entry.get("result") == "succeeded",
            _moment(entry.get("startTime")),
            dict(entry.get("environment") or {}),
        )


@dataclass(frozen=True)
class Lock:
    """The engine's lock on a stack: who holds it."""

    name: str
    """Of its file, as the backend calls it."""
    pid: int
    host: str
    user: str
    taken: datetime

    def __str__(self) -> str:
        """Who holds it, for a person."""
        hours, seconds = divmod(max(0, int((datetime.now(UTC) - self.taken).total_seconds())), 3600)
        age = f"{hours} h" if hours else f"{seconds // 60} min"
        since = self.taken.strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{self.user}@{self.host}, process {self.pid}, since {since}, for {age}"


class Backend(Protocol):
    """Where stacks are kept."""

    def checkpoint(self, stack: Stack) -> Checkpoint | None:
        """Return the stack's state, or None when there is no such stack."""

    def create(self, stack: Stack, secrets_provider: Mapping[str, Any]) -> bool:
        """Create an empty stack that keeps secrets as another one does, or ({}) as its first operation decides.

        False where only the CLI can.
        """

    def newest_update(self, stack: Stack) -> Update | None:
        """Return the newest entry of the history, or None when there is none."""

    def tags(self, stack: Stack) -> Mapping[str, str]:
        """Return the stack's tags."""

    def tag(self, stack: Stack, name: str, value: str) -> None:
        """Set one of the stack's tags."""

    def locks(self, stack: Stack) -> Sequence[Lock]:
        """Return the locks on the stack, as far as the backend shows them."""

    def unlock(self, stack: Stack, engines: Collection[Recorded] = ()) -> None:
        """Take away the locks of engines of this machine that have died, and nobody else's.

        `engines`: those on record here. Where many machines keep their stacks, a lock's host is only a name, which
        others may have, too: there a lock goes only when one of these took it.
        """


class FileBackend:
    """A `file://` backend, without the CLI."""

    def __init__(self, folder: Path) -> None:
        self._books = folder / ".pulumi"
        self._parsed: dict[Path, tuple[tuple[int, int], Checkpoint]] = {}

    def checkpoint(self, stack: Stack) -> Checkpoint | None:
        base = self._books / "stacks" / stack.layer / f"{stack.name}.json"
        found = _newest(base, base.with_name(base.name + ".gz"))
        if found is None:
            return None
        status = found.stat()
        stamp = (status.st_mtime_ns, status.st_ino)  # the engine replaces the file
        known = self._parsed.get(found)
        if known is None or known[0] != stamp:
            checkpoint = parsed_state(_raw(found), str(found))
            known = self._parsed[found] = stamp, checkpoint
        return known[1]

    def create(self, stack: Stack, secrets_provider: Mapping[str, Any]) -> bool:
        """Write what `stack init` writes. That derives a key for each stack anew, a third of a second of one core."""
        latest = {
            "manifest": {"time": "0001-01-01T00:00:00Z", "magic": "", "version": ""},  # no engine's yet
            "metadata": {},
            **({"secrets_providers": secrets_provider} if secrets_provider else {}),
        }
        content = {"version": 3, "checkpoint": {"stack": stack.reference, "latest": latest}}
        files.replace(self._books / "stacks" / stack.layer / f"{stack.name}.json", json.dumps(content, indent=4))
        return True

    def newest_update(self, stack: Stack) -> Update | None:
        """As the protocol says. Raises Problem for a damaged entry."""
        folder = self._books / "history" / stack.layer / stack.name
        entries = [*folder.glob("*.history.json"), *folder.glob("*.history.json.gz")]
        if not entries:
            return None
        # Named <stack>-<nanoseconds>.history.json: the number has had the same length since 2001.
        newest = max(entries, key=lambda entry: entry.name)
        with _undamaged(str(newest), "move it away: the entry before it counts then"):
            return Update.parse(_read(newest))

    def tags(self, stack: Stack) -> Mapping[str, str]:
        path = self._tags(stack)
        if not path.exists():
            return {}
        with _undamaged(str(path), "move it away: the stack counts as changed then, and is deployed again"):
            tags = dict(_read(path).get("tags") or {})
            _expect(all(isinstance(value, str) for value in tags.values()), "a tag is no text")
        return tags

    def tag(self, stack: Stack, name: str, value: str) -> None:
        content = {"version": 1, "tags": {**self.tags(stack), name: value}}
        files.replace(self._tags(stack), json.dumps(content, indent=4))

    def forget(self) -> bool:
        """Forget every stack, with its history. False when there was none."""
        known = (self._books / "stacks").exists()
        for books in ("stacks", "history", "backups", "locks"):
            shutil.rmtree(self._books / books, ignore_errors=True)
        return known

    def _tags(self, stack: Stack) -> Path:
        return self._books / "stacks" / stack.layer / f"{stack.name}.pulumi-tags"

    def locks(self, stack: Stack) -> Sequence[Lock]:
        folder = self._books / "locks" / stack.reference
        return [lock for path in folder.glob("*.json") if (lock := _lock(path)) is not None]

    def unlock(self, stack: Stack, engines: Collection[Recorded] = ()) -> None:  # noqa: ARG002
        for lock in self.locks(stack):
            if not is_held(lock):
                Path(lock.name).unlink(missing_ok=True)


def _moment(told: int | str | None) -> datetime | None:
    """A file backend writes seconds since 1970, the CLI an ISO time."""
    if not told:
        return None
    moment = datetime.fromtimestamp(told, UTC) if isinstance(told, int) else datetime.fromisoformat(told)
    return moment.replace(microsecond=0)


def is_held(lock: Lock) -> bool:
    """Whether the process that took a lock may still run: always so on another host."""
    return alive(lock.pid, lock.host, lock.taken.timestamp())


def file_folder(url: str) -> Path | None:
    """Return the folder of a `file://` backend, or None for any other kind of URL."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    path = unquote(parts.netloc + parts.path)
    return Path(path).expanduser()


@dataclass(frozen=True)
class BucketUrl:
    """An `s3://` backend's URL, as the CLI takes it (pulumi/pkg backend/diy/backend.go, gocloud.dev/blob/s3blob)."""

    bucket: str
    folder: str
    """Without a slash at its end; empty: none."""
    region: str
    """Empty: the shell's."""
    endpoint: str
    """Empty: AWS's own."""
    profile: str
    """Empty: the shell's."""

    @staticmethod
    def parse(url: str) -> BucketUrl | None:
        """Read a URL; None for one of another kind."""
        parts = urlsplit(url)
        if parts.scheme != "s3":
            return None
        told = {name: values[0] for name, values in parse_qs(parts.query).items()}
        endpoint = told.get("endpoint", "")
        if endpoint and "://" not in endpoint:
            endpoint = f"https://{endpoint}"
        folder = parts.path.lstrip("/").removesuffix("/")
        return BucketUrl(parts.netloc, folder, told.get("region", ""), endpoint, told.get("profile", ""))

    def key(self, name: str) -> str:
        """The key of one of the backend's objects."""
        return f"{self.folder}/.pulumi/{name}".removeprefix("/")


def without_attributes(url: str) -> str:
    """Return a `file://` backend's URL with which the engine writes no files of attributes beside the states.

    Those are not replaced atomically: a stack that reads another one during its update can find one empty, and fail.
    """
    if file_folder(url) is None or "metadata=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}metadata=skip"


def _newest(*candidates: Path) -> Path | None:
    existing = [path for path in candidates if path.exists()]
    return max(existing, key=lambda path: path.stat().st_mtime_ns, default=None)


def parsed_state(raw: bytes, where: str) -> Checkpoint:
    """Read a state file's content, whatever keeps it. Raises Problem."""
    with _undamaged(where, "put back a copy from the backend's backups folder"):
        checkpoint = Checkpoint.parse(_parsed(raw).get("checkpoint", {}).get("latest"))
        for resource in (*checkpoint.resources, *checkpoint.pending):
            _expect(isinstance(resource, Mapping), "a resource is no object")
        for resource in checkpoint.resources:
            _expect(isinstance(resource.get("type"), str), "a resource has no type")
            _expect(isinstance(resource.get("outputs") or {}, Mapping), "a resource's outputs are no object")
        _expect(isinstance(checkpoint.secrets_provider, Mapping), "how it keeps secrets is no object")
    return checkpoint


@contextmanager
def _undamaged(where: str, mend: str) -> Iterator[None]:
    """Whatever reading a file's content raises becomes one line with its name, and what to do."""
    try:
        yield
    except DAMAGED as error:
        raise Problem(f"{where} is damaged ({_why(error)}): {mend}") from error


def _why(error: Exception) -> str:
    """What is wrong, in one line."""
    missing = isinstance(error, KeyError)
    return f"it has no {error.args[0]}" if missing else " ".join(str(error).split()) or type(error).__name__


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Problem(f"{path} cannot be read ({error.strerror or error}): it belongs to Pulumi's backend") from error


def _read(path: Path) -> dict[str, Any]:
    return _parsed(_raw(path))


def _parsed(raw: bytes) -> dict[str, Any]:
    """The object that a file holds, compressed or not. Raises what `_undamaged` explains."""
    content = json.loads(gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw)
    _expect(isinstance(content, dict), "it is no object")
    return dict(content)


def parsed_lock(raw: bytes, name: str) -> Lock:
    """Read a lock file's content, whatever keeps it. Raises Problem."""
    with _undamaged(name, "remove it once no pulumi works on the stack"):
        content = _parsed(raw)
        taken = datetime.fromisoformat(content["timestamp"]).astimezone(UTC)
        return Lock(name, int(content["pid"]), str(content["hostname"]), str(content["username"]), taken)


def _lock(path: Path) -> Lock | None:
    try:
        return parsed_lock(_raw(path), str(path))
    except FileNotFoundError:
        return None  # released while we looked
