"""VPC endpoints and flow logs, load balancers, Route 53."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestration.cost.inventory import Item
from orchestration.cost.month import FUNCTION, Month, asked, role_of
from orchestration.cost.prices import GIB, HOURS, SECONDS
from orchestration.cost.usage import Meter, Usage

FAST = 10
"""Seconds: the interval that is an optional feature."""
NAMES_IN_A_CHAIN = 2
"""The shared name leads to the region's name, and that to AWS's: the first two are in our zone."""

CONNECTIONS_OF_AN_LCU = 25
"""New ones a second."""
LAMBDA_BYTES_OF_AN_LCU = 0.4 * GIB
"""An hour, through functions. Active connections and rules never count most here (Elastic Load Balancing pricing)."""


def _endpoint(endpoint: Item, month: Month) -> Iterator[Usage]:
    """An interface in each subnet; gateway endpoints are free. What goes through is mostly the functions' logs."""
    if endpoint.get("vpcEndpointType") != "Interface":
        return
    yield Usage("interface endpoint", len(endpoint["subnetIds"]) * HOURS)
    if str(endpoint["serviceName"]).endswith(".logs"):
        inside = (each for each in month.inventory.of(FUNCTION, endpoint.place) if each.get("vpcConfig"))
        written = sum(month.runs(each) for each in inside) * month.load.log_bytes_per_invocation
        yield Usage("endpoint data", written * SECONDS / GIB)


def _flow_log(_: Item, __: Month) -> Iterator[Usage]:
    """Nothing: what it writes is paid at its log group."""
    return iter(())


def _load_balancer(balancer: Item, month: Month) -> Iterator[Usage]:
    """Its hours, an address in each zone, and the capacity of the dimension that is used most."""
    requests = month.requests(role_of(balancer))
    outside = month.requests_from_outside(role_of(balancer)) * month.load.bytes_per_answer
    bytes_an_hour = requests * month.load.bytes_per_answer * 3600
    yield Usage("load balancer", HOURS)
    yield Usage("public address", len(balancer["subnets"]) * HOURS)
    yield Usage(
        "load balancer capacity",
        max(requests / CONNECTIONS_OF_AN_LCU, bytes_an_hour / LAMBDA_BYTES_OF_AN_LCU) * HOURS,
    )
    yield Usage("data to the internet", outside * SECONDS / GIB)


def _health_check(check: Item, _: Month) -> Iterator[Usage]:
    """All endpoints are AWS's, in our account: of others the check and each feature cost more."""
    kind = str(check["type"])
    if not check.get("fqdn"):
        yield Usage("derived health check", 1)
        return
    yield Usage("health check", 1)
    quick = check.get("requestInterval") == FAST
    features = (kind.startswith("HTTPS"), kind.endswith("STR_MATCH"), quick, check.get("measureLatency"))
    yield Usage("health check feature", sum(map(bool, features)))


def _zone(zone: Item, month: Month) -> Iterator[Usage]:
    """Checkers resolve a name at each interval, resolvers of clients when its TTL is over, but not unasked."""
    checkers = sum(
        asked(check) for check in month.inventory.of("aws:route53/healthCheck:HealthCheck") if _inside(check, zone)
    )
    clients = month.load.payments_per_second * (1 + month.load.reads_per_payment)
    resolved = min(month.load.resolvers / month.environment.edge.ttl, clients) * NAMES_IN_A_CHAIN
    yield Usage("hosted zone", 1)
    yield Usage("DNS queries", (checkers + resolved) * SECONDS)


def _inside(check: Item, zone: Item) -> bool:
    return str(check.get("fqdn", "")).endswith(f".{zone['name']}")


METERS: Mapping[str, Meter] = {
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:ec2/flowLog:FlowLog": _flow_log,
    "aws:lb/loadBalancer:LoadBalancer": _load_balancer,
    "aws:route53/healthCheck:HealthCheck": _health_check,
    "aws:route53/zone:Zone": _zone,
}
