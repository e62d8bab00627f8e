"""Bad releases under load: none reaches the shared name, and what served before serves again soon."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from dnslib import DNSRecord

from orchestration.api import EntryPoint, Merchant, merchant
from orchestration.aws import Aws
from sandbox import Sandbox, control, variables
from sandbox.clock import SharedClock, set_speed
from sandbox.layout import Layout
from shared import naming
from shared.clients import STOREFRONT
from shared.environment import Environment
from shared.errors import Problem

pytestmark = pytest.mark.xdist_group("running")

BACK_WITHIN = 60
"""Seconds."""
SPEED = 10
PAYMENT = "lambdas/payment/main.py"
BAD = {
    "fails on start": (PAYMENT, "def handler(", "raise RuntimeError('bad release')\n\n\ndef handler("),
    "answers 500": (
        PAYMENT,
        "    request = Request.of(event)\n    return request.response(",
        '    request = Request.of(event)\n    return {"statusCode": 500, "body": "{}"} or request.response(',
    ),
    "corrupts answers": (
        "lambdas/web/view.py",
        '"amount": payment.money.number,',
        '"amount": payment.money.number + 1,',
    ),
}
GOOD = (PAYMENT, "def handler(", "GOOD = 'another release'\n\n\ndef handler(")


@dataclass
class ReleaseUnderLoad:
    """A deployed environment under load: clients by its shared name, and what its aliases point to meanwhile."""

    environment: Environment
    layout: Layout
    aws: Aws
    api_key: str
    statuses: list[int] = field(default_factory=list)
    seen: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    """By role: when the alias of the payment function pointed to another version than before, and to which."""

    @staticmethod
    def of(checkout, environment) -> ReleaseUnderLoad:
        settings = Environment.load(environment, checkout.root)
        aws = Aws({**variables.CREDENTIALS, "AWS_ENDPOINT_URL": Sandbox(checkout.root).status().endpoint})
        names = settings.foundation().names
        secret = aws.secret(names.of(naming.API_KEYS_SECRET), settings.region("primary"))
        key = merchant(STOREFRONT, EntryPoint(""), secret).api_key
        return ReleaseUnderLoad(settings, Layout(checkout.root), aws, key)

    @property
    def name(self):
        return self.environment.foundation().failover_name

    def version(self, role):
        function = self.environment.foundation().names.of(naming.PAYMENT_FUNCTION, role)
        found = self.aws.client("lambda", self.environment.region(role))
        return found.get_alias(FunctionName=function, Name=naming.LIVE)["FunctionVersion"]

    @contextmanager
    def load(self) -> Iterator[None]:
        """Pay by the shared name all the time, each payment where DNS says, and watch the aliases."""
        status = Sandbox(self.layout.root).status()
        port = int(next(iter(status.gateways.values())).rpartition(":")[2])
        server, _, dns_port = control.ask(self.layout.traffic_socket, 2, "status")["dns"].rpartition(":")
        stop = threading.Event()

        def pay():
            number = 0
            while not stop.is_set():
                number += 1
                answer = DNSRecord.parse(DNSRecord.question(self.name, "A").send(server, int(dns_port), timeout=2))
                client = Merchant(EntryPoint(f"http://{answer.rr[-1].rdata}:{port}", self.name), self.api_key)
                wish = {"amount": 1, "currency": "USD", "customerId": "under-load"}
                try:
                    self.statuses.append(client.pay(wish, f"load-{time.time_ns()}-{number}").status)
                except Problem:
                    self.statuses.append(0)
                stop.wait(0.1)

        def look():
            while not stop.is_set():
                for role in ("primary", "secondary"):
                    known, version = self.seen.setdefault(role, []), self.version(role)
                    if not known or known[-1][1] != version:
                        known.append((time.monotonic(), version))
                stop.wait(0.1)

        threads = [threading.Thread(target=work) for work in (pay, pay, look)]
        for thread in threads:
            thread.start()
        try:
            yield
            time.sleep(1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def now(self):
        """The time by which the cloud writes its log."""
        return SharedClock(self.layout.clock).now()

    def log(self, since):
        """What the gateways have answered since then."""
        lines = map(json.loads, self.layout.access_log.read_text().splitlines())
        return [line for line in lines if line["at"] >= since]


def released_badly(checkout, watched, edit, *options):
    """The answer of a deployment of bad sources under load, and the lines of the gateways' access logs meanwhile."""
    since = watched.now()
    with watched.load(), checkout.edited(*edit):
        answer = checkout.run("deploy-all", "--environment", watched.environment.name, "--json", *options)
    return answer, watched.log(since)


def never_reached(watched, log):
    """No request by the shared name was answered by anything but what the primary had served all the time.

    On a machine that is too slow the primary's health checks fail by themselves, and DNS leads to the secondary.
    """
    (_, before), *later = watched.seen["primary"]
    assert later == []
    shared = [line for line in log if line["host"].partition(":")[0] == watched.name]
    assert len(shared) >= 20
    assert {line["region"] for line in shared} == {watched.environment.region("primary")}, "a failover meanwhile"
    assert {line["version"] for line in shared} == {before}
    assert set(watched.statuses) == {201}


def bad_for(watched):
    """For how many seconds the secondary's alias pointed to the bad version. It points to the one before again."""
    (_, before), (bad_at, bad), (good_at, after) = watched.seen["secondary"]
    assert before == after != bad
    return good_at - bad_at


@pytest.fixture(scope="module")
def trading(running):
    running.ok("deploy-all", "--environment", "trading")
    yield "trading"
    running.ok("destroy-all", "--environment", "trading", "--yes")


@pytest.fixture
def profile(request):
    return request.getfixturevalue("trading") if request.param == "trading" else request.param


