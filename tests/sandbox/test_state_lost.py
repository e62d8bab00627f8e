"""The region with the stacks' states is out: what needs them says so in one line, what moves clients needs none."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from engine import find
from orchestration import commands, status
from orchestration.choice import Choice
from orchestration.reach import reach
from orchestration.targets import aws as on_aws
from shared.environment import Environment
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.sandbox.conftest import RunningCloud


@pytest.fixture(params=["refuses", "hangs"])
def lost(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, executable: Path) -> Iterator[str]:
    """A user of AWS whose backend refuses, or accepts and never answers."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"s3://states?region=us-west-2&endpoint=http://127.0.0.1:{listening.getsockname()[1]}&s3ForcePathStyle=true"
    if request.param == "refuses":
        listening.close()
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {
        "PULUMI_BACKEND_URL": url,
        "PULUMI_SECRETS_PROVIDER": "awskms://alias/states?region=us-west-2",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(find, "find", lambda _: find.Engine("3", executable, "path", ""))
    monkeypatch.setattr(on_aws, "_account", lambda _: "123456789012")
    monkeypatch.setattr(on_aws, "BACKEND_WITHIN", 3.0)
    monkeypatch.setattr(Environment, "require_own_domain", lambda _: None)
    yield url
    listening.close()


@pytest.mark.parametrize(
    "task",
    [
        lambda: commands.deploy(Choice(target="aws", yes=True)),
        lambda: commands.preview(Choice(target="aws")),
        lambda: status.status(Choice(target="aws")),
    ],
    ids=["deploy-all", "preview-all", "status"],
)
def test_what_needs_the_states_says_so_in_a_line_with_what_goes_on_without_them(
    lost: str, task: Callable[[], int]
) -> None:
    with pytest.raises(Problem) as said:
        task()
    line = str(said.value)
    assert line.startswith(f"the stacks' states in {lost} cannot be reached (")
    assert "Clients are not concerned: failover goes on by itself" in line
    assert "evacuate, restore and situation need no state" in line
    assert "\n" not in line


def test_what_moves_clients_asks_no_backend(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_aws, "_lost", lambda *_: pytest.fail(f"{lost} was asked"))
    monkeypatch.setattr(on_aws, "Cli", lambda *_: pytest.fail("an engine was started"))
    assert reach("aws", lambda _: None).where == "AWS"


def test_a_bucket_that_is_not_there_is_another_thing(
    lost: str, monkeypatch: pytest.MonkeyPatch, cloud: RunningCloud, executable: Path
) -> None:
    endpoint = cloud.endpoint
    url = lost.partition("&")[0] + f"&endpoint={endpoint}&s3ForcePathStyle=true"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    said = on_aws._lost(on_aws._cli(executable, url), url)
    assert said.startswith("the backend refuses (")
    assert "./invoke bootstrap --target aws makes it" in said
