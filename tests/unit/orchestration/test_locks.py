"""A run that was killed leaves locks: those of its own machine's dead engines go, wherever the stacks are kept.

The kind: what clears up after one machine takes away what another one holds.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.backend import BucketUrl, FileBackend
from engine.cli import Cli, CliBackend
from orchestration import recovery
from orchestration.bucket import BucketBackend
from orchestration.targets import aws as on_aws
from shared.errors import Problem
from shared.stack import Stack
from tests.doubles import locks
from tests.doubles.modelled_aws import ModelledAws

DATA, NETWORK = Stack("data", "payments"), Stack("network", "payments", "secondary")
HERE = socket.gethostname()
CANCELLED = "cancelled"
NOBODY = 9_999_999
"""More than any process's id."""
RELEASING = f"a run was killed before {DATA} was complete: releasing its lock"


class Files:
    """A folder with the stacks."""

    def __init__(self, folder, cli):
        self.folder = folder
        self.backend = FileBackend(folder)

    def lock(self, stack, pid, host, taken=None):
        return str(locks.lock(self.folder, stack, pid, host, taken))

    def left(self):
        return {str(path) for path in self.folder.rglob("*.json")}


class Bucket:
    """A folder of a bucket with the stacks."""

    def __init__(self, folder, cli):
        self.objects, self.denied, self.scratch = {}, False, folder
        self.aws = ModelledAws(
            {
                ("s3", "ListObjectsV2"): lambda _, asked: {
                    "Contents": [{"Key": key} for key in self.objects if key.startswith(asked["Prefix"])]
                },
                ("s3", "GetObject"): self.get,
                ("s3", "DeleteObject"): lambda _, asked: self.objects.pop(asked["Key"]) and {},
            }
        )
        self.backend = BucketBackend(cli, BucketUrl.parse("s3://states/system?region=us-west-2"))
        given: Any = self.aws
        self.backend._aws = given

    def get(self, _, asked):
        if self.denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
        return {"Body": BytesIO(self.objects[asked["Key"]])}

    def lock(self, stack, pid, host, taken=None):
        path = locks.lock(self.scratch, stack, pid, host, taken)
        key = f"system/{path.relative_to(self.scratch)}"
        self.objects[key] = path.read_bytes()
        return key

    def left(self):
        return set(self.objects)


@pytest.fixture
def cli(tmp_path):
    """One whose `cancel`, which takes everybody's locks, leaves a trace."""
    executable = tmp_path / "pulumi"
    executable.write_text(f"#!/bin/sh\ntouch {tmp_path}/{CANCELLED}\n")
    executable.chmod(0o755)
    return Cli(executable, {"PATH": "/usr/bin:/bin"})


@pytest.fixture(params=[Files, Bucket])
def kept(request, tmp_path, cli):
    folder = tmp_path / "states"
    folder.mkdir()
    return request.param(folder, cli)


@pytest.fixture
def gone():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def cleared(kept, tmp_path, stacks=(DATA, NETWORK), engine=None):
    """What a run says that finds a dead one's records of both stacks, with the process of its engines."""
    sessions = tmp_path / "state" / "runs" / "dead" / "sessions"
    sessions.mkdir(parents=True, exist_ok=True)
    for stack in (DATA, NETWORK):
        (sessions / stack.label).write_text(f"{engine}\n" if engine else "")
    said = []
    recovery.clear(SimpleNamespace(state=tmp_path / "state", backend=kept.backend), stacks, said.append)
    assert not any(sessions.iterdir())
    return said


def test_a_dead_engines_lock_goes_and_those_of_others_stay(kept, tmp_path, gone):
    kept.lock(DATA, gone, HERE)
    assert cleared(kept, tmp_path, engine=gone) == [RELEASING]
    kept.lock(DATA, gone, HERE)
    others = {kept.lock(DATA, 4711, "another-machine"), kept.lock(NETWORK, os.getpid(), HERE)}
    with pytest.raises(
        Problem, match=rf"is changing {DATA} \(ci@another-machine, .* is changing {NETWORK} \(ci@{HERE}"
    ):
        cleared(kept, tmp_path, engine=gone)
    assert kept.left() == others
    assert not (tmp_path / CANCELLED).exists()


def test_a_lock_that_stays_is_refused_with_its_holder_its_age_and_how_a_person_releases_it(kept, tmp_path):
    kept.lock(DATA, 4711, "another-machine", datetime.now(UTC) - timedelta(hours=7))
    with pytest.raises(Problem) as refused:
        cleared(kept, tmp_path)
    assert "ci@another-machine, process 4711, since " in str(refused.value)
    assert "for 7 h" in str(refused.value)
    assert f"`pulumi cancel --yes --stack {DATA.reference}`" in str(refused.value)


@pytest.mark.parametrize("record", ["", "{other}", "{pid}"], ids=["none", "another process", "begun later"])
def test_in_a_bucket_a_machines_name_alone_releases_nothing(tmp_path, cli, gone, record):
    """GitHub's runners share one host name, and so do containers: whose lock it is, is known by an engine on record."""
    kept = Bucket(tmp_path, cli)
    lock = kept.lock(DATA, gone, HERE, datetime.now(UTC) - timedelta(minutes=5))
    with pytest.raises(Problem, match=f"another run is changing {DATA} "):
        cleared(kept, tmp_path, engine=record.format(pid=gone, other=NOBODY))
    assert kept.left() == {lock}


