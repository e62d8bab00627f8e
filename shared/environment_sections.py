"""One section of the environment file for each layer.

Rules within a section live here, rules across sections in `shared.environment`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from shared.failover_time import PROBE_SPREAD, DnsTiming, HealthCheckTiming, LatchTiming
from shared.grey_failure import ByCount, ByShare, Detection
from shared.roles import ROLES, PerRole, Role

UNRESERVED_CONCURRENCY = 100
"""Lambda refuses a reservation that leaves the account less (PutFunctionConcurrency)."""

LONGEST_INTEGRATION = 29
"""Seconds that API Gateway waits for a function."""

LONGEST_AUDIT = 60
"""Seconds: a queue hides a message for six times as long as its function may take (Lambda Developer Guide)."""

SHORTEST_PAYMENT = 9
"""Seconds for slow answers of secret, table and card processor, and the write that must follow (lambdas/README.md)."""

SHORTEST_AUDIT = 20
"""Seconds: a sweep begins no payment that it might not finish, which can take ten."""

SUBNET_BITS = 4
"""A VPC is cut into 16 equal subnets, so that later tiers have room."""

FIRST_PUBLIC_SUBNET = 8
"""The second half of them is for subnets that the internet reaches."""


class StrictModel(BaseModel):
    """Frozen, and refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML takes yes, on and true for a truth, and Python a truth for 1. Only a field that says so is one."""
        is_one = info.field_name is not None and cls.model_fields[info.field_name].annotation is bool
        if isinstance(value, bool) and not is_one:
            raise ValueError("is a yes or no: put what is meant, a number as digits and text in quotation marks")
        return value


class Section(StrictModel):
    """The settings of one layer."""

    layer: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()
    """Other parts of the environment that the layer's programs read."""


def _vpc_sized(network: IPv4Network) -> IPv4Network:
    if not 16 <= network.prefixlen <= 24:
        raise ValueError(
            "a VPC here has between /16 and /24: its subnets take four bits more, and AWS allows /16 to /28"
        )
    if not network.is_private:
        raise ValueError(
            "addresses of the internet would be hidden by it: use 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
        )
    return network


Cidr = Annotated[IPv4Network, AfterValidator(_vpc_sized)]
Days = Annotated[int, Field(ge=1, le=3650)]
RegionName = Annotated[str, Field(pattern=r"^(us|eu|ap|ca|sa|af|me|il|mx)-(north|south|east|west|central)+-\d$")]


class Cidrs(StrictModel):
    """The address range of each region's VPC."""

    primary: Cidr
    secondary: Cidr

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        if self.primary.overlaps(self.secondary):
            raise ValueError(f"primary {self.primary} overlaps secondary {self.secondary}: choose disjoint ranges")
        return self

    def of(self, role: Role) -> IPv4Network:
        """The range in the region of `role`."""
        return PerRole(self.primary, self.secondary).of(role)


OLD_ZONE = "use1-az3"
"""Takes no network interfaces of Lambda, and lacks endpoints of several services."""


def _usable(zones: tuple[str, ...]) -> tuple[str, ...]:
    for zone in zones:
        if zones.count(zone) > 1:
            raise ValueError(f"{zone} is there twice: choose another")
        if zone == OLD_ZONE:
            raise ValueError(f"{zone} takes no functions: choose another")
    return zones


ZoneId = Annotated[str, Field(pattern=r"^[a-z]+\d-az\d$")]
ZoneIds = Annotated[tuple[ZoneId, ...], Field(min_length=2, max_length=4), AfterValidator(_usable)]


class Zones(StrictModel):
    """The availability zones of each region's subnets, by id: a zone's name differs from account to account."""

    primary: ZoneIds
    secondary: ZoneIds

    def of(self, role: Role) -> tuple[str, ...]:
        """The zones in the region of `role`."""
        return PerRole(self.primary, self.secondary).of(role)


