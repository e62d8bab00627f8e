"""One page over both regions. Dashboards are global to an account, so each region's stack has one of another name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from projects.observability.alarm_rule import Watched
from projects.observability.alarms import Alarms
from projects.observability.budget_widgets import budget_left, burn_rates
from projects.observability.indicators import Indicator
from projects.observability.rules import HEALTH_CHECK_REGION
from shared import grey_failure, naming
from shared.naming import Kind
from shared.roles import ROLES, PerRole, Role, other

COLUMNS = {"primary": 0, "secondary": 12}
WIDTH, HEIGHT = 12, 6


class Dashboard(pulumi.ComponentResource):
    """The primary's graphs on the left, the secondary's on the right. Attributes: name."""

    name: pulumi.Output[str]

    def __init__(self, name: str, watched: Watched, indicators: PerRole[tuple[Indicator, ...]], alarms: Alarms) -> None:
        super().__init__("payments:observability:Dashboard", name)
        self._watched = watched
        body = {
            "widgets": [
                *(widget for role in ROLES for widget in self._budgets(role, indicators.of(role))),
                *(widget for role in ROLES for widget in self._column(role, first_row=2)),
                self._health_checks(y=7 * HEIGHT),
                self._alarms(alarms, y=8 * HEIGHT),
            ]
        }
        dashboard = aws.cloudwatch.Dashboard(
            name,
            dashboard_name=watched.region.named(naming.DASHBOARD_OF_PAYMENTS),
            dashboard_body=pulumi.Output.json_dumps(body),
            opts=watched.region.options(self),
        )
        self.name = dashboard.dashboard_name
        self.register_outputs({})

    def _budgets(self, role: Role, indicators: Sequence[Indicator]) -> list[dict[str, object]]:
        region = self._watched.region.foundation.region(role)
        shown = (budget_left(role, region, indicators), burn_rates(role, region, indicators))
        return [_widget("metric", properties, x=COLUMNS[role], y=row * HEIGHT) for row, properties in enumerate(shown)]

    def _column(self, role: Role, first_row: int) -> list[dict[str, object]]:
        function = ["FunctionName", self._named(naming.PAYMENT_FUNCTION, role)]
        foundation = self._watched.region.foundation
        business = ["Environment", foundation.name, "Suffix", foundation.suffix, "Role", role]
        table = ["TableName", self._watched.data.table_name]
        replication = [
            "SourceBucket",
            self._watched.data.audit_bucket_names.of(other(role)),
            "DestinationBucket",
            self._watched.data.audit_bucket_names.of(role),
            "RuleId",
            naming.replication_rule(role),
        ]
        graphs: dict[str, Sequence[object]] = {
            **self._entry_point(role),
            "payments": [
                *(
                    ["Payments", metric, *business, {"stat": "Sum"}]
                    for metric in ("PaymentsPaid", "PaymentsDeclined", "PaymentsUnknown", "FailoverTraffic")
                ),
            ],
            "function": [
                ["AWS/Lambda", "Duration", *function, {"stat": "p99"}],
                ["AWS/Lambda", "ConcurrentExecutions", *function, {"stat": "Maximum"}],
                ["AWS/Lambda", "Errors", *function, {"stat": "Sum"}],
                ["AWS/Lambda", "Throttles", *function, {"stat": "Sum"}],
            ],
            "data": [
                ["AWS/DynamoDB", "ReadThrottleEvents", *table, {"stat": "Sum"}],
                ["AWS/DynamoDB", "WriteThrottleEvents", *table, {"stat": "Sum"}],
                ["AWS/S3", "ReplicationLatency", *replication, {"stat": "Maximum", "yAxis": "right"}],
            ],
        }
        region = self._watched.region.foundation.region(role)
        return [
            _graph(f"{role}: {title}", region, metrics, x=COLUMNS[role], y=row * HEIGHT)
            for row, (title, metrics) in enumerate(graphs.items(), first_row)
        ]

    def _entry_point(self, role: Role) -> dict[str, Sequence[object]]:
        balancers = self._watched.edge.load_balancers
        if balancers is None:
            namespace, latency, unit = "AWS/ApiGateway", "Latency", "ms"
            counts: Sequence[str] = ("Count", "4XXError", "5XXError")
            dimensions: list[object] = ["ApiName", self._named(naming.PAYMENT_API, role), "Stage", naming.STAGE]
        else:
            namespace, latency, unit = "AWS/ApplicationELB", "TargetResponseTime", "s"
            counts = (
                "RequestCount",
                "HTTPCode_Target_4XX_Count",
                "HTTPCode_Target_5XX_Count",
                "HTTPCode_ELB_5XX_Count",
            )
            dimensions = ["LoadBalancer", balancers.of(role)]
        return {
            "requests and errors": [[namespace, count, *dimensions, {"stat": "Sum"}] for count in counts],
            f"latency ({unit})": [[namespace, latency, *dimensions, {"stat": each}] for each in ("p50", "p99")],
        }

    def _health_checks(self, y: int) -> dict[str, object]:
        checks = self._watched.edge.health_check_ids
        metrics = [
            ["AWS/Route53", "HealthCheckStatus", "HealthCheckId", check, {"stat": "Minimum", "label": label}]
            for label, check in {
                "gate": checks.gate,
                "standard": checks.standard,
                "fast": checks.fast,
                "stop switch": checks.stop_switch,
                **{
                    name.replace("-", " "): checks.errors[name]
                    for name in grey_failure.CHECKS[self._watched.region.foundation.entry_point]
                },
                "secondary": checks.secondary,
            }.items()
        ]
        return _graph("health checks (1 = healthy)", HEALTH_CHECK_REGION, metrics, x=0, y=y) | {"width": 2 * WIDTH}

    def _alarms(self, alarms: Alarms, y: int) -> dict[str, object]:
        title = f"alarms of the {self._watched.region.role}"
        return _widget("alarm", {"title": title, "alarms": alarms.to_look_at}, x=0, y=y) | {"width": 2 * WIDTH}

    def _named(self, kind: Kind, role: Role) -> str:
        return self._watched.region.foundation.names.of(kind, role)


def _graph(title: str, region: str, metrics: Sequence[object], *, x: int, y: int) -> dict[str, object]:
    properties = {"title": title, "region": region, "view": "timeSeries", "period": 60, "metrics": list(metrics)}
    return _widget("metric", properties, x=x, y=y)


def _widget(kind: str, properties: Mapping[str, object], *, x: int, y: int) -> dict[str, object]:
    return {"type": kind, "x": x, "y": y, "width": WIDTH, "height": HEIGHT, "properties": properties}
