"""EC2: security groups and their rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.aws.ec2 import Ec2, filters
from sandbox.provider.resource import first, setting
from sandbox.provider.schema import Block, Boolean, Integer, Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

RULE = Block(
    fields={
        "protocol": Text(required=True),
        "fromPort": Integer(required=True),
        "toPort": Integer(required=True),
        "cidrBlocks": Set(),
        "ipv6CidrBlocks": Set(),
        "prefixListIds": Set(),
        "securityGroups": Set(),
        "self": Boolean(default=False),
        "description": Text(default=""),
    }
)


class Group(Ec2):
    """What a VPC's groups share."""

    def described_group(self) -> dict[str, Any]:
        """The group as the API describes it."""
        answer: dict[str, Any] = first(self.call("describe_security_groups", GroupIds=[self.id])["SecurityGroups"])
        return answer

    def revoke_all(self, direction: str) -> None:
        """Remove all rules of a direction."""
        rules = self.call("describe_security_group_rules", Filters=filters(group_id=self.id))["SecurityGroupRules"]
        found = [each["SecurityGroupRuleId"] for each in rules if each["IsEgress"] == (direction == "egress")]
        if found:
            self.call(f"revoke_security_group_{direction}", GroupId=self.id, SecurityGroupRuleIds=found)


class SecurityGroup(Group):
    """A security group without rules of its own: each rule is a resource."""

    resource_type = "aws:ec2/securityGroup:SecurityGroup"
    properties = {
        "name": Text(replaces=True, api="groupName"),
        "description": Text(default="Managed by Pulumi", replaces=True),
        "vpcId": Text(required=True, replaces=True),
        "revokeRulesOnDelete": Boolean(default=False, carried="it is the provider's, not the cloud's"),
    }
    outputs = ("arn", "ownerId")
    identity = ("name", "vpcId")
    auto_name = "name"
    gone = ("InvalidGroup.NotFound", "InvalidGroupId.Malformed")
    exists = ("InvalidGroup.Duplicate",)

    def create(self) -> str:
        answer = self.call(
            "create_security_group",
            GroupName=self["name"],
            Description=self["description"],
            VpcId=self["vpcId"],
            TagSpecifications=self.tagged_as("security-group"),
        )
        self.id = str(answer["GroupId"])
        self.revoke_all("egress")  # AWS adds one that lets all out
        return self.id

    def told(self) -> Mapping[str, Any]:
        return {"arn": self.arn(f"security-group/{self.id}"), "ownerId": self.account}

    @setting("revokeRulesOnDelete")
    def _keep(self) -> None:
        """Nothing to tell the cloud."""

    def find(self) -> str | None:
        there = self.call("describe_security_groups", Filters=filters(vpc_id=self["vpcId"], group_name=self["name"]))
        return next((each["GroupId"] for each in there["SecurityGroups"]), None)

    def read(self) -> Mapping[str, Any]:
        return self.described("security-group", self.described_group())

    def delete(self) -> None:
        if self["revokeRulesOnDelete"]:
            self.revoke_all("ingress")
            self.revoke_all("egress")
        self.call("delete_security_group", GroupId=self.id)


