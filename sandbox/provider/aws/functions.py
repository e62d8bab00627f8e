"""What programs ask AWS for: `aws.get_region()` and its like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import checker_ranges
from sandbox.provider.aws.ec2 import filters
from sandbox.provider.errors import Refused
from sandbox.provider.functions import Call, function
from sandbox.provider.schema import Block, Boolean, List, Set, Text
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILTERS = List(of=Block(fields={"name": Text(required=True), "values": Set(required=True)}))


@function("aws:index/getCallerIdentity:getCallerIdentity")
def get_caller_identity(call: Call) -> Mapping[str, Any]:
    """Who calls."""
    caller = call.call("sts", "get_caller_identity")
    return {"id": caller["Account"], "accountId": caller["Account"], "arn": caller["Arn"], "userId": caller["UserId"]}


@function("aws:index/getRegion:getRegion")
def get_region(call: Call) -> Mapping[str, Any]:
    """A region: the provider's, or the one that is given."""
    region = call.region
    return {
        "id": region,
        "name": region,
        "region": region,
        "description": region,
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


@function("aws:index/getPartition:getPartition")
def get_partition(call: Call) -> Mapping[str, Any]:
    """The sandbox is in the commercial partition."""
    del call
    return {
        "id": "aws",
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "reverseDnsPrefix": "com.amazonaws",
    }


@function(
    "aws:index/getAvailabilityZones:getAvailabilityZones",
    state=Text(),
    filters=FILTERS,
    excludeZoneIds=Set(),
)
def get_availability_zones(call: Call) -> Mapping[str, Any]:
    """A region's availability zones, by name."""
    given = [{"Name": each["name"], "Values": each["values"]} for each in call["filters"] or ()]
    given += filters(state=call["state"]) if call["state"] else []
    zones = call.call("ec2", "describe_availability_zones", Filters=given or None)["AvailabilityZones"]
    zones = [each for each in zones if each["ZoneId"] not in (call["excludeZoneIds"] or ())]
    zones.sort(key=lambda each: str(each["ZoneName"]))
    return {
        "id": call.region,
        "names": [each["ZoneName"] for each in zones],
        "zoneIds": [each["ZoneId"] for each in zones],
        "groupNames": sorted({each.get("GroupName") or call.region for each in zones}),
    }


@function("aws:ssm/getParameter:getParameter", name=Text(required=True), withDecryption=Boolean(default=True))
def get_parameter(call: Call) -> Mapping[str, Any]:
    """A parameter's value, decrypted unless the program says otherwise."""
    decrypt = call["withDecryption"] is not False
    found = call.call("ssm", "get_parameter", Name=call["name"], WithDecryption=decrypt)["Parameter"]
    insecure = {} if found["Type"] == "SecureString" else {"insecureValue": found["Value"]}
    told = {"id": found["Name"], "arn": found["ARN"], "type": found["Type"], "version": found["Version"]}
    return {**told, "name": found["Name"], "value": found["Value"], "withDecryption": decrypt, **insecure}


@function("aws:index/getIpRanges:getIpRanges", services=Set(required=True), regions=Set())
def get_ip_ranges(call: Call) -> Mapping[str, Any]:
    """The addresses of the health checkers, the one service whose addresses are recorded here."""
    services = [each.lower() for each in call["services"]]
    if other := sorted(set(services) - {"route53_healthchecks"}):
        raise Problem(f"the sandbox has no addresses of {', '.join(other)}: it records those of route53_healthchecks")
    wanted = {each.lower() for each in call["regions"] or ()}

    def within(ranges: Sequence[tuple[str, str]]) -> list[str]:
        return sorted(cidr for cidr, region in ranges if not wanted or region.lower() in wanted)

    found = {"cidrBlocks": within(checker_ranges.IPV4), "ipv6CidrBlocks": within(checker_ranges.IPV6)}
    if not any(found.values()):
        raise Problem(f"no address ranges of {', '.join(services)} in {', '.join(sorted(wanted))}")
    return {
        "id": str(checker_ranges.SYNC_TOKEN),
        "createDate": checker_ranges.CREATED,
        "syncToken": checker_ranges.SYNC_TOKEN,
        **found,
    }


@function("aws:route53/getZone:getZone", zoneId=Text(required=True))
def get_zone(call: Call) -> Mapping[str, Any]:
    """A hosted zone by its id."""
    try:
        answer = call.call("route53", "get_hosted_zone", Id=call["zoneId"])
    except Refused as refused:
        if refused.code != "NoSuchHostedZone":
            raise
        raise Problem(f"no hosted zone {call['zoneId']}") from None
    zone, servers = answer["HostedZone"], answer["DelegationSet"]["NameServers"]
    return {
        "id": call["zoneId"],
        "zoneId": call["zoneId"],
        "arn": f"arn:aws:route53:::hostedzone/{call['zoneId']}",
        "name": zone["Name"].removesuffix("."),
        "callerReference": zone["CallerReference"],
        "comment": zone["Config"].get("Comment", ""),
        "privateZone": bool(zone["Config"].get("PrivateZone")),
        "resourceRecordSetCount": zone["ResourceRecordSetCount"],
        "nameServers": sorted(servers),
        "primaryNameServer": servers[0],
        "linkedServiceDescription": "",
        "linkedServicePrincipal": "",
        "tags": {},
    }


@function("aws:ec2/getPrefixList:getPrefixList", name=Text(), prefixListId=Text())
def get_prefix_list(call: Call) -> Mapping[str, Any]:
    """The addresses of a service that has a gateway endpoint."""
    lists = call.call("ec2", "describe_prefix_lists")["PrefixLists"]
    for each in lists:
        if call["name"] in (None, each["PrefixListName"]) and call["prefixListId"] in (None, each["PrefixListId"]):
            return {"id": each["PrefixListId"], "name": each["PrefixListName"], "cidrBlocks": each.get("Cidrs") or []}
    raise Problem(f"no prefix list {call['name'] or call['prefixListId']} in {call.region}")


@function("aws:ec2/getManagedPrefixList:getManagedPrefixList", id=Text(), name=Text())
def get_managed_prefix_list(call: Call) -> Mapping[str, Any]:
    """A prefix list as EC2 manages it."""
    lists = call.call("ec2", "describe_managed_prefix_lists")["PrefixLists"]
    for each in lists:
        if call["name"] in (None, each["PrefixListName"]) and call["id"] in (None, each["PrefixListId"]):
            entries = call.call("ec2", "get_managed_prefix_list_entries", PrefixListId=each["PrefixListId"])["Entries"]
            return {
                "id": each["PrefixListId"],
                "name": each["PrefixListName"],
                "arn": each.get("PrefixListArn", ""),
                "addressFamily": each.get("AddressFamily", "IPv4"),
                "ownerId": each.get("OwnerId", "AWS"),
                "maxEntries": each.get("MaxEntries", 0),
                "version": each.get("Version", 0),
                "tags": {},
                "entries": [{"cidr": entry["Cidr"], "description": entry.get("Description", "")} for entry in entries],
            }
    raise Problem(f"no prefix list {call['name'] or call['id']} in {call.region}")
