"""Route 53: zones, records and health checks."""

from __future__ import annotations

import functools
import uuid
from typing import TYPE_CHECKING, Any

from sandbox.provider.attributes import changed
from sandbox.provider.resource import Resource, setting, tag_list
from sandbox.provider.schema import Block, Boolean, Integer, List, Map, Set, Text, arguments
from sandbox.provider.tagging import TaggedLater

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECORD_TYPES = ("A", "AAAA", "CNAME")


class DnsName(Text):
    """A name in the DNS: capitals and a final dot mean nothing."""

    def _normal(self, value: Any) -> Any:
        return value.lower().removesuffix(".")


class Tagged(TaggedLater):
    """What is tagged in Route 53, by kind of resource."""

    service = "route53"
    regional = False
    kind = ""

    def found_tags(self) -> dict[str, str]:
        named = {"ResourceType": self.kind, "ResourceId": self.id}
        return self.tags_there(lambda: self.call("list_tags_for_resource", **named)["ResourceTagSet"]["Tags"])

    def tag(self, tags: Mapping[str, str]) -> None:
        self.call("change_tags_for_resource", ResourceType=self.kind, ResourceId=self.id, AddTags=tag_list(tags))

    def untag(self, keys: Sequence[str]) -> None:
        self.call("change_tags_for_resource", ResourceType=self.kind, ResourceId=self.id, RemoveTagKeys=keys)


class Zone(Tagged):
    """A public hosted zone."""

    resource_type = "aws:route53/zone:Zone"
    kind = "hostedzone"
    gone = ("NoSuchHostedZone",)
    properties = {
        "name": DnsName(required=True, replaces=True),
        "comment": Text(default="Managed by Pulumi"),
        "forceDestroy": Boolean(default=False, carried="it is about destroying, and the cloud does not know it"),
    }
    outputs = ("arn", "nameServers", "primaryNameServer", "zoneId")

    def create(self) -> str:
        answer = self.call(
            "create_hosted_zone",
            Name=self["name"],
            CallerReference=str(uuid.uuid4()),
            HostedZoneConfig={"Comment": self["comment"]},
        )
        return str(answer["HostedZone"]["Id"]).removeprefix("/hostedzone/")

    @setting("comment")
    def _comment(self) -> None:
        self.call("update_hosted_zone_comment", Id=self.id, Comment=self["comment"])

    @setting("forceDestroy")
    def _remember(self) -> None:
        """The engine's state keeps it."""

    def read(self) -> Mapping[str, Any]:
        answer = self.call("get_hosted_zone", Id=self.id)
        zone, servers = answer["HostedZone"], answer["DelegationSet"]["NameServers"]
        return {
            "name": zone["Name"].removesuffix("."),
            "comment": zone["Config"].get("Comment", ""),
            "arn": f"arn:aws:route53:::hostedzone/{self.id}",
            "zoneId": self.id,
            "nameServers": sorted(servers),
            "primaryNameServer": servers[0],
            "tagsAll": self.found_tags(),
        }

    def delete(self) -> None:
        if self["forceDestroy"]:
            self._empty()
        self.call("delete_hosted_zone", Id=self.id)

    def _empty(self) -> None:
        """Remove all records but the zone's own."""
        name = self.call("get_hosted_zone", Id=self.id)["HostedZone"]["Name"]
        found = self.call("list_resource_record_sets", HostedZoneId=self.id)["ResourceRecordSets"]
        others = [each for each in found if each["Name"] != name or each["Type"] not in {"NS", "SOA"}]
        if others:
            changes = [{"Action": "DELETE", "ResourceRecordSet": each} for each in others]
            self.call("change_resource_record_sets", HostedZoneId=self.id, ChangeBatch={"Changes": changes})


