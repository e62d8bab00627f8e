"""AWS WAF: web ACLs, IP sets, and what they protect. Rules are declared as far as the cloud judges them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.provider.errors import Gone
from sandbox.provider.resource import Resource, setting, tag_map
from sandbox.provider.schema import Block, Boolean, Integer, List, Property, Set, Text

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Chosen(Block):
    """An object that says something by being there, whatever its fields."""

    def normal(self, value: Any) -> Any:
        return None if value is None else super()._normal(value) or True


@dataclass(frozen=True)
class Bytes(Text):
    """Text that the API has as bytes."""

    def to_api(self, value: Any, shape: Any) -> Any:  # noqa: ARG002 - always bytes
        return str(value).encode()

    def from_api(self, value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value


@dataclass(frozen=True)
class Keyed(Set):
    """Objects that the API has in a map, by their field `key`."""

    def to_api(self, value: Any, shape: Any) -> Any:
        return {each["key"]: self.of.to_api(_without_key(each), shape.value) for each in value}

    def from_api(self, value: Any) -> Any:
        return [{"key": key, **self.of.from_api(each)} for key, each in (value or {}).items()] or None


def _without_key(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "key"}


RESPONSE = Block(
    fields={
        "customResponseBodyKey": Text(),
        "responseCode": Integer(required=True, within=(200, 599)),
        "responseHeaders": Set(of=Block(fields={"name": Text(required=True), "value": Text(required=True)})),
    }
)
ACTIONS = {"allow": Chosen(), "block": Chosen(fields={"customResponse": RESPONSE}), "count": Chosen()}
TRANSFORMATIONS = Set(
    of=Block(fields={"priority": Integer(required=True), "type": Text(required=True, choices=("LOWERCASE", "NONE"))}),
    required=True,
)
VISIBILITY = Block(
    required=True,
    fields={
        "cloudwatchMetricsEnabled": Boolean(required=True),
        "metricName": Text(required=True),
        "sampledRequestsEnabled": Boolean(required=True),
    },
)
PARTS = {
    "byteMatchStatement": Block(
        fields={
            "fieldToMatch": Block(
                fields={
                    "method": Chosen(),
                    "queryString": Chosen(),
                    "singleHeader": Block(fields={"name": Text(required=True)}),
                    "uriPath": Chosen(),
                }
            ),
            "positionalConstraint": Text(required=True, choices=("CONTAINS", "ENDS_WITH", "EXACTLY", "STARTS_WITH")),
            "searchString": Bytes(required=True),
            "textTransformations": TRANSFORMATIONS,
        }
    ),
    "ipSetReferenceStatement": Block(fields={"arn": Text(required=True)}),
}


def _nested(levels: int) -> dict[str, Property]:
    """The statements that may stand in others, so many levels of them."""
    if not levels:
        return dict(PARTS)
    inner = Block(fields=_nested(levels - 1))
    several = Block(fields={"statements": Set(of=inner, required=True)})
    return {
        **PARTS,
        "andStatement": several,
        "notStatement": Block(fields={"statement": inner}),
        "orStatement": several,
    }


SCOPE = Block(fields=_nested(2))
STATEMENT = {
    **_nested(2),
    "managedRuleGroupStatement": Block(
        fields={
            "name": Text(required=True),
            "ruleActionOverrides": Set(
                of=Block(
                    fields={
                        "actionToUse": Block(required=True, fields=ACTIONS),
                        "name": Text(required=True),
                    }
                )
            ),
            "scopeDownStatement": SCOPE,
            "vendorName": Text(required=True),
        }
    ),
    "rateBasedStatement": Block(
        fields={
            "aggregateKeyType": Text(default="IP", choices=("CUSTOM_KEYS", "IP")),
            "customKeys": Set(
                of=Block(
                    fields={
                        "header": Block(fields={"name": Text(required=True), "textTransformations": TRANSFORMATIONS}),
                        "httpMethod": Chosen(),
                        "ip": Chosen(),
                    }
                )
            ),
            "evaluationWindowSec": Integer(default=300, choices=(60, 120, 300, 600)),
            "limit": Integer(required=True, within=(10, 2_000_000_000)),
            "scopeDownStatement": SCOPE,
        }
    ),
}
RULE = Block(
    fields={
        "action": Block(fields=ACTIONS),
        "name": Text(required=True),
        "overrideAction": Block(fields={"count": Chosen(), "none": Chosen()}),
        "priority": Integer(required=True),
        "statement": Block(required=True, fields=STATEMENT),
        "visibilityConfig": VISIBILITY,
    }
)


PROTECTION = Block(
    fields={
        "action": Text(required=True, choices=("HASH", "SUBSTITUTION")),
        "excludeRateBasedDetails": Boolean(default=False),
        "excludeRuleMatchDetails": Boolean(default=False),
        "field": Block(
            required=True,
            fields={"fieldKeys": Set(), "fieldType": Text(required=True, choices=("SINGLE_COOKIE", "SINGLE_HEADER"))},
        ),
    }
)


class Named(Resource):
    """What web ACLs and IP sets share. Imported as `<id>/<name>/<scope>`. Each change needs the last lock token."""

    service = "wafv2"
    taggable = True
    auto_name = "name"
    identity = ("name", "scope")
    gone = ("WAFNonexistentItemException",)
    exists = ("WAFDuplicateItemException",)
    kind = ""
    listed = ""

    def place(self) -> dict[str, str]:
        """The arguments that name it; after an import's id was taken apart."""
        own, _, rest = self.id.partition("/")
        if rest:
            self.id = own
            name, _, scope = rest.partition("/")
            return {"Id": own, "Name": name, "Scope": scope}
        return {"Id": own, "Name": self["name"], "Scope": self["scope"]}

    def own_arn(self) -> str:
        return str(self.state["arn"])

    def find(self) -> str | None:
        found = self.call(f"list_{self.kind}s", Scope=self["scope"])[self.listed]
        return next((str(each["Id"]) for each in found if each["Name"] == self["name"]), None)

    def create(self) -> str:
        told = self.arguments(f"create_{self.kind}")
        return str(self.call(f"create_{self.kind}", **told, Tags=self.tag_list or None)["Summary"]["Id"])

    def delete(self) -> None:
        place = self.place()
        token = self.call(f"get_{self.kind}", **place)["LockToken"]
        self.call(f"delete_{self.kind}", **place, LockToken=token)

    def seen(self, found: Mapping[str, Any], token: str, scope: str) -> dict[str, Any]:
        """An answer as properties; a description that is empty is none."""
        tags = self.call("list_tags_for_resource", ResourceARN=found["ARN"])["TagInfoForResource"]["TagList"]
        found = {name: value for name, value in found.items() if value != ""}
        return self.observed(found, scope=scope, lockToken=token, tagsAll=tag_map(tags))


