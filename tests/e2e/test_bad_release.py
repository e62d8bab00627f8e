"""Bad releases under load: none reaches the shared name, and what served before serves all the time, or again soon."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

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
from tests.e2e.conftest import Checkout, new_checkout
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("running")

BACK_WITHIN = 60
"""Seconds."""
SPEED = 10
BAKING_SPEED = 3
"""An answer takes as long as the machine needs: at a higher speed that is too long for latency's alarms."""
PAYMENT = "lambdas/payment/main.py"
ENTRY = "@rehearsable("
BAD = {
    "fails on start": (PAYMENT, ENTRY, f"raise RuntimeError('bad release')\n\n\n{ENTRY}"),
    "answers 500": (
        PAYMENT,
        "    return request.response(",
        '    return {"statusCode": 500, "body": "{}"} or request.response(',
    ),
    "corrupts answers": (
        "lambdas/web/view.py",
        '"amount": payment.money.number,',
        '"amount": payment.money.number + 1,',
    ),
}
SAYS = {
    "fails on start": ": bad release",
    "answers 500": "POST /payment answered 500, not 201",
    "corrupts answers": "POST /payment: amount is 13.34, not 12.34",
}
"""What a deployment says of each."""
SEEN_THROUGH_THE_API = (
    "lambdas/web/view.py",
    '        headers[REPLAYED] = "true"',
    '        headers[REPLAYED] = "yes"',
)
"""What no rehearsal asks for: a payment that is repeated."""
GOOD = (PAYMENT, ENTRY, f"GOOD = 'another release'\n\n\n{ENTRY}")


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
        endpoint = until(lambda: Sandbox(checkout.root).status().endpoint, BACK_WITHIN)
        aws = Aws({**variables.CREDENTIALS, "AWS_ENDPOINT_URL": endpoint})
        names = settings.foundation().names
        secret = aws.secret(names.of(naming.API_KEYS_SECRET), settings.region("primary"))
        key = merchant(STOREFRONT, EntryPoint(""), secret).api_key
        return ReleaseUnderLoad(settings, Layout(checkout.root), aws, key)

    @property
    def name(self):
        return self.environment.foundation().failover_name

    @property
    def own_name(self):
        """The secondary's own name."""
        return self.environment.foundation().region_names.secondary

    @property
    def asked(self):
        """The names by which payments are made."""
        return self.name, self.own_name

    def version(self, role):
        function = self.environment.foundation().names.of(naming.PAYMENT_FUNCTION, role)
        found = self.aws.client("lambda", self.environment.region(role))
        return found.get_alias(FunctionName=function, Name=naming.LIVE)["FunctionVersion"]

    def newest(self, role):
        """The newest version of the payment function, whoever points to it."""
        function = self.environment.foundation().names.of(naming.PAYMENT_FUNCTION, role)
        pages = self.aws.client("lambda", self.environment.region(role)).get_paginator("list_versions_by_function")
        found = [each["Version"] for page in pages.paginate(FunctionName=function) for each in page["Versions"]]
        return max(int(each) for each in found if each.isdigit())

    @contextmanager
    def load(self) -> Iterator[None]:
        """Pay by the shared name all the time, each payment where DNS says, and watch the aliases.

        And in the secondary by its own name: what it serves while nobody is led to it.
        """
        status = Sandbox(self.layout.root).status()
        port = int(next(iter(status.gateways.values())).rpartition(":")[2])
        server, _, dns_port = control.ask(self.layout.traffic_socket, 2, "status")["dns"].rpartition(":")
        own = EntryPoint(status.gateways[self.environment.region("secondary")], self.own_name)
        stop = threading.Event()

        def where():
            answer = DNSRecord.parse(DNSRecord.question(self.name, "A").send(server, int(dns_port), timeout=2))
            return EntryPoint(f"http://{answer.rr[-1].rdata}:{port}", self.name)

        def pay(entry):
            while not stop.is_set():
                client = Merchant(entry(), self.api_key)
                wish = {"amount": 1, "currency": "USD", "customerId": "under-load"}
                try:
                    self.statuses.append(client.pay(wish, f"load-{uuid4().hex}").status)
                except Problem:
                    self.statuses.append(0)
                stop.wait(0.1)

        works = (lambda: pay(where), lambda: pay(where), lambda: pay(lambda: own), lambda: self._look(stop))
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
            time.sleep(1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _look(self, stop):
        """Note where the aliases point to."""
        while not stop.is_set():
            for role in ("primary", "secondary"):
                known, version = self.seen.setdefault(role, []), self.version(role)
                if not known or known[-1][1] != version:
                    known.append((time.monotonic(), version))
            stop.wait(0.1)

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
    with watched.load():
        with checkout.edited(*edit):
            answer = checkout.run("deploy-all", "--environment", watched.environment.name, "--json", *options)
        until(lambda: all(served(name, watched.log(since)) >= 20 for name in watched.asked), BACK_WITHIN)
    return answer, watched.log(since)


def payments_by(name, log):
    return [line for line in log if (line["host"].partition(":")[0], line["route"]) == (name, "/payment")]


def served(name, log):
    """How many payments by a name have succeeded."""
    return sum(line["status"] == 201 for line in payments_by(name, log))


def never_reached(watched, log):
    """No request by the shared name was answered by anything but what the primary had served all the time.

    On a machine that is too slow the primary's health checks fail by themselves, and DNS leads to the secondary.
    """
    (_, before), *later = watched.seen["primary"]
    assert later == []
    shared = payments_by(watched.name, log)
    assert len(shared) >= 20
    assert {line["region"] for line in shared} == {watched.environment.region("primary")}, "a failover meanwhile"
    assert {line["version"] for line in shared} == {before}
    assert set(watched.statuses) == {201}


def never_served(watched, log):
    """No alias was moved, and nobody was answered by another version than before, by either name, in either region.

    However busy the machine is: a health check that fails by itself leads clients over, and nothing else.
    """
    before = {watched.environment.region(role): seen[0][1] for role, seen in watched.seen.items()}
    assert [len(seen) for seen in watched.seen.values()] == [1, 1]
    paid = [line for name in watched.asked for line in payments_by(name, log) if "version" in line]
    assert {(line["region"], line["version"]) for line in paid} <= before.items()


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


def test_a_bare_update_releases_nothing_that_corrupts_answers(running):
    """Whoever runs the engine by hand in a project's folder has no smoke test."""
    watched = ReleaseUnderLoad.of(running, "payments")
    before, newest = watched.version("secondary"), watched.newest("secondary")
    script = 'eval "$(./invoke sandbox.env)" && cd projects/compute && pulumi up --yes --skip-preview --non-interactive'
    command = ["sh", "-c", f"{script} --stack organization/compute/payments-secondary"]
    with running.edited(*BAD["corrupts answers"]):
        answer = subprocess.run(command, cwd=running.root, capture_output=True, text=True, check=False, timeout=300)
    assert answer.returncode != 0
    assert SAYS["corrupts answers"] in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr
    assert (watched.version("secondary"), watched.newest("secondary")) == (before, newest + 1)
    running.ok("deploy", "--layer", "compute")


@pytest.mark.prove
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("profile", ["payments", "trading"], indirect=True)
def test_no_client_meets_a_bad_release_and_the_one_before_serves_all_the_time(running, profile, kind):
    watched = ReleaseUnderLoad.of(running, profile)
    newest = {role: watched.newest(role) for role in ("primary", "secondary")}
    answer, log = released_badly(running, watched, BAD[kind])
    stopped_before_it_served(watched, answer, kind)
    assert watched.newest("secondary") > newest["secondary"], "it was published"
    assert watched.newest("primary") == newest["primary"]
    never_served(watched, log)
    for role in ("secondary", "primary"):
        assert running.ok("pay", "--environment", profile, "--region", role, "--json").json["status"] == 201
    assert running.ok("drift", "--environment", profile, "--json")
    mended(running, profile)


def stopped_before_it_served(watched, answer, kind):
    """A deployment has failed in the secondary, in one line, and has taken nothing else with it."""
    profile = watched.environment.name
    secondary = f"compute/{profile}-secondary"
    assert answer.code == 1
    assert answer.statuses[secondary] == "failed"
    assert SAYS[kind] in answer.messages[secondary]
    assert "\n" not in answer.messages[secondary]
    behind = {f"compute/{profile}-primary", f"edge/{profile}"}
    behind |= {f"observability/{profile}-{role}" for role in ("primary", "secondary")}
    assert {stack for stack, status in answer.statuses.items() if status == "skipped"} == behind


def mended(checkout, profile):
    """The sources of before are deployed again."""
    answer = checkout.ok("deploy-all", "--environment", profile, "--json")
    assert answer.statuses[f"compute/{profile}-secondary"] in {"unchanged", "changed"}
    assert checkout.ok("drift", "--environment", profile, "--json")


@pytest.mark.prove
@pytest.mark.parametrize("profile", ["payments", "trading"], indirect=True)
def test_what_only_the_smoke_test_sees_is_put_back_at_once(running, profile):
    watched = ReleaseUnderLoad.of(running, profile)
    answer, log = released_badly(running, watched, SEEN_THROUGH_THE_API)
    secondary = f"compute/{profile}-secondary"
    assert answer.code == 1
    assert answer.messages[secondary].startswith("smoke test: POST /payment again was not answered as a repetition")
    assert "\n" not in answer.messages[secondary]
    never_reached(watched, log)
    assert bad_for(watched) < BACK_WITHIN
    drift = running.ok("drift", "--environment", profile, "--json")
    assert "rolled back" in drift.messages[secondary]
    refused = running.run("rollback", "--environment", profile)  # it was taken back already
    assert (refused.code, "Nothing to do" in refused.out) == (0, True)
    mended(running, profile)


@pytest.mark.prove
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("profile", ["payments", "trading"], indirect=True)
def test_a_failover_in_the_middle_of_a_bad_release_leads_nobody_to_it(running, fast, profile, kind):
    """The primary is lost while the secondary gets the release, again and again until clients have come over."""
    watched = ReleaseUnderLoad.of(running, profile)
    there, secondary = ("--environment", profile), watched.environment.region("secondary")
    newest, since, runs = watched.newest("secondary"), watched.now(), []

    def over():
        """When the first client of the shared name was answered by the secondary."""
        return [line["at"] for line in payments_by(watched.name, watched.log(since)) if line["region"] == secondary]

    try:
        losing = running.start("fault", *there, "--region", "primary", "--kind", "refuse")
        with watched.load(), running.edited(*BAD[kind]), losing as lost:  # while the first release is under way
            while len(over()) < 10 or runs[-1][0] < over()[0]:
                assert len(runs) < 10, "no failover"
                begun = watched.now()
                answer = running.run(
                    "deploy", *there, "--layer", "compute", "--region", "secondary", "--force", "--json"
                )
                runs.append((begun, watched.now(), answer))
            lost.communicate(timeout=60)
            assert lost.returncode == 0
    finally:
        running.ok("heal", *there)
        running.run("restore", *there, "--even-if-unhealthy")
    for *_, answer in runs:
        assert answer.code == 1
        assert SAYS[kind] in answer.messages[f"compute/{profile}-secondary"]
    assert runs[0][0] < over()[0] < runs[-1][0], "a release was under way, or just about to be tried again"
    assert watched.newest("secondary") == newest + 1, "one version, tested each time"
    never_served(watched, watched.log(since))
    mended(running, profile)


@contextmanager
def passing(checkout, speed):
    """Virtual time passes at this speed."""
    clock = Layout(checkout.root).clock
    set_speed(clock, speed)
    try:
        yield
    finally:
        set_speed(clock, 1)


@pytest.fixture
def fast(running):
    with passing(running, SPEED):
        yield


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Iterator[Checkout]:
    """A system on which no fault was played: what alarms remember of one lasts hours. Each alarm has had data."""
    with new_checkout(tmp_path_factory.mktemp("calm") / "checkout") as copy:
        copy.ok("deploy-all")
        watched = ReleaseUnderLoad.of(copy, "payments")
        cloudwatch = watched.aws.client("cloudwatch", watched.environment.region("secondary"))

        def without_data():
            found = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm"], StateValue="ALARM", MaxRecords=100)
            return [each["AlarmName"] for each in found["MetricAlarms"] if "no data" in each["StateReason"]]

        with passing(copy, BAKING_SPEED):
            until(lambda: not without_data(), 400)
            yield copy


@pytest.mark.prove
def test_a_fault_that_appears_after_minutes_stops_the_release_in_its_bake(calm):
    """The sweep fails, once a minute: no payment notices, and the secondary's alarm does."""
    watched = ReleaseUnderLoad.of(calm, "payments")
    edit = ("lambdas/audit/main.py", "    return sweep(_service, left)", "    raise RuntimeError")
    answer, log = released_badly(calm, watched, edit, "--bake", "20")
    message = answer.messages["compute/payments-secondary"]
    assert answer.code == 1
    assert message.startswith("bake: alarm audit-function-errors was raised at ")
    assert message.endswith("serves the release before again")
    assert answer.statuses["compute/payments-primary"] == "skipped"
    assert "of 20 min left" in answer.err
    never_reached(watched, log)
    calm.ok("deploy-all", "--json")
    assert calm.ok("drift", "--json")


@pytest.mark.prove
def test_an_interrupted_bake_is_made_good_by_the_next_run(calm):
    with calm.edited(*GOOD):
        with calm.start("deploy-all", "--bake", "3", "--json") as process:
            assert any("min left" in line for line in process.stderr)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        (told,) = [row for row in json.loads(out)["stacks"] if row["stack"] == "compute/payments-secondary"]
        assert told["status"] == "interrupted"
        assert "the primary does not have it" in told["message"]
        alone = calm.run("deploy", "--layer", "compute", "--region", "primary")
        assert alone.code == 1
        assert "was not watched for 3 min" in alone.complaint
        answer = calm.ok("deploy-all", "--json")
        assert "did not come to its end" in answer.err
        assert "baked 3 min: " in answer.messages["compute/payments-secondary"]
        assert answer.statuses["compute/payments-primary"] == "changed"
        rolled = calm.ok("rollback", "--json")
        assert [row["failed"] for row in rolled.json["stacks"]] == [False, False]
    calm.ok("deploy-all")


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
