"""The environment file: the single source of configuration, validated as a whole.

`Environment.load("payments")` reads `environments/payments.yaml`. A layer's programs see only what
`Environment.layer_settings` names: the foundation that all layers share and the section of their own, so that a change
elsewhere cannot touch them.

Imports no Pulumi: the orchestration loads environments on its quick path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictBool, ValidationError, model_validator

from shared import environment_file, naming
from shared.environment_errors import one_line
from shared.environment_sections import (
    UNRESERVED_CONCURRENCY,
    ComputeSettings,
    DataSettings,
    EdgeSettings,
    NetworkSettings,
    ObservabilitySettings,
    RegionName,
    Section,
    StrictModel,
    VaultSettings,
)
from shared.errors import Problem
from shared.failover_time import MINUTE, YEAR, Allowance, Fault, GreyBound, Spending, bound, worst
from shared.failover_time import fitting as fitting_checks
from shared.roles import ROLES, PerRole, Role
from shared.root import ROOT
from shared.service_levels import ServiceLevel, least_percent
from shared.stack import Stack

NAME = "[a-z][a-z0-9]{0,31}"
RESERVED_TAGS = frozenset({"Environment", "Region", "DR-Role", "Name"})
RESERVED_DOMAINS = ("example.com", "example.net", "example.org", "example", "invalid", "localhost", "test")
"""Names that nobody can own (RFC 2606)."""

CERTIFICATE_NAME_CHARACTERS = 64
"""ACM's limit for the first name of a certificate."""

REGION_SETS = (
    frozenset({"us-east-1", "us-east-2", "us-west-2"}),
    frozenset({"eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"}),
    frozenset({"ap-northeast-1", "ap-northeast-2", "ap-northeast-3"}),
)
"""Where DynamoDB offers multi-Region strong consistency: a table cannot span two sets (DynamoDB Developer Guide)."""

TTLS = (300, 120, 60, 30, 10, 5)
"""What an error suggests for a TTL."""


def _reject_reserved(tags: Mapping[str, str]) -> Mapping[str, str]:
    for key in tags:
        if key in RESERVED_TAGS or key.lower().startswith("aws:"):
            raise ValueError(f"{key!r} is set by the system or by AWS: choose another key")
    return tags


def _folder_of_pages(url: str) -> str:
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?/([\w.~%/+-]*/)?", url):
        raise ValueError("is no https address of a folder: write it out, with / at its end and nothing behind")
    return url


PagesUrl = Annotated[str, Field(max_length=500), AfterValidator(_folder_of_pages)]
TagKey = Annotated[str, Field(pattern=r"^[\w.:/=+@-][\w .:/=+@-]*$", max_length=128)]
TagValue = Annotated[str, Field(pattern=r"^[\w .:/=+@-]*$", max_length=256)]
Tags = Annotated[Mapping[TagKey, TagValue], AfterValidator(_reject_reserved)]


class Regions(StrictModel):
    """AWS regions by what they do; the witness holds no data."""

    primary: RegionName
    secondary: RegionName
    witness: RegionName

    @model_validator(mode="after")
    def _differ(self) -> Self:
        seen: dict[str, str] = {}
        for use, region in self:
            if region in seen:
                raise ValueError(f"{use} and {seen[region]} are both {region}: choose a region of its own for each")
            seen[region] = use
        return self


LogDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""What CloudWatch Logs takes (PutRetentionPolicy)."""


class LogRetention(StrictModel):
    """For how many days logs are kept, by what they are for."""

    access: LogDays
    """Of the entry point: who asked what, and what was answered."""
    payment: LogDays
    """Of the functions that make and finish payments."""
    debug: LogDays
    """Of all others, flow logs among them."""

    @model_validator(mode="after")
    def _evidence_outlives_debugging(self) -> Self:
        for kind, days in (("access", self.access), ("payment", self.payment)):
            if days < self.debug:
                raise ValueError(
                    f"{kind}: {days} days are less than debug's {self.debug}: keep what settles disputes at "
                    "least as long"
                )
        return self


class TakenName(StrictModel):
    """The name by which clients know a system before this one, whose region is gone for good."""

    name: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$", max_length=64)]
    """Such as `api.x7k2.pay.example.com`; a certificate's name has 64 characters at most."""
    zone_id: Annotated[str, Field(pattern=r"^Z[A-Z0-9]{1,31}$")]
    """Of the public zone of the same account that it is in, which stays whoever made it."""
    now: StrictBool
    """false: the certificates have it already. true: it is the shared name, and its records are this system's."""


