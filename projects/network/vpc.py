"""A VPC whose functions have no way to the internet: private subnets over several zones, and their network ACL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from shared import naming
from shared.components.regions import Region
from shared.environment_sections import NetworkSettings
from shared.naming import Kind

HTTPS = 443
EPHEMERAL = (1024, 65535)

INTERFACES_GO = "60m"
"""Lambda gives a deleted function's interfaces back within 20 to 45 minutes: longer than the provider waits."""

ANYWHERE = "0.0.0.0/0"
"""Not the internet, as no route leads there: gateway endpoints answer from their services' public ranges."""


@dataclass(frozen=True)
class AclRule:
    """One entry of a network ACL; ACLs are stateless, so each direction of an exchange needs its own."""

    number: int
    egress: bool
    cidr: str
    ports: tuple[int, int]


class Vpc(pulumi.ComponentResource):
    """The VPC with one private subnet in each of `settings.zones`.

    Attributes: id, private_subnet_ids, private_route_table_id, cidr.
    """

    id: pulumi.Output[str]
    private_subnet_ids: pulumi.Output[Sequence[str]]
    private_route_table_id: pulumi.Output[str]
    cidr: str

    def __init__(self, name: str, region: Region, settings: NetworkSettings) -> None:
        super().__init__("payments:network:Vpc", name)
        self._region = region
        self._options = region.options(self)
        self.cidr = str(settings.cidrs.of(region.role))

        vpc = aws.ec2.Vpc(
            name,
            cidr_block=self.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # endpoints' private names need both
            tags={"Name": region.named(naming.VPC)},
            opts=self._options,
        )
        self.id = vpc.id
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=vpc.id,  # no rules: AWS's own let everything out
            tags={"Name": region.named(naming.VPC, "-default")},
            opts=self._options,
        )

        routes = aws.ec2.RouteTable(
            f"{name}-private",
            vpc_id=vpc.id,
            tags={"Name": region.named(naming.ROUTE_TABLE)},
            opts=self._options,
        )
        self.private_route_table_id = routes.id
        ranges = settings.private_subnets(region.role)
        subnets = routed_subnets(
            f"{name}-private", region, naming.SUBNET, ranges, vpc_id=self.id, routes=routes, parent=self
        )
        self.private_subnet_ids = pulumi.Output.all(*(subnet.id for subnet in subnets)).apply(list)
        self._network_acl(name, subnets)
        self.register_outputs({})

    def _network_acl(self, name: str, subnets: list[aws.ec2.Subnet]) -> None:
        https = (HTTPS, HTTPS)
        rules = {
            "requests-to-gateway-endpoints": AclRule(100, egress=True, cidr=ANYWHERE, ports=https),
            "answers-of-interface-endpoints": AclRule(110, egress=True, cidr=self.cidr, ports=EPHEMERAL),
            "answers-of-gateway-endpoints": AclRule(100, egress=False, cidr=ANYWHERE, ports=EPHEMERAL),
            "requests-to-interface-endpoints": AclRule(110, egress=False, cidr=self.cidr, ports=https),
        }
        network_acl(
            f"{name}-private", self._region, naming.NETWORK_ACL, rules, vpc_id=self.id, subnets=subnets, parent=self
        )


def routed_subnets(
    name: str,
    region: Region,
    kind: Kind,
    ranges: Mapping[str, IPv4Network],
    *,
    vpc_id: pulumi.Input[str],
    routes: aws.ec2.RouteTable,
    parent: pulumi.Resource,
) -> list[aws.ec2.Subnet]:
    """A subnet in each zone, by the zone's id, with the route table that it uses."""
    subnets = []
    for number, (zone, cidr) in enumerate(ranges.items(), start=1):
        subnet = aws.ec2.Subnet(
            f"{name}-{number}",
            vpc_id=vpc_id,
            cidr_block=str(cidr),
            # Pinned: whatever a list of zones says today, a subnet in a zone that is out must not be replaced.
            availability_zone_id=zone,
            tags={"Name": region.named(kind, f"-{number}")},
            opts=region.options(parent, delete=INTERFACES_GO),
        )
        aws.ec2.RouteTableAssociation(
            f"{name}-{number}", subnet_id=subnet.id, route_table_id=routes.id, opts=region.options(parent)
        )
        subnets.append(subnet)
    return subnets


def network_acl(
    name: str,
    region: Region,
    kind: Kind,
    rules: Mapping[str, AclRule],
    *,
    vpc_id: pulumi.Input[str],
    subnets: Sequence[aws.ec2.Subnet],
    parent: pulumi.Resource,
) -> None:
    """A network ACL that lets TCP through by `rules`, by what each is for, and its hold on the subnets."""
    options = region.options(parent)
    acl = aws.ec2.NetworkAcl(name, vpc_id=vpc_id, tags={"Name": region.named(kind)}, opts=options)
    for purpose, rule in rules.items():
        aws.ec2.NetworkAclRule(
            f"{name.rpartition('-')[0]}-{purpose}",
            network_acl_id=acl.id,
            rule_number=rule.number,
            egress=rule.egress,
            protocol="tcp",
            rule_action="allow",
            cidr_block=rule.cidr,
            from_port=rule.ports[0],
            to_port=rule.ports[1],
            opts=options,
        )
    for number, subnet in enumerate(subnets, start=1):
        aws.ec2.NetworkAclAssociation(f"{name}-{number}", network_acl_id=acl.id, subnet_id=subnet.id, opts=options)
