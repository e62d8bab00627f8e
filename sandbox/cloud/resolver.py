"""Where the names lead that functions ask for: to a region's gateway, to what is outside AWS, or nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox import addresses
from sandbox.records import RecordSet, chosen, plain
from sandbox.regional_names import entry_region

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.addresses import Endpoint

LONGEST_CHAIN = 8
"""CNAMEs that are followed; a resolver gives up on a loop."""


class Resolver:
    """Answers with the cloud's Route 53, and beyond it with what is outside."""

    def __init__(self, port: int, resolves: Callable[[str], bool], healthy: Callable[[str], bool]) -> None:
        """`resolves` may say that a name is gone, `healthy` whether DNS takes a health check for healthy."""
        self._resolves = resolves
        self._healthy = healthy
        self._gateways = addresses.https_endpoints(port)
        self._outside = addresses.outside(port)

    def endpoint(self, name: str) -> Endpoint | None:
        """Where https to a name leads; None when a zone of the cloud's has no answer for it.

        Of failover records the one counts that DNS answers; those of another policy give none.
        """
        name = name.rstrip(".").lower()
        for _ in range(LONGEST_CHAIN):
            if not self._resolves(name):
                return None
            if region := entry_region(name):
                return self._gateways.get(region)
            zone = _zone(name)
            if zone is None:
                return self._outside
            target = self._target(zone, name)
            if target is None:
                return None
            name = target
        return None

    def _target(self, zone: str, name: str) -> str | None:
        from ministack.services import route53  # noqa: PLC0415

        records: list[dict[str, Any]] = route53._records.get(zone, [])
        sets = [_set(each) for each in list(records) if each["Type"] == "CNAME" and plain(each["Name"]) == name]
        if not sets or any(each.unknown_policy for each in sets):
            return None
        return plain(chosen(sets, lambda each: not each.check or self._healthy(each.check)).values[0])


def _set(kept: dict[str, Any]) -> RecordSet:
    """A record set as the emulator keeps it."""
    return RecordSet.of({**kept, "ResourceRecords": [{"Value": value} for value in kept["ResourceRecords"]]})


def _zone(name: str) -> str | None:
    """The id of the hosted zone that a name belongs to: the one that has most of it."""
    from ministack.services import route53  # noqa: PLC0415 - as late as the emulator's own import of it

    found = [
        (len(zone["name"]), zone["id"])
        for zone in route53._zones.values()
        if not zone["private"] and f".{name}.".endswith(f".{zone['name'].lower()}")
    ]
    return max(found)[1] if found else None