EndpointService = Annotated[str, Field(pattern=r"^com\.amazonaws\.vpce\.[a-z0-9-]+\.vpce-svc-[0-9a-f]{17}$")]


class ProcessorServices(StrictModel):
    """The card processor's endpoint service in each region (PrivateLink), or null: reached by another way, or not."""

    primary: EndpointService | None
    secondary: EndpointService | None

    def of(self, role: Role) -> str | None:
        """The service in the region of `role`."""
        return PerRole(self.primary, self.secondary).of(role)


class NetworkSettings(Section):
    """A VPC in each region."""

    layer: ClassVar[str] = "network"

    cidrs: Cidrs
    zones: Zones
    processor_services: ProcessorServices
    traces: Literal["services", "endpoint"]

    def private_subnets(self, role: Role) -> dict[str, IPv4Network]:
        """A range for each availability zone's id."""
        return self._subnets(role, 0)

    def public_subnets(self, role: Role) -> dict[str, IPv4Network]:
        """A range for each availability zone's id, where a load balancer stands before the functions."""
        return self._subnets(role, FIRST_PUBLIC_SUBNET)

    def _subnets(self, role: Role, first: int) -> dict[str, IPv4Network]:
        ranges = list(self.cidrs.of(role).subnets(SUBNET_BITS))
        return dict(zip(self.zones.of(role), ranges[first:], strict=False))


class LockSettings(StrictModel):
    """How S3 Object Lock keeps every audit record of a production environment from being deleted or overwritten."""

    mode: Literal["governance", "compliance"]
    days: Days


class AuditSettings(StrictModel):
    """The life of an audit record, in days since it was written."""

    infrequent_access_days: Annotated[int, Field(ge=30, le=3650)]  # S3 moves nothing there earlier
    archive_days: Days
    old_version_days: Days
    access_log_days: Days
    lock: LockSettings

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.archive_days < self.infrequent_access_days + 30:
            raise ValueError(
                f"archive_days: {self.archive_days} is less than 30 days after infrequent_access_days "
                f"({self.infrequent_access_days}), which S3 refuses: use {self.infrequent_access_days + 30} or more"
            )
        return self


class DataSettings(Section):
    """The replicated table, the audit buckets, keys and secrets."""

    layer: ClassVar[str] = "data"

    consistency: Literal["strong", "eventual"]
    recovery_days: Annotated[int, Field(ge=1, le=35)]
    audit: AuditSettings

    @property
    def consistency_mode(self) -> Literal["MRSC", "MREC"]:
        """DynamoDB's word for it."""
        return "MRSC" if self.consistency == "strong" else "MREC"


class VaultLock(StrictModel):
    """How a vault keeps its copies. In compliance mode nobody changes that once its cooling-off period is over."""

    mode: Literal["governance", "compliance"]
    cooling_off_days: Annotated[int, Field(ge=3, le=36_500)]


class VaultSettings(Section):
    """The locked copy of the table outside both regions; made with `production: true`, where a region is named."""

    layer: ClassVar[str] = "vault"

    region: RegionName | None
    keep_days: Days
    hour: Annotated[int, Field(ge=0, le=23)]
    alarm_hours: Annotated[int, Field(ge=26, le=168)]  # copies are daily; CloudWatch looks back for a week at most
    lock: VaultLock


CHECKERS_AT_ONCE = 48
"""Requests: sixteen checkers of Route 53, uncoordinated, for each of three checks of a region."""

Executions = Annotated[int, Field(ge=1, le=1_000_000)]
"""At once, of a function or of an account."""


class FunctionCapacity(StrictModel):
    """What a Lambda function has: memory in MB, and reserved concurrent executions (null: unreserved)."""

    memory_mb: Annotated[int, Field(ge=128, le=10240)]
    reserved_concurrency: Executions | None


class FunctionSettings(FunctionCapacity):
    """One Lambda function with its timeout in seconds."""

    timeout: Annotated[int, Field(ge=1, le=900)]


