"""Every physical name of the system, in one place, and the limits that AWS sets for it.

A name is `<kind>-<role>-<suffix>` (or `<kind>-<suffix>` for what exists once), so that several environments live in one
account and nothing is left nameless after a mistake. Layers that come later are named here too: a policy can name a
resource that does not exist yet, and needs no dependency on the layer that will own it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.roles import Role


@dataclass(frozen=True)
class Limit:
    """How long a name may be for one sort of AWS resource."""

    what: str
    characters: int


BUCKET = Limit("S3 bucket", 63)
ROLE = Limit("IAM role", 64)
FUNCTION = Limit("Lambda function", 64)
EVENT_RULE = Limit("EventBridge rule", 64)
QUEUE = Limit("SQS queue", 80)
SECURITY_GROUP = Limit("security group", 255)
TABLE = Limit("DynamoDB table", 255)
ALARM = Limit("CloudWatch alarm", 255)
DASHBOARD = Limit("CloudWatch dashboard", 255)
TOPIC = Limit("SNS topic", 256)
KEY_ALIAS = Limit("KMS alias", 256)
SECRET = Limit("secret", 512)
LOG_GROUP = Limit("log group", 512)
PARAMETER = Limit("SSM parameter", 1011)
REST_API = Limit("REST API", 1024)
TAG = Limit("Name tag", 256)


ACCOUNT_DIGITS = 12


@dataclass(frozen=True)
class Kind:
    """One thing of the system that has a physical name."""

    name: str
    limit: Limit
    prefix: str = ""
    """Put before the name, e.g. `/aws/lambda/` for a function's log group."""
    account: bool = False
    """Ends in the account's id: bucket names are shared by all accounts of AWS."""

    def of(self, suffix: str, role: Role | None = None, *, account: str | None = None, tail: str = "") -> str:
        """The physical name in the region of `role`, or of what exists once; `tail` tells several of a kind apart."""
        if self.account and account is None:
            raise ValueError(f"the name of {self.name} needs the account's id")
        parts = [self.name, *([role] if role else []), suffix, *([account] if self.account and account else [])]
        return self.prefix + "-".join(parts) + tail

    def room_for_suffix(self) -> int:
        """Characters that are left for the suffix in the longest form of this name."""
        return self.limit.characters - len(self.of("", "secondary", account="0" * ACCOUNT_DIGITS))


VPC = Kind("payments-vpc", TAG)
SUBNET = Kind("payments-private", TAG)
ROUTE_TABLE = Kind("payments-private", TAG)
NETWORK_ACL = Kind("payments-private", TAG)
FUNCTION_SECURITY_GROUP = Kind("payment-functions", SECURITY_GROUP)
ENDPOINT_SECURITY_GROUP = Kind("vpc-endpoints", SECURITY_GROUP)
VPC_ENDPOINT = Kind("payments", TAG)
FLOW_LOG_GROUP = Kind("payments-vpc", LOG_GROUP, "/vpc/flow-logs/")
FLOW_LOG_ROLE = Kind("vpc-flow-logs", ROLE)

PAYMENTS_TABLE = Kind("payments", TABLE)
AUDIT_BUCKET = Kind("payment-audit", BUCKET, account=True)
REPLICATION_ROLE = Kind("audit-replication", ROLE)
DATA_KEY = Kind("payments-data", KEY_ALIAS, "alias/")
API_KEYS_SECRET = Kind("payment-api-keys", SECRET)
DATABASE_SECRET = Kind("payment-database", SECRET)
PARAMETERS = Kind("payments", PARAMETER, "/")

PAYMENT_FUNCTION = Kind("payment-processor", FUNCTION)
HEALTH_FUNCTION = Kind("health-check", FUNCTION)
AUDIT_FUNCTION = Kind("payment-audit", FUNCTION)
SWEEP_RULE = Kind("payment-sweep", EVENT_RULE)
DEAD_LETTER_QUEUE = Kind("dead-letters", QUEUE)
PAYMENT_API = Kind("payment-api", REST_API)
ACCESS_LOG_GROUP = Kind("payment-api", LOG_GROUP, "/aws/apigateway/")

FAILOVER_CONTROL_FUNCTION = Kind("failover-control", FUNCTION)
STOP_PARAMETER = Kind("failover", PARAMETER, "/")
NOTIFICATION_TOPIC = Kind("notifications", TOPIC)
NOTIFICATION_QUEUE = Kind("notifications", QUEUE)
NOTIFICATION_DEAD_LETTER_QUEUE = Kind("notification-dead-letters", QUEUE)
HEALTH_CHECK = Kind("payment-api", TAG)
GREY_FAILURE_ALARM = Kind("grey-failure", ALARM)
FAILOVER_TRAFFIC_ALARM = Kind("failover-traffic", ALARM)

DASHBOARD_OF_PAYMENTS = Kind("payments", DASHBOARD)
COMPOSITE_ALARM = Kind("payments-degraded", ALARM)

FUNCTION_LOG_PREFIX = "/aws/lambda/"
"""Where Lambda writes a function's log, under the function's name."""

LIVE = "live"
"""The alias of every function: what is called is the version it points to."""

STAGE = "v1"
"""The API's stage."""

UNFINISHED = "unfinished"
"""The table's index of what the sweep looks for: keys of items with `unfinished` set, by the time they are due."""


def kinds() -> Iterator[Kind]:
    """Every kind of name above."""
    return (value for value in globals().values() if isinstance(value, Kind))


def longest_suffix() -> tuple[int, Kind]:
    """How many characters every name leaves for a suffix, and the kind that leaves the fewest."""
    return min(((kind.room_for_suffix(), kind) for kind in kinds()), key=lambda each: each[0])


def alarm(name: str) -> Kind:
    """An alarm of a region, by what it watches."""
    return Kind(name, ALARM)


def replication_rule(destination: Role) -> str:
    """The id of the audit buckets' replication rule towards a region: metrics are kept under it."""
    return f"to-{destination}"


_COMPASS = {"north": "n", "south": "s", "east": "e", "west": "w", "central": "c"}


def short_region(region: str) -> str:
    """`us-east-1` as `use1`, `ap-northeast-1` as `apne1`: for names that have little room."""
    area, direction, number = region.rsplit("-", 2)
    letters = "".join(_COMPASS[word] for word in re.findall("|".join(_COMPASS), direction))
    return area.replace("-", "") + letters + number