class DefaultSecurityGroup(Group):
    """The group that each VPC has from the start, brought to exactly the declared rules."""

    resource_type = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    properties = {
        "vpcId": Text(required=True, replaces=True),
        "ingress": Set(of=RULE),
        "egress": Set(of=RULE),
    }
    outputs = ("arn", "description", "name", "ownerId")
    identity = ("vpcId",)
    gone = ("InvalidGroup.NotFound",)

    def create(self) -> str:
        there = self.call("describe_security_groups", Filters=filters(vpc_id=self["vpcId"], group_name="default"))
        self.id = str(there["SecurityGroups"][0]["GroupId"])
        self._set_ingress()
        self._set_egress()
        if self.tags:
            self.tag(self.tags)
        return self.id

    @setting("ingress")
    def _set_ingress(self) -> None:
        self._set("ingress")

    @setting("egress")
    def _set_egress(self) -> None:
        self._set("egress")

    def _set(self, direction: str) -> None:
        self.revoke_all(direction)
        wanted = [self._permission(each) for each in self.get(direction) or ()]
        if wanted:
            self.call(f"authorize_security_group_{direction}", GroupId=self.id, IpPermissions=wanted)

    def _permission(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        text = {"Description": rule["description"]} if rule.get("description") else {}
        groups = [*rule.get("securityGroups", ()), *([self.id] if rule.get("self") else ())]
        ports = {} if rule["protocol"] == "-1" else {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
        return {
            "IpProtocol": rule["protocol"],
            **ports,
            "IpRanges": [{"CidrIp": each, **text} for each in rule.get("cidrBlocks", ())],
            "Ipv6Ranges": [{"CidrIpv6": each, **text} for each in rule.get("ipv6CidrBlocks", ())],
            "PrefixListIds": [{"PrefixListId": each, **text} for each in rule.get("prefixListIds", ())],
            "UserIdGroupPairs": [{"GroupId": each, **text} for each in groups],
        }

    def _rule(self, permission: Mapping[str, Any]) -> dict[str, Any]:
        groups = [each["GroupId"] for each in permission.get("UserIdGroupPairs", ())]
        sources = [
            each
            for key in ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
            for each in permission.get(key, ())
        ]
        everything = permission["IpProtocol"] == "-1"
        return {
            "protocol": permission["IpProtocol"],
            "fromPort": 0 if everything else permission["FromPort"],
            "toPort": 0 if everything else permission["ToPort"],
            "cidrBlocks": [each["CidrIp"] for each in permission.get("IpRanges", ())],
            "ipv6CidrBlocks": [each["CidrIpv6"] for each in permission.get("Ipv6Ranges", ())],
            "prefixListIds": [each["PrefixListId"] for each in permission.get("PrefixListIds", ())],
            "securityGroups": [each for each in groups if each != self.id],
            "self": self.id in groups,
            "description": next((each["Description"] for each in sources if each.get("Description")), ""),
        }

    def read(self) -> Mapping[str, Any]:
        group = self.described_group()
        return self.described(
            "security-group",
            group,
            name=group["GroupName"],
            ingress=[self._rule(each) for each in group["IpPermissions"]],
            egress=[self._rule(each) for each in group["IpPermissionsEgress"]],
        )

    def delete(self) -> None:
        """It lives as long as its VPC."""


class SecurityGroupRule(Ec2):
    """A rule of a security group: one source or target."""

    direction = ""
    properties = {
        "securityGroupId": Text(required=True, replaces=True, api="groupId"),
        "ipProtocol": Text(required=True, replaces=True),
        "fromPort": Integer(replaces=True),
        "toPort": Integer(replaces=True),
        "cidrIpv4": Text(replaces=True),
        "cidrIpv6": Text(replaces=True),
        "prefixListId": Text(replaces=True),
        "referencedSecurityGroupId": Text(replaces=True),
        "description": Text(default="", replaces=True),
    }
    outputs = ("arn", "securityGroupRuleId")
    identity = (
        "securityGroupId",
        "ipProtocol",
        "fromPort",
        "toPort",
        "cidrIpv4",
        "cidrIpv6",
        "prefixListId",
        "referencedSecurityGroupId",
    )
    gone = ("InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound", "InvalidPermission.NotFound")
    exists = ("InvalidPermission.Duplicate",)

    def create(self) -> str:
        answer = self.call(
            f"authorize_security_group_{self.direction}",
            GroupId=self["securityGroupId"],
            IpPermissions=[self._permission()],
            TagSpecifications=self.tagged_as("security-group-rule"),
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def _permission(self) -> dict[str, Any]:
        text = {"Description": self["description"]} if self["description"] else {}
        sources = {
            "cidrIpv4": ("IpRanges", "CidrIp"),
            "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
            "prefixListId": ("PrefixListIds", "PrefixListId"),
            "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
        }
        ports = {"FromPort": self.get("fromPort"), "ToPort": self.get("toPort")}
        return {
            "IpProtocol": self["ipProtocol"],
            **{key: value for key, value in ports.items() if value is not None},
            **{wire: [{key: self[name], **text}] for name, (wire, key) in sources.items() if self.get(name)},
        }

    def _rules(self, **values: str) -> list[dict[str, Any]]:
        rules = self.call("describe_security_group_rules", Filters=filters(**values))["SecurityGroupRules"]
        return [
            {**each, "ReferencedSecurityGroupId": (each.get("ReferencedGroupInfo") or {}).get("GroupId")}
            for each in rules
            if each["IsEgress"] == (self.direction == "egress")
        ]

    def find(self) -> str | None:
        for each in self._rules(group_id=self["securityGroupId"]):
            if all(self.properties[name].same(self.get(name), self._ported(each).get(name)) for name in self.identity):
                return str(each["SecurityGroupRuleId"])
        return None

    def _ported(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        """A rule's properties; all protocols have no ports, which the API gives as -1."""
        found = self.observed(rule)
        if rule["IpProtocol"] == "-1":
            found.pop("fromPort", None)
            found.pop("toPort", None)
        return found

    def told(self) -> Mapping[str, Any]:
        return {"arn": self.arn(f"security-group-rule/{self.id}"), "securityGroupRuleId": self.id}

    def read(self) -> Mapping[str, Any]:
        rule = first(self._rules(security_group_rule_id=self.id))
        return {"tagsAll": {}, **self._ported(rule), **self.told()}

    def delete(self) -> None:
        self.call(
            f"revoke_security_group_{self.direction}",
            GroupId=self["securityGroupId"],
            SecurityGroupRuleIds=[self.id],
        )


class SecurityGroupIngressRule(SecurityGroupRule):
    """Who is let in."""

    resource_type = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    direction = "ingress"


class SecurityGroupEgressRule(SecurityGroupRule):
    """Who may be reached."""

    resource_type = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    direction = "egress"