class IpSet(Named):
    """Addresses, as networks."""

    resource_type = "aws:wafv2/ipSet:IpSet"
    kind = "ip_set"
    listed = "IPSets"
    properties = {
        "name": Text(replaces=True),
        "addresses": Set(default=[]),
        "description": Text(),
        "ipAddressVersion": Text(required=True, replaces=True, choices=("IPV4", "IPV6")),
        "scope": Text(required=True, replaces=True, choices=("CLOUDFRONT", "REGIONAL")),
    }
    outputs = ("arn", "lockToken")
    renewed = {"lockToken": ("addresses", "description")}

    def create(self) -> str:
        told = self.arguments("create_ip_set") | {"Addresses": self["addresses"]}
        return str(self.call("create_ip_set", **told, Tags=self.tag_list or None)["Summary"]["Id"])

    @setting("addresses", "description")
    def _change(self) -> None:
        place = self.place()
        token = self.call("get_ip_set", **place)["LockToken"]
        told = {"Addresses": self["addresses"], "Description": self["description"]}
        self.call("update_ip_set", **place, **told, LockToken=token)

    def read(self) -> Mapping[str, Any]:
        place = self.place()
        answer = self.call("get_ip_set", **place)
        return self.seen(answer["IPSet"], answer["LockToken"], place["Scope"])


_CHANGED = (
    "customResponseBodies",
    "dataProtectionConfig",
    "defaultAction",
    "description",
    "rules",
    "visibilityConfig",
)
"""All that one call changes."""


