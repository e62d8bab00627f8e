"""Before anything is changed: is there room in the account, in both regions, and the role that access logs need?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from engine.backend import Checkpoint
from orchestration import preflight, report
from orchestration.graph import Graph
from orchestration.operate import _look_for_room
from orchestration.plan import Freshness, Judgement, Operation, make
from orchestration.preflight import NoRoom, missing, reservations, wanted
from orchestration.quotas import FUNCTION, MADE_BY_BOOTSTRAP, QUOTAS, STAGE
from shared.contracts import DEPLOYED_AS
from shared.deployed_as import place
from shared.environment import Environment
from shared.roles import PRIMARY, ROLES, SECONDARY
from shared.stack import Stack
from tests.unit.projects.mocked_programs import PAYMENTS, TRADING, run_environment

BOOTSTRAP = f"Payments. {MADE_BY_BOOTSTRAP}"
ENVIRONMENTS = {name: Environment.load(name) for name in (PAYMENTS, TRADING)}
COUNTED = {quota.resource for quota in QUOTAS} | {STAGE}
PER_VPC = {
    "VpcEndpoint": (
        "vpcId",
        50 + 20,
        "PrivateLink: 50 interface endpoints in a VPC, and 20 gateway endpoints in a region",
    ),
    "Subnet": ("vpcId", 200, "Amazon VPC: subnets in a VPC"),
    "SecurityGroupIngressRule": ("securityGroupId", 60, "Amazon VPC: inbound rules of a security group"),
    "SecurityGroupEgressRule": ("securityGroupId", 60, "Amazon VPC: outbound rules of a security group"),
    "NetworkAclRule": ("networkAclId", 20, "Amazon VPC: rules of a network ACL"),
    "Resource": ("restApi", 300, "API Gateway: resources of an API"),
    "ListenerRule": ("listenerArn", 100, "Application Load Balancers: rules of a load balancer"),
}
"""Quotas of what an environment makes for itself: nobody else counts against them."""


def made(environment):
    return {stack: run.recorder for stack, run in run_environment(environment).items()}


def role_of(stack, resource):
    return ROLES[0] if resource.type.startswith("aws:route53/") else resource.provider.split("::")[-2].partition("-")[2]


def named(stack):
    layer, _, rest = stack.partition("/")
    environment, _, role = rest.partition("-")
    return Stack(layer, environment, role or None)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_is_asked_for_is_what_the_programs_make(environment):
    for stack, recorder in made(environment).items():
        counted = Counter((each.type, role_of(stack, each)) for each in recorder.cloud if each.type in COUNTED)
        assert wanted(ENVIRONMENTS[environment], named(stack)) == counted
        reserved = Counter()
        for each in recorder.of("Function"):
            reserved[role_of(stack, each)] += max(each["reservedConcurrentExecutions"], 0)
        assert +reservations(ENVIRONMENTS[environment], named(stack)) == +reserved


def test_no_room_is_asked_for_a_zone_that_is_there():
    settings = Environment.load(PAYMENTS)
    given = settings.model_copy(update={"edge": settings.edge.model_copy(update={"zone_id": "Z1"})})
    edge, zone = Stack("edge", PAYMENTS), ("aws:route53/zone:Zone", PRIMARY)
    assert wanted(settings, edge) - wanted(given, edge) == Counter({zone: 1})


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("kind", PER_VPC)
def test_what_an_environment_makes_for_itself_stays_below_its_quotas(environment, kind):
    owner, most, source = PER_VPC[kind]
    found = Counter(
        (stack, each[owner], each.get("egress"))
        for stack, recorder in made(environment).items()
        for each in recorder.of(kind)
    )
    assert all(number <= most for number in found.values()), source


@dataclass
class Account:
    """An AWS account that has some of everything, and remembers what it was asked."""

    numbers: dict = field(default_factory=dict)
    """By operation and region, how many there are; 1 when it is not said."""
    limits: dict = field(default_factory=dict)
    """By quota code."""
    unreserved: dict = field(default_factory=dict)
    role: dict = field(default_factory=dict)
    rate: float = 10_000
    asked: list = field(default_factory=list)
    denied: tuple = ()
    zones: list = field(default_factory=list)

    def client(self, service, region):
        if service in self.denied:
            return SimpleNamespace(**dict.fromkeys(OPERATIONS, self._deny))

        def counted(operation, key):
            def pages():
                self.asked.append((operation, region))
                count = self.numbers.get((operation, region), 1)
                each = [{"Type": "application"}] * count
                return [{key: each[:1]}, {key: each[1:]}]

            return SimpleNamespace(paginate=pages)

        keys = {
            "describe_vpcs": "Vpcs",
            "describe_internet_gateways": "InternetGateways",
            "describe_load_balancers": "LoadBalancers",
            "get_domain_names": "items",
        }
        return SimpleNamespace(
            get_paginator=lambda operation: counted(operation, keys[operation]),
            describe_canaries=lambda **_: {"Canaries": [{}] * self.numbers.get(("describe_canaries", region), 1)},
            get_service_quota=self._quota,
            get_account_settings=lambda: self._settings(region),
            get_account=lambda: self._account(region),
            list_hosted_zones_by_name=lambda **_: {"HostedZones": self.zones},
            get_account_limit=lambda Type: {  # noqa: N803 - the SDK's
                "Limit": {"Value": self.limits.get(Type, 200)},
                "Count": self.numbers.get(Type, 1),
            },
        )

    def _deny(self, *_, **__):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "Any")

    def _quota(self, ServiceCode, QuotaCode):  # noqa: N803 - the SDK's
        self.asked.append((ServiceCode, QuotaCode))
        return {"Quota": {"Value": self.limits[QuotaCode]}}

    def _settings(self, region):
        self.asked.append(("get_account_settings", region))
        free = self.unreserved.get(region, 1000)
        return {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": free}}

    def _account(self, region):
        self.asked.append(("get_account", region))
        role = self.role.get(region, "arn:aws:iam::123456789012:role/logs")
        return {"cloudwatchRoleArn": role, "throttleSettings": {"rateLimit": self.rate, "burstLimit": 5000}}


OPERATIONS = ("get_paginator", "describe_canaries", "get_service_quota", "get_account_settings", "get_account")
OPERATIONS += ("get_account_limit", "list_hosted_zones_by_name")


def states(environment, *deployed):
    """The checkpoints of stacks as they would be, by their programs."""

    def checkpoint(stack):
        if str(stack) not in deployed:
            return None
        resources = made(environment)[str(stack)].cloud
        told = [{"type": each.type, "inputs": dict(each.inputs), "provider": each.provider} for each in resources]
        return Checkpoint([{"type": "pulumi:pulumi:Stack", "urn": "urn"}, *told])

    return checkpoint


@pytest.fixture
def recorded():
    """What ends up in the run's record: rows and exit code."""
    return []


