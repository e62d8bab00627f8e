"""Five teams, one system: what they do to each other, as a story, and what `./invoke status` says after each step.

One deployment goes on from step to step, in a repository of its own, so that status knows commits and people.
"""

from __future__ import annotations

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.conftest import new_checkout
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Checkout

pytestmark = pytest.mark.xdist_group("story")

NETWORK = ("network/payments-secondary", "network/payments-primary")
COMPUTE = ("compute/payments-secondary", "compute/payments-primary")
CONTRACTS, PROGRAM, ENVIRONMENT = "shared/contracts.py", "projects/network/__main__.py", "environments/payments.yaml"


@dataclass(frozen=True)
class Story:
    """The teams' repository, and what is deployed of it."""

    checkout: Checkout

    def git(self, *words: str, team: str = "nobody") -> str:
        settings = ("-c", f"user.name={team}", "-c", f"user.email={team}@example.com", "-c", "commit.gpgsign=false")
        return subprocess.check_output(["git", *settings, *words], cwd=self.checkout.root, text=True).strip()

    def change(self, team: str, path: str, old: str, new: str) -> None:
        """Replace the one place where `old` stands in a file, and commit it."""
        file = self.checkout.root / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path} holds {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new))
        self.git("commit", "--all", "--message", f"{team} changes {path}", team=team)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def rows(self) -> dict[str, dict]:
        answer = self.checkout.run("status", "--json")
        rows = {row["stack"]: row for row in answer.json["stacks"]}
        assert answer.code == int(any(row["state"] != "fresh" for row in rows.values()))
        return rows

    def stale(self) -> dict[str, list[str]]:
        """Why, by stack; a fresh one is not in it."""
        return {name: row["why"] for name, row in self.rows().items() if row["state"] != "fresh"}

    def follows(self) -> set[str]:
        """The layers of which a fresh stack may become stale by what a stale one publishes."""
        return {row["layer"] for row in self.rows().values() if row["state"] == "fresh" and row["follows"]}

    def tests_of_contracts(self, producer: str) -> subprocess.CompletedProcess[str]:
        """What the producer's team runs before it pushes: the tests of its contract alone."""
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_reads.py", "-k"]
        command = [
            str(self.checkout.root / ".venv/bin/python"),
            *words,
            f"keeps_what_its_consumers_read and {producer}",
        ]
        return subprocess.run(command, cwd=self.checkout.root, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with new_checkout(tmp_path_factory.mktemp("story") / "checkout") as copy:
        told = Story(copy)
        told.git("init", "--quiet")
        told.git("add", "--all")
        told.git("commit", "--quiet", "--message", "everything", team="founders")
        copy.ok("deploy-all")
        yield told


@contextmanager
def taken_back(story: Story, team: str) -> Iterator[None]:
    """What the team commits inside is reverted afterwards."""
    before = story.head
    try:
        yield
    finally:
        story.git("revert", "--no-edit", f"{before}..HEAD", team=team)


def test_everything_is_fresh_and_everybody_knows_whose_it_is(story):
    assert story.stale() == {}
    rows = story.rows().values()
    assert {row["commit"] for row in rows} == {story.head}
    assert {row["committer"] for row in rows} == {"founders"}
    assert not any(row["dirty"] for row in rows)


def test_network_adds_an_output_and_nobody_else_is_concerned(story):
    story.change(
        "network", CONTRACTS, "    vpc_id: Output[str]\n", "    vpc_id: Output[str]\n    vpc_name: Output[str]\n"
    )
    story.change("network", PROGRAM, "        vpc_id=vpc.id,\n", "        vpc_id=vpc.id,\n        vpc_name=vpc.id,\n")
    assert story.tests_of_contracts("network").returncode == 0
    why = [f"the program's code changed: {PROGRAM}", "a contract changed: network.vpc_name"]
    assert story.stale() == dict.fromkeys(NETWORK, why)
    assert story.follows() == {"compute", "edge", "observability"}, "data reads nothing of the network"
    plan = story.checkout.ok("plan", "--layer", "network", "--json").json
    assert [(row["stack"], row["outputs"]) for row in plan["stacks"] if row["planned"]] == [
        (stack, {"vpc_name": "is new"}) for stack in NETWORK
    ]
    assert "nobody else would be stale" in plan["summary"]
    story.checkout.ok("deploy", "--layer", "network")
    assert story.stale() == {}
    assert story.follows() == set()
    rows = story.rows()
    assert {rows[stack]["commit"] for stack in NETWORK} == {story.head}
    assert rows["data/payments"]["commit"] != story.head, "it is untouched"
    statuses = story.checkout.ok("deploy-all", "--json").statuses
    assert set(statuses.values()) == {"fresh"}


def test_network_renames_one_and_its_own_tests_plan_and_deployment_name_compute(story):
    before = {stack: row["at"] for stack, row in story.rows().items()}
    with taken_back(story, "network"):
        story.change("network", CONTRACTS, "    function_security_group_id: Output", "    functions_group_id: Output")
        story.change("network", PROGRAM, "        function_security_group_id=", "        functions_group_id=")
        tests = story.tests_of_contracts("network")
        assert tests.returncode == 1
        assert "'compute': ['function_security_group_id is gone']" in tests.stdout
        plan = story.checkout.run("plan", "--layer", "network", "--json")
        assert plan.code == 1
        assert any("function_security_group_id is gone, and compute reads it" in line for line in plan.json["broken"])
        refused = story.checkout.run("deploy", "--layer", "network")
        assert refused.code == 1
        assert "function_security_group_id is gone, and compute reads it: let it stop first" in refused.complaint
        assert "nothing was changed" in refused.complaint
        stale = story.stale()
        assert set(stale) == set(NETWORK)
        renamed = "a contract changed: network.function_security_group_id, network.functions_group_id"
        assert stale[NETWORK[0]] == [f"the program's code changed: {PROGRAM}", renamed]
    assert story.stale() == {}
    assert {stack: row["at"] for stack, row in story.rows().items()} == before


def test_edge_may_not_break_the_objective(story):
    with taken_back(story, "edge"):
        story.change("edge", ENVIRONMENT, "  ttl: 30 ", "  ttl: 90 ")
        for words in (("check",), ("plan", "--layer", "edge"), ("deploy", "--layer", "edge"), ("status",)):
            refused = story.checkout.run(*words)
            assert refused.code == 1, words
            assert "edge.checks.fast and edge.ttl that fit" in refused.complaint, words
    assert story.stale() == {}


def test_two_teams_deploy_different_layers_at_once(story):
    story.change("network", "projects/network/flow_logs.py", "AGGREGATION_SECONDS = 60", "AGGREGATION_SECONDS = 600")
    story.change("edge", ENVIRONMENT, "  ttl: 30 ", "  ttl: 20 ")
    why = {key: ["the program's code changed: projects/network/flow_logs.py"] for key in NETWORK}
    assert story.stale() == {**why, "edge/payments": ["its part of the environment changed: edge.ttl"]}
    commands = [("deploy", "--layer", layer, "--json") for layer in ("network", "edge")]
    with ThreadPoolExecutor() as teams:
        network, edge = teams.map(lambda words: story.checkout.run(*words), commands)
    assert (network.code, edge.code) == (0, 0), (network.err, edge.err)
    assert network.statuses == dict.fromkeys(NETWORK, "changed")
    assert edge.statuses == {"edge/payments": "changed"}
    assert story.stale() == {}


def stands_still(process):
    """Whether a process was stopped before it ended. The signal takes its time, too."""
    until(lambda: process.status() in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE})
    return process.status() == psutil.STATUS_STOPPED


