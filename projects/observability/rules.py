"""What is watched in a region, as data: one line of thought for each alarm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pulumi

from projects.observability.alarm_rule import (
    FIVE_MINUTES,
    MILLISECONDS,
    MINUTE,
    SLOWEST,
    TEN_MINUTES,
    AlarmRule,
    Metric,
    MetricMath,
    Watched,
    own_metric,
    slow_share,
)
from projects.observability.entry_point_rules import entry_point_rules
from shared import naming
from shared.components.function import live_dimensions
from shared.environment_sections import ObservabilitySettings
from shared.roles import PRIMARY, ROLES, SECONDARY, Role, other

HEALTH_CHECK_REGION = "us-east-1"
"""Route 53 reports health checks there and nowhere else."""

FAILOVER_TRAFFIC_PERIOD = 10
"""Seconds: who is told, is told within a minute."""
FAILOVER_TRAFFIC_LOOKS_BACK = 12
"""Periods: a metric of a log line can be a minute late and more, and counts all the same."""

RANGES_PERIOD = 3 * 60 * MINUTE
"""Seconds without a comparison that are told; one that finds a range missing is told at once."""

CANARIES_ASK: Mapping[Role, tuple[Role, ...]] = {PRIMARY: (PRIMARY,), SECONDARY: (SECONDARY, PRIMARY)}
"""In which regions those of CloudWatch Synthetics pay, by where they run: the secondary's watch the primary, too."""


def alarm_rules(settings: ObservabilitySettings, watched: Watched) -> list[AlarmRule]:
    """Every alarm of the region."""
    return [
        *entry_point_rules(settings, watched),
        *_firewall(watched),
        *_functions(settings, watched),
        *_data(settings, watched),
        *_queues(watched),
        *_payments(settings, watched),
        *_failover(watched),
        *_canary(watched),
        *_synthetics(watched),
        _page_test(),
    ]


def _page_test() -> AlarmRule:
    """What `./invoke page --test` sets off. Its metric has no data ever, so it stays as somebody has set it."""
    return AlarmRule(
        naming.PAGE_TEST_ALARM.purpose,
        "TEST: somebody tries whether people are reached. Nothing is wrong, and nothing has to be done",
        Metric("NeverMeasured", "PageTest", {}, "Sum"),
        0,
        missing="ignore",
    )


def _firewall(watched: Watched) -> Iterator[AlarmRule]:
    """What scanners of the internet send is no news; a client of ours who sends too much is."""
    region = watched.region
    of_the_rate = {
        "WebACL": region.named(naming.FIREWALL),
        "Region": region.name,
        "Rule": naming.RATE_RULE,
    }
    yield AlarmRule(
        "api-key-rate",
        "A client sends more than one API key may: it is counted, or answered 429",
        MetricMath(
            "FILL(counted, 0) + FILL(blocked, 0)",
            {
                "counted": Metric("AWS/WAFV2", "CountedRequests", of_the_rate, "Sum"),
                "blocked": Metric("AWS/WAFV2", "BlockedRequests", of_the_rate, "Sum"),
            },
        ),
        0,
        FIVE_MINUTES,
    )


def _functions(settings: ObservabilitySettings, watched: Watched) -> Iterator[AlarmRule]:
    compute = watched.compute
    functions = {
        "processor function": compute.payment_function_name,
        "health function": compute.health_function_name,
        "audit function": compute.audit_function_name,
    }
    for what, name in functions.items():
        yield AlarmRule(
            f"{what.replace(' ', '-')}-errors",
            f"The {what} ended with an error of its own",
            _of_live("Errors", name, "Sum"),
            0,
            degrades=what == "processor function",
        )
    yield AlarmRule(
        "health-latency",
        f"Over 1 % of health answers, and four at least, take over {settings.health_latency_ms} ms",
        slow_share(_of_live("Duration", compute.health_function_name, ""), settings.health_latency_ms),
        SLOWEST,
        FIVE_MINUTES,
    )


def _of_live(metric: str, function: pulumi.Input[str], statistic: str) -> Metric:
    return Metric("AWS/Lambda", metric, live_dimensions(function), statistic)


