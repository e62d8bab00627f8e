"""EC2: networks, subnets and route tables, and what all of EC2's types share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.resource import Resource, first, setting, tag_list
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
        return {"tagsAll": {}, **self.observed(answer, arn=self.arn(f"{kind}/{self.id}"), **more)}


def filters(**values: str) -> list[dict[str, Any]]:
    """Filters of a describing call; underscores stand for hyphens, double ones for dots."""
    return [{"Name": name.replace("__", ".").replace("_", "-"), "Values": [value]} for name, value in values.items()]


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
        "defaultNetworkAclId",
        "defaultRouteTableId",
        "defaultSecurityGroupId",
        "dhcpOptionsId",
        "mainRouteTableId",
        "ownerId",
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
        vpc = first(self.call("describe_vpcs", VpcIds=[self.id])["Vpcs"])
        groups = self.call("describe_security_groups", Filters=filters(vpc_id=self.id, group_name="default"))
        acls = self.call("describe_network_acls", Filters=filters(vpc_id=self.id, default="true"))
        tables = self.call("describe_route_tables", Filters=filters(vpc_id=self.id, association__main="true"))
        main = tables["RouteTables"][0]["RouteTableId"]
        return self.described(
            "vpc",
            vpc,
            enableDnsSupport=self._attribute("enableDnsSupport"),
            enableDnsHostnames=self._attribute("enableDnsHostnames"),
            defaultSecurityGroupId=groups["SecurityGroups"][0]["GroupId"],
            defaultNetworkAclId=acls["NetworkAcls"][0]["NetworkAclId"],
            defaultRouteTableId=main,
            mainRouteTableId=main,
        )

    def _attribute(self, name: str) -> Any:
        answer = self.call("describe_vpc_attribute", VpcId=self.id, Attribute=name)
        return answer[name[0].upper() + name[1:]]["Value"]

    def delete(self) -> None:
        self.call("delete_vpc", VpcId=self.id)


class Subnet(Ec2):
    """A subnet of a VPC, in one availability zone."""

    resource_type = "aws:ec2/subnet:Subnet"
    properties = {
        "vpcId": Text(required=True, replaces=True),
        "cidrBlock": Text(required=True, replaces=True),
        "availabilityZone": Text(computed=True, replaces=True),
        "availabilityZoneId": Text(computed=True, replaces=True),
        "mapPublicIpOnLaunch": Boolean(default=False),
    }
    outputs = ("arn", "ownerId")
    identity = ("vpcId", "cidrBlock")
    gone = ("InvalidSubnetID.NotFound",)
    exists = ("InvalidSubnet.Conflict",)

    def create(self) -> str:
        self.refuse_twin()
        answer = self.call(
            "create_subnet",
            **self.arguments("create_subnet", "vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId"),
            TagSpecifications=self.tagged_as("subnet"),
        )
        return str(answer["Subnet"]["SubnetId"])

    @setting("mapPublicIpOnLaunch", after_create=True)
    def _set_public(self) -> None:
        self.call(
            "modify_subnet_attribute", SubnetId=self.id, MapPublicIpOnLaunch={"Value": self["mapPublicIpOnLaunch"]}
        )

    def find(self) -> str | None:
        there = self.call("describe_subnets", Filters=filters(vpc_id=self["vpcId"], cidr_block=self["cidrBlock"]))
        return next((each["SubnetId"] for each in there["Subnets"]), None)

    def read(self) -> Mapping[str, Any]:
        return self.described("subnet", first(self.call("describe_subnets", SubnetIds=[self.id])["Subnets"]))

    def delete(self) -> None:
        self.call("delete_subnet", SubnetId=self.id)


class RouteTable(Ec2):
    """A route table; gateway endpoints add their routes to it themselves."""

    resource_type = "aws:ec2/routeTable:RouteTable"
    properties = {"vpcId": Text(required=True, replaces=True)}
    outputs = ("arn", "ownerId")
    gone = ("InvalidRouteTableID.NotFound",)

    def create(self) -> str:
        answer = self.call("create_route_table", VpcId=self["vpcId"], TagSpecifications=self.tagged_as("route-table"))
        self.made = answer["RouteTable"]
        return str(self.made["RouteTableId"])

    def read(self) -> Mapping[str, Any]:
        table = self.made or first(self.call("describe_route_tables", RouteTableIds=[self.id])["RouteTables"])
        return self.described("route-table", table)

    def delete(self) -> None:
        self.call("delete_route_table", RouteTableId=self.id)


class RouteTableAssociation(Ec2):
    """Which route table a subnet uses."""

    resource_type = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    taggable = False
    properties = {
        "routeTableId": Text(required=True, replaces=True),
        "subnetId": Text(required=True, replaces=True),
    }
    identity = ("subnetId",)
    gone = ("InvalidAssociationID.NotFound", "InvalidRouteTableID.NotFound")
    exists = ("Resource.AlreadyAssociated",)

    def create(self) -> str:
        self.refuse_twin()
        answer = self.call("associate_route_table", RouteTableId=self["routeTableId"], SubnetId=self["subnetId"])
        return str(answer["AssociationId"])

    def find(self) -> str | None:
        return next(
            (
                each["RouteTableAssociationId"]
                for each in self._associations(association__subnet_id=self["subnetId"])
                if each["RouteTableId"] == self["routeTableId"] and each.get("SubnetId") == self["subnetId"]
            ),
            None,
        )

    def _associations(self, **values: str) -> list[dict[str, Any]]:
        tables = self.call("describe_route_tables", Filters=filters(**values))["RouteTables"]
        return [each for table in tables for each in table["Associations"]]

    def read(self) -> Mapping[str, Any] | None:
        there = self._associations(association__route_table_association_id=self.id)
        return next((self.observed(each) for each in there if each["RouteTableAssociationId"] == self.id), None)

    def delete(self) -> None:
        self.call("disassociate_route_table", AssociationId=self.id)


class InternetGateway(Ec2):
    """A VPC's way to the internet; it has to be let go before it or the VPC can be deleted."""

    resource_type = "aws:ec2/internetGateway:InternetGateway"
    properties = {"vpcId": Text(required=True)}
    outputs = ("arn", "ownerId")
    gone = ("InvalidInternetGatewayID.NotFound",)

    def create(self) -> str:
        answer = self.call("create_internet_gateway", TagSpecifications=self.tagged_as("internet-gateway"))
        self.id = str(answer["InternetGateway"]["InternetGatewayId"])
        self.call("attach_internet_gateway", InternetGatewayId=self.id, VpcId=self["vpcId"])
        return self.id

    @setting("vpcId")
    def _move(self) -> None:
        self._let_go()
        self.call("attach_internet_gateway", InternetGatewayId=self.id, VpcId=self["vpcId"])

    def _let_go(self) -> None:
        gateway = first(self.call("describe_internet_gateways", InternetGatewayIds=[self.id])["InternetGateways"])
        for each in gateway.get("Attachments") or ():
            self.call("detach_internet_gateway", InternetGatewayId=self.id, VpcId=each["VpcId"])

    def read(self) -> Mapping[str, Any]:
        gateway = first(self.call("describe_internet_gateways", InternetGatewayIds=[self.id])["InternetGateways"])
        vpc = next((each["VpcId"] for each in gateway.get("Attachments") or ()), None)
        return self.described("internet-gateway", gateway, vpcId=vpc)

    def delete(self) -> None:
        self._let_go()
        self.call("delete_internet_gateway", InternetGatewayId=self.id)