class Foundation(StrictModel):
    """What every layer may read: who and where the environment is."""

    name: Annotated[str, Field(pattern=f"^{NAME}$")]
    """Comes from the file's name; has no hyphen, as stacks are called `<name>-<role>`."""
    profile: Literal["payments", "trading"]
    environment: Annotated[str, Field(pattern=f"^{NAME}$")] | None = None
    """What the tag Environment says, and names where the profile's have it: the file's name, unless given."""
    production: StrictBool
    """Whether data is kept even from its owners, for good (docs/decisions/0031-production-is-a-one-way-door.md)."""
    suffix: Annotated[str, Field(pattern=r"^[a-z0-9]+$")]
    regions: Regions
    domain: Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")]
    log_retention_days: LogRetention
    tags: Tags
    runbooks: PagesUrl
    """Where docs/runbooks of this checkout can be read: each alarm names its page there."""
    takes_over: TakenName | None = None
    """From a system whose region is gone (docs/runbooks/a-region-gone-for-good.md)."""

    def region(self, role: Role) -> str:
        """The AWS region that has `role`."""
        return self.regions.primary if role == "primary" else self.regions.secondary

    @property
    def label(self) -> str:
        """What people call the environment: `production`."""
        return self.environment or self.name

    @property
    def entry_point(self) -> naming.EntryPoint:
        """What clients come by in each region."""
        return naming.PROFILES[self.profile].entry_point

    @property
    def names(self) -> naming.Names:
        """Every physical name of the environment."""
        return naming.Names(
            naming.PROFILES[self.profile],
            self.label,
            self.suffix,
            PerRole(self.regions.primary, self.regions.secondary),
        )

    @property
    def zone_name(self) -> str:
        """The DNS zone that belongs to this environment alone."""
        return f"{self.suffix}.{self.domain}"

    @property
    def own_name(self) -> str:
        """The shared name in the environment's own zone: what clients use, unless it takes over another."""
        return f"api.{self.zone_name}"

    @property
    def taken(self) -> TakenName | None:
        """The name that it has taken over, once it has."""
        return self.takes_over if self.takes_over and self.takes_over.now else None

    @property
    def failover_name(self) -> str:
        """The DNS name that clients use."""
        return self.taken.name if self.taken else self.own_name

    @property
    def region_names(self) -> PerRole[str]:
        """The DNS name of each region's own entry point: what health checks and canaries ask."""
        return PerRole.build(lambda role: f"{naming.short_region(self.region(role))}-api.{self.zone_name}")

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        room, kind = self.names.room()
        if len(self.suffix) > room:
            raise ValueError(
                f"suffix: {self.suffix!r} has {len(self.suffix)} characters, and the {kind.limit.what} {kind.purpose} "
                f"({kind.limit.characters} at most) leaves {room}: shorten it"
            )
        if secret := self.names.mistaken_for_an_arn():
            raise ValueError(
                f"suffix: {self.suffix!r} makes the secret's name {secret} end in a hyphen and six characters, as "
                "an ARN does, so Secrets Manager may find the wrong one: choose a suffix of another length"
            )
        if self.takes_over and f".{self.takes_over.name}".endswith(f".{self.zone_name}"):
            raise ValueError(
                f"takes_over.name: {self.takes_over.name} is a name of this environment itself: name that of the "
                "system before it, or leave takes_over out"
            )
        longest = max((self.own_name, *dict(self.region_names.items()).values()), key=len)
        if len(longest) > CERTIFICATE_NAME_CHARACTERS:
            raise ValueError(
                f"domain: {self.domain!r} makes the name {longest} of {len(longest)} characters, and a certificate "
                f"takes {CERTIFICATE_NAME_CHARACTERS}: shorten domain or suffix"
            )
        return self


