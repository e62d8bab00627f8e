"""The names as custom domain names of both regions' REST APIs."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from projects.edge.answering import Answering
from projects.edge.zone import Zone
from shared.clients import API_TLS
from shared.components.regions import Region
from shared.contracts import RestApiOutputs
from shared.roles import PerRole, Role


def custom_domains(
    name: str, regions: PerRole[Region], zone: Zone, apis: PerRole[RestApiOutputs], *, parent: pulumi.Resource
) -> Answering:
    """Make the shared name and the region's own a way to the API, in both regions."""

    def domain(name: str, role: Role, domain_name: str) -> aws.apigateway.DomainName:
        options = regions.of(role).options(parent)
        made = aws.apigateway.DomainName(
            name,
            domain_name=domain_name,
            regional_certificate_arn=zone.certificate_arns.of(role),
            endpoint_configuration={"types": "REGIONAL"},
            **API_TLS,
            opts=options,
        )
        aws.apigateway.BasePathMapping(
            name,
            domain_name=made.domain_name,
            rest_api=apis.of(role).id,
            stage_name=apis.of(role).stage_name,
            opts=options,
        )
        return made

    foundation = regions.primary.foundation
    shared = PerRole.build(lambda role: domain(f"{name}-shared-{role}", role, foundation.failover_name))
    own = PerRole.build(lambda role: domain(f"{name}-own-{role}", role, foundation.region_names.of(role)))
    return Answering(
        failover_name=shared.primary.domain_name,
        region_names=own.map(lambda each: each.domain_name),
        own_targets=own.map(lambda each: each.regional_domain_name),
        shared_targets=shared.map(lambda each: each.regional_domain_name),
    )
