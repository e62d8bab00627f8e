"""A checkout of its own for each end-to-end test, in which it types what a newcomer would type."""

from __future__ import annotations

import json
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from orchestration.aws import Aws
from orchestration.lever import Lever
from sandbox import Sandbox, variables
from shared import stop_switch
from shared.environment import Environment
from shared.root import ROOT
from tools import checkout as checkouts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, f"exited {self.code} with nothing to read: {self.err}"
        return json.loads(self.out)

    @property
    def statuses(self) -> dict[str, str]:
        """How each stack ended, of a run with --json."""
        return {row["stack"]: row["status"] for row in self.json["stacks"]}

    @property
    def messages(self) -> dict[str, str]:
        """What is said of each stack, of a run with --json."""
        return {row["stack"]: row["message"] for row in self.json["stacks"]}

    @property
    def complaint(self) -> str:
        """The single line of an error: anything else on stderr fails the test that asks."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


@dataclass(frozen=True)
class Checkout(checkouts.Checkout):
    """A checkout with the questions that tests ask."""

    def run(self, *arguments: str, seconds: float = 300, **environment: str) -> Answer:
        with self.start(*arguments, **environment) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Answer(process.returncode, out, err)

    def ok(self, *arguments: str, seconds: float = 300, **environment: str) -> Answer:
        answer = self.run(*arguments, seconds=seconds, **environment)
        assert answer.code == 0, f"./invoke {' '.join(arguments)} exited {answer.code}\n{answer.out}\n{answer.err}"
        return answer

    def facts(self, *arguments: str) -> dict[str, str]:
        """The verdict of each fact of readiness."""
        return {each["fact"]: each["verdict"] for each in self.run("readiness", "--json", *arguments).json["facts"]}

    @contextmanager
    def edited(self, path: str, old: str, new: str) -> Iterator[None]:
        """Replace the one place where `old` stands in a file, until the block ends."""
        file = self.root / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new))
        try:
            yield
        finally:
            file.write_text(text)

    def processes(self) -> dict[psutil.Process, list[str]]:
        """Processes that run for this checkout, whoever started them, with their command lines."""
        found = {}
        for process in psutil.process_iter():
            try:
                command = process.cmdline()
                words = [*command, process.cwd(), process.environ().get("PULUMI_HOME", "")]
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
            if any(str(self.root) in word for word in words):
                found[process] = command
        return found


def new_checkout(folder: Path) -> AbstractContextManager[Checkout]:
    """A checkout in which nothing has run; what it leaves running at the end is a failure."""
    return ended(Checkout(checkouts.copy(ROOT, folder).root))


@contextmanager
def ended(copy: Checkout) -> Iterator[Checkout]:
    """Stop a checkout's sandbox when the block ends; what it leaves running is a failure."""
    try:
        yield copy
    finally:
        copy.run("sandbox.down")
        found = copy.processes()
        _, left = psutil.wait_procs(found, timeout=3)  # some are just about to end
        for process in left:
            with suppress(psutil.NoSuchProcess):  # it has just ended by itself
                process.kill()
    assert not left, f"left behind: {[found[process] for process in left]}"


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A new checkout in which nothing has run."""
    with new_checkout(tmp_path / "checkout") as copy:
        yield copy


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout whose eight stacks are deployed; a test leaves it as it found it.

    Tests that use it are marked `xdist_group("running")`: one worker deploys it once for all of them.
    """
    with new_checkout(tmp_path_factory.mktemp("running") / "checkout") as copy:
        copy.ok("deploy-all")
        yield copy


@pytest.fixture(scope="session")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The same for tests that take rights away and put things beside the stacks: nobody else relies on this one.

    They are marked `xdist_group("spare")`.
    """
    with new_checkout(tmp_path_factory.mktemp("spare") / "checkout") as copy:
        copy.ok("deploy-all")
        yield copy


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A deployed checkout for a module's drills, one after another."""
    with new_checkout(tmp_path_factory.mktemp("drilled") / "checkout") as copy:
        copy.ok("deploy-all")
        yield copy


@pytest.fixture
def fresh(drilled: Checkout) -> Checkout:
    """The same, as if no drill had been played before."""
    as_deployed(drilled)
    return drilled


def as_deployed(checkout: Checkout) -> None:
    """Nobody is on his way back from the drill before, so that a failover lasts soon."""
    checkout.ok("sandbox.up")
    checkout.ok("heal")
    settings = Environment.load("payments", checkout.root)
    aws = Aws({**variables.CREDENTIALS, "AWS_ENDPOINT_URL": Sandbox(checkout.root).status().endpoint})
    account = aws.client("sts", settings.regions.secondary).get_caller_identity()["Account"]
    Lever.of(settings, aws, account).say(stop_switch.DEPLOYED)
