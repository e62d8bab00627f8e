"""Which of a name's record sets Route 53 answers, by its routing policy and by health.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html,
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-problems.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

OTHER_POLICIES = ("Weight", "Region", "GeoLocation", "GeoProximityLocation", "MultiValueAnswer", "CidrRoutingConfig")
"""How the API names the routing policies that no stack declares: what is answered by them is not imitated."""


@dataclass(frozen=True)
class Alias:
    """What an alias record stands for: a record set of the same zone, or something of AWS's."""

    target: str
    evaluates: bool
    """Whether the alias is as healthy as its target."""


@dataclass(frozen=True)
class RecordSet:
    """One record set of a zone. Names are in lower case and without a final dot."""

    name: str
    kind: str
    ttl: int = 0
    values: tuple[str, ...] = ()
    identifier: str = ""
    failover: str = ""
    """PRIMARY or SECONDARY; empty for a simple record."""
    check: str = ""
    """The id of its health check; one without is always healthy."""
    alias: Alias | None = None
    unknown_policy: str = ""
    """A routing policy that is not imitated."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> RecordSet:
        """As ListResourceRecordSets tells it."""
        target = told.get("AliasTarget")
        return cls(
            name=plain(told["Name"]),
            kind=told["Type"],
            ttl=int(told.get("TTL", 0)),
            values=tuple(each["Value"] for each in told.get("ResourceRecords", [])),
            identifier=told.get("SetIdentifier", ""),
            failover=told.get("Failover", ""),
            check=told.get("HealthCheckId", ""),
            alias=Alias(plain(target["DNSName"]), bool(target["EvaluateTargetHealth"])) if target else None,
            unknown_policy=next((policy for policy in OTHER_POLICIES if policy in told), ""),
        )


def plain(name: str) -> str:
    """A name of the API as it is compared: in lower case, no final dot, an asterisk as itself."""
    return name.lower().removesuffix(".").replace("\\052", "*")


def chosen(sets: Sequence[RecordSet], healthy: Callable[[RecordSet], bool]) -> RecordSet:
    """The one to answer of the sets that share name and type.

    The primary while it is healthy, else the secondary while that is; when neither is, both count as healthy, which is
    the primary again. A secondary without a check is always healthy, and so keeps the dead primary from being answered.
    """
    ordered = sorted(sets, key=lambda each: each.failover != "PRIMARY")
    return next((each for each in ordered if healthy(each)), ordered[0])
