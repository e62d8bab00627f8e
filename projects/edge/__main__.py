"""The edge of both regions: names, certificates, the gate before the primary, failover, and notifications."""

from __future__ import annotations

from projects.edge.entry_points import EntryPoints
from projects.edge.failover import FailoverRecords
from projects.edge.firewall import Firewall
from projects.edge.health import HealthChecks
from projects.edge.notifications import Notifications
from projects.edge.operations import OperationsRole
from projects.edge.stop_switch import StopSwitch
from projects.edge.zone import Zone
from shared.components.exchange import consume, publish
from shared.components.regions import both_regions
from shared.contracts import ComputeOutputs, DataOutputs, EdgeOutputs
from shared.environment_sections import EdgeSettings
from shared.roles import PerRole

regions, settings = both_regions(EdgeSettings)
data = consume(DataOutputs)
compute = PerRole.build(lambda role: consume(ComputeOutputs, role))

zone = Zone("zone", regions, settings)
entry_points = EntryPoints("entry-points", regions, settings, zone, compute)
Firewall("firewall", regions, settings.firewall, compute)
notifications = Notifications("notifications", regions, settings, data, compute)
stop = StopSwitch("stop-switch", regions.secondary, settings, data, notifications)
checks = HealthChecks(
    "checks",
    regions,
    settings,
    switch=stop.switch,
    entry_points=entry_points,
    primary_compute=compute.primary,
    notifications=notifications,
)
operations = OperationsRole("operations", regions.secondary, settings.operations, data, stop.switch)
FailoverRecords("failover", regions.primary, settings, zone=zone, entry_points=entry_points, checks=checks)

publish(
    EdgeOutputs(
        zone_id=zone.id,
        name_servers=zone.name_servers,
        failover_name=entry_points.failover_name,
        region_names=entry_points.region_names,
        endpoints=entry_points.endpoints,
        load_balancers=entry_points.load_balancers,
        payment_targets=entry_points.payment_targets,
        health_check_ids=checks.ids,
        topic_arns=notifications.topic_arns,
        queue_urls=notifications.queue_urls,
        operations_role_arn=operations.role_arn,
        stop_switch_bucket=stop.switch.bucket_name,
    )
)