class ApiFunctionSettings(FunctionSettings):
    """A function behind the API. `expected_seconds`: how long a request keeps it busy when all is well but slow.

    Lambda bills milliseconds: nothing is quicker.
    """

    expected_seconds: Annotated[float, Field(ge=0.001, le=LONGEST_INTEGRATION)]

    def requests_per_second(self) -> int | None:
        """What the reservation holds; None when nothing is reserved."""
        if self.reserved_concurrency is None:
            return None
        return math.floor(round(self.reserved_concurrency / self.expected_seconds, 6))


class MethodThrottle(StrictModel):
    """What one method of one region's API lets through before it answers 429: a bucket of `burst` tokens, refilled."""

    requests_per_second: Annotated[int, Field(ge=1, le=10_000)]
    burst: Annotated[int, Field(ge=1, le=5_000)]

    def under_way(self, seconds: float) -> int:
        """Requests at once, when each takes so long: a full bucket, and what is refilled meanwhile."""
        return self.burst + math.ceil(round(self.requests_per_second * seconds, 6))


class ThrottleSettings(StrictModel):
    """The throttle of each method: each has a bucket of its own, so no flood of one takes another's tokens.

    API Gateway applies them as targets rather than ceilings (Developer Guide, "Throttle requests to your REST APIs").
    """

    payments: MethodThrottle
    """POST /payment"""
    lookups: MethodThrottle
    """GET /payment/{paymentId}"""
    health: MethodThrottle
    """GET /health"""
    heads: MethodThrottle
    """HEAD of either, each by itself."""

    @model_validator(mode="after")
    def _checkers_are_let_in(self) -> Self:
        if self.health.burst < CHECKERS_AT_ONCE:
            raise ValueError(
                f"health.burst: {self.health.burst} is less than Route 53's checkers can ask at once: use "
                f"{CHECKERS_AT_ONCE} or more, or a region is unhealthy by its own throttle"
            )
        return self

    @property
    def total(self) -> MethodThrottle:
        """What all methods let through together."""
        each = (self.payments, self.lookups, self.health, self.heads, self.heads)
        return MethodThrottle(
            requests_per_second=sum(one.requests_per_second for one in each), burst=sum(one.burst for one in each)
        )


