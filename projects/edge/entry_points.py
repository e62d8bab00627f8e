"""The API's names: one shared by both regions, and one for each, so that each can be asked whatever DNS prefers."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.edge.zone import Zone
from shared.components.regions import Region
from shared.contracts import ComputeOutputs
from shared.environment_sections import EdgeSettings
from shared.roles import ROLES, PerRole, Role

TLS_POLICY = "TLS_1_2"
"""Route 53's checkers speak nothing newer."""


class EntryPoints(pulumi.ComponentResource):
    """Custom domain names of both regions' APIs, and the DNS records of the region-specific ones.

    Attributes: failover_name, region_names, endpoints, targets (what the failover records answer).
    """

    failover_name: pulumi.Output[str]
    region_names: PerRole[pulumi.Output[str]]
    endpoints: PerRole[pulumi.Output[str]]
    targets: PerRole[pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        regions: PerRole[Region],
        settings: EdgeSettings,
        zone: Zone,
        compute: PerRole[ComputeOutputs],
    ) -> None:
        super().__init__("payments:edge:EntryPoints", name)
        self._regions = regions
        self._zone = zone
        self._compute = compute
        foundation = regions.primary.foundation

        shared = PerRole.build(lambda role: self._domain(f"{name}-shared-{role}", role, foundation.failover_name))
        own = PerRole.build(lambda role: self._domain(f"{name}-own-{role}", role, foundation.region_names.of(role)))
        for role in ROLES:
            aws.route53.Record(
                f"{name}-{role}",
                zone_id=zone.id,
                name=own.of(role).domain_name,
                type="CNAME",
                ttl=settings.ttl,
                records=[own.of(role).regional_domain_name],
                opts=regions.of(role).options(self),
            )
        self.failover_name = shared.primary.domain_name
        self.region_names = own.map(lambda domain: domain.domain_name)
        self.endpoints = own.map(lambda domain: pulumi.Output.concat("https://", domain.domain_name))
        self.targets = shared.map(lambda domain: domain.regional_domain_name)
        self.register_outputs({})

    def _domain(self, name: str, role: Role, domain_name: str) -> aws.apigateway.DomainName:
        options = self._regions.of(role).options(self)
        domain = aws.apigateway.DomainName(
            name,
            domain_name=domain_name,
            regional_certificate_arn=self._zone.certificate_arns.of(role),
            endpoint_configuration={"types": "REGIONAL"},
            security_policy=TLS_POLICY,
            opts=options,
        )
        aws.apigateway.BasePathMapping(
            name,
            domain_name=domain.domain_name,
            rest_api=self._compute.of(role).rest_api_id,
            stage_name=self._compute.of(role).stage_name,
            opts=options,
        )
        return domain