@pytest.fixture
def require(monkeypatch, recorded):
    def required(
        account, *, environment=PAYMENTS, deployed=(), layer=None, role=None, fresh=(), operation=Operation.DEPLOY
    ):
        monkeypatch.setattr(preflight, "Aws", lambda _: account)
        graph = Graph.of(environment)
        plan = make(
            operation,
            graph,
            graph.select(layer, role),
            lambda stack: Judgement(Freshness.FRESH if str(stack) in fresh else Freshness.STALE, ""),
        )
        target = SimpleNamespace(
            backend=SimpleNamespace(checkpoint=states(environment, *deployed)), cli=SimpleNamespace(variables={})
        )
        told, finished = [], []
        monkeypatch.setattr(report, "tell", told.append)
        run = SimpleNamespace(finish=lambda rows, code: finished.append((rows, code)))
        try:
            _look_for_room(plan, target, ENVIRONMENTS[environment], run)
        finally:
            recorded.extend(finished)
        return told

    return required


ALL = [str(stack) for stack in Graph.of(PAYMENTS).stacks]


def test_an_account_with_room_is_asked_in_both_regions_and_stops_nothing(require):
    account = Account()
    assert require(account) == []
    for operation in ("describe_vpcs", "get_domain_names", "get_account_settings", "get_account"):
        assert {region for asked, region in account.asked if asked == operation} == {"us-east-1", "us-east-2"}


def test_what_is_there_already_is_not_asked_for(require):
    account = Account()
    assert require(account, deployed=ALL) == []
    assert account.asked == []


def test_a_release_to_the_standby_asks_nothing_of_the_primary(require):
    account = Account()
    require(account, layer="compute", role=SECONDARY)
    assert {region for _, region in account.asked} == {"us-east-2"}