ProcessorName = Annotated[
    str, Field(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", max_length=253)
]


class ProcessorNames(StrictModel):
    """The card processor's https name for each region; one processor may have the same for both."""

    primary: ProcessorName
    secondary: ProcessorName

    def of(self, role: Role) -> str:
        """The name that the region of `role` opens payments with."""
        return PerRole(self.primary, self.secondary).of(role)


class WarmExecutions(StrictModel):
    """Executions of the payment function that are kept started in each region; 0 is none."""

    primary: Annotated[int, Field(ge=0, le=1_000_000)]
    secondary: Annotated[int, Field(ge=0, le=1_000_000)]

    def of(self, role: Role) -> int:
        """Those of the region of `role`."""
        return PerRole(self.primary, self.secondary).of(role)


CalledFunction = Literal["payment", "health"]
CALLED_BY: Mapping[CalledFunction, tuple[str, ...]] = {
    "payment": ("payments", "lookups", "heads"),
    "health": ("health", "heads"),
}
"""The methods of the throttle that call a function."""


class ComputeSettings(Section):
    """The functions and the API in front of them."""

    layer: ClassVar[str] = "compute"

    processor: ProcessorNames
    payment: ApiFunctionSettings
    health: ApiFunctionSettings
    audit: FunctionSettings
    warm: WarmExecutions
    account_concurrency: Executions
    sweep_minutes: Annotated[int, Field(ge=1, le=5)]  # observability alarms when none has come for ten minutes
    throttle: ThrottleSettings | None
    """None: a load balancer has none, so what the functions hold is what clients can have."""
    load_balancer_log_days: Days | None
    """None: a REST API writes its access log to a log group."""

    @model_validator(mode="after")
    def _callers_wait_long_enough(self) -> Self:
        for name, function in (("payment", self.payment), ("health", self.health)):
            if function.timeout >= LONGEST_INTEGRATION:
                raise ValueError(
                    f"{name}.timeout: {function.timeout} s is more than API Gateway waits: "
                    f"use {LONGEST_INTEGRATION - 1} or less"
                )
        if self.payment.timeout < SHORTEST_PAYMENT:
            raise ValueError(
                f"payment.timeout: {self.payment.timeout} s is less than a payment with slow answers takes: "
                f"use {SHORTEST_PAYMENT} or more"
            )
        if self.audit.timeout < SHORTEST_AUDIT:
            raise ValueError(
                f"audit.timeout: {self.audit.timeout} s is less than a sweep needs to finish a few payments: "
                f"use {SHORTEST_AUDIT} or more"
            )
        if self.audit.timeout > LONGEST_AUDIT:
            raise ValueError(
                f"audit.timeout: {self.audit.timeout} s is more than its queue waits for: use {LONGEST_AUDIT} or less"
            )
        return self

    @model_validator(mode="after")
    def _warm_executions_fit_twice(self) -> Self:
        """They are part of what is reserved; while a release is made, those of two versions are."""
        most, reserved = max(self.warm.of(role) for role in ROLES), self.payment.reserved_concurrency
        if most and (reserved is None or 2 * most > reserved):
            fix = f"use {reserved // 2} or less" if reserved else "reserve twice as many"
            raise ValueError(
                f"warm: {most} executions for each of two versions, while a release is made, are more than "
                f"payment.reserved_concurrency of {reserved}: {fix}"
            )
        return self

    @model_validator(mode="after")
    def _reservations_hold_the_throttle(self) -> Self:
        """What the API lets through must find a function: Lambda's refusal is a 500, and a client was promised 429."""
        for name, methods in CALLED_BY.items():
            function: ApiFunctionSettings = getattr(self, name)
            reserved, seconds, needed = function.reserved_concurrency, function.expected_seconds, self.under_way(name)
            if reserved is not None and needed is not None and reserved < needed:
                lower = " and ".join(f"throttle.{method}" for method in methods)
                raise ValueError(
                    f"{name}.reserved_concurrency: {reserved} is less than the {needed} requests of {seconds:g} s that "
                    f"the throttle lets be under way: reserve {needed}, or lower {lower}"
                )
        return self

    def under_way(self, function: CalledFunction) -> int | None:
        """Requests that the throttle lets be under way at once for a function; None where there is no throttle."""
        if self.throttle is None:
            return None
        settings: ApiFunctionSettings = getattr(self, function)
        called: list[MethodThrottle] = [getattr(self.throttle, method) for method in CALLED_BY[function]]
        return sum(method.under_way(settings.expected_seconds) for method in called)


class HealthCheckSettings(StrictModel):
    """A Route 53 health check: seconds between requests, and failures in a row until it is unhealthy."""

    interval: Literal[10, 30]
    threshold: Annotated[int, Field(ge=1, le=10)]

    def timing(self) -> HealthCheckTiming:
        """What the failover's time is computed from."""
        return HealthCheckTiming(self.interval, self.threshold)


class HealthChecksSettings(StrictModel):
    """The checks behind the primary's failover record."""

    standard: HealthCheckSettings
    fast: HealthCheckSettings
    stop_switch: HealthCheckSettings

    @property
    def of_the_entry_point(self) -> tuple[HealthCheckTiming, ...]:
        """Those that notice a fault by themselves; the fastest decides."""
        return (self.standard.timing(), self.fast.timing())


class GreyFailureSettings(StrictModel):
    """When answers alone take the primary out: the share of 5XX to payments, or their number, for minutes in a row.

    `lowest_payment_rate`: from so many payments a minute on their failure is noticed even if probes go through.
    """

    error_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    errors_a_minute: Annotated[int, Field(ge=1, le=1000)] | None = None
    periods: Annotated[int, Field(ge=1, le=10)]
    lowest_payment_rate: Annotated[int, Field(ge=1, le=30)]

    @property
    def detection(self) -> Detection:
        """What the promise is computed from."""
        if self.error_percent is not None:
            return ByShare(percent=self.error_percent, periods=self.periods)
        return ByCount(errors=self.errors_a_minute or 1, periods=self.periods)

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if (self.error_percent is None) == (self.errors_a_minute is None):
            raise ValueError(
                "error_percent (of a REST API's answers) or errors_a_minute (of a load balancer's): give one"
            )
        return self

    @model_validator(mode="after")
    def _noticed_at_that_rate(self) -> Self:
        lowest = self.detection.lowest_rate()
        if lowest is None or self.lowest_payment_rate < lowest:
            measure = "errors_a_minute" if self.error_percent is None else "error_percent"
            fix = f"ask for {lowest}" if lowest and lowest <= 30 else f"lower {measure}"
            found = f"noticed from {lowest} a minute on" if lowest else "never noticed"
            raise ValueError(
                f"lowest_payment_rate: {self.lowest_payment_rate} payments a minute that all fail beside "
                f"{self.detection.probe_payments} of green probes: {found}: {fix}"
            )
        return self


Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


ParameterName = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_.-]+)+$", max_length=1011)]