class Record(Resource):
    """A set of records of one name and type; with a set identifier, one of several by a routing policy."""

    resource_type = "aws:route53/record:Record"
    service = "route53"
    regional = False
    gone = ("NoSuchHostedZone",)
    properties = {
        "zoneId": Text(required=True, replaces=True),
        "name": DnsName(required=True, replaces=True),
        "type": Text(required=True, replaces=True, choices=RECORD_TYPES),
        "setIdentifier": Text(replaces=True),
        "ttl": Integer(within=(0, 2147483647)),
        "records": Set(),
        "healthCheckId": Text(),
        "allowOverwrite": Boolean(default=False, carried="it is about creating, and the cloud does not know it"),
        "failoverRoutingPolicies": List(
            of=Block(fields={"type": Text(required=True, choices=("PRIMARY", "SECONDARY"))})
        ),
    }
    outputs = ("fqdn",)

    def create(self) -> str:
        self._change("UPSERT" if self["allowOverwrite"] else "CREATE", self._wanted(self._full_name))
        parts = (self["zoneId"], self["name"], self["type"], self["setIdentifier"])
        return "_".join(part for part in parts if part)

    @setting("ttl", "records", "healthCheckId", "failoverRoutingPolicies", "allowOverwrite")
    def _replace(self) -> None:
        self._change("UPSERT", self._wanted(self.state["fqdn"]))

    def read(self) -> Mapping[str, Any] | None:
        found = self._found()
        if found is None:
            return None
        zone, name, *_ = self._given()
        return self.observed(
            found,
            zoneId=zone,
            name=name,
            fqdn=_plain(found["Name"]),
            records=[each["Value"] for each in found.get("ResourceRecords", [])],
            failoverRoutingPolicies=[{"type": found["Failover"]}] if "Failover" in found else None,
        )

    def delete(self) -> None:
        found = self._found()
        if found is not None:
            self._change("DELETE", found)

    def _given(self) -> tuple[str, str, str, str]:
        """Zone, name, type and set identifier; from the id when the inputs are not known yet (an import)."""
        if self["zoneId"]:
            return self["zoneId"], self["name"], self["type"], self["setIdentifier"] or ""
        zone, name, kind, *identifier = self.id.split("_")
        while kind not in RECORD_TYPES and identifier:  # names may hold underscores too
            name, kind, *identifier = f"{name}_{kind}", *identifier
        return zone, name, kind, "_".join(identifier)

    @functools.cached_property
    def _full_name(self) -> str:
        """The name within its zone: the zone's own may be left out."""
        zone, name, *_ = self._given()
        suffix = _plain(self.call("get_hosted_zone", Id=zone)["HostedZone"]["Name"])
        name = _plain(name).lower()
        return name if name == suffix or name.endswith(f".{suffix}") else f"{name}.{suffix}"

    def _found(self) -> dict[str, Any] | None:
        zone, _, kind, identifier = self._given()
        name = self._full_name
        listed = self.call("list_resource_record_sets", HostedZoneId=zone, StartRecordName=name, StartRecordType=kind)
        for each in listed["ResourceRecordSets"]:
            if (_plain(each["Name"]), each["Type"], each.get("SetIdentifier", "")) == (name, kind, identifier):
                return dict(each)
        return None

    def _wanted(self, name: str) -> dict[str, Any]:
        policies = self.get("failoverRoutingPolicies")
        wanted = {
            "Name": name,
            "Type": self["type"],
            "SetIdentifier": self.get("setIdentifier"),
            "Failover": policies[0]["type"] if policies else None,
            "TTL": self["ttl"],
            "ResourceRecords": [{"Value": value} for value in self["records"] or []],
            "HealthCheckId": self.get("healthCheckId"),
        }
        return {key: value for key, value in wanted.items() if value is not None}

    def _change(self, action: str, record: Mapping[str, Any]) -> None:
        zone, *_ = self._given()
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.call("change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch)


def _plain(name: str) -> str:
    """A name of the API as programs write it: no final dot, an asterisk as itself."""
    return name.removesuffix(".").replace("\\052", "*")


CHECK_SETTINGS = {
    "childHealthThreshold": Integer(api="HealthThreshold"),
    "childHealthchecks": Set(api="ChildHealthChecks"),
    "disabled": Boolean(default=False),
    "enableSni": Boolean(computed=True),
    "failureThreshold": Integer(computed=True, within=(1, 10)),
    "fqdn": Text(api="FullyQualifiedDomainName"),
    "insufficientDataHealthStatus": Text(choices=("Healthy", "LastKnownStatus", "Unhealthy")),
    "invertHealthcheck": Boolean(default=False, api="Inverted"),
    "ipAddress": Text(),
    "port": Integer(computed=True, within=(1, 65535)),
    "regions": Set(),
    "resourcePath": Text(),
    "searchString": Text(),
}
CHECK_CONSTANTS = {
    "measureLatency": Boolean(default=False, replaces=True),
    "requestInterval": Integer(computed=True, replaces=True, choices=(10, 30)),
    "type": Text(
        required=True,
        replaces=True,
        choices=("CALCULATED", "CLOUDWATCH_METRIC", "HTTP", "HTTPS", "HTTPS_STR_MATCH", "HTTP_STR_MATCH", "TCP"),
    ),
}


class HealthCheck(Tagged):
    """A health check of an endpoint, of an alarm, or of other health checks."""

    resource_type = "aws:route53/healthCheck:HealthCheck"
    kind = "healthcheck"
    gone = ("NoSuchHealthCheck",)
    properties = {
        **CHECK_SETTINGS,
        **CHECK_CONSTANTS,
        "cloudwatchAlarmName": Text(),
        "cloudwatchAlarmRegion": Text(),
        "triggers": Map(carried="it only says when to update, and the cloud does not know it"),
    }
    outputs = ("arn",)

    def create(self) -> str:
        config = self._told(CHECK_SETTINGS | CHECK_CONSTANTS) | self._alarm()
        answer = self.call("create_health_check", CallerReference=str(uuid.uuid4()), HealthCheckConfig=config)
        self.made = answer["HealthCheck"]
        return str(self.made["Id"])

    @setting(*CHECK_SETTINGS)
    def _set(self) -> None:
        """What is no longer given goes back to its default; only some settings can be without any value."""
        names = changed(self, CHECK_SETTINGS)
        reset = [self.properties[name].api or name for name in names if self.get(name) is None]
        told = self._told({name: CHECK_SETTINGS[name] for name in names})
        elements = [each[0].upper() + each[1:] for each in reset]
        self.call("update_health_check", HealthCheckId=self.id, ResetElements=elements or None, **told)

    @setting("cloudwatchAlarmName", "cloudwatchAlarmRegion", "triggers")
    def _watch(self) -> None:
        """Route 53 copies the alarm's settings when it is named: naming it again makes it look again."""
        if alarm := self._alarm():
            self.call("update_health_check", HealthCheckId=self.id, **alarm)

    def _told(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """What the program gives: not every type of check takes every default."""
        shape = self.surroundings.cloud().shape("route53", self.region, "create_health_check")
        values = {name: self[name] for name in properties if name in self.inputs or name in self.previous}
        return arguments(properties, values, shape.members["HealthCheckConfig"])

    def _alarm(self) -> dict[str, Any]:
        if not self["cloudwatchAlarmName"]:
            return {}
        return {"AlarmIdentifier": {"Name": self["cloudwatchAlarmName"], "Region": self["cloudwatchAlarmRegion"]}}

    def read(self) -> Mapping[str, Any]:
        check = self.made or self.call("get_health_check", HealthCheckId=self.id)["HealthCheck"]
        config = check["HealthCheckConfig"]
        alarm = config.get("AlarmIdentifier", {})
        # Not every type of check has each of them: what an answer leaves out is off.
        off = {name: each.default for name, each in self.properties.items() if each.default is False}
        return off | self.observed(
            config,
            cloudwatchAlarmName=alarm.get("Name"),
            cloudwatchAlarmRegion=alarm.get("Region"),
            arn=f"arn:aws:route53:::healthcheck/{self.id}",
            tagsAll=self.found_tags(),
        )

    def delete(self) -> None:
        self.call("delete_health_check", HealthCheckId=self.id)
