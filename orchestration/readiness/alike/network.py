"""VPC, subnets, endpoints, and security groups with their rules, by the names that their tags say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from orchestration.readiness.alike.seen import Found, only
from orchestration.readiness.facts import Examined
from shared.roles import Role

ENDPOINT: Final = ("VpcEndpointType", "ServiceName", "State", "PolicyDocument", "PrivateDnsEnabled")
SOURCES: Final = {
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "PrefixListIds": "PrefixListId",
    "UserIdGroupPairs": "GroupId",
}
"""Where a rule's permission says who it lets in or out, and what says it there (EC2 API Reference, IpPermission)."""


def network(examined: Examined, role: Role) -> Found:
    """All but security groups' rules by what it is; a rule by whom it is for."""
    listed = (
        ("Vpc", "describe_vpcs", "Vpcs", ("CidrBlock", "InstanceTenancy")),
        ("Subnet", "describe_subnets", "Subnets", ("CidrBlock", "MapPublicIpOnLaunch")),
    )
    for kind, operation, key, kept in listed:
        for purpose, each in _tagged(examined, role, operation, key):
            yield kind, purpose, only(each, *kept)
    groups = list(_tagged(examined, role, "describe_security_groups", "SecurityGroups"))
    names = _by_id(groups)
    for purpose, each in _tagged(examined, role, "describe_vpc_endpoints", "VpcEndpoints"):
        of = [_named(one["GroupId"], names) for one in each.get("Groups", ())]
        count = {"Subnets": len(each.get("SubnetIds", ())), "RouteTables": len(each.get("RouteTableIds", ()))}
        yield "VpcEndpoint", purpose, {**only(each, *ENDPOINT), "SecurityGroups": of, **count}
    lists = examined.listed("ec2", role, "describe_prefix_lists", "PrefixLists")
    names |= {each["PrefixListId"]: each["PrefixListName"] for each in lists}
    for purpose, each in groups:
        yield "SecurityGroup", purpose, dict(_rules(each, names))


def security_groups(examined: Examined, role: Role) -> dict[str, str]:
    """The purposes of a region's security groups, by their ids."""
    return _by_id(_tagged(examined, role, "describe_security_groups", "SecurityGroups"))


def _by_id(groups: Iterable[tuple[str, Any]]) -> dict[str, str]:
    return {each["GroupId"]: purpose for purpose, each in groups}


def _rules(group: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each rule as what it lets through, with its description: AWS puts those of the same ports together."""
    for way, key in (("from", "IpPermissions"), ("to", "IpPermissionsEgress")):
        for each in group.get(key, ()):
            ports = f"{each.get('FromPort', 'all')}-{each.get('ToPort', 'all')}"
            for where, what in SOURCES.items():
                for one in each.get(where, ()):
                    whom, said = _named(one[what], names), one.get("Description", "")
                    yield f"{way} {whom}, {each['IpProtocol']} {ports}", f"allowed: {said}" if said else "allowed"


def _named(identity: str, names: Mapping[str, str]) -> str:
    return names.get(identity, identity)


def _tagged(examined: Examined, role: Role, operation: str, key: str) -> Iterator[tuple[str, Any]]:
    """What is the environment's, with what its name says that it is for."""
    zones = examined.settings.network.zones.of(role)
    filters = [{"Name": "tag:Environment", "Values": [examined.settings.label]}]
    for each in examined.listed("ec2", role, operation, key, Filters=filters):
        name = next((tag["Value"] for tag in each.get("Tags", ()) if tag["Key"] == "Name"), "")
        before, found, tail = name.partition(f"-{examined.settings.suffix}")
        if found:
            place = f"{zones.index(tail[1:])}" if tail[1:] in zones else tail
            yield f"{before}{place}", each
