"""Health checks by Route 53's rules: what a check is, and when it is healthy. No time passes here, nothing is asked.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.checker_ranges import PLACES, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHARE = 0.18
"""An endpoint is healthy while more than this share of its checkers say so."""
ENDPOINTS = frozenset({"HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP"})
"""The types of checks that ask an endpoint."""

CONNECT_WITHIN = 4.0
"""Virtual seconds for the TCP connection."""
STATUS_WITHIN = 2.0
"""Virtual seconds from the connection to the answer's status."""
BODY_WITHIN = 2.0
"""Virtual seconds from the status to the words that are searched for."""
SEARCHED = 5120
"""Bytes of the body in which the words have to begin and end."""


@dataclass(frozen=True)
class CheckSettings:
    """One health check, as CreateHealthCheck was told."""

    id: str
    kind: str
    name: str = ""
    """For people: its tag."""
    host: str = ""
    """The name that is asked for and resolved; the Host header when there is an address."""
    address: str = ""
    port: int = 80
    path: str = "/"
    words: str = ""
    interval: float = 30.0
    threshold: int = 3
    sni: bool = False
    inverted: bool = False
    disabled: bool = False
    children: tuple[str, ...] = ()
    children_needed: int = 0
    alarm: tuple[str, str] = ("", "")
    """Region and name."""
    without_data: str = ""
    """What a missing metric means: Healthy, Unhealthy or LastKnownStatus."""
    regions: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: Mapping[str, Any], name: str = "") -> CheckSettings:
        """As ListHealthChecks tells it."""
        config = told["HealthCheckConfig"]
        kind, alarm = config["Type"], config.get("AlarmIdentifier", {})
        return cls(
            id=told["Id"],
            kind=kind,
            name=name,
            host=config.get("FullyQualifiedDomainName", ""),
            address=config.get("IPAddress", ""),
            port=int(config.get("Port") or (443 if kind.startswith("HTTPS") else 80)),
            path="/" + config.get("ResourcePath", "").removeprefix("/"),
            words=config.get("SearchString", ""),
            interval=float(config.get("RequestInterval") or 30),
            threshold=int(config.get("FailureThreshold") or 3),
            sni=bool(config.get("EnableSNI", kind.startswith("HTTPS"))),
            inverted=bool(config.get("Inverted")),
            disabled=bool(config.get("Disabled")),
            children=tuple(config.get("ChildHealthChecks", [])),
            children_needed=int(config.get("HealthThreshold") or 0),
            alarm=(alarm.get("Region", ""), alarm.get("Name", "")),
            without_data=config.get("InsufficientDataHealthStatus", ""),
            regions=tuple(config.get("Regions", [])),
        )

    @property
    def asks(self) -> bool:
        """Whether checkers ask an endpoint for it."""
        return self.kind in ENDPOINTS and not self.disabled

    @property
    def tls(self) -> bool:
        return self.kind.startswith("HTTPS")

    @property
    def same_endpoint(self) -> tuple[Any, ...]:
        """What makes its checkers begin again when it changes."""
        return (
            self.kind,
            self.host,
            self.address,
            self.port,
            self.path,
            self.words,
            self.interval,
            self.sni,
            self.regions,
        )


def places(regions: Sequence[str] = ()) -> tuple[Place, ...]:
    """The sixteen checkers of an endpoint; those of the regions that a check names, when it does."""
    found = [place for place in PLACES if not regions or place.region in regions]
    return tuple(found[number % len(found)] for number in range(len(PLACES))) if found else PLACES


@dataclass
class CheckerView:
    """What one checker thinks of an endpoint: it changes its mind after `threshold` answers in a row that differ."""

    healthy: bool = True
    differing: int = 0
    reason: str = ""
    at: float = 0.0
    """Virtual time of the last answer; 0 before the first."""
    failure: str = ""
    failed_at: float = 0.0

    def take(self, *, good: bool, reason: str, threshold: int, now: float) -> bool:
        """Count one answer. Whether the checker has changed its mind."""
        self.reason, self.at = reason, now
        if not good:
            self.failure, self.failed_at = reason, now
        self.differing = 0 if good == self.healthy else self.differing + 1
        if self.differing < threshold:
            return False
        self.healthy, self.differing = good, 0
        return True


@dataclass
class CheckState:
    """What is known of a check while it exists."""

    settings: CheckSettings
    views: list[CheckerView] = field(default_factory=list)
    last_known: bool = True
    """By the alarm: what it said when it last said something."""

    @property
    def healthy_checkers(self) -> int:
        return sum(view.healthy for view in self.views)


def endpoint_is_healthy(healthy: int, asking: int) -> bool:
    """By how many of those who ask find it so: 3 of 16 are enough, 2 are not."""
    return healthy > SHARE * asking


def alarm_is_healthy(state: str, without_data: str, *, last_known: bool) -> bool:
    """`state` is the alarm's: OK, ALARM or INSUFFICIENT_DATA."""
    if state in {"OK", "ALARM"}:
        return state == "OK"
    return last_known if without_data == "LastKnownStatus" else without_data == "Healthy"


def status(state: CheckState, alarm: str, children: Sequence[bool]) -> bool:
    """Whether a check is healthy; `alarm` and `children` are what a check of that type depends on.

    A disabled one is healthy, and counts as that for the checks above it. Inverting comes last.
    """
    settings = state.settings
    if settings.disabled:
        found = True
    elif settings.kind == "CALCULATED":
        found = sum(children) >= settings.children_needed
    elif settings.kind == "CLOUDWATCH_METRIC":
        found = alarm_is_healthy(alarm, settings.without_data, last_known=state.last_known)
        state.last_known = found
    else:
        found = endpoint_is_healthy(state.healthy_checkers, len(state.views))
    return found != settings.inverted
