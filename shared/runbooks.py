"""Which page of docs/runbooks says what to do at an alarm. Each alarm carries its page's address in its description."""

from __future__ import annotations

from collections.abc import Mapping

from shared import grey_failure, naming
from shared.roles import ROLES
from shared.service_levels import BURNS

LONGEST_DESCRIPTION = 1024
"""Characters of an alarm's description (CloudWatch API Reference, PutMetricAlarm)."""

ENDING = ".md"

SERVICE_LEVELS = "service-levels"
REGION = "a-region-does-not-serve"
GONE = "a-region-gone-for-good"
FUNCTIONS = "functions"
TABLE = "table"
AUDIT = "audit-records"
UNFINISHED = "unfinished-payments"
LATCH = "latch"
UNDELIVERED = "undelivered"
FIREWALL = "firewall"
VAULT = "vault"

PAGES: Mapping[str, str] = {
    **dict.fromkeys(("latency", "error-rate", "errors", naming.COMPOSITE_ALARM.purpose), SERVICE_LEVELS),
    **{
        f"{level}-{burn.name}-burn{part}": SERVICE_LEVELS
        for level in ("availability", "latency")
        for burn in BURNS
        for part in ("", "-long", "-short")
    },
    **{f"{role}-{what}": REGION for role in ROLES for what in ("unhealthy", "unserved")},
    **{f"synthetics-{role}": REGION for role in ROLES},
    naming.FAILOVER_TRAFFIC_ALARM.purpose: REGION,
    "table-members": GONE,
    **{naming.grey_failure_alarm(check).purpose: REGION for checks in grey_failure.CHECKS.values() for check in checks},
    **{f"{function}-function-errors": FUNCTIONS for function in ("processor", "health", "audit")},
    **dict.fromkeys(("health-latency", "unexpected-errors"), FUNCTIONS),
    **{f"dynamodb-{what}": TABLE for what in ("user-errors", "read-throttles", "write-throttles")},
    "table-replication-lag": TABLE,
    **dict.fromkeys(("audit-replication-lag", "audit-replication-failures", "audits-owed"), AUDIT),
    **dict.fromkeys(("contradictions", "stuck-payments", "unfinished-payments"), UNFINISHED),
    **dict.fromkeys(("latch-silent", "switch-ranges-stale"), LATCH),
    **{f"{queue}dead-letters": UNDELIVERED for queue in ("", "notification-", "canary-")},
    naming.PAGE_TEST_ALARM.purpose: UNDELIVERED,
    "api-key-rate": FIREWALL,
    naming.VAULT_COPIES_ALARM.purpose: VAULT,
}
"""By what an alarm watches, as its name says without service, role and suffix."""


def described(text: str, alarm: str, runbooks: str) -> str:
    """An alarm's description: what it means, and the address of its page under `runbooks`.

    Raises ValueError for an alarm without a page, and for what CloudWatch would refuse as too long.
    """
    if alarm not in PAGES:
        raise ValueError(f"the alarm {alarm} has no page: name one in shared/runbooks.py")
    description = f"{text}. Runbook: {runbooks}{PAGES[alarm]}{ENDING}"
    if len(description) > LONGEST_DESCRIPTION:
        raise ValueError(f"the description of {alarm} has {len(description)} characters, and CloudWatch takes 1024")
    return description
