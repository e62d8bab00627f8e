"""One region's watch: canaries, alarms that tell edge's topic, one that sums them up, a dashboard over both regions."""

from __future__ import annotations

from projects.observability.alarm_rule import Watched
from projects.observability.alarms import Alarms
from projects.observability.canary import CanaryFunction
from projects.observability.dashboard import Dashboard
from projects.observability.indicators import burn_rules, indicators
from projects.observability.rules import alarm_rules
from projects.observability.synthetics import Synthetics
from shared.components.exchange import consume, publish
from shared.components.regions import service_levels, this_region
from shared.contracts import ComputeOutputs, DataOutputs, EdgeOutputs, ObservabilityOutputs
from shared.environment_sections import ObservabilitySettings
from shared.roles import PerRole

region, settings = this_region(ObservabilitySettings)
watched = Watched(region, consume(ComputeOutputs), consume(DataOutputs), consume(EdgeOutputs))

CanaryFunction("canary", watched, settings.canary)
Synthetics("synthetics", watched)
levels = service_levels(ObservabilitySettings)
found = PerRole.build(lambda role: tuple(indicators(levels, watched, role, settings.latency_ms)))
alarms = Alarms(
    "alarms",
    region,
    alarm_rules(settings, watched),
    list(burn_rules(found.of(region.role), settings.least_failures)),
    watched.edge.topic_arns.of(region.role),
)
dashboard = Dashboard("dashboard", watched, found, alarms)

publish(
    ObservabilityOutputs(
        alarm_arns=alarms.arns,
        composite_alarm_arn=alarms.composite_arn,
        dashboard_name=dashboard.name,
    )
)