def _data(settings: ObservabilitySettings, watched: Watched) -> Iterator[AlarmRule]:
    own, peer = watched.region.role, other(watched.region.role)
    table, buckets = watched.data.table_name, watched.data.audit_bucket_names
    yield AlarmRule(
        "dynamodb-user-errors",
        "DynamoDB refused requests of this account in this region",  # the metric knows no table
        Metric("AWS/DynamoDB", "UserErrors", {}, "Sum"),
        settings.errors,
        FIVE_MINUTES,
    )
    for kind in ("Read", "Write"):
        yield AlarmRule(
            f"dynamodb-{kind.lower()}-throttles",
            f"DynamoDB throttled {kind.lower()}s of the payments table",
            Metric("AWS/DynamoDB", f"{kind}ThrottleEvents", {"TableName": table}, "Sum"),
            0,
        )
    # Reported where the writes are made, and only with eventual consistency: a strongly consistent table has no such
    # metric (DynamoDB Developer Guide, "Global tables metrics"), so this alarm has no data there and stays quiet.
    yield AlarmRule(
        "table-replication-lag",
        f"Writes reach the table of the {peer} over {settings.table_replication_seconds} s late: a failover loses them",
        Metric(
            "AWS/DynamoDB",
            "ReplicationLatency",
            {"TableName": table, "ReceivingRegion": watched.region.foundation.region(peer)},
            "Average",
        ),
        settings.table_replication_seconds * MILLISECONDS,
        evaluations=3,
    )
    # S3 reports a delay where copies arrive, and a failure where they come from.
    yield AlarmRule(
        "audit-replication-lag",
        f"Audit records of the {peer} are over {settings.replication_minutes} minutes late here",
        Metric(
            "AWS/S3",
            "ReplicationLatency",
            {
                "SourceBucket": buckets.of(peer),
                "DestinationBucket": buckets.of(own),
                "RuleId": naming.replication_rule(own),
            },
            "Maximum",
        ),
        settings.replication_minutes * MINUTE,
        FIVE_MINUTES,
    )
    yield AlarmRule(
        "audit-replication-failures",
        f"Audit records could not be copied to the {peer}",
        Metric(
            "AWS/S3",
            "OperationsFailedReplication",
            {
                "SourceBucket": buckets.of(own),
                "DestinationBucket": buckets.of(peer),
                "RuleId": naming.replication_rule(peer),
            },
            "Sum",
        ),
        0,
        FIVE_MINUTES,
    )


def _queues(watched: Watched) -> Iterator[AlarmRule]:
    queues = {
        "dead-letters": naming.DEAD_LETTER_QUEUE,
        "notification-dead-letters": naming.NOTIFICATION_DEAD_LETTER_QUEUE,
        "canary-dead-letters": naming.CANARY_DEAD_LETTER_QUEUE,
    }
    for what, kind in queues.items():
        yield AlarmRule(
            what,
            f"Something could not be delivered and lies in {watched.region.named(kind)}",
            Metric(
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                {"QueueName": watched.region.named(kind)},
                "Maximum",
            ),
            0,
            FIVE_MINUTES,
        )


def _payments(settings: ObservabilitySettings, watched: Watched) -> Iterator[AlarmRule]:
    """What the functions count themselves. The sweep of either region sees the payments of both."""
    region = watched.region

    yield AlarmRule(
        "contradictions",
        "The card processor has contradicted what is recorded as final: see `contradiction` in the log",
        own_metric(region, "Contradictions", "Sum"),
        0,
    )
    yield AlarmRule(
        "unexpected-errors",
        "The payment function met an error that it does not know: see `unexpected` in its log",
        own_metric(region, "RequestsFailed", "Sum"),
        0,
        degrades=True,
    )
    yield AlarmRule(
        "stuck-payments",
        "The sweep cannot work on a payment: see `sweep_stuck` and `unexpected` in the audit function's log",
        own_metric(region, "SweepStuck", "Sum"),
        0,
        FIVE_MINUTES,
    )
    # Each payment is asked about every five minutes at the rarest, so ten see them all. Every run tells: ten minutes
    # without one are without a sweep.
    yield AlarmRule(
        "unfinished-payments",
        f"A payment has no outcome after {settings.unfinished_minutes} minutes, or nothing sweeps",
        own_metric(region, "OldestUnfinished", "Maximum"),
        settings.unfinished_minutes * MINUTE,
        TEN_MINUTES,
        missing="breaching",
    )
    # The other region's sweep writes what this one cannot: only what neither can is owed for long.
    yield AlarmRule(
        "audits-owed",
        "Audit records could not be written for a quarter of an hour",
        own_metric(region, "AuditsOwed", "Maximum"),
        0,
        FIVE_MINUTES,
        evaluations=3,
    )


