from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engine.backend import Checkpoint, FileBackend, file_folder, without_attributes
from shared.errors import Problem
from shared.stack import Stack
from tests.doubles.locks import lock

STACK = Stack("compute", "payments", "primary")


class Books:
    """Writes what the engine writes: the layout of its file backend."""

    def __init__(self, folder):
        self.root = folder / ".pulumi"

    def put(self, path, content, *, zipped=False):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        file.write_bytes(gzip.compress(raw) if zipped else raw)
        return file

    def state(self, latest, **options):
        name = "stacks/compute/payments-primary.json" + (".gz" if options.get("zipped") else "")
        return self.put(name, {"version": 3, "checkpoint": {"latest": latest}}, **options)

    def update(self, nanoseconds, result="succeeded", message=""):
        name = f"history/compute/payments-primary/payments-primary-{nanoseconds}.history.json"
        self.put(name, {"kind": "update", "result": result, "message": message})

    def lock(self, pid, host, taken=None):
        return lock(self.root.parent, STACK, pid, host, taken)


@pytest.fixture
def books(tmp_path):
    return Books(tmp_path)


@pytest.fixture
def backend(tmp_path):
    return FileBackend(tmp_path)


def resource(kind, **outputs):
    return {"type": kind, "urn": "urn", "outputs": outputs}


def test_a_stack_that_is_not_there(backend):
    assert backend.checkpoint(STACK) is None
    assert backend.newest_update(STACK) is None
    assert backend.tags(STACK) == {}
    assert list(backend.locks(STACK)) == []


@pytest.mark.parametrize("zipped", [False, True])
def test_outputs_and_pending_operations(books, backend, zipped):
    latest = {
        "resources": [resource("pulumi:pulumi:Stack", endpoint="https://x"), resource("aws:s3/bucket:Bucket", arn="a")],
        "pending_operations": [{"type": "creating", "resource": {"urn": "urn"}}],
    }
    books.state(latest, zipped=zipped)
    checkpoint = backend.checkpoint(STACK)
    assert checkpoint.outputs == {"endpoint": "https://x"}
    assert len(checkpoint.pending) == 1
    assert not checkpoint.empty


OWN = {"type": "pulumi:pulumi:Stack", "urn": "urn::own", "outputs": {"endpoint": "https://a"}}
ALIAS = {"type": "aws:lambda/alias:Alias", "urn": "urn::live", "id": "live", "inputs": {"functionVersion": "1"}}


def digest(*resources, **latest):
    return Checkpoint.parse({"resources": resources, **latest}).digest


def test_whatever_a_hand_or_a_killed_update_writes_makes_a_state_another_one():
    others = (
        digest(),
        digest(OWN),
        digest(OWN, {**ALIAS, "id": "other"}),
        digest(OWN, {**ALIAS, "inputs": {"functionVersion": "2"}}),
        digest(OWN, {**ALIAS, "delete": True}),
        digest(OWN, ALIAS, {**ALIAS, "urn": "urn::more"}),
        digest({**OWN, "outputs": {"endpoint": "https://b"}}, ALIAS),
    )
    assert digest(OWN, ALIAS) not in others
    assert len(set(others)) == len(others)


def test_how_its_secrets_are_encrypted_and_when_it_was_written_do_not():
    mark = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    one, other = ({**ALIAS, "inputs": {"a": {**mark, "ciphertext": text}}} for text in ("v1:a:b", "v1:c:d"))
    assert digest(one) == digest(other, secrets_providers={"type": "cloud"}, manifest={"time": "later"})


def test_a_stack_without_resources_is_empty(books, backend):
    books.state(None)
    assert backend.checkpoint(STACK).empty
    books.state({"resources": [resource("pulumi:pulumi:Stack")]})
    assert backend.checkpoint(STACK).empty


def test_the_newest_update_is_the_last_by_time(books, backend):
    books.update(1795267814000000002, "failed", "second")
    books.update(1795267814000000001, "succeeded", "first")
    newest = backend.newest_update(STACK)
    assert (newest.succeeded, newest.message) == (False, "second")


def test_tags(books, backend):
    books.put("stacks/compute/payments-primary.pulumi-tags", {"version": 1, "tags": {"fingerprint": "x"}})
    assert backend.tags(STACK) == {"fingerprint": "x"}


def test_a_damaged_state_is_one_line(books, backend):
    books.put("stacks/compute/payments-primary.json", b'{"version": 3, "checkp')
    with pytest.raises(Problem, match=r"payments-primary\.json is damaged"):
        backend.checkpoint(STACK)


