"""What each setting costs in money and gains in time: the same month with one thing changed.

What the environment file can say is changed there, and the programs run again. What no setting says is changed in what
they declare.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.declared import DeclaredResource
from orchestration.cost.inventory import Item, inventory
from orchestration.cost.meters.watching import METRIC_ALARM
from orchestration.cost.month import FUNCTION, HEALTH_CHECK, STAGE, SYNTHETICS, Month, folder
from shared.environment import Environment
from shared.failover_time import GreyBound, HealthCheckTiming, worst
from shared.naming import short_region
from shared.roles import ROLES, Role

ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
TABLE = "aws:dynamodb/table:Table"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
WEB_ACL = "aws:wafv2/webAcl:WebAcl"
PROVISIONED = "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig"

FEWEST_CHECKER_REGIONS = ["us-east-1", "us-west-1", "us-west-2"]
"""Route 53 takes three regions at least."""
KEPT_READY = 10
DAYS_KEPT = 90
SAMPLE_SERVICE = "com.amazonaws.vpce.{region}.vpce-svc-0123456789abcdef0"
NO_PROMISE = {
    "availability_percent": 94.0,
    "latency_percent": 94.0,
    "failover": 100_000,
    "grey_failure": 100_000,
    "detection": None,
}
"""So that an environment loads that would break its promises: the table says by how much."""

Change = Callable[[Item], Item | None]


@dataclass(frozen=True)
class Alternative:
    """A month as it would be. `checks`: those that take the primary out."""

    setting: str
    instead: str
    month: Month
    checks: tuple[HealthCheckTiming, ...]
    note: str

    @property
    def failover(self) -> int:
        """Seconds that a failover takes at most, whatever the fault."""
        return worst(self.checks, self.month.environment.edge.dns).total

    @property
    def grey_failure(self) -> int:
        """Seconds, when health is green and payments fail."""
        edge = self.month.environment.edge
        return GreyBound(edge.grey_failure.periods, edge.dns).total


def as_it_is(month: Month) -> Alternative:
    """The environment itself, to compare with."""
    return Alternative("as it is", "", month, month.environment.edge.checks.of_the_entry_point, "")


def alternatives(month: Month) -> list[Alternative]:
    """Each with one thing changed, by layer."""
    return [*_checks(month), *_dns(month), *_network(month), *_data(month), *_compute(month), *_observability(month)]


def _set(month: Month, setting: str, value: Any, note: str, instead: str = "", **more: Any) -> Alternative:
    """With another value in the environment file. `more`: what must change with it, as `section__field`."""
    values = month.environment.model_dump(mode="json")
    values["objectives"] = NO_PROMISE
    for path, each in {setting: value, **{key.replace("__", "."): other for key, other in more.items()}}.items():
        _put(values, path.split("."), each)
    changed = Environment.model_validate(values)
    found = Month(changed, inventory(changed, month.inventory), month.load)
    said = instead or (f"{value:g}" if isinstance(value, float) else str(value))
    return Alternative(setting, said, found, changed.edge.checks.of_the_entry_point, note)


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        values = values[name]
    values[path[-1]] = value


def _declared(month: Month, setting: str, instead: str, note: str, change: Change) -> Alternative:
    """With something else declared, which no setting says."""
    found = dataclasses.replace(month, inventory=month.inventory.changed(change))
    return Alternative(setting, instead, found, month.environment.edge.checks.of_the_entry_point, note)


def _only(kind: str, change: Change) -> Change:
    return lambda item: change(item) if item.type == kind else item


def _checks(month: Month) -> Iterator[Alternative]:
    checks = month.environment.edge.checks
    without = _only(HEALTH_CHECK, lambda check: None if check.resource.name.endswith("-fast") else check)
    alone = _declared(month, "fast check", "none", "the standard check decides alone", without)
    yield dataclasses.replace(alone, checks=(checks.standard.timing(),))
    for name in ("standard", "fast"):
        given = getattr(checks, name).interval
        instead = 30 if given == 10 else 10
        yield _set(month, f"edge.checks.{name}.interval", instead, "of the checks that ask, the quickest decides")
    yield _declared(
        month,
        "regions of the checkers",
        "3 in place of 8",
        "no time; each checker counts more, and fewer parts of the internet",
        _only(HEALTH_CHECK, lambda check: check.given(regions=FEWEST_CHECKER_REGIONS) if check.get("fqdn") else check),
    )
    periods = month.environment.edge.grey_failure.periods
    yield _set(
        month,
        "edge.grey_failure.periods",
        1 if periods > 1 else 2,
        "one bad minute is enough" if periods > 1 else "a minute that is bad by chance takes nobody out",
    )


def _dns(month: Month) -> Iterator[Alternative]:
    now = month.environment.edge.ttl
    for ttl in sorted({10, 30, 60} - {now}):
        yield _set(month, "edge.ttl", ttl, "resolvers ask more often" if ttl < now else "resolvers ask less often")


def _network(month: Month) -> Iterator[Alternative]:
    def one_zone(endpoint: Item) -> Item:
        subnets = endpoint.get("subnetIds")
        return endpoint.given(subnetIds=subnets[:1]) if subnets else endpoint

    zones, regions = month.environment.network.zones, month.environment.regions

    def one_more(role: Role) -> list[str]:
        prefix = short_region(month.environment.region(role))
        free = (f"{prefix}-az{number}" for number in (1, 2, 4, 5, 6) if f"{prefix}-az{number}" not in zones.of(role))
        return [*zones.of(role), next(free)]

    yield _declared(
        month,
        "zones of the endpoints",
        "one in each region",
        "a zone that is out takes its region out: a failover in place of none",
        _only(ENDPOINT, one_zone),
    )
    if all(len(zones.of(role)) < 4 for role in ROLES):
        more = {role: one_more(role) for role in ROLES}
        yield _set(month, "network.zones", more, "two zones may be out", "one more in each region")
    services = month.environment.network.processor_services
    if services.primary is None and services.secondary is None:
        given = {role: SAMPLE_SERVICE.format(region=getattr(regions, role)) for role in ROLES}
        note = "the card processor is reached; traffic to it is left out"
        yield _set(month, "network.processor_services", given, note, "PrivateLink in both regions")


def _data(month: Month) -> Iterator[Alternative]:
    if month.environment.data.consistency == "strong":
        processor = month.environment.compute.processor.primary
        note = "RPO above 0: the last seconds can be lost; DynamoDB charges the same"
        yield _set(month, "data.consistency", "eventual", note, compute__processor=dict.fromkeys(ROLES, processor))
    yield _declared(
        month,
        "point-in-time recovery",
        "none",
        "what is deleted or overwritten by mistake is gone",
        _only(TABLE, _without_recovery),
    )
    yield _declared(
        month,
        "S3 replication time control",
        "none",
        "audit records arrive when they do, and no metric says how late",
        _only(REPLICATION, _without_control),
    )


def _without_recovery(table: Item) -> Item:
    replicas = [{**each, "pointInTimeRecovery": False} for each in table.get("replicas", ())]
    return table.given(pointInTimeRecovery=None, replicas=replicas)


def _without_control(replication: Item) -> Item:
    rules = [
        {**rule, "destination": {**rule["destination"], "replicationTime": None, "metrics": None}}
        for rule in replication["rules"]
    ]
    return replication.given(rules=rules)


def _compute(month: Month) -> Iterator[Alternative]:
    memory = month.environment.compute.payment.memory_mb
    yield _set(month, "compute.payment.memory_mb", 2 * memory, "twice the processor, for the same time counted here")
    payment = [each for each in month.inventory.of(FUNCTION) if folder(each) == "payment"]
    kept = [
        _beside(each, PROVISIONED, functionName=each["name"], provisionedConcurrentExecutions=KEPT_READY)
        for each in payment
    ]
    yield _with(month, "provisioned concurrency", f"{KEPT_READY} in each region", "no cold starts in a failover", kept)
    if not any(month.inventory.of(WEB_ACL)):
        acls = [_beside(each, WEB_ACL, rules=[{}] * 4) for each in payment]
        yield _with(month, "web ACL", "four rules in each region", "attacks that AWS knows are refused", acls)


def _beside(item: Item, kind: str, **inputs: Any) -> Item:
    """Another resource in the place of `item`."""
    return dataclasses.replace(
        item, resource=DeclaredResource(kind, item.resource.name, inputs, item.resource.provider)
    )


def _with(month: Month, setting: str, instead: str, note: str, more: list[Item]) -> Alternative:
    found = dataclasses.replace(month, inventory=month.inventory.with_more(more))
    return Alternative(setting, instead, found, month.environment.edge.checks.of_the_entry_point, note)


def _observability(month: Month) -> Iterator[Alternative]:
    for every, note in (
        ("1 minute", "an outage shows sooner; DNS does not follow these"),
        ("15 minutes", "an outage shows later"),
    ):
        yield _declared(month, "Synthetics' canaries", f"every {every}", note, _only(SYNTHETICS, _runs(every)))
    yield _declared(month, "X-Ray", "off", "no traces to look for the slow part in", _untraced)
    yield _declared(month, "alarms", "none", "nobody is told, and no grey failure moves clients", _without_alarms)
    longer = _only(LOG_GROUP, lambda group: group.given(retentionInDays=DAYS_KEPT))
    yield _declared(month, "log retention", f"{DAYS_KEPT} days", "what happened can be looked up for longer", longer)


def _runs(every: str) -> Change:
    return lambda canary: canary.given(schedule={"expression": f"rate({every})"})


def _untraced(item: Item) -> Item:
    if item.type == STAGE:
        return item.given(xrayTracingEnabled=False)
    return item.given(tracingConfig=None) if item.type == FUNCTION else item


def _without_alarms(item: Item) -> Item | None:
    return None if item.type in {METRIC_ALARM, "aws:cloudwatch/compositeAlarm:CompositeAlarm"} else item