def _failover(watched: Watched) -> Iterator[AlarmRule]:
    region, checks = watched.region, watched.edge.health_check_ids
    if region.role == SECONDARY:
        yield AlarmRule(
            naming.FAILOVER_TRAFFIC_ALARM.purpose,
            "Clients are served by the secondary",
            own_metric(region, "FailoverTraffic", "Sum"),
            1,
            FAILOVER_TRAFFIC_PERIOD,
            FAILOVER_TRAFFIC_LOOKS_BACK,
            datapoints=1,
            comparison="GreaterThanOrEqualToThreshold",
        )
        yield AlarmRule(
            "latch-silent",
            "Nobody decides whether a failover lasts: the failover-control function does not run to its end",
            own_metric(region, "PrimaryStopped", "Minimum"),
            0,  # it is 0 or 1: only silence is an alarm
            evaluations=5,
            comparison="LessThanThreshold",
            missing="breaching",
        )
        yield AlarmRule(
            "switch-ranges-stale",
            "Route 53 checks from where the stop switch may not be read, or nobody has compared that for hours",
            own_metric(region, "SwitchRangesStale", "Maximum"),
            1,
            RANGES_PERIOD,
            comparison="GreaterThanOrEqualToThreshold",
            missing="breaching",
        )
    if region.role == PRIMARY and HEALTH_CHECK_REGION not in {region.foundation.region(role) for role in ROLES}:
        pulumi.warn(
            f"no alarm watches the health checks: Route 53 reports them in {HEALTH_CHECK_REGION} alone, which is no "
            "region of this environment. The canaries' alarms say which region does not serve"
        )
    if region.name == HEALTH_CHECK_REGION:
        for role, check in ((PRIMARY, checks.gate), (SECONDARY, checks.secondary)):
            yield AlarmRule(
                f"{role}-unhealthy",
                f"Route 53 finds the {role} unhealthy",
                Metric("AWS/Route53", "HealthCheckStatus", {"HealthCheckId": check}, "Minimum"),
                1,
                comparison="LessThanThreshold",
                missing="breaching",
                degrades=role == region.role,
            )


def _canary(watched: Watched) -> Iterator[AlarmRule]:
    """What the region's canary finds of both; each region so watches the other without Route 53's own metrics."""
    region = watched.region
    yield AlarmRule(
        "table-members",
        f"The payments table misses its replica in the {other(region.role)} or its witness, or nobody can ask it",
        own_metric(region, "TableMembersMissing", "Maximum"),
        0,
        evaluations=5,  # a change of the table, such as a new index, takes its members out for as long as it lasts
        missing="breaching",
    )
    for role in ROLES:
        yield AlarmRule(
            f"{role}-unserved",
            f"The canary in the {region.role} cannot pay in the {role}, or says nothing",
            own_metric(region, f"{role.title()}Unserved", "Maximum"),
            0,
            evaluations=2,
            missing="breaching",
            degrades=role == region.role,
        )


def _synthetics(watched: Watched) -> Iterator[AlarmRule]:
    """What CloudWatch Synthetics finds, each region by itself: a path of its own beside the canary function's."""
    region = watched.region
    for target in CANARIES_ASK[region.role]:
        canary = region.named(naming.synthetics(target))
        yield AlarmRule(
            f"synthetics-{target}",
            f"Synthetics in the {region.role} cannot pay in the {target}, or does not run",
            Metric("CloudWatchSynthetics", "SuccessPercent", {"CanaryName": canary}, "Average"),
            100,
            FIVE_MINUTES,
            evaluations=2,
            comparison="LessThanThreshold",
            missing="breaching",
        )