class WebAcl(Named):
    """Rules by which requests are let through, in the order of their priorities."""

    resource_type = "aws:wafv2/webAcl:WebAcl"
    kind = "web_acl"
    listed = "WebACLs"
    properties = {
        "name": Text(replaces=True),
        "customResponseBodies": Keyed(
            of=Block(
                fields={
                    "content": Text(required=True),
                    "contentType": Text(required=True, choices=("APPLICATION_JSON", "TEXT_HTML", "TEXT_PLAIN")),
                    "key": Text(required=True),
                }
            )
        ),
        "dataProtectionConfig": Block(fields={"dataProtections": List(of=PROTECTION)}),
        "defaultAction": Block(required=True, fields={"allow": Chosen(), "block": Chosen()}),
        "description": Text(),
        "rules": Set(of=RULE, default=[]),
        "scope": Text(required=True, replaces=True, choices=("CLOUDFRONT", "REGIONAL")),
        "visibilityConfig": VISIBILITY,
    }
    outputs = ("arn", "capacity", "lockToken")
    renewed = dict.fromkeys(("capacity", "lockToken"), _CHANGED)

    @setting(*_CHANGED)
    def _change(self) -> None:
        place = self.place()
        token = self.call("get_web_acl", **place)["LockToken"]
        told = self.arguments("update_web_acl", *_CHANGED)
        self.call("update_web_acl", **told, **place, LockToken=token)

    def read(self) -> Mapping[str, Any]:
        place = self.place()
        answer = self.call("get_web_acl", **place)
        return self.seen(answer["WebACL"], answer["LockToken"], place["Scope"])


class WebAclLoggingConfiguration(Resource):
    """Where a web ACL's log goes, and which requests are in it. Its id is the web ACL's ARN."""

    resource_type = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
    service = "wafv2"
    identity = ("resourceArn",)
    gone = ("WAFNonexistentItemException",)
    properties = {
        "logDestinationConfigs": Set(required=True, replaces=True),
        "loggingFilter": Block(
            fields={
                "defaultBehavior": Text(required=True, choices=("DROP", "KEEP")),
                "filters": Set(
                    of=Block(
                        fields={
                            "behavior": Text(required=True, choices=("DROP", "KEEP")),
                            "conditions": Set(
                                of=Block(fields={"actionCondition": Block(fields={"action": Text(required=True)})}),
                                required=True,
                            ),
                            "requirement": Text(required=True, choices=("MEETS_ALL", "MEETS_ANY")),
                        }
                    ),
                    required=True,
                ),
            }
        ),
        "resourceArn": Text(required=True, replaces=True),
    }

    def create(self) -> str:
        self._put()
        return str(self["resourceArn"])

    @setting("loggingFilter")
    def _put(self) -> None:
        wanted = ("logDestinationConfigs", "loggingFilter", "resourceArn")
        told = self.structure("put_logging_configuration", "LoggingConfiguration", *wanted)
        self.call("put_logging_configuration", LoggingConfiguration=told)

    def read(self) -> Mapping[str, Any]:
        return self.observed(self.call("get_logging_configuration", ResourceArn=self.id)["LoggingConfiguration"])

    def delete(self) -> None:
        self.call("delete_logging_configuration", ResourceArn=self.id)


class WebAclAssociation(Resource):
    """A web ACL before a REST API's stage or a load balancer. A resource has one."""

    resource_type = "aws:wafv2/webAclAssociation:WebAclAssociation"
    service = "wafv2"
    identity = ("resourceArn",)
    gone = ("WAFNonexistentItemException",)
    properties = {
        "resourceArn": Text(required=True, replaces=True),
        "webAclArn": Text(required=True, replaces=True),
    }

    def create(self) -> str:
        self.call("associate_web_acl", ResourceArn=self["resourceArn"], WebACLArn=self["webAclArn"])
        return f"{self['webAclArn']},{self['resourceArn']}"

    def read(self) -> Mapping[str, Any]:
        resource = self.id.partition(",")[2]
        found = self.call("get_web_acl_for_resource", ResourceArn=resource).get("WebACL")
        if found is None:
            raise Gone
        return {"resourceArn": resource, "webAclArn": found["ARN"]}

    def delete(self) -> None:
        self.call("disassociate_web_acl", ResourceArn=self.id.partition(",")[2])
