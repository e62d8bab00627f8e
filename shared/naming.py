"""Every physical name of the system, in one place, and the limits that AWS sets for it.

A kind says what a thing is for. How that becomes a name is the profile's: payments are
`<service>-<purpose>-<role>-<suffix>`, trading is `<service>-<region>-<environment>-<purpose>-<suffix>`, both without
role or region for what exists once. Every name has the suffix, so that several
environments live in one account and nothing is left nameless after a mistake. Layers that come later are named here
too: a policy can name a resource that does not exist yet, and needs no dependency on the layer that will own it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.roles import ROLES, PerRole, Role


@dataclass(frozen=True)
class Limit:
    """How long a name may be for one sort of AWS resource."""

    what: str
    characters: int


BUCKET = Limit("S3 bucket", 63)
ROLE = Limit("IAM role", 64)
FUNCTION = Limit("Lambda function", 64)
CANARY = Limit("Synthetics canary", 255)
EVENT_RULE = Limit("EventBridge rule", 64)
QUEUE = Limit("SQS queue", 80)
SECURITY_GROUP = Limit("security group", 255)
TABLE = Limit("DynamoDB table", 255)
LOAD_BALANCER_NAME = Limit("load balancer", 32)
TARGET_GROUP_NAME = Limit("target group", 32)
ALARM = Limit("CloudWatch alarm", 255)
DASHBOARD = Limit("CloudWatch dashboard", 255)
TOPIC = Limit("SNS topic", 256)
KEY_ALIAS = Limit("KMS alias", 256)
SECRET = Limit("secret", 512)
LOG_GROUP = Limit("log group", 512)
PARAMETER = Limit("SSM parameter", 1011)
REST_API = Limit("REST API", 1024)
WEB_ACL = Limit("web ACL", 128)
IP_SET = Limit("IP set", 128)
TAG = Limit("Name tag", 256)
VAULT_NAME = Limit("backup vault", 50)
PLAN = Limit("backup plan or selection", 50)


ACCOUNT_DIGITS = 12

EntryPoint = Literal["rest-api", "load-balancer"]
"""What clients come by in a region: API Gateway's REST API, or an Application Load Balancer."""

TIGHT = 32
"""Characters that a load balancer's or a target group's name may have: a kind with no more says its region shortly."""


@dataclass(frozen=True)
class Kind:
    """One thing of the system that has a physical name."""

    purpose: str
    limit: Limit
    prefix: str = ""
    """Put before the name, e.g. `/aws/lambda/` for a function's log group."""
    account: bool = False
    """Ends in the account's id: bucket names are shared by all accounts of AWS."""
    folder: bool = False
    """Holds others, and ends in the suffix as a folder of its own: `/payment-processing/x7k2/...`."""
    entry_point: EntryPoint | None = None
    """Only there where clients come by this; None: everywhere."""


Part = Literal["service", "region", "environment", "purpose", "role"]


@dataclass(frozen=True)
class Profile:
    """A kind of system: what clients come by, and how it names things.

    The parts stand in their order, of which role or region is one. The suffix comes last.
    """

    entry_point: EntryPoint
    service: str
    parts: tuple[Part, ...]


PROFILES: Mapping[str, Profile] = {
    "payments": Profile("rest-api", "payment", ("service", "purpose", "role")),
    "trading": Profile("load-balancer", "trading", ("service", "region", "environment", "purpose")),
}


