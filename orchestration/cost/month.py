"""A month of an environment under a load: who asks what how often. All rates are per second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestration.cost.inventory import Inventory, Item, times_a_second
from orchestration.cost.load import Load
from shared.environment import Environment
from shared.roles import PRIMARY, ROLES, Role, other

HEALTH_CHECK = "aws:route53/healthCheck:HealthCheck"
FUNCTION = "aws:lambda/function:Function"
STAGE = "aws:apigateway/stage:Stage"
SYNTHETICS = "aws:synthetics/canary:Canary"

CHECKERS_IN_A_REGION = 2
CHECKER_REGIONS = 8
"""Sixteen checkers ask at each interval, from all eight regions if none are named (Route 53 Developer Guide)."""

PROBE_REQUESTS = 3
"""To the paying route: a payment, its repetition, and its reading (lambdas/probing.py). Beside one for health."""
REPETITIONS = 1
"""Of them: a write that DynamoDB refuses, and bills."""


@dataclass(frozen=True)
class Month:
    """What a bill is computed from."""

    environment: Environment
    inventory: Inventory
    load: Load

    def checks(self, host: str) -> float:
        """Requests of Route 53's checkers to a host."""
        return sum(asked(check) for check in self.inventory.of(HEALTH_CHECK) if check.get("fqdn") == host)

    def probes(self, role: Role) -> float:
        """Probes of a region by our own clients: the canary functions of both, and Synthetics' canaries."""
        functions = sum(self.runs(each) for each in self.inventory.of(FUNCTION) if folder(each) == "canary")
        canaries = (each for each in self.inventory.of(SYNTHETICS) if asks(each) == role)
        return functions + sum(runs_of_canary(each) for each in canaries)

    def health_requests(self, role: Role) -> float:
        """Requests of a region's health route."""
        return self.checks(self.environment.region_names.of(role)) + self.probes(role)

    def client_payments(self, role: Role) -> float:
        """Payments of clients: the primary serves them all."""
        return self.load.payments_per_second if role == PRIMARY else 0.0

    def payments(self, role: Role) -> float:
        """New payments, play money too."""
        return self.client_payments(role) + self.probes(role)

    def payment_requests(self, role: Role) -> float:
        """Requests of a region's paying routes."""
        return self.client_payments(role) * (1 + self.load.reads_per_payment) + self.probes(role) * PROBE_REQUESTS

    def requests(self, role: Role) -> float:
        """All requests of a region's entry point."""
        return self.health_requests(role) + self.payment_requests(role)

    def requests_from_outside(self, role: Role) -> float:
        """Those that are answered to the internet: of clients and checkers."""
        clients = self.client_payments(role) * (1 + self.load.reads_per_payment)
        return clients + self.checks(self.environment.region_names.of(role))

    def runs(self, function: Item) -> float:
        """Invocations of a function: what its route is asked, or what its schedules say."""
        role = role_of(function)
        match folder(function):
            case "payment":
                return self.payment_requests(role)
            case "health":
                return self.health_requests(role)
        return sum(times_a_second(rule["scheduleExpression"]) for rule in self._rules(function))

    def _rules(self, function: Item) -> Iterator[Item]:
        """The schedules that call a function, by its alias."""
        aliases = {
            alias.resource.arn
            for alias in self.inventory.of("aws:lambda/alias:Alias", function.place)
            if alias.get("functionName") == function["name"]
        }
        called = {
            target["rule"]
            for target in self.inventory.of("aws:cloudwatch/eventTarget:EventTarget", function.place)
            if target.get("arn") in aliases
        }
        rules = self.inventory.of("aws:cloudwatch/eventRule:EventRule", function.place)
        return (rule for rule in rules if rule["name"] in called)

    def sampled_by_the_stage(self, function: Item) -> bool:
        """Whether a REST API decides which of a function's requests are traced."""
        return folder(function) in {"payment", "health"} and any(self.inventory.of(STAGE, function.place))

    def log_bytes(self, group: Item) -> float:
        """What is written into a log group."""
        return sum(self._written(group))

    def _written(self, group: Item) -> Iterator[float]:
        load, arn, place = self.load, group.resource.arn, group.place
        for function in self.inventory.of(FUNCTION, place):
            if group["name"] == f"/aws/lambda/{function['name']}":
                yield self.runs(function) * load.log_bytes_per_invocation
        for stage in self.inventory.of(STAGE, place):
            if (stage.get("accessLogSettings") or {}).get("destinationArn") == arn:
                yield self.requests(role_of(stage)) * load.log_bytes_per_request
        for flows in self.inventory.of("aws:ec2/flowLog:FlowLog", place):
            if flows.get("logDestination") == arn:
                records = self.interfaces(role_of(flows)) * load.flow_records_per_interface
                yield records * load.bytes_per_flow_record / flows.get("maxAggregationInterval", 600)

    def interfaces(self, role: Role) -> int:
        """Network interfaces in a region's VPC: of endpoints, of functions (one for each subnet), of load balancers."""
        endpoints = self.inventory.of("aws:ec2/vpcEndpoint:VpcEndpoint", role)
        balancers = self.inventory.of("aws:lb/loadBalancer:LoadBalancer", role)
        functions = {
            subnet
            for function in self.inventory.of(FUNCTION, role)
            for subnet in (function.get("vpcConfig") or {}).get("subnetIds", ())
        }
        of_services = sum(len(each.get("subnetIds", ())) for each in endpoints)
        return of_services + len(functions) + sum(len(each.get("subnets", ())) for each in balancers)


def asked(check: Item) -> float:
    """How often a health check's checkers ask; 0 for one that asks nobody."""
    if not check.get("fqdn"):
        return 0.0
    regions = len(check.get("regions", ())) or CHECKER_REGIONS
    return float(regions * CHECKERS_IN_A_REGION / check.get("requestInterval", 30))


def folder(function: Item) -> str:
    """A function's folder in lambdas/: `lambdas.<folder>.main.handler`."""
    return str(function["handler"]).split(".")[1]


def runs_of_canary(canary: Item) -> float:
    """How often a canary of Synthetics runs."""
    return times_a_second(canary["schedule"]["expression"])


def asks(canary: Item) -> Role:
    """In which region a canary of Synthetics pays: its variable names the parameter with that region's address."""
    own = role_of(canary)
    target = canary["runConfig"]["environmentVariables"]["TARGET"]
    return other(own) if str(target).startswith("peer") else own


def role_of(item: Item) -> Role:
    """The region that an item is in, by its role. Raises ValueError for what is in none."""
    for role in ROLES:
        if item.place == role:
            return role
    raise ValueError(f"{item.resource.name} ({item.type}) is in neither region")