@pytest.mark.parametrize(
    ("account", "environment", "said"),
    [
        (
            Account(numbers={("describe_vpcs", "us-east-2"): 5}, limits={"L-F678F1CE": 5}),
            PAYMENTS,
            ("VPCs in us-east-2: 5 of 5 are in use, and network/payments-secondary makes 1", "--desired-value 6"),
        ),
        (
            Account(numbers={("describe_internet_gateways", "us-east-1"): 5}, limits={"L-A4707A72": 5}),
            TRADING,
            ("internet gateways in us-east-1: 5 of 5", "L-A4707A72"),
        ),
        (
            Account(numbers={("describe_load_balancers", "us-west-2"): 50}, limits={"L-53DA6B97": 50}),
            TRADING,
            ("application load balancers in us-west-2: 50 of 50", "compute/trading-secondary"),
        ),
        (
            Account(numbers={("get_domain_names", "us-east-1"): 119}, limits={"L-A93447B8": 120}),
            PAYMENTS,
            ("custom domain names in us-east-1: 119 of 120", "makes 2"),
        ),
        (
            Account(numbers={("describe_canaries", "us-east-2"): 99}, limits={"L-C1FE0F5C": 100}),
            PAYMENTS,
            ("canaries in us-east-2: 99 of 100", "observability/payments-secondary"),
        ),
        (
            Account(numbers={"MAX_HEALTH_CHECKS_BY_OWNER": 195}),
            PAYMENTS,
            ("health checks in the account: 195 of 200", "makes 8", "--region us-east-1"),
        ),
        (
            Account(numbers={"MAX_HOSTED_ZONES_BY_OWNER": 200}),
            PAYMENTS,
            ("hosted zones in the account: 200 of 200", "edge/payments makes 1"),
        ),
        (
            Account(unreserved={"us-east-2": 410}),
            PAYMENTS,
            ("concurrent executions in us-east-2: 410 of 1000", "compute/payments-secondary reserves 475", "1165"),
        ),
        (
            Account(role={"us-east-1": ""}),
            PAYMENTS,
            ("API Gateway in us-east-1 has no role", "aws apigateway update-account --region us-east-1", "<role>"),
        ),
        (
            Account(
                zones=[{"Id": "/hostedzone/Z1", "Name": "x7k2.pay.example.com.", "Config": {"Comment": BOOTSTRAP}}]
            ),
            PAYMENTS,
            ("edge would make another of that name", "edge.zone_id: Z1", "delete-hosted-zone --id Z1"),
        ),
        (Account(rate=250), PAYMENTS, ("250 requests a second", "compute.throttle is 530 in all")),
    ],
)
def test_what_is_missing_is_said_in_one_line_with_what_to_do(require, account, environment, said):
    with pytest.raises(NoRoom, match=r"nothing was changed$") as refused:
        require(account, environment=environment)
    assert "\n" not in str(refused.value)
    for words in said:
        assert words in str(refused.value)


def test_a_preview_says_what_a_deployment_would_be_refused_for(require):
    (line,) = require(Account(role={"us-east-1": ""}), operation=Operation.PREVIEW)
    assert line.startswith("a deployment would be refused: API Gateway in us-east-1 has no role")
    assert require(Account(role={"us-east-1": ""}), operation=Operation.DESTROY) == []


def test_both_regions_are_named_at_once_and_recorded(require, recorded):
    with pytest.raises(NoRoom) as refused:
        require(Account(role={"us-east-1": "", "us-east-2": ""}))
    assert str(refused.value).count("has no role") == 2
    ((rows, code),) = recorded
    assert (len(rows), code) == (2, 1)


def test_a_quota_that_was_raised_counts_and_without_the_right_to_ask_the_default(require):
    vpcs = {("describe_vpcs", "us-east-2"): 7}
    assert require(Account(vpcs, {"L-F678F1CE": 20}), layer="network") == []
    with pytest.raises(NoRoom, match="7 of 5 are in use"):
        require(Account(vpcs, denied=("service-quotas",)), layer="network")


def test_what_cannot_be_known_is_told_and_stops_nothing(require):
    told = require(Account(denied=("lambda", "route53")))
    assert any(
        each.startswith("whether there is room for reserved executions in us-east-1 is unknown") for each in told
    )
    assert any("health checks in the account" in each for each in told)


def test_a_reservation_that_grows_counts_by_what_it_grows():
    before = states(PAYMENTS, *ALL)
    changed = ENVIRONMENTS[PAYMENTS].model_copy(
        update={
            "compute": ENVIRONMENTS[PAYMENTS].compute.model_copy(
                update={"audit": ENVIRONMENTS[PAYMENTS].compute.audit.model_copy(update={"reserved_concurrency": 25})}
            )
        }
    )
    found = missing(changed, [Stack("compute", PAYMENTS, PRIMARY)], before)
    assert found.numbers == {(FUNCTION, PRIMARY): 15}


def test_what_moves_is_asked_for_as_if_nothing_of_it_were_there():
    """The old functions keep what they have reserved until the new ones are there."""
    settings, compute = ENVIRONMENTS[PAYMENTS], Stack("compute", PAYMENTS, PRIMARY)
    foundation = settings.foundation()
    known = states(PAYMENTS, *ALL)(compute)
    outputs = {DEPLOYED_AS: place(foundation.model_copy(update={"suffix": "q9q9"}), PRIMARY)}
    stack = {"type": "pulumi:pulumi:Stack", "urn": "urn", "outputs": outputs}
    moving = missing(settings, [compute], lambda _: Checkpoint([stack, *known.resources[1:]]))
    assert moving.numbers == missing(settings, [compute], lambda _: None).numbers
    assert missing(settings, [compute], lambda _: known).numbers == {}


def test_a_fresh_stack_asks_nothing(require):
    account = Account()
    assert require(account, fresh=ALL) == []
    assert account.asked == []