@dataclass(frozen=True)
class Names:
    """The physical names of one environment."""

    profile: Profile
    environment: str
    suffix: str
    regions: PerRole[str]

    def of(self, kind: Kind, role: Role | None = None, *, account: str | None = None, tail: str = "") -> str:
        """The physical name in the region of `role`, or of what exists once; `tail` tells several of a kind apart.

        Raises ValueError when the kind's name needs the account's id and there is none.
        """
        if kind.account and account is None:
            raise ValueError(f"the name of {kind.purpose} needs the account's id")
        said = {
            "service": self.profile.service,
            "region": self._region(kind, role) if role else None,
            "environment": self.environment,
            "purpose": kind.purpose,
            "role": role,
        }
        parts = [word for part in self.profile.parts if (word := said[part]) is not None]
        name = "-".join(parts) + ("/" if kind.folder else "-") + self.suffix
        return kind.prefix + name + (f"-{account}" if kind.account else "") + tail

    @property
    def pattern(self) -> str:
        """How names are made, but for the suffix: `trading-<region>-production-<purpose>`."""
        said = {"service": self.profile.service, "environment": self.environment}
        return "-".join(said.get(part, f"<{part}>") for part in self.profile.parts)

    def mistaken_for_an_arn(self) -> str | None:
        """A secret's name that ends as its ARN does, in a hyphen and six characters: a look-up might find another.

        Source: Secrets Manager API Reference, CreateSecret, Name.
        """
        secrets = (self.of(kind) for kind in self.kinds() if kind.limit is SECRET)
        return next((name for name in secrets if re.search(r"-[^-]{6}$", name)), None)

    def room(self) -> tuple[int, Kind]:
        """How many characters every name leaves for a suffix, and the kind that leaves the fewest."""
        return min(((self._room(kind), kind) for kind in self.kinds()), key=lambda each: each[0])

    def kinds(self) -> Iterator[Kind]:
        """Every kind of name that the profile has."""
        return (kind for kind in kinds() if kind.entry_point in {None, self.profile.entry_point})

    def _room(self, kind: Kind) -> int:
        longest = max(len(self.of(kind, role, account="0" * ACCOUNT_DIGITS)) for role in ROLES)
        return kind.limit.characters - longest + len(self.suffix)

    def _region(self, kind: Kind, role: Role) -> str:
        region = self.regions.of(role)
        return short_region(region) if kind.limit.characters <= TIGHT else region


VPC = Kind("vpc", TAG)
SUBNET = Kind("private", TAG)
ROUTE_TABLE = Kind("private", TAG)
NETWORK_ACL = Kind("private", TAG)
PUBLIC_SUBNET = Kind("public", TAG, entry_point="load-balancer")
PUBLIC_ROUTE_TABLE = Kind("public", TAG, entry_point="load-balancer")
PUBLIC_NETWORK_ACL = Kind("public", TAG, entry_point="load-balancer")
INTERNET_GATEWAY = Kind("internet", TAG, entry_point="load-balancer")
LOAD_BALANCER_SECURITY_GROUP = Kind("load-balancer", SECURITY_GROUP, entry_point="load-balancer")
FUNCTION_SECURITY_GROUP = Kind("functions", SECURITY_GROUP)
ENDPOINT_SECURITY_GROUP = Kind("endpoints", SECURITY_GROUP)
VPC_ENDPOINT = Kind("endpoint", TAG)
FLOW_LOG_GROUP = Kind("vpc", LOG_GROUP, "/vpc/flow-logs/")
FLOW_LOG_ROLE = Kind("flow-logs", ROLE)

PAYMENTS_TABLE = Kind("transactions", TABLE)
AUDIT_BUCKET = Kind("audit-logs", BUCKET, account=True)
AUDIT_ACCESS_BUCKET = Kind("s3-access", BUCKET, account=True)
REPLICATION_ROLE = Kind("audit-replication", ROLE)
DATA_KEY = Kind("data", KEY_ALIAS, "alias/")
API_KEYS_SECRET = Kind("api-secret", SECRET)
DATABASE_SECRET = Kind("database-secret", SECRET)
PARAMETERS = Kind("processing", PARAMETER, "/", folder=True)

VAULT = Kind("vault", VAULT_NAME)
SOURCE_VAULT = Kind("backups", VAULT_NAME)
VAULT_KEY = Kind("vault", KEY_ALIAS, "alias/")
BACKUP_PLAN = Kind("vault", PLAN)
BACKUP_SELECTION = Kind("table", PLAN)
BACKUP_ROLE = Kind("vault-backup", ROLE)
RESTORE_ROLE = Kind("vault-restore", ROLE)
VAULT_COPIES_ALARM = Kind("vault-copies", ALARM)

