"""EC2: a VPC's endpoints to AWS services, and its flow logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.aws.ec2 import Ec2
from sandbox.provider.errors import Gone, Refused
from sandbox.provider.resource import first, setting
from sandbox.provider.schema import Boolean, Integer, Json, Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping


class VpcEndpoint(Ec2):
    """A gateway or interface endpoint."""

    resource_type = "aws:ec2/vpcEndpoint:VpcEndpoint"
    properties = {
        "vpcId": Text(required=True, replaces=True),
        "serviceName": Text(required=True, replaces=True),
        "vpcEndpointType": Text(default="Gateway", replaces=True, choices=("Gateway", "Interface")),
        "policy": Json(computed=True, api="policyDocument"),
        "privateDnsEnabled": Boolean(default=False),
        "routeTableIds": Set(),
        "subnetIds": Set(),
        "securityGroupIds": Set(),
    }
    outputs = ("arn", "dnsEntries", "networkInterfaceIds", "ownerId", "prefixListId", "requesterManaged", "state")
    gone = ("InvalidVpcEndpointId.NotFound",)

    def create(self) -> str:
        answer = self.call(
            "create_vpc_endpoint",
            **self.arguments("create_vpc_endpoint"),
            TagSpecifications=self.tagged_as("vpc-endpoint"),
        )
        self.made = answer["VpcEndpoint"]
        return str(self.made["VpcEndpointId"])

    @setting("policy")
    def _set_policy(self) -> None:
        self.call("modify_vpc_endpoint", VpcEndpointId=self.id, PolicyDocument=self["policy"])

    @setting("privateDnsEnabled")
    def _set_private_dns(self) -> None:
        self.call("modify_vpc_endpoint", VpcEndpointId=self.id, PrivateDnsEnabled=self["privateDnsEnabled"])

    @setting("routeTableIds", "subnetIds", "securityGroupIds")
    def _set_members(self) -> None:
        changes: dict[str, Any] = {}
        for name, wire in (
            ("routeTableIds", "RouteTable"),
            ("subnetIds", "Subnet"),
            ("securityGroupIds", "SecurityGroup"),
        ):
            before, now = set(self.previous.get(name) or ()), set(self.inputs.get(name) or ())
            changes[f"Add{wire}Ids"] = sorted(now - before) or None
            changes[f"Remove{wire}Ids"] = sorted(before - now) or None
        self.call("modify_vpc_endpoint", VpcEndpointId=self.id, **changes)

    def read(self) -> Mapping[str, Any]:
        endpoint = self.made or first(
            self.call("describe_vpc_endpoints", VpcEndpointIds=[self.id])["VpcEndpoints"],
        )
        if endpoint["State"] == "deleted":
            raise Gone
        more: dict[str, Any] = {
            "securityGroupIds": [each["GroupId"] for each in endpoint.get("Groups") or ()],
            "dnsEntries": [
                {"dnsName": each["DnsName"], "hostedZoneId": each.get("HostedZoneId", "")}
                for each in endpoint.get("DnsEntries") or ()
            ],
        }
        if endpoint["VpcEndpointType"] == "Gateway":
            lists = self.call("describe_prefix_lists")["PrefixLists"]
            more["prefixListId"] = next(
                (each["PrefixListId"] for each in lists if each["PrefixListName"] == endpoint["ServiceName"]), ""
            )
        return self.described("vpc-endpoint", endpoint, **more)

    def delete(self) -> None:
        failed = self.call("delete_vpc_endpoints", VpcEndpointIds=[self.id]).get("Unsuccessful") or ()
        for each in failed:
            raise Refused(each["Error"]["Code"], each["Error"]["Message"])


class FlowLog(Ec2):
    """A record of a VPC's or subnet's traffic."""

    resource_type = "aws:ec2/flowLog:FlowLog"
    properties = {
        "vpcId": Text(replaces=True),
        "subnetId": Text(replaces=True),
        "trafficType": Text(default="ALL", replaces=True, choices=("ACCEPT", "ALL", "REJECT")),
        "logDestination": Text(required=True, replaces=True),
        "logDestinationType": Text(default="cloud-watch-logs", replaces=True),
        "iamRoleArn": Text(replaces=True, api="deliverLogsPermissionArn"),
        "maxAggregationInterval": Integer(default=600, replaces=True, choices=(60, 600)),
        "logFormat": Text(computed=True, replaces=True),
    }
    outputs = ("arn",)
    gone = ("InvalidFlowLogId.NotFound",)

    def create(self) -> str:
        of_vpc = self.get("vpcId") is not None
        answer = self.call(
            "create_flow_logs",
            ResourceIds=[self["vpcId"] if of_vpc else self["subnetId"]],
            ResourceType="VPC" if of_vpc else "Subnet",
            TrafficType=self["trafficType"],
            MaxAggregationInterval=self["maxAggregationInterval"],
            **self.arguments("create_flow_logs", "logDestination", "logDestinationType", "iamRoleArn", "logFormat"),
            TagSpecifications=self.tagged_as("vpc-flow-log"),
        )
        for each in answer.get("Unsuccessful") or ():
            raise Refused(each["Error"]["Code"], each["Error"]["Message"])
        return str(answer["FlowLogIds"][0])

    def read(self) -> Mapping[str, Any]:
        log = first(self.call("describe_flow_logs", FlowLogIds=[self.id])["FlowLogs"])
        of = {"vpcId" if log["ResourceId"].startswith("vpc-") else "subnetId": log["ResourceId"]}
        return self.described("vpc-flow-log", log, **of)

    def delete(self) -> None:
        self.call("delete_flow_logs", FlowLogIds=[self.id])
