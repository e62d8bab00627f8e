"""Short commands of the CLI: what they answer, what they do not, and states that are edited by them."""

from __future__ import annotations

import json

import pytest

from engine.cli import BackendUnreachable, Cli, CliBackend, WrongPassphrase
from shared.errors import Problem
from shared.stack import Stack

DATA = Stack("data", "payments")
EXPORTED = {"version": 3, "deployment": {"resources": [{"urn": "a"}]}}


@pytest.fixture
def cli(tmp_path):
    """A CLI that does what its script says."""

    def made(script):
        executable = tmp_path / "pulumi"
        executable.write_text(f"#!/bin/sh\n{script}\n")
        executable.chmod(0o755)
        return Cli(executable, {"PATH": "/usr/bin:/bin"})

    return made


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("blob (code=Unknown): RequestError: send request failed caused by: dial tcp 127.0.0.1:9", BackendUnreachable),
        ("operation error S3: GetObject, https response error StatusCode: 503, api error SlowDown", BackendUnreachable),
        ("InternalError: We encountered an internal error. status code: 500", BackendUnreachable),
        ("incorrect passphrase", WrongPassphrase),
        ("AccessDenied: Access Denied status code: 403", Problem),
    ],
)
def test_a_backend_that_does_not_answer_is_told_from_one_that_refuses(cli, said, kind):
    with pytest.raises(Problem) as problem:
        cli(f"echo 'error: {said}' >&2; exit 255").call("stack", "ls")
    assert type(problem.value) is kind


def test_what_only_asks_is_not_waited_for_for_ever(cli):
    with pytest.raises(BackendUnreachable, match=r"^no answer within 0.5 s$"):
        cli("exec sleep 60").call("whoami", within=0.5)


def test_a_stack_that_is_not_there_is_another_thing_than_a_backend_that_is_not(cli):
    assert CliBackend(cli("echo \"error: no stack named 'x' found\" >&2; exit 255")).checkpoint(DATA) is None
    with pytest.raises(BackendUnreachable):
        CliBackend(cli("echo 'error: dial tcp: i/o timeout' >&2; exit 255")).checkpoint(DATA)


@pytest.mark.parametrize("changed", [True, False])
def test_a_state_is_written_where_it_changes_and_the_one_before_is_kept_first(cli, tmp_path, changed):
    """The file that is imported is looked at by the CLI itself, which finds the kept one there already."""
    kept, seen = tmp_path / "kept" / "data.json", tmp_path / "seen.json"
    script = f"""
case "$2" in
  export) echo '{json.dumps(EXPORTED)}' ;;
  import) test -e {kept} && cp "$6" {seen} ;;
esac"""
    after = {"resources": [{"urn": "b"}]} if changed else EXPORTED["deployment"]
    cli(script).edit_state(DATA, lambda _: after, kept)
    assert json.loads(kept.read_text()) == EXPORTED
    assert seen.exists() == changed
    if changed:
        assert json.loads(seen.read_text()) == {**EXPORTED, "deployment": after}
