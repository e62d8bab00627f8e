"""A running cloud for the tests that need one, and the engine with small projects: each in a folder of its own."""

from __future__ import annotations

import functools
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from botocore.config import Config

from engine import find as engine
from sandbox import Sandbox, variables
from tests.sandbox.house import House
from tests.sandbox.place import Place, a_place
from tests.sandbox.proofs import WITHOUT
from tests.sandbox.provider_engine import TAGS, Engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


SESSION = boto3.Session(**{name.lower(): value for name, value in variables.CREDENTIALS.items()})
"""One for all clients: it keeps the services' models, which take longest to load."""


@dataclass(frozen=True, eq=False)
class RunningCloud:
    """A sandbox whose cloud runs, and clients for it."""

    sandbox: Sandbox
    endpoint: str
    """The AWS API's URL."""
    gateways: dict[str, str]
    """The URL of each region's gateway."""

    @functools.cache  # noqa: B019 - it lives as long as the test session
    def client(self, service: str, region: str = "us-east-1", **settings: Any) -> Any:
        """A boto3 client of the account's administrator; `settings` go into its `Config`."""
        return SESSION.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            config=Config(**({"retries": {"total_max_attempts": 1}} | settings)),
        )


class CloudOnly(Sandbox):
    """The cloud and what is outside it, without the host of plugins; `settings` go into its environment."""

    def __init__(self, root: Path, parts: Sequence[str] = ("cloud", "processor"), **settings: str) -> None:
        super().__init__(root, parts)
        left_out = {WITHOUT: os.environ[WITHOUT]} if WITHOUT in os.environ else {}
        self._settings = {**left_out, **settings}

    def _base_variables(self) -> dict[str, str]:
        return super()._base_variables() | self._settings


def running(sandbox: Sandbox) -> RunningCloud:
    status = sandbox.up(progress=lambda _: None)
    httpx.get(f"{status.endpoint}/_ministack/health").raise_for_status()  # the repairs could be applied
    return RunningCloud(sandbox, status.endpoint, dict(status.gateways))


@contextmanager
def a_cloud(folder: Path, parts: Sequence[str] = ("cloud", "processor"), **settings: str) -> Iterator[RunningCloud]:
    sandbox = CloudOnly(folder, parts, **settings)
    try:
        yield running(sandbox)
    finally:
        sandbox.down()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A cloud that all tests of a worker share: each uses names of its own and leaves every region open."""
    with a_cloud(tmp_path_factory.mktemp("checkout")) as made:
        yield made


@pytest.fixture(name="engine")
def tagging_engine(cloud: RunningCloud) -> Iterator[Engine]:
    """A provider that tags what it makes, on the shared cloud; what was made goes at the end."""
    made = Engine(cloud.endpoint, default_tags=TAGS, credentials=variables.CREDENTIALS)
    try:
        yield made
    finally:
        made.destroy()
        made.close()


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    """A cloud for one test, which may stop it, kill it or close regions."""
    with a_cloud(tmp_path) as made:
        yield made


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox that is down, with all its parts."""
    made = Sandbox(tmp_path)
    yield made
    made.down()


@pytest.fixture(scope="session")
def executable() -> Path:
    """The engine."""
    return engine.find().executable


@pytest.fixture
def house(tmp_path: Path, executable: Path) -> House:
    """A checkout with small projects."""
    return House(tmp_path / "house", executable)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory, executable: Path) -> Iterator[Place]:
    """With a host that tests share: each writes a program of its own."""
    with a_place(tmp_path_factory.mktemp("warm"), executable, warm=True) as place:
        yield place


@pytest.fixture
def own(tmp_path: Path, executable: Path) -> Iterator[Place]:
    """With a host that the test may end."""
    with a_place(tmp_path, executable, warm=True) as place:
        yield place


@pytest.fixture(params=["warm", "plain"])
def either(request: pytest.FixtureRequest, tmp_path: Path, executable: Path) -> Iterator[Place]:
    """With a host, and without."""
    with a_place(tmp_path, executable, warm=request.param == "warm") as place:
        yield place