class Route(Ec2):
    """One route of a route table, through an internet gateway."""

    resource_type = "aws:ec2/route:Route"
    taggable = False
    properties = {
        "routeTableId": Text(required=True, replaces=True),
        "destinationCidrBlock": Text(required=True, replaces=True),
        "gatewayId": Text(required=True),
    }
    identity = ("routeTableId", "destinationCidrBlock")
    gone = ("InvalidRoute.NotFound", "InvalidRouteTableID.NotFound")
    exists = ("RouteAlreadyExists",)

    def create(self) -> str:
        self.refuse_twin()
        self.call("create_route", **self._told())
        return f"{self['routeTableId']}_{self['destinationCidrBlock']}"

    def _told(self) -> dict[str, Any]:
        return {
            "RouteTableId": self["routeTableId"],
            "DestinationCidrBlock": self["destinationCidrBlock"],
            "GatewayId": self["gatewayId"],
        }

    def find(self) -> str | None:
        place = f"{self['routeTableId']}_{self['destinationCidrBlock']}"
        return place if self._there(place) else None

    @setting("gatewayId")
    def _change(self) -> None:
        self.call("replace_route", **self._told())

    def _there(self, place: str) -> dict[str, Any] | None:
        table, _, destination = place.partition("_")
        found = self.call("describe_route_tables", RouteTableIds=[table])["RouteTables"]
        routes = [route for each in found for route in each["Routes"]]
        return next((each for each in routes if each.get("DestinationCidrBlock") == destination), None)

    def read(self) -> Mapping[str, Any] | None:
        found = self._there(self.id)
        return found and self.observed(found, routeTableId=self.id.partition("_")[0])

    def delete(self) -> None:
        table, _, destination = self.id.partition("_")
        self.call("delete_route", RouteTableId=table, DestinationCidrBlock=destination)
