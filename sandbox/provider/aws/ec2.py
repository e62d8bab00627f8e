"""EC2: networks and what is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, setting, tag_list
from sandbox.provider.schema import Boolean, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Ec2(Resource):
    """What EC2's types share: how they are tagged."""

    service = "ec2"
    taggable = True

    def tagged_as(self, kind: str) -> list[dict[str, Any]] | None:
        """The tags, as a creating call takes them."""
        return [{"ResourceType": kind, "Tags": self.tag_list}] if self.tags else None

    def tag(self, tags: Mapping[str, str]) -> None:
        self.call("create_tags", Resources=[self.id], Tags=tag_list(tags))

    def untag(self, keys: Sequence[str]) -> None:
        self.call("delete_tags", Resources=[self.id], Tags=[{"Key": key} for key in keys])

    def described(self, kind: str, answer: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """A described resource as properties, with its ARN."""
        return self.observed(answer, arn=self.arn(f"{kind}/{self.id}"), **more)


class Vpc(Ec2):
    """A virtual network."""

    resource_type = "aws:ec2/vpc:Vpc"
    properties = {
        "cidrBlock": Text(required=True, replaces=True),
        "instanceTenancy": Text(default="default", replaces=True),
        "enableDnsSupport": Boolean(default=True),
        "enableDnsHostnames": Boolean(default=False),
    }
    outputs = (
        "arn",
        "ownerId",
        "mainRouteTableId",
        "defaultRouteTableId",
        "defaultNetworkAclId",
        "defaultSecurityGroupId",
        "dhcpOptionsId",
    )
    gone = ("InvalidVpcID.NotFound",)

    def create(self) -> str:
        answer = self.call(
            "create_vpc",
            CidrBlock=self["cidrBlock"],
            InstanceTenancy=self["instanceTenancy"],
            TagSpecifications=self.tagged_as("vpc"),
        )
        return str(answer["Vpc"]["VpcId"])

    @setting("enableDnsSupport", after_create=True)
    def _set_dns_support(self) -> None:
        self.call("modify_vpc_attribute", VpcId=self.id, EnableDnsSupport={"Value": self["enableDnsSupport"]})

    @setting("enableDnsHostnames", after_create=True)
    def _set_dns_hostnames(self) -> None:
        self.call("modify_vpc_attribute", VpcId=self.id, EnableDnsHostnames={"Value": self["enableDnsHostnames"]})

    def read(self) -> Mapping[str, Any]:
        vpc = self.call("describe_vpcs", VpcIds=[self.id])["Vpcs"][0]
        return self.described(
            "vpc",
            vpc,
            enableDnsSupport=self._attribute("enableDnsSupport"),
            enableDnsHostnames=self._attribute("enableDnsHostnames"),
        )

    def _attribute(self, name: str) -> Any:
        answer = self.call("describe_vpc_attribute", VpcId=self.id, Attribute=name)
        return answer[name[0].upper() + name[1:]]["Value"]

    def delete(self) -> None:
        self.call("delete_vpc", VpcId=self.id)
