"""The API's names: one shared by both regions, and one for each, so that each can be asked whatever DNS prefers."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.edge.custom_domains import custom_domains
from projects.edge.listeners import listeners
from projects.edge.zone import Zone
from shared.components.regions import Region
from shared.contracts import ComputeOutputs
from shared.environment_sections import EdgeSettings
from shared.roles import ROLES, PerRole


class EntryPoints(pulumi.ComponentResource):
    """What answers under the names in each region, and the DNS records of the region-specific ones.

    Attributes: failover_name, region_names, endpoints, targets (what the failover records answer), load_balancers and
    payment_targets (as metrics name them).
    """

    failover_name: pulumi.Output[str]
    region_names: PerRole[pulumi.Output[str]]
    endpoints: PerRole[pulumi.Output[str]]
    targets: PerRole[pulumi.Output[str]]
    load_balancers: PerRole[pulumi.Output[str]] | None = None
    payment_targets: PerRole[pulumi.Output[str]] | None = None

    def __init__(
        self,
        name: str,
        regions: PerRole[Region],
        settings: EdgeSettings,
        zone: Zone,
        compute: PerRole[ComputeOutputs],
    ) -> None:
        super().__init__("payments:edge:EntryPoints", name)
        if regions.primary.foundation.entry_point == "rest-api":
            apis = compute.map(lambda each: each.rest_api).whole()
            behind = custom_domains(name, regions, zone, apis, parent=self)
        else:
            balancers = compute.map(lambda each: each.load_balancer).whole()
            behind = listeners(name, regions, zone, balancers, parent=self)
            self.load_balancers = balancers.map(lambda each: each.dimension)
            self.payment_targets = balancers.map(lambda each: each.payment_targets_dimension)
        for role in ROLES:
            aws.route53.Record(
                f"{name}-{role}",
                zone_id=zone.id,
                name=behind.region_names.of(role),
                type="CNAME",
                ttl=settings.ttl,
                records=[behind.own_targets.of(role)],
                opts=regions.of(role).options(self),
            )
        self.failover_name = behind.failover_name
        self.region_names = behind.region_names
        self.endpoints = behind.region_names.map(lambda each: pulumi.Output.concat("https://", each))
        self.targets = behind.shared_targets
        self.register_outputs({})
