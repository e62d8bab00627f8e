"""What the stacks have declared in Route 53, read as anybody reads it: by its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.records import RecordSet, plain
from sandbox.traffic.checks import CheckSettings
from sandbox.traffic.zones import HostedZone
from sandbox.variables import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator


class Declared(NamedTuple):
    """HostedZones and health checks as they are now."""

    zones: tuple[HostedZone, ...] = ()
    checks: tuple[CheckSettings, ...] = ()


class Route53:
    """A client of the cloud's Route 53."""

    def __init__(self, endpoint: str) -> None:
        import botocore.session  # noqa: PLC0415 - takes a while, and a sandbox without zones never needs it

        self._names: dict[str, str] = {}
        key, secret = CREDENTIALS.values()
        self._client = botocore.session.Session().create_client(
            "route53",
            region_name="us-east-1",
            endpoint_url=endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def read(self) -> Declared:
        """All public zones with their record sets, and all health checks. It waits: not in an event loop."""
        zones = tuple(
            HostedZone(plain(zone["Name"]), tuple(self._sets(zone["Id"])))
            for zone in self._all("list_hosted_zones", "HostedZones")
            if not zone["Config"].get("PrivateZone")
        )
        checks = self._all("list_health_checks", "HealthChecks")
        return Declared(zones, tuple(CheckSettings.of(check, self._name(check["Id"])) for check in checks))

    def _name(self, check: str) -> str:
        """A check's tag, which is asked for until it has one: a program gives it one after it has made it."""
        if not self._names.get(check):
            told = self._client.list_tags_for_resource(ResourceType="healthcheck", ResourceId=check)
            tags = {each["Key"]: each["Value"] for each in told["ResourceTagSet"]["Tags"]}
            self._names[check] = tags.get("Name", "")
        return self._names[check]

    def _sets(self, zone: str) -> Iterator[RecordSet]:
        return map(RecordSet.of, self._all("list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone))

    def _all(self, operation: str, listed: str, **arguments: str) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator(operation).paginate(**arguments):
            yield from page[listed]