class LatchSettings(StrictModel):
    """What makes a failover last until somebody restores the primary. Probes are made once a minute.

    `failed_probes` of the last `probes`, over two minutes or more; or `clients` source addresses at the secondary for
    longer than their way back takes; or a second failover within `again_minutes`. Not within `grace_minutes` of a
    restoration, in which clients go back.
    """

    failed_probes: Annotated[int, Field(ge=2, le=10)]
    probes: Annotated[int, Field(gt=PROBE_SPREAD, le=20)]
    clients: Annotated[int, Field(ge=2, le=10_000)]
    again_minutes: Annotated[int, Field(ge=5, le=120)]
    grace_minutes: Annotated[int, Field(ge=1, le=60)]

    @model_validator(mode="after")
    def _some_may_pass(self) -> Self:
        if self.failed_probes > self.probes:
            raise ValueError(
                f"failed_probes: {self.failed_probes} of {self.probes} probes cannot fail: ask for {self.probes} "
                "or less"
            )
        return self


Operator = Annotated[str, Field(pattern=r"^(role|user)/[A-Za-z0-9_+=,.@*/-]{1,576}$")]
"""A principal of the account as its ARN ends; `*` in it stands for anything, as names of SSO's roles end by chance."""


class OperationsSettings(StrictModel):
    """Who may take on the role that moves clients, and what they say with it."""

    operators: Annotated[tuple[Operator, ...], Field(min_length=1)]
    external_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$")]
    """No secret: AWS shows it to whoever may read the role (IAM User Guide, "The confused deputy problem")."""
    mfa: bool
    """Whether they must also have shown a second factor. Roles cannot: whoever takes one on leaves his behind.

    Source: IAM User Guide, "AWS global condition context keys", aws:MultiFactorAuthPresent.
    """

    @model_validator(mode="after")
    def _can_show_a_second_factor(self) -> Self:
        roles = [each for each in self.operators if not each.startswith("user/")]
        if self.mfa and roles:
            raise ValueError(
                f"mfa: true, and {roles[0]} is a role, whose sessions show no second factor to IAM: name users, or "
                "say false and ask for it where they sign in"
            )
        return self


class PropagationSettings(StrictModel):
    """From a health check's status to what all name servers answer: AWS gives no figure, so this says whose it is."""

    seconds: Annotated[int, Field(ge=0, le=300)]
    source: Annotated[str, Field(pattern=r"^(https://\S+|measured: \S.*|assumed: \S.*)$")]
    """Where it is published; or `measured: how`, or `assumed: why`."""

    @property
    def is_assumed(self) -> bool:
        """Whether nobody has measured or published it."""
        return self.source.startswith("assumed:")


