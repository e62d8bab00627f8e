"""The public tier: where a load balancer stands, with a way to the internet. Only where clients come by one."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from projects.network.vpc import ANYWHERE, EPHEMERAL, HTTPS, INTERFACES_GO, AclRule, Vpc, network_acl, routed_subnets
from shared import naming
from shared.components.regions import Region
from shared.environment_sections import NetworkSettings

RULES = {
    "requests-of-clients": AclRule(100, egress=False, cidr=ANYWHERE, ports=(HTTPS, HTTPS)),
    "answers-to-clients": AclRule(100, egress=True, cidr=ANYWHERE, ports=EPHEMERAL),
}
"""A load balancer calls its functions without a connection, so clients are all that it speaks to."""


class PublicTier(pulumi.ComponentResource):
    """One public subnet in each of the zones, an internet gateway, and the load balancer's security group.

    Functions stay in the private subnets, from which no route leads here. Attributes: subnet_ids, security_group_id.
    """

    subnet_ids: pulumi.Output[Sequence[str]]
    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, region: Region, vpc: Vpc, settings: NetworkSettings) -> None:
        super().__init__("payments:network:PublicTier", name)
        self._name = name
        self._region = region
        self._options = region.options(self)

        routes = self._routes(vpc)
        ranges = settings.public_subnets(region.role)
        subnets = routed_subnets(name, region, naming.PUBLIC_SUBNET, ranges, vpc_id=vpc.id, routes=routes, parent=self)
        network_acl(
            f"{name}-acl", region, naming.PUBLIC_NETWORK_ACL, RULES, vpc_id=vpc.id, subnets=subnets, parent=self
        )
        # A load balancer must not be made before the way out of its subnets.
        self.subnet_ids = pulumi.Output.all(*(subnet.id for subnet in subnets), self._way_out.id).apply(
            lambda ids: ids[:-1]
        )
        self.security_group_id = self._security_group(vpc).id
        self.register_outputs({})

    def _routes(self, vpc: Vpc) -> aws.ec2.RouteTable:
        gateway = aws.ec2.InternetGateway(
            self._name,
            vpc_id=vpc.id,
            tags={"Name": self._region.named(naming.INTERNET_GATEWAY)},
            opts=self._options,
        )
        routes = aws.ec2.RouteTable(
            self._name,
            vpc_id=vpc.id,
            tags={"Name": self._region.named(naming.PUBLIC_ROUTE_TABLE)},
            opts=self._options,
        )
        self._way_out = aws.ec2.Route(
            self._name,
            route_table_id=routes.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=self._options,
        )
        return routes

    def _security_group(self, vpc: Vpc) -> aws.ec2.SecurityGroup:
        named = self._region.named(naming.LOAD_BALANCER_SECURITY_GROUP)
        group = aws.ec2.SecurityGroup(
            self._name,
            name=named,
            description="Load balancer: in by HTTPS from anywhere, out to nobody",
            vpc_id=vpc.id,
            tags={"Name": named},
            opts=self._region.options(self, delete=INTERFACES_GO),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-clients",
            security_group_id=group.id,
            description="HTTPS from clients and health checkers",
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            cidr_ipv4=ANYWHERE,
            opts=self._options,
        )
        return group