NO_OBJECT = (b"null", b"1", b"[1]", b'"x"', b"", b"{", b"\xff\xfe{\x00", b"[" * 100_000, b"\x1f\x8b\x08\x00cut")
CUT = gzip.compress(b'{"version": 3}')[:-9]
STATE, TAGS = "stacks/compute/payments-primary.json", "stacks/compute/payments-primary.pulumi-tags"
HISTORY = "history/compute/payments-primary/payments-primary-1795267814000000001.history.json"
LOCK = f"locks/{STACK.reference}/a.json"
OTHER_SHAPES: dict[str, list[object]] = {
    STATE: [
        {"checkpoint": 1},
        {"checkpoint": {"latest": [1]}},
        {"checkpoint": {"latest": {"resources": 1}}},
        {"checkpoint": {"latest": {"resources": [1]}}},
        {"checkpoint": {"latest": {"resources": [{"urn": "a"}]}}},
        {"checkpoint": {"latest": {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": [1]}]}}},
        {"checkpoint": {"latest": {"pending_operations": 1}}},
        {"checkpoint": {"latest": {"secrets_providers": [1]}}},
    ],
    HISTORY: [
        {},
        {"kind": "update", "startTime": "yesterday"},
        {"kind": "update", "startTime": [1]},
        {"kind": "update", "startTime": 10**30},
        {"kind": "update", "environment": [1]},
    ],
    TAGS: [{"tags": 1}, {"tags": [1]}, {"tags": {"a": 1}}],
    LOCK: [
        {},
        {"pid": 1, "hostname": "a", "username": "b", "timestamp": "yesterday"},
        {"pid": "x", "hostname": "a", "username": "b", "timestamp": "2026-11-27T00:00:00Z"},
        {"pid": [1], "hostname": "a", "username": "b", "timestamp": "2026-11-27T00:00:00Z"},
    ],
}
ASKED = {
    STATE: lambda backend: (backend.checkpoint(STACK).outputs, backend.checkpoint(STACK).empty),
    HISTORY: lambda backend: backend.newest_update(STACK),
    TAGS: lambda backend: backend.tags(STACK),
    LOCK: lambda backend: backend.locks(STACK),
}


@pytest.mark.parametrize("path", ASKED)
def test_a_file_of_a_backend_that_is_no_object_of_its_kind_is_one_line_with_its_path(books, backend, path):
    for content in (*NO_OBJECT, CUT, *OTHER_SHAPES[path]):
        file = books.put(path, content)
        with pytest.raises(Problem) as raised:
            ASKED[path](backend)
        assert str(file) in str(raised.value), str(content)[:99]
        assert " is damaged (" in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", [STATE, HISTORY, TAGS])
def test_a_folder_in_the_place_of_a_backends_file_is_one_line_with_its_path(books, backend, path):
    (books.root / path).mkdir(parents=True)
    with pytest.raises(Problem, match=rf"^[^\n]*{path}[^\n]*$"):
        ASKED[path](backend)


class TestLocks:
    def gone(self):
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        return ended.pid

    def test_a_dead_engines_lock_goes(self, books, backend):
        path = books.lock(self.gone(), socket.gethostname())
        backend.unlock(STACK)
        assert not path.exists()

    def test_a_living_engines_lock_stays(self, books, backend):
        path = books.lock(os.getpid(), socket.gethostname())
        backend.unlock(STACK)
        assert path.exists()

    def test_another_hosts_lock_stays(self, books, backend):
        path = books.lock(self.gone(), "elsewhere")
        backend.unlock(STACK)
        assert path.exists()

    def test_a_process_that_began_after_the_lock_was_taken_does_not_hold_it(self, books, backend):
        path = books.lock(os.getpid(), socket.gethostname(), datetime.now().astimezone() - timedelta(days=1))
        backend.unlock(STACK)
        assert not path.exists()


def test_only_file_urls_are_folders():
    assert file_folder("file:///var/state%20of%20mine") == Path("/var/state of mine")
    assert file_folder("file://~/state") == Path.home() / "state"
    assert file_folder("s3://bucket") is None


def test_a_tag_is_set_beside_others(books, backend):
    books.put("stacks/compute/payments-primary.pulumi-tags", {"version": 1, "tags": {"owner": "edge team"}})
    backend.tag(STACK, "fingerprint", "x")
    assert backend.tags(STACK) == {"owner": "edge team", "fingerprint": "x"}


def test_a_stack_is_created_empty_and_keeps_secrets_as_its_sibling_does(backend):
    provider = {"type": "passphrase", "state": {"salt": "v1:x"}}
    assert backend.create(STACK, provider)
    checkpoint = backend.checkpoint(STACK)
    assert checkpoint.empty
    assert checkpoint.secrets_provider == provider


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("file:///states", "file:///states?metadata=skip"),
        ("file:///states?create_dir=true", "file:///states?create_dir=true&metadata=skip"),
        ("file:///states?metadata=skip", "file:///states?metadata=skip"),
        ("s3://states?region=us-west-2", "s3://states?region=us-west-2"),
    ],
)
def test_only_a_file_backend_has_files_of_attributes_to_do_without(url, used):
    assert without_attributes(url) == used