Mode = Literal["count", "block"]
"""What becomes of a request that a rule of AWS WAF finds: let through and counted, or refused."""


class RateSettings(StrictModel):
    """What one API key may send to a region: `requests` within the window, in seconds."""

    mode: Mode
    requests: Annotated[int, Field(ge=100, le=2_000_000_000)]  # the probes and canaries of both regions send fewer
    window_seconds: Literal[60, 120, 300, 600]


class FirewallSettings(StrictModel):
    """What AWS WAF does with what AWS's managed rules find, and with a key that sends too much."""

    managed: Mode
    rate: RateSettings


ZoneIdentifier = Annotated[str, Field(pattern=r"^Z[A-Z0-9]{1,31}$")]
"""Of a hosted zone, as Route 53 gives it."""


class EdgeSettings(Section):
    """DNS, failover and notifications."""

    layer: ClassVar[str] = "edge"

    zone_id: ZoneIdentifier | None = None
    """A hosted zone that is there, in place of a new one."""
    parent_zone_id: ZoneIdentifier | None = None
    ttl: Annotated[int, Field(ge=1, le=300)]
    propagation: PropagationSettings
    checks: HealthChecksSettings
    grey_failure: GreyFailureSettings
    failback: Literal["manual", "automatic"]
    latch: LatchSettings
    failover_control: FunctionCapacity
    """Of the function that latches a failover, in the secondary. Its executions are its own, whatever the API takes."""
    firewall: FirewallSettings
    operations: OperationsSettings
    emails: tuple[Email, ...]
    pager: ParameterName | None
    """The SSM parameter of each region that holds the pager's https address, which is a secret."""

    @model_validator(mode="after")
    def _only_a_new_zone_is_delegated(self) -> Self:
        if self.zone_id and self.parent_zone_id:
            raise ValueError(
                f"parent_zone_id: {self.parent_zone_id} would delegate a new zone, and zone_id names {self.zone_id}, "
                "which is there: set one of them to null"
            )
        return self

    @property
    def dns(self) -> DnsTiming:
        """What DNS takes to move clients."""
        return DnsTiming(self.ttl, self.propagation.seconds)

    @property
    def latch_timing(self) -> LatchTiming:
        """Which outages last."""
        return LatchTiming(self.checks.of_the_entry_point, self.dns)

    @property
    def latch_rule(self) -> Mapping[str, int] | None:
        """What the function that latches is given: see lambdas/failover_control/rule.py. Durations in minutes.

        None: clients go back by themselves.
        """
        if self.failback == "automatic":
            return None
        return {
            "failed": self.latch.failed_probes,
            "probes": self.latch.probes,
            "spread": PROBE_SPREAD,
            "clients": self.latch.clients,
            "lasting": self.latch_timing.lasting,
            "again": self.latch.again_minutes,
            "grace": self.latch.grace_minutes,
        }


class ObservabilitySettings(Section):
    """The canary, and thresholds of the alarms."""

    layer: ClassVar[str] = "observability"
    reads: ClassVar[tuple[str, ...]] = ("objectives",)

    canary: FunctionCapacity
    """Of the function that pays in both regions every minute."""
    latency_ms: Annotated[int, Field(ge=1)]
    least_failures: Annotated[int, Field(ge=1, le=1000)]
    """So many bad payments in its long window tell nobody that a budget burns, however few payments there are."""
    error_percent: Annotated[float, Field(gt=0, le=100)]
    errors: Annotated[int, Field(ge=0)]
    health_latency_ms: Annotated[int, Field(ge=1)]
    replication_minutes: Annotated[int, Field(ge=1)]
    table_replication_seconds: Annotated[int, Field(ge=1)]
    unfinished_minutes: Annotated[int, Field(ge=5)]