class Objectives(StrictModel):
    """What is promised: an availability in percent; and times in seconds, for clients that honour the TTL."""

    availability_percent: Annotated[float, Field(gt=0, lt=100)]
    latency_percent: Annotated[float, Field(gt=0, lt=100)]
    """Of payments, answered within observability.latency_ms."""
    failover: Annotated[int, Field(gt=0)]
    grey_failure: Annotated[int, Field(gt=0)]
    detection: Annotated[int, Field(gt=0)] | None = None
    """Refused, failing and hanging connections are noticed within this time."""


class Environment(Foundation):
    """A whole environment: the foundation, its promises, and one section for each layer."""

    objectives: Objectives
    network: NetworkSettings
    data: DataSettings
    compute: ComputeSettings
    edge: EdgeSettings
    observability: ObservabilitySettings
    vault: VaultSettings

    SECTIONS: ClassVar[tuple[type[Section], ...]] = (
        NetworkSettings,
        DataSettings,
        ComputeSettings,
        EdgeSettings,
        ObservabilitySettings,
        VaultSettings,
    )

    @classmethod
    def load(cls, name: str, root: Path | None = None) -> Self:
        """Read and validate `environments/<name>.yaml` of the checkout at `root`.

        Raises Problem, one line with file, field, value and fix, when it is missing or wrong.
        """
        folder = (root or ROOT) / "environments"
        path = folder / f"{name}.yaml"
        known = environment_names(root)
        if name not in known:
            add = f", or add environments/{name}.yaml" if re.fullmatch(NAME, name) else ""
            raise Problem(f"unknown environment {name!r}: choose one of {', '.join(known)}{add}")
        content = environment_file.read(path)
        try:
            return cls.model_validate({**content, "name": name})
        except ValidationError as error:
            raise Problem(f"environments/{name}.yaml: {one_line(error, cls)}") from None

    def foundation(self) -> Foundation:
        """The part that every layer may read."""
        return Foundation.model_validate({field: getattr(self, field) for field in Foundation.model_fields})

    def layer_settings(self, layer: str) -> Mapping[str, Any]:
        """Everything of this environment that the programs of `layer` may read, as JSON values.

        Their fingerprint covers exactly this. Raises Problem for an unknown layer.
        """
        if layer not in (section.layer for section in self.SECTIONS):
            raise Problem(f"unknown layer {layer!r}: choose one of {', '.join(s.layer for s in self.SECTIONS)}")
        section: Section = getattr(self, layer)
        parts = {name: getattr(self, name) for name in (layer, *section.reads)}
        return {
            "foundation": self.foundation().model_dump(mode="json"),
            **{name: part.model_dump(mode="json") for name, part in parts.items()},
        }

    def service_levels(self) -> tuple[ServiceLevel, ServiceLevel]:
        """What is promised of the payments of 30 days: how many are served, and how many of them quickly."""
        return (
            ServiceLevel("availability", self.objectives.availability_percent, "fail"),
            ServiceLevel("latency", self.objectives.latency_percent, f"take over {self.observability.latency_ms} ms"),
        )

    def spending(self) -> Iterator[Spending]:
        """What each kind of failure takes of the time that the promised availability leaves."""
        allowance = Allowance(self.objectives.availability_percent)
        checks, dns = self.edge.checks.of_the_entry_point, self.edge.dns
        for fault in Fault:
            yield allowance.after(fault.label, bound(checks, dns, fault).total, self.objectives.failover)
        grey = GreyBound(self.edge.grey_failure.periods, dns)
        yield allowance.after("grey failure", grey.total, self.objectives.grey_failure)

    def require_own_domain(self) -> None:
        """Refuse, by a Problem, a domain that AWS would refuse half-way through the edge layer, and such processors."""
        processor = self.compute.processor
        for field, name, fix in (
            ("domain", self.domain, "set a domain that you own"),
            ("runbooks", urlsplit(self.runbooks).hostname or "", "name the address of your docs/runbooks"),
            ("compute.processor.primary", processor.primary, "set your card processor's name"),
            ("compute.processor.secondary", processor.secondary, "set your card processor's name"),
        ):
            if any(f".{name}".endswith(f".{reserved}") for reserved in RESERVED_DOMAINS):
                why = "AWS refuses it" if field == "domain" else "nobody answers there"
                raise Problem(
                    f"environments/{self.name}.yaml: {field}: {name!r} is reserved for examples, and {why}: {fix}"
                )

    def require_own_processor(self, root: Path | None = None) -> None:
        """Refuse, by a Problem, an endpoint of the card processor that another system's file names too.

        A payment's key is made of its client and the client's key alone: what both systems are sent under one key would
        be one charge there, and each one's books would have the other's. A new home is the same system as its old one.
        """
        own = self.compute.processor
        for other in self._others(root):
            for role in ROLES:
                if own.of(role) in other.endpoints and not self._known_as & other._known_as:  # noqa: SLF001 - one of its kind
                    raise Problem(
                        f"environments/{self.name}.yaml: compute.processor.{role}: {own.of(role)!r} is an endpoint of "
                        f"environments/{other.name}.yaml too, and a key that both are sent would be charged once: "
                        "name one of its own"
                    )

    def endpoints_elsewhere(self, root: Path | None = None) -> frozenset[str]:
        """The card processor's endpoints that other systems' files name, and this one's does not.

        Not the one's that it has taken over: that one's payments, with what they were charged, are its own.
        """
        before = self.taken.name if self.taken else None
        others = (other for other in self._others(root) if other.own_name != before)
        return frozenset().union(*(other.endpoints for other in others)) - self.endpoints

    @property
    def endpoints(self) -> frozenset[str]:
        """The card processor's, in both regions."""
        return frozenset(self.compute.processor.of(role) for role in ROLES)

    def serving_regions(self, root: Path | None = None) -> frozenset[str]:
        """The regions through which this environment or one of another file is served."""
        return frozenset(each.region(role) for each in (self, *self._others(root)) for role in ROLES)

    def _others(self, root: Path | None) -> Iterator[Self]:
        for name in environment_names(root):
            with suppress(Problem):  # who deploys that one is told
                if name != self.name:
                    yield type(self).load(name, root)

    @property
    def _known_as(self) -> set[str]:
        """The names that clients use, or are going to."""
        return {self.own_name, *([self.takes_over.name] if self.takes_over else [])}

    @property
    def aside(self) -> tuple[str, ...]:
        """The layers of `shared.contracts.ASIDE` that this environment has."""
        return (VaultSettings.layer,) if self.production and self.vault.region else ()

    def regions_of(self, stack: Stack) -> tuple[str, ...]:
        """The AWS regions in which a stack works."""
        if stack.layer == VaultSettings.layer:
            return (self.regions.primary, *((self.vault.region,) if self.vault.region else ()))
        return tuple(self.region(role) for role in (ROLES if stack.role is None else (stack.role,)))

    @property
    def failover_bound(self) -> int:
        """Seconds that a failover takes at most, whatever the fault."""
        return worst(self.edge.checks.of_the_entry_point, self.edge.dns).total

    @model_validator(mode="after")
    def _zones_lie_in_their_regions(self) -> Self:
        for role in ROLES:
            prefix = f"{naming.short_region(self.region(role))}-az"
            for zone in self.network.zones.of(role):
                if not zone.startswith(prefix):
                    raise ValueError(
                        f"network.zones.{role}: {zone} is not in {self.region(role)}, "
                        f"whose zones are {prefix}1 and so on"
                    )
        return self

    @model_validator(mode="after")
    def _processor_services_lie_in_their_regions(self) -> Self:
        for role in ROLES:
            service = self.network.processor_services.of(role)
            if service is not None and service.split(".")[3] != self.region(role):
                raise ValueError(
                    f"network.processor_services.{role}: {service} is not in {self.region(role)}: ask the "
                    "processor for its endpoint service there, or use null"
                )
        return self

    @model_validator(mode="after")
    def _one_payment_has_one_endpoint(self) -> Self:
        """With eventual consistency both regions may open a payment before either knows of the other's."""
        processor = self.compute.processor
        if self.data.consistency == "eventual" and processor.primary != processor.secondary:
            raise ValueError(
                f"compute.processor: {processor.primary} and {processor.secondary} do not know each other's keys, and "
                "with data.consistency: eventual both may be asked to charge one payment: use one name for both"
            )
        return self

    @model_validator(mode="after")
    def _processors_are_outside(self) -> Self:
        for role in ROLES:
            name = self.compute.processor.of(role)
            if f".{name}".endswith(f".{self.zone_name}"):
                raise ValueError(
                    f"compute.processor.{role}: {name} is in the zone of this environment, which would pay itself: "
                    "name the card processor's endpoint"
                )
        return self

    @model_validator(mode="after")
    def _production_tells_somebody(self) -> Self:
        if self.production and not self.edge.emails:
            raise ValueError("edge.emails: production: true, and nobody is told of a failover: add an address")
        return self

    @model_validator(mode="after")
    def _copies_lie_outside_both_regions(self) -> Self:
        for role in ROLES:
            if self.vault.region == self.region(role):
                raise ValueError(
                    f"vault.region: {self.vault.region} is the {role}, and copies are for the loss of it: choose a "
                    f"region that serves nobody, such as the witness {self.regions.witness}"
                )
        return self

    @model_validator(mode="after")
    def _tables_can_span_the_regions(self) -> Self:
        regions = {region for _, region in self.regions}
        if self.data.consistency == "strong" and not any(regions <= known for known in REGION_SETS):
            sets = "; ".join(", ".join(sorted(known)) for known in REGION_SETS)
            raise ValueError(
                f"regions: {', '.join(sorted(regions))} cannot share a strongly consistent table: choose three of one "
                f"set ({sets}), or data.consistency: eventual"
            )
        return self

    @model_validator(mode="after")
    def _enough_stays_unreserved(self) -> Self:
        compute = self.compute
        functions = (
            compute.payment,
            compute.health,
            compute.audit,
            self.edge.failover_control,
            self.observability.canary,
        )
        reserved = sum(each.reserved_concurrency or 0 for each in functions)
        left = compute.account_concurrency - reserved
        if reserved and left < UNRESERVED_CONCURRENCY:
            raise ValueError(
                f"compute.account_concurrency: {compute.account_concurrency} less {reserved} reserved leaves {left}, "
                f"and Lambda wants {UNRESERVED_CONCURRENCY} unreserved: reserve "
                f"{max(compute.account_concurrency - UNRESERVED_CONCURRENCY, 0)} or less in all"
            )
        return self

    @model_validator(mode="after")
    def _entry_point_has_what_it_is_given(self) -> Self:
        throttle, grey = self.compute.throttle, self.edge.grey_failure
        if self.entry_point == "rest-api":
            if throttle is None:
                raise ValueError("compute.throttle: a REST API has one: give payments, lookups, health and heads")
            if grey.error_percent is None:
                raise ValueError("edge.grey_failure: a REST API tells the share of errors: give error_percent")
            if self.compute.load_balancer_log_days is not None:
                raise ValueError("compute.load_balancer_log_days: there is no load balancer: use null")
            return self
        if throttle is not None:
            raise ValueError("compute.throttle: a load balancer has none: use null, and reserve what functions may use")
        if self.compute.load_balancer_log_days is None:
            raise ValueError("compute.load_balancer_log_days: say how long the load balancers' access logs are kept")
        if grey.errors_a_minute is None:
            raise ValueError(
                "edge.grey_failure: a load balancer tells numbers, of which a health check cannot make a share: give "
                "errors_a_minute"
            )
        return self

    @model_validator(mode="after")
    def _a_key_can_exceed_its_rate(self) -> Self:
        """One client must not be able to take all that a region serves before its rate says so."""
        compute, rate = self.compute, self.edge.firewall.rate
        throttle = compute.throttle.payments if compute.throttle else None
        served = throttle.requests_per_second if throttle else compute.payment.requests_per_second()
        if served is not None and rate.requests > served * rate.window_seconds:
            what = "the throttle lets through" if throttle else "the payment function's reservation holds"
            most = served * rate.window_seconds
            raise ValueError(
                f"edge.firewall.rate.requests: {rate.requests} of one key in {rate.window_seconds} s are more than "
                f"the {most} that {what}, so it would take all before it is noticed: ask for {most} or less"
            )
        return self

    @model_validator(mode="after")
    def _objectives_are_reachable(self) -> Self:
        checks, dns = self.edge.checks.of_the_entry_point, self.edge.dns
        longest = worst(checks, dns)
        if longest.total > self.objectives.failover:
            raise ValueError(
                f"objectives.failover: {self.objectives.failover} s cannot be reached ({longest}): "
                f"{self._fitting(self.objectives.failover)}"
            )
        grey = GreyBound(self.edge.grey_failure.periods, dns)
        if grey.total > self.objectives.grey_failure:
            periods = grey.periods_within(self.objectives.grey_failure)
            fix = (
                f"edge.grey_failure.periods of {periods} or less fits"
                if periods
                else f"the least is {GreyBound(1, dns).total} s"
            )
            raise ValueError(
                f"objectives.grey_failure: {self.objectives.grey_failure} s cannot be reached ({grey}): {fix}"
            )
        for spent in self.spending():
            if not spent.in_a_year:
                percent = self.objectives.availability_percent
                raise ValueError(
                    f"objectives.availability_percent: {percent:g} % leaves {Allowance(percent).seconds(YEAR)} s a "
                    f"year, and one failure ({spent.failure}) may take {spent.promised} s: promise less"
                )
        for fault in (Fault.REFUSED, Fault.ERROR, Fault.HANG):
            found = bound(checks, dns, fault)
            if self.objectives.detection is not None and found.detection > self.objectives.detection:
                raise ValueError(
                    f"objectives.detection: {self.objectives.detection} s cannot be reached ({fault.label} takes "
                    f"{found.detection} s): lower edge.checks.fast.threshold or ask for {found.detection}"
                )
        return self

    @model_validator(mode="after")
    def _burning_can_be_told(self) -> Self:
        least = least_percent()
        for level in self.service_levels():
            if level.percent <= least:
                raise ValueError(
                    f"objectives.{level.name}_percent: {level.percent:g} % leaves a budget that no failure uses up as "
                    f"fast as an alarm must see: promise more than {float(least):.3g}"
                )
        return self

    @model_validator(mode="after")
    def _clients_can_go_back(self) -> Self:
        stop, timing, given = self.edge.checks.stop_switch, self.edge.latch_timing, self.edge.latch.grace_minutes
        back = stop.threshold * stop.interval + timing.returning
        if given * MINUTE < back:
            raise ValueError(
                f"edge.latch.grace_minutes: {given} min are less than the {back} s that clients need to go back after "
                f"a restoration, and their traffic is no failover: ask for {-(-back // MINUTE)} or more"
            )
        return self

    def _fitting(self, objective: int) -> str:
        """Values of edge.checks.fast and edge.ttl that keep the objective, the least eager for each TTL."""
        fits: dict[int, str] = {}
        for check, ttl in fitting_checks(objective, {*TTLS, self.edge.ttl}, self.edge.dns.propagation):
            fits.setdefault(ttl, f"interval {check.interval} threshold {check.threshold} with ttl {ttl}")
        if not fits:
            return "no health check of Route 53 is that quick, ask for more"
        nearest = sorted(fits, key=lambda ttl: (abs(ttl - self.edge.ttl), ttl))[:3]
        return "edge.checks.fast and edge.ttl that fit: " + ", ".join(fits[ttl] for ttl in nearest)


def environment_names(root: Path | None = None) -> list[str]:
    """Every environment of the checkout, sorted."""
    return sorted(path.stem for path in ((root or ROOT) / "environments").glob("*.yaml"))
