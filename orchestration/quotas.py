"""AWS's quotas that an account of a few environments can meet, and how many of each it has in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.aws import Aws

FUNCTION, STAGE = "aws:lambda/function:Function", "aws:apigateway/stage:Stage"
ZONE = "aws:route53/zone:Zone"
ACCOUNT = "the account"
"""In the place of a region, for what an account has once."""
GLOBAL_REGION = "us-east-1"
"""Where the quotas of Route 53 are kept, as its control plane is there."""


@dataclass(frozen=True)
class AccountQuota:
    """A quota of an account in a region: how it is called, and how many there are."""

    what: str
    resource: str
    """The type in a stack's state that counts against it."""
    code: str
    """Service and quota, as Service Quotas knows them: `vpc/L-F678F1CE`."""
    default: int
    """What AWS's pages say, at the least: for those who may not ask Service Quotas, and no account has less."""
    used: Callable[[Aws, str], int]

    def limit(self, aws: Aws, region: str) -> int:
        """The account's own quota, or the default where nobody answers for it."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - the quick path does without

        service, _, code = self.code.partition("/")
        try:
            found = aws.client("service-quotas", region).get_service_quota(ServiceCode=service, QuotaCode=code)
        except (BotoCoreError, ClientError):
            return self.default
        return int(found["Quota"]["Value"])

    def more(self, region: str, wanted: int) -> str:
        """The command that asks for a higher one."""
        service, _, code = self.code.partition("/")
        return (
            f"aws service-quotas request-service-quota-increase --region {region} --service-code {service} "
            f"--quota-code {code} --desired-value {wanted}"
        )


def _listed(service: str, operation: str, key: str, kept: Callable[[Any], bool] = bool) -> Callable[[Aws, str], int]:
    """How many things an API lists, page by page."""

    def used(aws: Aws, region: str) -> int:
        pages = aws.client(service, region).get_paginator(operation).paginate()
        return sum(1 for page in pages for each in page.get(key, ()) if kept(each))

    return used


def canaries(client: Any) -> list[Any]:
    """All canaries of a region. `client`: of Synthetics."""
    return of_synthetics(client.describe_canaries, "Canaries")


def of_synthetics(operation: Callable[..., Mapping[str, Any]], key: str) -> list[Any]:
    """All that an operation lists, page by page: the SDK has no paginator for Synthetics."""
    found: list[Any] = []
    more: dict[str, str] = {}
    while True:
        page = operation(**more)
        found += page[key]
        if not page.get("NextToken"):
            return found
        more = {"NextToken": page["NextToken"]}


def _canaries(aws: Aws, region: str) -> int:
    return len(canaries(aws.client("synthetics", region)))


@dataclass(frozen=True)
class OfRoute53(AccountQuota):
    """Route 53 tells quota and number itself (GetAccountLimit), for the whole account."""

    used: Callable[[Aws, str], int] = lambda *_: 0
    kind: str = ""

    def both(self, aws: Aws) -> tuple[int, int]:
        found = aws.client("route53", GLOBAL_REGION).get_account_limit(Type=self.kind)
        return int(found["Limit"]["Value"]), int(found["Count"])


QUOTAS: Sequence[AccountQuota] = (
    AccountQuota("VPCs", "aws:ec2/vpc:Vpc", "vpc/L-F678F1CE", 5, _listed("ec2", "describe_vpcs", "Vpcs")),
    AccountQuota(
        "internet gateways",
        "aws:ec2/internetGateway:InternetGateway",
        "vpc/L-A4707A72",
        5,
        _listed("ec2", "describe_internet_gateways", "InternetGateways"),
    ),
    AccountQuota(
        "application load balancers",
        "aws:lb/loadBalancer:LoadBalancer",
        "elasticloadbalancing/L-53DA6B97",
        50,
        _listed("elbv2", "describe_load_balancers", "LoadBalancers", lambda each: each["Type"] == "application"),
    ),
    AccountQuota(
        "custom domain names",
        "aws:apigateway/domainName:DomainName",
        "apigateway/L-A93447B8",
        120,
        _listed("apigateway", "get_domain_names", "items"),
    ),
    AccountQuota("canaries", "aws:synthetics/canary:Canary", "monitoring/L-C1FE0F5C", 100, _canaries),
    OfRoute53("hosted zones", ZONE, "route53/L-4EA4796A", 500, kind="MAX_HOSTED_ZONES_BY_OWNER"),
    OfRoute53(
        "health checks",
        "aws:route53/healthCheck:HealthCheck",
        "route53/L-ACB674F3",
        200,
        kind="MAX_HEALTH_CHECKS_BY_OWNER",
    ),
)
"""Those that an account of a few environments can meet. Not those that no number of environments in reason does (600
REST APIs, 400 strongly consistent tables, 1000 roles), nor those of one VPC, one group or one API: what is declared
stays below their defaults, whatever else there is in the account, and a test says so.

Sources: Amazon VPC quotas; AWS PrivateLink quotas; Quotas for your Application Load Balancers; Quotas for configuring
and running a REST API; CloudWatch Synthetics quotas; Route 53 quotas.
"""

CONCURRENCY = AccountQuota("concurrent executions", FUNCTION, "lambda/L-B99A9384", 1000, lambda *_: 0)
THROTTLE = AccountQuota("requests a second", STAGE, "apigateway/L-8A5B8E43", 10_000, lambda *_: 0)
"""Lambda and API Gateway tell these two themselves, and a new account has less."""

MADE_BY_BOOTSTRAP = "Made by ./invoke bootstrap, outside every stack"
"""In the comment of a zone."""


def zones_named(aws: Aws, name: str) -> list[Mapping[str, Any]]:
    """The account's public zones of a name: Route 53 lets it have several, and a parent leads to one of them."""
    listed = aws.client("route53", GLOBAL_REGION).list_hosted_zones_by_name(DNSName=name)["HostedZones"]
    return [each for each in listed if each["Name"] == f"{name}." and not each["Config"].get("PrivateZone")]