def test_in_a_bucket_a_lock_goes_with_a_later_run_of_its_stack(tmp_path, cli, gone):
    kept = Bucket(tmp_path, cli)
    lock = kept.lock(DATA, gone, HERE)
    cleared(kept, tmp_path, stacks=(NETWORK,), engine=gone)
    assert kept.left() == {lock}
    assert cleared(kept, tmp_path) == [RELEASING]


def test_a_run_clears_the_stacks_that_it_works_on(kept, tmp_path, gone):
    lock = kept.lock(NETWORK, gone, HERE)
    assert cleared(kept, tmp_path, stacks=(DATA,), engine=gone) == []
    assert kept.left() == {lock}


def test_a_lock_says_whose_it_is_wherever_the_stacks_are_kept(kept):
    kept.lock(DATA, 4711, "another-machine")
    (lock,) = kept.backend.locks(DATA)
    assert (lock.pid, lock.host, lock.user) == (4711, "another-machine", "ci")
    assert kept.backend.locks(NETWORK) == []


def test_a_lock_that_may_not_be_read_counts_as_held(tmp_path, cli, gone):
    kept = Bucket(tmp_path, cli)
    lock = kept.lock(DATA, gone, HERE)
    kept.denied = True
    kept.backend.unlock(DATA)
    assert kept.left() == {lock}


def test_a_lock_that_is_released_while_it_is_looked_at_is_none(tmp_path, cli):
    def released(*_):
        raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no"}}, "GetObject")

    kept = Bucket(tmp_path, cli)
    kept.lock(DATA, 4711, "another-machine")
    kept.aws.answers["s3", "GetObject"] = released
    assert kept.backend.locks(DATA) == []


def test_a_damaged_lock_is_one_line_with_its_key(tmp_path, cli):
    kept = Bucket(tmp_path, cli)
    kept.objects[kept.lock(DATA, 1, HERE)] = json.dumps({"pid": 1}).encode()
    with pytest.raises(Problem, match=r"^system/\.pulumi/locks/organization/data/payments/1\.json is damaged \("):
        kept.backend.locks(DATA)


def test_where_locks_cannot_be_told_apart_none_is_taken_away(tmp_path, cli):
    CliBackend(cli).unlock(DATA)
    assert not (tmp_path / CANCELLED).exists()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("file:///states", FileBackend),
        ("s3://states/system?region=us-west-2", BucketBackend),
        ("gs://states", CliBackend),
        ("https://api.pulumi.com", CliBackend),
    ],
)
def test_each_backend_is_read_as_directly_as_it_can_be(cli, url, kind):
    assert type(on_aws._backend(cli, url)) is kind


@pytest.mark.parametrize(
    ("url", "shell", "region"),
    [
        ("s3://states?region=us-west-2", {"AWS_REGION": "eu-west-1"}, "us-west-2"),
        ("s3://states", {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-2"}, "eu-west-1"),
        ("s3://states", {"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ("s3://states", {}, "ca-central-1"),
        ("s3://states?profile=ops", {}, "us-east-1"),
    ],
)
def test_a_bucket_is_asked_where_the_engine_asks_it(configured, url, shell, region):
    """The kind: beside the engine, what reads the same settings reads them otherwise."""
    assert bucket(url, shell)._s3.meta.region_name == region


def test_a_bucket_without_a_region_is_one_line(configured, monkeypatch):
    configured.write_text("")
    with pytest.raises(Problem, match=r"^PULUMI_BACKEND_URL=s3://states says no region.*: add \?region=…$"):
        bucket("s3://states", {}).locks(DATA)


@pytest.mark.parametrize(("profile", "key"), [("", "SHELLS"), ("&profile=ops", "PROFILES")])
def test_a_profile_that_the_address_names_counts_for_more_than_the_shells_keys(configured, profile, key):
    shell = {"AWS_ACCESS_KEY_ID": "SHELLS", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    s3 = bucket(f"s3://states?region=us-west-2{profile}", shell)._s3
    assert s3._request_signer._credentials.access_key == key


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """The SDK's files of this person."""
    file = tmp_path / "config"
    file.write_text(
        "[default]\nregion = ca-central-1\n"
        "[profile ops]\nregion = us-east-1\naws_access_key_id = PROFILES\naws_secret_access_key = p\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return file


def bucket(url, shell):
    return BucketBackend(Cli(Path("pulumi"), shell), BucketUrl.parse(url))


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://states?region=us-west-2", BucketUrl("states", "", "us-west-2", "", "")),
        ("s3://states/a/b/?profile=ops", BucketUrl("states", "a/b", "", "", "ops")),
        ("s3://states?endpoint=minio:9000", BucketUrl("states", "", "", "https://minio:9000", "")),
        ("s3://states?endpoint=http://127.0.0.1:1", BucketUrl("states", "", "", "http://127.0.0.1:1", "")),
        ("gs://states", None),
    ],
)
def test_a_buckets_address(url, found):
    assert BucketUrl.parse(url) == found