def halted(checkout, *command):
    """A run in the middle of its work, which goes on with SIGCONT. One that ended before it was halted is none."""
    for _ in range(5):
        run = checkout.start(*command)
        assert run.stderr.readline(), "it says what it does"
        os.killpg(run.pid, signal.SIGSTOP)
        if stands_still(psutil.Process(run.pid)):
            return run
        run.communicate()
    return pytest.fail(f"{command} ended before it could be halted, five times")


def test_the_same_layer_at_once_is_refused_by_name(story):
    with halted(story.checkout, "deploy", "--layer", "network", "--force", "--json") as first:
        try:
            second = story.checkout.run("deploy", "--layer", "network", "--force")
            other = story.checkout.run("deploy", "--layer", "data", "--force")
        finally:
            os.killpg(first.pid, signal.SIGCONT)
        first.communicate(timeout=120)
    assert first.returncode == 0
    assert other.code == 0, "another layer is nobody's business"
    assert second.code == 1
    assert second.complaint.startswith("error: another run is changing network/payments-primary (deploy by ")
    assert second.complaint.endswith("wait for it to end")
    assert story.stale() == {}


def test_a_laptop_that_dies_in_the_middle_is_told_and_the_next_run_recovers(story):
    story.change(
        "compute", "lambdas/payment/main.py", "\n@rehearsable(", "\nNOTE = 'of the compute team'\n\n\n@rehearsable("
    )
    changed = {key: ["a function's package changed: lambdas/payment/main.py"] for key in COMPUTE}
    assert story.stale() == changed
    laptop = story.checkout.start("deploy", "--layer", "compute")
    for line in laptop.stderr:
        if "deploying" in line:
            break
    os.killpg(laptop.pid, signal.SIGKILL)
    laptop.communicate()
    stale = story.stale()
    assert set(stale) == set(COMPUTE)
    assert stale[COMPUTE[1]] == changed[COMPUTE[1]]
    assert stale[COMPUTE[0]][0] in {
        "an update of it is running",
        "its last update was interrupted",
        *changed[COMPUTE[0]],
    }
    next_one = story.checkout.ok("deploy-all", "--json")
    assert {next_one.statuses[stack] for stack in COMPUTE} == {"changed"}
    assert story.stale() == {}
    assert set(story.checkout.ok("drift", "--json").statuses.values()) == {"unchanged"}
    rows = story.rows()
    assert {rows[stack]["commit"] for stack in COMPUTE} == {story.head}
    assert {rows[stack]["committer"] for stack in COMPUTE} == {"compute"}
