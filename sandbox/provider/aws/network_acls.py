"""EC2: network ACLs, their rules, and the subnets that use them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from sandbox.provider.aws.ec2 import Ec2, filters
from sandbox.provider.errors import Gone
from sandbox.provider.resource import first, observe
from sandbox.provider.schema import Boolean, Integer, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBERS = {"icmp": "1", "tcp": "6", "udp": "17", "all": "-1"}
"""Protocols by the number that the API gives."""


class NetworkAcl(Ec2):
    """A network ACL without rules of its own: each rule is a resource."""

    resource_type = "aws:ec2/networkAcl:NetworkAcl"
    properties = {"vpcId": Text(required=True, replaces=True)}
    outputs = ("arn", "ownerId")
    gone = ("InvalidNetworkAclID.NotFound",)

    def create(self) -> str:
        answer = self.call("create_network_acl", VpcId=self["vpcId"], TagSpecifications=self.tagged_as("network-acl"))
        return str(answer["NetworkAcl"]["NetworkAclId"])

    def told(self) -> Mapping[str, Any]:
        return {"arn": self.arn(f"network-acl/{self.id}"), "ownerId": self.account}

    def read(self) -> Mapping[str, Any]:
        acl = first(self.call("describe_network_acls", NetworkAclIds=[self.id])["NetworkAcls"])
        return self.described("network-acl", acl, ownerId=self.account)

    def delete(self) -> None:
        self.call("delete_network_acl", NetworkAclId=self.id)


class NetworkAclRule(Ec2):
    """A rule of a network ACL; imported as NETWORK-ACL-ID:RULE-NUMBER:PROTOCOL:EGRESS."""

    resource_type = "aws:ec2/networkAclRule:NetworkAclRule"
    taggable = False
    properties = {
        "networkAclId": Text(required=True, replaces=True),
        "ruleNumber": Integer(required=True, replaces=True, within=(1, 32766)),
        "egress": Boolean(default=False, replaces=True),
        "protocol": Text(required=True, replaces=True),
        "ruleAction": Text(required=True, replaces=True, choices=("allow", "deny")),
        "cidrBlock": Text(replaces=True),
        "ipv6CidrBlock": Text(replaces=True),
        "fromPort": Integer(replaces=True),
        "toPort": Integer(replaces=True),
        "icmpType": Integer(replaces=True),
        "icmpCode": Integer(replaces=True),
    }
    identity = ("networkAclId", "ruleNumber", "egress")
    gone = ("InvalidNetworkAclEntry.NotFound", "InvalidNetworkAclID.NotFound")
    exists = ("NetworkAclEntryAlreadyExists",)

    def create(self) -> str:
        self.refuse_twin()
        ports = {"From": self.get("fromPort"), "To": self.get("toPort")}
        icmp = {"Type": self.get("icmpType"), "Code": self.get("icmpCode")}
        self.call(
            "create_network_acl_entry",
            NetworkAclId=self["networkAclId"],
            RuleNumber=self["ruleNumber"],
            Egress=self["egress"],
            Protocol=_number(self["protocol"]),
            RuleAction=self["ruleAction"],
            CidrBlock=self.get("cidrBlock"),
            Ipv6CidrBlock=self.get("ipv6CidrBlock"),
            PortRange=ports if ports["From"] is not None else None,
            IcmpTypeCode=icmp if icmp["Type"] is not None else None,
        )
        return self._identifier()

    def _identifier(self) -> str:
        """The official provider's own: the API gives entries none."""
        place = "-".join(str(self[name]).lower() for name in ("networkAclId", "ruleNumber", "egress", "protocol"))
        return f"nacl-{zlib.crc32(f'{place}-'.encode())}"

    def find(self) -> str | None:
        return self._identifier() if observe(self) is not None else None

    def _place(self) -> tuple[str, int, bool]:
        if "networkAclId" not in self.inputs and self.id.count(":") == 3:
            acl, number, _, egress = self.id.split(":")
            return acl, int(number), egress == "true"
        return self["networkAclId"], self["ruleNumber"], self["egress"]

    def read(self) -> Mapping[str, Any] | None:
        acl, number, egress = self._place()
        for each in self.call("describe_network_acls", NetworkAclIds=[acl])["NetworkAcls"]:
            for entry in each["Entries"]:
                if entry["RuleNumber"] == number and entry["Egress"] == egress:
                    return self._properties(acl, entry)
        return None

    def _properties(self, acl: str, entry: Mapping[str, Any]) -> dict[str, Any]:
        ports, icmp = entry.get("PortRange") or {}, entry.get("IcmpTypeCode") or {}
        number = entry["Protocol"]
        names = (name for name, each in NUMBERS.items() if each == number)
        protocol = self.inputs.get("protocol") or next(names, number)
        found = {
            "networkAclId": acl,
            "protocol": protocol if _number(protocol) == number else number,
            "fromPort": ports.get("From"),
            "toPort": ports.get("To"),
            "icmpType": icmp.get("Type"),
            "icmpCode": icmp.get("Code"),
        }
        return self.observed(entry, **{key: value for key, value in found.items() if value is not None})

    def delete(self) -> None:
        acl, number, egress = self._place()
        self.call("delete_network_acl_entry", NetworkAclId=acl, RuleNumber=number, Egress=egress)


def _number(protocol: str) -> str:
    return NUMBERS.get(protocol, protocol)


class NetworkAclAssociation(Ec2):
    """Which network ACL a subnet uses; each has one, so that this replaces one, and its end restores the VPC's own."""

    resource_type = "aws:ec2/networkAclAssociation:NetworkAclAssociation"
    taggable = False
    properties = {
        "networkAclId": Text(required=True, replaces=True),
        "subnetId": Text(required=True, replaces=True),
    }
    identity = ("subnetId",)
    gone = ("InvalidAssociationID.NotFound",)

    def create(self) -> str:
        acl, now = self._current(association__subnet_id=self["subnetId"])
        return now["NetworkAclAssociationId"] if acl == self["networkAclId"] else self._use(self["networkAclId"], now)

    def _use(self, acl: str, instead_of: Mapping[str, Any]) -> str:
        current = instead_of["NetworkAclAssociationId"]
        answer = self.call("replace_network_acl_association", AssociationId=current, NetworkAclId=acl)
        return str(answer["NewAssociationId"])

    def _current(self, **values: str) -> tuple[str, dict[str, Any]]:
        """The network ACL of the one association that the filter finds, and that association."""
        wanted = set(values.values())
        for acl in self.call("describe_network_acls", Filters=filters(**values))["NetworkAcls"]:
            for each in acl["Associations"]:
                if wanted & {each["SubnetId"], each["NetworkAclAssociationId"]}:
                    return acl["NetworkAclId"], each
        raise Gone

    def read(self) -> Mapping[str, Any]:
        acl, association = self._current(association__association_id=self.id)
        return {"networkAclId": acl, "subnetId": association["SubnetId"]}

    def delete(self) -> None:
        acl, association = self._current(association__association_id=self.id)
        vpc = self.call("describe_network_acls", NetworkAclIds=[acl])["NetworkAcls"][0]["VpcId"]
        default = self.call("describe_network_acls", Filters=filters(vpc_id=vpc, default="true"))["NetworkAcls"][0]
        self._use(default["NetworkAclId"], association)