PAYMENT_FUNCTION = Kind("processor", FUNCTION)
HEALTH_FUNCTION = Kind("health", FUNCTION)
AUDIT_FUNCTION = Kind("audit", FUNCTION)
SWEEP_RULE = Kind("sweep", EVENT_RULE)
DEAD_LETTER_QUEUE = Kind("dead-letters", QUEUE)
PAYMENT_API = Kind("api", REST_API, entry_point="rest-api")
ACCESS_LOG_GROUP = Kind("api", LOG_GROUP, "/aws/apigateway/", entry_point="rest-api")
LOAD_BALANCER = Kind("api", LOAD_BALANCER_NAME, entry_point="load-balancer")
BALANCER_LOG_BUCKET = Kind("lb-access", BUCKET, account=True, entry_point="load-balancer")
PAYMENT_TARGETS = Kind("pay", TARGET_GROUP_NAME, entry_point="load-balancer")
HEALTH_TARGETS = Kind("up", TARGET_GROUP_NAME, entry_point="load-balancer")

FAILOVER_CONTROL_FUNCTION = Kind("failover-control", FUNCTION)
FAILOVER_CONTROL_RULE = Kind("failover-control", EVENT_RULE)
SWITCH_RANGES_RULE = Kind("switch-ranges", EVENT_RULE)
OPERATIONS_ROLE = Kind("dr-operations", ROLE)
FIREWALL = Kind("api", WEB_ACL)
FIREWALL_LOG_GROUP = Kind("api", LOG_GROUP, "aws-waf-logs-")
CHECKER_ADDRESSES = Kind("route53-checkers", IP_SET)
STOP_SWITCH_BUCKET = Kind("stop-switch", BUCKET, account=True)
NOTIFICATION_TOPIC = Kind("failover-topic", TOPIC)
NOTIFICATION_QUEUE = Kind("notifications", QUEUE)
NOTIFICATION_DEAD_LETTER_QUEUE = Kind("notification-dead-letters", QUEUE)
HEALTH_CHECK = Kind("api", TAG)
FAILOVER_TRAFFIC_ALARM = Kind("failover-traffic", ALARM)
PAGE_TEST_ALARM = Kind("page-test", ALARM)

ARTIFACT_BUCKET = Kind("canaries", BUCKET, account=True)
CANARY_ROLE = Kind("canary-runs", ROLE)
CANARY_FUNCTION = Kind("canary", FUNCTION)
CANARY_RULE = Kind("canary", EVENT_RULE)
CANARY_DEAD_LETTER_QUEUE = Kind("canary-dead-letters", QUEUE)
DASHBOARD_OF_PAYMENTS = Kind("dashboard", DASHBOARD)
COMPOSITE_ALARM = Kind("degraded", ALARM)

FUNCTION_LOG_PREFIX = "/aws/lambda/"
"""Where Lambda writes a function's log, under the function's name."""

LIVE = "live"
"""The alias of every function: what is called is the version it points to."""

STAGE = "v1"
"""The API's stage."""

PAYMENT_ROUTE = {"Resource": "/payment", "Method": "POST"}
"""The route that pays, as API Gateway's metrics of a method call it (with detailed metrics on)."""

RATE_RULE = "rate-by-key"
"""The rule of AWS WAF that watches how much one API key sends, as its metrics call it."""

UNFINISHED = "unfinished"
"""The table's index of what the sweep looks for: keys of items with `unfinished` set, by the time they are due."""


def kinds() -> Iterator[Kind]:
    """Every kind of name above."""
    return (value for value in globals().values() if isinstance(value, Kind))


def alarm(name: str) -> Kind:
    """An alarm of a region, by what it watches."""
    return Kind(name, ALARM)


def team(layer: str) -> Kind:
    """The role of the team that owns a layer."""
    return Kind(f"team-{layer}", ROLE)


def grey_failure_alarm(check: str) -> Kind:
    """The alarm that a health check of answers follows, by the check's name."""
    return Kind("grey-failure" if check == "errors" else f"grey-failure-{check}", ALARM)


def synthetics(target: Role) -> Kind:
    """A region's canary of CloudWatch Synthetics that pays in the region of `target`."""
    return Kind(f"pays-in-{target}", CANARY)


def replication_rule(destination: Role) -> str:
    """The id of the audit buckets' replication rule towards a region: metrics are kept under it."""
    return f"to-{destination}"


_COMPASS = {"north": "n", "south": "s", "east": "e", "west": "w", "central": "c"}


def short_region(region: str) -> str:
    """`us-east-1` as `use1`, `ap-northeast-1` as `apne1`: for names that have little room."""
    area, direction, number = region.rsplit("-", 2)
    letters = "".join(_COMPASS[word] for word in re.findall("|".join(_COMPASS), direction))
    return area.replace("-", "") + letters + number
