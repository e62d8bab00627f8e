"""Readiness of deployed stacks: fit, and no more once something is planted by AWS's own calls."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from drill import records, session
from drill.records import DrillOutcome
from orchestration.aws import Aws
from orchestration.readiness.command import DEADLINE
from sandbox.variables import CREDENTIALS
from shared.environment import Environment
from shared.roles import PRIMARY, SECONDARY, Role, other
from tests.sampling import sampled
from tests.waiting import until

if TYPE_CHECKING:
    from tests.e2e.conftest import Checkout

pytestmark = pytest.mark.xdist_group("readiness")

LONGEST = 30
"""Seconds that the command may take, whatever hangs."""
assert LONGEST > DEADLINE

Clients = Callable[[str], Any]

SETTINGS = Environment.load("payments")
ALARM, TOPIC = "payment-errors-secondary-x7k2", "payment-failover-topic-secondary-x7k2"
FUNCTION, GROUP = "payment-audit-secondary-x7k2", "payment-functions-secondary-x7k2"


@pytest.fixture
def client(drilled: Checkout) -> Clients:
    """Makes clients of the secondary's services."""
    endpoint = drilled.ok("sandbox.status", "--json").json["endpoint"]
    aws = Aws({**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint})
    return lambda service: aws.client(service, SETTINGS.region(SECONDARY))


def drilled_lately(checkout: Checkout) -> None:
    """Leave what a drill that passed leaves, as if it had been played: it takes minutes."""
    planned = session.plan(SETTINGS, fault="hang", rate=20.0, duration=300.0, speed=1.0, seed=7, target="sandbox")
    planned = replace(planned, id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-7")
    folder = checkout.root / ".sandbox" / "drills" / planned.id
    folder.mkdir(parents=True)
    records.write(folder / records.PLAN, planned.to_json())
    records.write(folder / records.OUTCOME, DrillOutcome("passed", 0).to_json())


def unfit(checkout: Checkout, *arguments: str) -> dict[str, str]:
    return {what: verdict for what, verdict in checkout.facts(*arguments).items() if verdict != "ok"}


@contextmanager
def actions_off(client: Clients) -> Iterator[None]:
    client("cloudwatch").disable_alarm_actions(AlarmNames=[ALARM])
    yield
    client("cloudwatch").enable_alarm_actions(AlarmNames=[ALARM])


@contextmanager
def unconfirmed(client: Clients) -> Iterator[None]:
    sns = client("sns")
    (topic,) = [each["TopicArn"] for each in sns.list_topics()["Topics"] if each["TopicArn"].endswith(TOPIC)]
    pager = {"Protocol": "https", "Endpoint": "https://192.0.2.1/"}  # where nobody is, with no name that a pager has
    made = sns.subscribe(TopicArn=topic, **pager, ReturnSubscriptionArn=True)
    yield
    sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])


@contextmanager
def other_code(client: Clients) -> Iterator[None]:
    functions, name = client("lambda"), {"FunctionName": FUNCTION}
    before = functions.get_alias(**name, Name="live")["FunctionVersion"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("lambdas/audit/main.py", "def handler(event, context): return {}")
    made = functions.update_function_code(**name, ZipFile=code.getvalue(), Publish=True)
    functions.update_alias(**name, Name="live", FunctionVersion=made["Version"])
    yield
    functions.update_alias(**name, Name="live", FunctionVersion=before)


@contextmanager
def parameter_by_hand(client: Clients) -> Iterator[None]:
    ssm, name = client("ssm"), "/payment-processing/x7k2/endpoint"
    before = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    ssm.put_parameter(Name=name, Value="https://elsewhere.example.com", Overwrite=True)
    yield
    ssm.put_parameter(Name=name, Value=before, Overwrite=True)


@contextmanager
def open_group(client: Clients) -> Iterator[None]:
    ec2 = client("ec2")
    (found,) = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [GROUP]}])["SecurityGroups"]
    anywhere = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    rule = {"GroupId": found["GroupId"], "IpPermissions": [anywhere]}
    ec2.authorize_security_group_ingress(**rule)
    yield
    ec2.revoke_security_group_ingress(**rule)


@contextmanager
def right_gone(client: Clients) -> Iterator[None]:
    iam, traces = client("iam"), {"RoleName": FUNCTION, "PolicyArn": "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"}
    iam.detach_role_policy(**traces)
    yield
    iam.attach_role_policy(**traces)


PLANTED: dict[str, tuple[Callable[[Clients], AbstractContextManager[None]], dict[str, str]]] = {
    "an alarm's actions": (
        actions_off,
        {"alarms' actions, secondary": "not fit", "regions alike: alarms": "not fit"},
    ),
    "a subscription": (unconfirmed, {"subscriptions, secondary": "attention"}),
    "a function's code": (other_code, {"regions alike: functions": "not fit"}),
    "a parameter": (parameter_by_hand, {"parameters": "not fit"}),
    "a security group's rules": (open_group, {"regions alike: network": "not fit"}),
    "a role's right": (right_gone, {"regions alike: functions' roles": "not fit"}),
}
AFTERWARDS = {"a parameter": {"parameters": "attention"}}
"""SSM counts: what was changed and put back has two versions more than its twin."""


@pytest.fixture(scope="module")
def fit(drilled: Checkout) -> Checkout:
    """A deployed checkout that is fit, by a drill and a comparison that are on record."""
    assert drilled.facts()["last drill"] == drilled.facts()["drift"] == "unknown"
    drilled_lately(drilled)
    until(lambda: drilled.facts()["standby"] == "ok", seconds=120)
    answer = drilled.ok("readiness", "--drift")
    assert answer.out.endswith("Fit to take over now, and for 30 days.\n")
    return drilled


@pytest.mark.parametrize("what", sampled(PLANTED))
def test_what_is_planted_is_found(fit: Checkout, client: Clients, what: str) -> None:
    plant, expected = PLANTED[what]
    with plant(client):
        assert unfit(fit) == expected
    assert unfit(fit) == AFTERWARDS.get(what, {})


def test_what_ends_within_the_days_is_found(fit: Checkout) -> None:
    """A certificate of the sandbox's is valid for a year."""
    certificates = {"certificate, primary": "attention", "certificate, secondary": "attention"}
    assert certificates.items() <= unfit(fit, "--days", "400").items()


@pytest.mark.parametrize("lost", sampled([PRIMARY, SECONDARY]))
def test_a_region_that_hangs_keeps_nothing_of_the_other_back(fit: Checkout, lost: Role) -> None:
    fit.ok("fault", "--region", lost, "--kind", "hang")
    try:
        begun = time.monotonic()
        found = fit.facts()
        took = time.monotonic() - begun
    finally:
        fit.ok("heal")
    assert took < LONGEST
    left = other(lost)
    assert {verdict for what, verdict in found.items() if what.endswith(f", {lost}")} == {"unknown"}
    assert found[f"{left} ({SETTINGS.region(left)})"] == found[f"table, {left}"] == found["stacks"] == "ok"
