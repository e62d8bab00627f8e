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
    """Zones and health checks as they are now."""

    zones: tuple[HostedZone, ...] = ()
    checks: tuple[CheckSettings, ...] = ()


class Route53:
    """A client of the cloud's Route 53."""

    def __init__(self, endpoint: str) -> None:
        import botocore.session  # noqa: PLC0415 - takes a while, and a sandbox without zones never needs it

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
        return Declared(zones, tuple(map(CheckSettings.of, self._all("list_health_checks", "HealthChecks"))))

    def _sets(self, zone: str) -> Iterator[RecordSet]:
        return map(RecordSet.of, self._all("list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone))

    def _all(self, operation: str, listed: str, **arguments: str) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator(operation).paginate(**arguments):
            yield from page[listed]