@pytest.mark.prove
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("profile", ["payments", "trading"], indirect=True)
def test_no_client_meets_a_bad_release_and_the_one_before_serves_again(running, profile, kind):
    watched = ReleaseUnderLoad.of(running, profile)
    answer, log = released_badly(running, watched, BAD[kind])
    secondary = f"compute/{profile}-secondary"
    assert answer.code == 1
    assert answer.statuses[secondary] == "failed"
    assert answer.messages[secondary].startswith("smoke test: ")
    assert "\n" not in answer.messages[secondary]
    behind = {f"compute/{profile}-primary", f"edge/{profile}"}
    behind |= {f"observability/{profile}-{role}" for role in ("primary", "secondary")}
    assert {stack for stack, status in answer.statuses.items() if status == "skipped"} == behind
    never_reached(watched, log)
    assert bad_for(watched) < BACK_WITHIN
    for role in ("secondary", "primary"):
        assert running.ok("pay", "--environment", profile, "--region", role, "--json").json["status"] == 201
    drift = running.ok("drift", "--environment", profile, "--json")
    assert "rolled back" in drift.messages[secondary]
    refused = running.run("rollback", "--environment", profile)  # it was taken back already
    assert (refused.code, "Nothing to do" in refused.out) == (0, True)
    mended = running.ok("deploy-all", "--environment", profile, "--json")
    assert mended.statuses[secondary] in {"unchanged", "changed"}
    assert running.ok("drift", "--environment", profile, "--json")


@pytest.fixture
def fast(running):
    """Virtual time passes quickly until the test ends."""
    clock = Layout(running.root).clock
    set_speed(clock, SPEED)
    yield
    set_speed(clock, 1)


@pytest.mark.prove
def test_a_fault_that_appears_after_minutes_stops_the_release_in_its_bake(running, fast):
    """The sweep fails, once a minute: no payment notices, and the secondary's alarm does."""
    watched = ReleaseUnderLoad.of(running, "payments")
    edit = ("lambdas/audit/main.py", "def handler(", "def handler(*_):\n    raise RuntimeError\n\n\ndef handled(")
    answer, log = released_badly(running, watched, edit, "--bake", "20")
    message = answer.messages["compute/payments-secondary"]
    assert answer.code == 1
    assert message.startswith("bake: alarm audit-function-errors was raised at ")
    assert message.endswith("serves the release before again")
    assert answer.statuses["compute/payments-primary"] == "skipped"
    assert "of 20 min left" in answer.err
    never_reached(watched, log)
    running.ok("deploy-all", "--json")
    assert running.ok("drift", "--json")


@pytest.mark.prove
def test_an_interrupted_bake_is_made_good_by_the_next_run(running, fast):
    with running.edited(*GOOD):
        with running.start("deploy-all", "--bake", "3", "--json") as process:
            assert any("min left" in line for line in process.stderr)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        (told,) = [row for row in json.loads(out)["stacks"] if row["stack"] == "compute/payments-secondary"]
        assert told["status"] == "interrupted"
        assert "the primary does not have it" in told["message"]
        alone = running.run("deploy", "--layer", "compute", "--region", "primary")
        assert alone.code == 1
        assert "was not watched for 3 min" in alone.complaint
        answer = running.ok("deploy-all", "--json")
        assert "did not come to its end" in answer.err
        assert "baked 3 min: " in answer.messages["compute/payments-secondary"]
        assert answer.statuses["compute/payments-primary"] == "changed"
        rolled = running.ok("rollback", "--json")
        assert [row["failed"] for row in rolled.json["stacks"]] == [False, False]
    running.ok("deploy-all")


@pytest.mark.prove
@pytest.mark.parametrize("profile", ["payments", "trading"], indirect=True)
def test_a_rollback_puts_both_regions_back_and_says_what_comes_next(running, profile):
    there = ("--environment", profile)
    watched = ReleaseUnderLoad.of(running, profile)
    roles = ("secondary", "primary")
    before = {role: watched.version(role) for role in roles}
    with running.edited(*GOOD):
        running.ok("deploy-all", *there)
        assert all(watched.version(role) != before[role] for role in roles)
        with watched.load():
            began = time.monotonic()
            rolled = running.ok("rollback", *there)
            took = time.monotonic() - began
        assert {role: watched.version(role) for role in roles} == before
        assert took < BACK_WITHIN
        assert set(watched.statuses) == {201}
        assert "refuses to release them again" in rolled.out
        drift = running.ok("drift", *there, "--json")
        assert "rolled back" in drift.messages[f"compute/{profile}-primary"]
        refused = running.run("deploy-all", *there)
        assert refused.code == 1
        assert "rolled back from just these sources" in refused.complaint
    reverted = running.ok("deploy-all", *there, "--json")
    assert reverted.statuses[f"compute/{profile}-primary"] == "changed"
    assert running.ok("drift", *there, "--json")


@pytest.mark.prove
def test_while_a_region_is_gone_the_other_one_is_rolled_back(running):
    watched = ReleaseUnderLoad.of(running, "payments")
    before = {role: watched.version(role) for role in ("secondary", "primary")}
    with running.edited(*GOOD):
        running.ok("deploy-all")
        released = watched.version("primary")
        running.ok("fault", "--region", "primary", "--kind", "refuse")
        running.ok("fault", "--region", "primary", "--kind", "refuse", "--part", "aws")
        try:
            rolled = running.run("rollback")
            assert rolled.code == 1
            assert "not rolled back" in rolled.out
            assert watched.version("secondary") == before["secondary"]
        finally:
            running.ok("heal")
        assert watched.version("primary") == released
        running.ok("rollback")
        assert watched.version("primary") == before["primary"]
    running.ok("deploy-all")
