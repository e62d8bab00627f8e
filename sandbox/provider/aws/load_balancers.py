"""Elastic Load Balancing: Application Load Balancers, target groups of functions, listeners and their rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.provider.attributes import attributes, changed, given, worded_value
from sandbox.provider.resource import Resource, first, setting, tag_list, tag_map
from sandbox.provider.schema import Block, Boolean, Integer, List, Set, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KINDS = ("fixed-response", "forward")
ACTION = Block(
    fields={
        "type": Text(required=True, choices=KINDS),
        "targetGroupArn": Text(),
        "fixedResponse": Block(
            fields={
                "contentType": Text(required=True),
                "messageBody": Text(),
                "statusCode": Text(required=True),
            },
            api="FixedResponseConfig",
        ),
    }
)
VALUES = Block(fields={"values": Set(required=True)})


class Elb(Resource):
    """What the types of Elastic Load Balancing share: how they are tagged, and attributes that are all text."""

    service = "elbv2"
    taggable = True

    def tag(self, tags: Mapping[str, str]) -> None:
        self.call("add_tags", ResourceArns=[self.id], Tags=tag_list(tags))

    def untag(self, keys: Sequence[str]) -> None:
        self.call("remove_tags", ResourceArns=[self.id], TagKeys=keys)

    def found_tags(self) -> dict[str, str]:
        def ask() -> Any:
            return first(self.call("describe_tags", ResourceArns=[self.id])["TagDescriptions"]).get("Tags")

        return self.tags_there(ask)

    def worded(self, names: Iterable[str]) -> list[dict[str, str]]:
        """The named inputs as attributes."""
        return tag_list(attributes(self, names))


BALANCER_ATTRIBUTES = {
    "idleTimeout": Integer(default=60, within=(1, 4000), api="idle_timeout.timeout_seconds"),
    "enableDeletionProtection": Boolean(default=False, api="deletion_protection.enabled"),
    "dropInvalidHeaderFields": Boolean(default=False, api="routing.http.drop_invalid_header_fields.enabled"),
    "desyncMitigationMode": Text(
        default="defensive", choices=("monitor", "defensive", "strictest"), api="routing.http.desync_mitigation_mode"
    ),
}
"""By the names that ModifyLoadBalancerAttributes knows."""
LOGS = "access_logs.s3."


class LoadBalancer(Elb):
    """An Application Load Balancer."""

    resource_type = "aws:lb/loadBalancer:LoadBalancer"
    auto_name = "name"
    identity = ("name",)
    gone = ("LoadBalancerNotFound",)
    exists = ("DuplicateLoadBalancerName",)
    properties = {
        "name": Text(replaces=True, api="LoadBalancerName"),
        "loadBalancerType": Text(default="application", replaces=True, choices=("application",), api="Type"),
        "internal": Boolean(default=False, replaces=True),
        "ipAddressType": Text(default="ipv4", choices=("ipv4", "dualstack")),
        "subnets": Set(required=True),
        "securityGroups": Set(),
        "accessLogs": Block(
            fields={"bucket": Text(required=True), "prefix": Text(default=""), "enabled": Boolean(default=False)}
        ),
        **BALANCER_ATTRIBUTES,
    }
    outputs = ("arn", "arnSuffix", "dnsName", "vpcId", "zoneId")

    def create(self) -> str:
        self.refuse_twin()
        answer = self.call(
            "create_load_balancer",
            Name=self["name"],
            Type=self["loadBalancerType"],
            Scheme="internal" if self["internal"] else "internet-facing",
            Tags=self.tag_list or None,
            **self.arguments("create_load_balancer", "ipAddressType", "subnets", "securityGroups"),
        )
        self.id = str(answer["LoadBalancers"][0]["LoadBalancerArn"])
        if named := given(self, BALANCER_ATTRIBUTES):
            self._put(named)
        return self.id

    def find(self) -> str | None:
        found = self.call("describe_load_balancers")["LoadBalancers"]
        return next((each["LoadBalancerArn"] for each in found if each["LoadBalancerName"] == self["name"]), None)

    @setting(*BALANCER_ATTRIBUTES)
    def _attributes(self) -> None:
        self._put(changed(self, BALANCER_ATTRIBUTES))

    def _put(self, names: Iterable[str]) -> None:
        self.call("modify_load_balancer_attributes", LoadBalancerArn=self.id, Attributes=self.worded(names))

    @setting("accessLogs", after_create=True)
    def _access_logs(self) -> None:
        wanted = self["accessLogs"] or {"enabled": False}
        told = {name: wanted.get(name) for name in ("enabled", "bucket", "prefix")}
        worded = {f"{LOGS}{name}": worded_value(value) for name, value in told.items()}
        self.call("modify_load_balancer_attributes", LoadBalancerArn=self.id, Attributes=tag_list(worded))

    @setting("subnets")
    def _subnets(self) -> None:
        self.call("set_subnets", LoadBalancerArn=self.id, Subnets=self["subnets"])

    @setting("securityGroups")
    def _security_groups(self) -> None:
        self.call("set_security_groups", LoadBalancerArn=self.id, SecurityGroups=self["securityGroups"] or [])

    @setting("ipAddressType")
    def _addresses(self) -> None:
        self.call("set_ip_address_type", LoadBalancerArn=self.id, IpAddressType=self["ipAddressType"])

    def read(self) -> Mapping[str, Any]:
        found = first(self.call("describe_load_balancers", LoadBalancerArns=[self.id])["LoadBalancers"])
        listed = self.call("describe_load_balancer_attributes", LoadBalancerArn=self.id)["Attributes"]
        found |= tag_map(listed)
        logs = {name: found.get(f"{LOGS}{name}") for name in ("bucket", "prefix")}
        return self.observed(
            found,
            accessLogs={
                "enabled": found.get(f"{LOGS}enabled") == "true",
                **{name: value for name, value in logs.items() if value},
            },
            internal=found["Scheme"] == "internal",
            subnets=[each["SubnetId"] for each in found["AvailabilityZones"]],
            arn=self.id,
            arnSuffix=self.id.partition(":loadbalancer/")[2],
            zoneId=found["CanonicalHostedZoneId"],
            tagsAll=self.found_tags(),
        )

    def delete(self) -> None:
        self.call("delete_load_balancer", LoadBalancerArn=self.id)


GROUP_ATTRIBUTES = {
    "lambdaMultiValueHeadersEnabled": Boolean(default=False, api="lambda.multi_value_headers.enabled"),
}


class TargetGroup(Elb):
    """A target group for a function, which has neither port nor protocol; it is not asked for its health."""

    resource_type = "aws:lb/targetGroup:TargetGroup"
    auto_name = "name"
    identity = ("name",)
    gone = ("TargetGroupNotFound",)
    exists = ("DuplicateTargetGroupName",)
    properties = {
        "name": Text(replaces=True, api="TargetGroupName"),
        "targetType": Text(required=True, replaces=True, choices=("lambda",)),
        **GROUP_ATTRIBUTES,
    }
    outputs = ("arn", "arnSuffix")

    def create(self) -> str:
        self.refuse_twin()
        answer = self.call(
            "create_target_group", Name=self["name"], TargetType=self["targetType"], Tags=self.tag_list or None
        )
        self.id = str(answer["TargetGroups"][0]["TargetGroupArn"])
        if named := given(self, GROUP_ATTRIBUTES):
            self._put(named)
        return self.id

    def find(self) -> str | None:
        found = self.call("describe_target_groups")["TargetGroups"]
        return next((each["TargetGroupArn"] for each in found if each["TargetGroupName"] == self["name"]), None)

    @setting(*GROUP_ATTRIBUTES)
    def _attributes(self) -> None:
        self._put(changed(self, GROUP_ATTRIBUTES))

    def _put(self, names: Iterable[str]) -> None:
        self.call("modify_target_group_attributes", TargetGroupArn=self.id, Attributes=self.worded(names))

    def read(self) -> Mapping[str, Any]:
        found = first(self.call("describe_target_groups", TargetGroupArns=[self.id])["TargetGroups"])
        listed = self.call("describe_target_group_attributes", TargetGroupArn=self.id)["Attributes"]
        suffix = self.id.rpartition(":")[2]
        return self.observed({**found, **tag_map(listed)}, arn=self.id, arnSuffix=suffix, tagsAll=self.found_tags())

    def delete(self) -> None:
        self.call("delete_target_group", TargetGroupArn=self.id)


class TargetGroupAttachment(Elb):
    """A function as the target of a group."""

    resource_type = "aws:lb/targetGroupAttachment:TargetGroupAttachment"
    taggable = False
    gone = ("TargetGroupNotFound", "InvalidTarget")
    properties = {
        "targetGroupArn": Text(required=True, replaces=True),
        "targetId": Text(required=True, replaces=True, api="Id"),
    }

    def create(self) -> str:
        self.call("register_targets", TargetGroupArn=self["targetGroupArn"], Targets=[{"Id": self["targetId"]}])
        return f"{self['targetGroupArn']},{self['targetId']}"

    def read(self) -> Mapping[str, Any] | None:
        group, _, target = self.id.partition(",")
        found = self.call("describe_target_health", TargetGroupArn=group)["TargetHealthDescriptions"]
        there = any(each["Target"]["Id"] == target for each in found)
        return {"targetGroupArn": group, "targetId": target} if there else None

    def delete(self) -> None:
        group, _, target = self.id.partition(",")
        self.call("deregister_targets", TargetGroupArn=group, Targets=[{"Id": target}])


LISTENER_SETTINGS = ("port", "protocol", "sslPolicy", "certificateArn", "defaultActions")


class Listener(Elb):
    """What a load balancer listens for, and what it does with what no rule takes."""

    resource_type = "aws:lb/listener:Listener"
    identity = ("loadBalancerArn", "port")
    gone = ("ListenerNotFound", "LoadBalancerNotFound")
    exists = ("DuplicateListener",)
    properties = {
        "loadBalancerArn": Text(required=True, replaces=True),
        "port": Integer(required=True, within=(1, 65535)),
        "protocol": Text(default="HTTP", choices=("HTTP", "HTTPS")),
        "sslPolicy": Text(computed=True),
        "certificateArn": Text(),
        "defaultActions": List(of=ACTION, required=True),
    }
    outputs = ("arn",)

    def create(self) -> str:
        self.refuse_twin()
        answer = self.call(
            "create_listener",
            LoadBalancerArn=self["loadBalancerArn"],
            Tags=self.tag_list or None,
            **self._told("create_listener"),
        )
        return str(answer["Listeners"][0]["ListenerArn"])

    def _told(self, operation: str) -> dict[str, Any]:
        certificates = [{"CertificateArn": self["certificateArn"]}] if self.get("certificateArn") else None
        return {
            **self.arguments(operation, "port", "protocol", "sslPolicy", "defaultActions"),
            "Certificates": certificates,
        }

    def find(self) -> str | None:
        found = self.call("describe_listeners", LoadBalancerArn=self["loadBalancerArn"])["Listeners"]
        return next((each["ListenerArn"] for each in found if each["Port"] == self["port"]), None)

    @setting(*LISTENER_SETTINGS)
    def _change(self) -> None:
        self.call("modify_listener", ListenerArn=self.id, **self._told("modify_listener"))

    def read(self) -> Mapping[str, Any]:
        found = first(self.call("describe_listeners", ListenerArns=[self.id])["Listeners"])
        certificate = next((each["CertificateArn"] for each in found.get("Certificates") or ()), None)
        return self.observed(found, arn=self.id, certificateArn=certificate, tagsAll=self.found_tags())

    def delete(self) -> None:
        self.call("delete_listener", ListenerArn=self.id)


class ListenerRule(Elb):
    """Where a listener sends requests that meet every condition; the rule of the lowest priority comes first."""

    resource_type = "aws:lb/listenerRule:ListenerRule"
    identity = ("listenerArn", "priority")
    gone = ("RuleNotFound", "ListenerNotFound")
    exists = ("PriorityInUse",)
    properties = {
        "listenerArn": Text(required=True, replaces=True),
        "priority": Integer(required=True, within=(1, 50000)),
        "conditions": Set(
            of=Block(fields={"hostHeader": VALUES, "httpRequestMethod": VALUES, "pathPattern": VALUES}), required=True
        ),
        "actions": List(of=ACTION, required=True),
    }
    outputs = ("arn",)
    FIELDS = {"hostHeader": "host-header", "httpRequestMethod": "http-request-method", "pathPattern": "path-pattern"}

    def create(self) -> str:
        self.refuse_twin()
        answer = self.call(
            "create_rule",
            ListenerArn=self["listenerArn"],
            Priority=self["priority"],
            Conditions=self._conditions(),
            Tags=self.tag_list or None,
            **self.arguments("create_rule", "actions"),
        )
        return str(answer["Rules"][0]["RuleArn"])

    def _conditions(self) -> list[dict[str, Any]]:
        return [
            {"Field": self.FIELDS[name], f"{name[0].upper()}{name[1:]}Config": {"Values": list(told["values"])}}
            for each in self["conditions"]
            for name, told in each.items()
            if told
        ]

    def find(self) -> str | None:
        found = self.call("describe_rules", ListenerArn=self["listenerArn"])["Rules"]
        return next((each["RuleArn"] for each in found if each["Priority"] == str(self["priority"])), None)

    @setting("priority")
    def _order(self) -> None:
        moved = [{"RuleArn": self.id, "Priority": self["priority"]}]
        self.call("set_rule_priorities", RulePriorities=moved)

    @setting("conditions", "actions")
    def _change(self) -> None:
        told = self.arguments("modify_rule", "actions")
        self.call("modify_rule", RuleArn=self.id, Conditions=self._conditions(), **told)

    def read(self) -> Mapping[str, Any]:
        found = first(self.call("describe_rules", RuleArns=[self.id])["Rules"])
        fields = {field: name for name, field in self.FIELDS.items()}
        conditions = [{fields[each["Field"]]: {"values": self._values(each)}} for each in found.get("Conditions") or ()]
        listener = self.id.replace(":listener-rule/", ":listener/").rpartition("/")[0]
        return {
            **self.observed({"Actions": found["Actions"], "Priority": found["Priority"]}),
            "conditions": conditions,
            "listenerArn": listener,
            "arn": self.id,
            "tagsAll": self.found_tags(),
        }

    @staticmethod
    def _values(condition: Mapping[str, Any]) -> list[str]:
        config = next((value for name, value in condition.items() if name.endswith("Config")), condition)
        return list(config["Values"])

    def delete(self) -> None:
        self.call("delete_rule", RuleArn=self.id)
