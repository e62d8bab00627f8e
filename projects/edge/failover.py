"""The records that decide where clients go."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.edge.entry_points import EntryPoints
from projects.edge.health import HealthChecks
from projects.edge.zone import Zone
from shared.components.regions import Region
from shared.environment_sections import EdgeSettings
from shared.roles import PRIMARY, ROLES


class FailoverRecords(pulumi.ComponentResource):
    """One CNAME for each region under the shared name: the primary's behind the gate, the secondary's always good.

    CNAMEs, as an alias record's TTL cannot be set. The secondary has no check: with one, and both unhealthy, Route 53
    would answer the dead primary. Of a name that is taken over the records are those of the system before, until they
    are written.
    """

    def __init__(
        self,
        name: str,
        region: Region,
        settings: EdgeSettings,
        *,
        zone: Zone,
        entry_points: EntryPoints,
        checks: HealthChecks,
    ) -> None:
        super().__init__("payments:edge:FailoverRecords", name)
        taken = region.foundation.taken
        for role in ROLES:
            aws.route53.Record(
                f"{name}-{role}",
                zone_id=taken.zone_id if taken else zone.id,
                name=entry_points.failover_name,
                type="CNAME",
                ttl=settings.ttl,
                records=[entry_points.targets.of(role)],
                set_identifier=role,
                allow_overwrite=True if taken else None,
                failover_routing_policies=[{"type": role.upper()}],
                health_check_id=checks.ids.gate if role == PRIMARY else None,
                opts=region.options(self, depends_on=[entry_points, checks]),
            )
        self.register_outputs({})
