"""How things stand, on one screen: each row is asked for by itself, and is `unknown` when its answer is late.

Nothing here needs the primary or us-east-1: what only they can tell (health checks, whose metrics are kept in us-east-1
alone, and the primary's own figures) is a row that may stay unknown. A row names where it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from orchestration import report
from orchestration.answers import answers_of
from orchestration.fence import PrimaryFence
from orchestration.lever import Lever
from orchestration.metrics import MINUTE, metric_values
from orchestration.operator import Acting, act_by_either, as_oneself
from orchestration.questions import Once, Question, Unanswered, answered
from orchestration.reach import reach
from shared import grey_failure, naming
from shared.columns import columns
from shared.environment import Environment
from shared.errors import Problem
from shared.failover_time import Allowance
from shared.roles import PRIMARY, ROLES, SECONDARY, Role
from shared.root import ROOT

if TYPE_CHECKING:
    from orchestration.choice import Choice
    from orchestration.reach import Reach

DEADLINE: Final = 5.0
"""Seconds that a row may take, from the beginning on: all are asked for at once."""
ANOTHER_STS: Final = 0.3
NO_STS: Final = 0.6
"""Of the deadline: when another region's STS is asked as well, and when rows are asked for without the role."""
HEALTH_CHECK_REGION: Final = "us-east-1"
"""Route 53's API and its metrics are there and nowhere else."""
TAGGED_AT_ONCE: Final = 10
"""Of how many resources Route 53 tells the tags at once (ListTagsForResources): it answers an account's requests five
a second.
"""
BACK: Final = timedelta(hours=3)
"""How far back a beginning is looked for."""
RECENTLY: Final = timedelta(minutes=5)
GATE: Final = "gate"
CHECKS: Final[Mapping[str, Role]] = {
    GATE: PRIMARY,
    "standard": PRIMARY,
    "fast": PRIMARY,
    "stop-switch": SECONDARY,
}
"""The gate and what it is made of beside the checks of answers, as their names end, with the region that names them."""


def situation(choice: Choice, *, deadline: float = DEADLINE) -> int:
    """Print it. Returns 1 when a row is unknown: then something is out, or may not be asked."""
    settings = Environment.load(choice.environment, ROOT)
    place = reach(choice.target, report.tell)
    rows = answered(_Asker(settings, place, deadline).questions(), deadline)
    if choice.json:
        report.print_json([asdict(row) for row in rows])
    else:
        print("\n".join(columns((row.what, row.asked, row.said) for row in rows)))
    return 0 if all(row.known for row in rows) else 1


class _Asker:
    """The questions of one environment."""

    def __init__(self, settings: Environment, place: Reach, deadline: float) -> None:
        self._settings = settings
        self._place = place
        self._deadline = deadline
        self._acting: Callable[[], Acting] = Once(self._act)
        self._checks: Callable[[], Mapping[str, str]] = Once(self._list_checks)
        self._names = settings.foundation().names
        self._parts = {**CHECKS, **dict.fromkeys(grey_failure.CHECKS[settings.entry_point], PRIMARY)}

    def questions(self) -> list[Question]:
        """In the order in which somebody on call reads them."""
        secondary = self._settings.region(SECONDARY)
        return [
            Question("stop switch", secondary, self._switch),
            Question("fence", f"{secondary} or {self._settings.region(PRIMARY)}", self._fence),
            *self._of_each("clients", self._clients),
            Question(GATE, HEALTH_CHECK_REGION, lambda: self._check(GATE)),
            *(
                Question(f"{GATE}: {name}", HEALTH_CHECK_REGION, lambda name=name: self._check(name))  # type: ignore[misc]
                for name in self._parts
                if name != GATE
            ),
            *self._of_each("alarms", self._alarms),
            *self._of_each("unfinished payments", self._unfinished),
            *self._lags(),
            *self._of_each("budget", self._budget),
        ]

    def _of_each(self, what: str, ask: Callable[[Role], str]) -> Iterator[Question]:
        """The secondary first: it is what answers when it matters."""
        for role in reversed(ROLES):
            yield Question(f"{what}, {role}", self._settings.region(role), lambda role=role: ask(role))  # type: ignore[misc]

    def _act(self) -> Acting:
        """Under the role by any STS, or else as whoever asks: a row needs what it asks, not the secondary's STS."""
        patience, deadline = self._deadline * ANOTHER_STS, self._deadline * NO_STS
        found = act_by_either(self._settings, self._place, report.tell, patience, deadline)
        if isinstance(found, Unanswered):
            report.tell(f"{found.why}: going on without the operations role")
            return Acting(as_oneself(self._place), "", "", under_the_role=False)
        return found

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._place.now(), UTC)

    def _switch(self) -> str:
        acting = self._acting()
        if not acting.account:
            raise Problem("no STS tells the account, which is a part of the switch's name")
        stopped, since = Lever.of(self._settings, acting.aws, acting.account).standing()
        words = "keeps the primary out" if stopped else "lets the primary serve"
        return f"{words}, since {_at(since)}" if since else words

    def _fence(self) -> str:
        found = PrimaryFence.of(self._settings, self._acting().aws).standing()
        if found is None:
            return "none: the primary takes payments"
        if found.is_over(self._place.now()):
            return f"over since {_at(found.end)}: the primary takes payments"
        return f"the primary refuses new payments {found}"

    def _clients(self, role: Role) -> str:
        values = self._own(role, "FailoverTraffic", "Sum", self._now() - BACK)
        seen = sorted(at for at, value in values.items() if value)
        if not seen:
            return f"none by the shared name in {BACK.total_seconds() / 3600:g} h"
        begun = seen[-1]
        for at in reversed(seen):
            if begun - at > RECENTLY:
                break
            begun = at
        if self._now() - seen[-1] > RECENTLY:
            return f"none since {_at(seen[-1])}"
        edge = "or earlier " if begun <= self._now() - BACK + RECENTLY else ""
        return f"serves them since {_at(begun)} {edge}({values[seen[-1]]:g} requests in the last full minute)"

    def _list_checks(self) -> Mapping[str, str]:
        """Health checks by what they watch, as their names end."""
        route53 = self._acting().aws.client("route53", HEALTH_CHECK_REGION)
        listed = [
            each["Id"]
            for page in route53.get_paginator("list_health_checks").paginate()
            for each in page["HealthChecks"]
        ]
        named = {self._names.of(naming.HEALTH_CHECK, role, tail=f"-{what}"): what for what, role in self._parts.items()}
        found: dict[str, str] = {}
        for first in range(0, len(listed), TAGGED_AT_ONCE):
            told = route53.list_tags_for_resources(
                ResourceType="healthcheck", ResourceIds=listed[first : first + TAGGED_AT_ONCE]
            )
            for tagged in told["ResourceTagSets"]:
                tags = {each["Key"]: each["Value"] for each in tagged["Tags"]}
                if (what := named.get(tags.get("Name", ""))) is not None:
                    found[what] = tagged["ResourceId"]
            if len(found) == len(self._parts):
                break
        if not found:
            raise Problem(f"no health check is named {next(iter(named))}: run ./invoke deploy-all")
        return found

    def _check(self, what: str) -> str:
        identity = self._checks().get(what)
        if identity is None:
            raise Problem("it is not declared")
        metric = {"Namespace": "AWS/Route53", "MetricName": "HealthCheckStatus"}
        dimensions = {"HealthCheckId": identity}
        values = self._values(HEALTH_CHECK_REGION, metric, dimensions, "Minimum", self._now() - BACK)
        if not values:
            raise Problem("its metric has no data")
        newest = max(values)
        since = newest
        for at in sorted(values, reverse=True):
            if bool(values[at]) != bool(values[newest]):
                break
            since = at
        words = "healthy" if values[newest] else "UNHEALTHY"
        return f"{words} since {_at(since)}{' or earlier' if since == min(values) else ''}"

    def _alarms(self, role: Role) -> str:
        cloudwatch = self._acting().aws.client("cloudwatch", self._settings.region(role))
        pages = cloudwatch.get_paginator("describe_alarms").paginate(
            StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        ending = f"-{self._settings.suffix}"
        names = sorted(
            f"{each['AlarmName']} since {_at(each['StateUpdatedTimestamp'])}"
            for page in pages
            for kind in ("MetricAlarms", "CompositeAlarms")
            for each in page.get(kind, ())
            if each["AlarmName"].endswith(ending)
        )
        return "; ".join(names) or "none in ALARM"

    def _unfinished(self, role: Role) -> str:
        values = self._own(role, "OldestUnfinished", "Maximum", self._now() - BACK)
        if not values:
            raise Problem("nobody has looked for them: the metric OldestUnfinished has no data")
        newest = max(values)
        asked = self._own(role, "PaymentsUnknown", "Sum", self._now() - BACK)
        told = f"{sum(asked.values()):g} requests told to wait in {BACK.total_seconds() / 3600:g} h"
        oldest = f"the oldest is {values[newest]:g} s old" if values[newest] else "none"
        return f"{oldest}, at {_at(newest)}; {told}"

    def _lags(self) -> Iterator[Question]:
        if self._settings.data.consistency == "eventual":
            yield from self._of_each("table's lag", self._lag)
        else:
            said = "none: a write is in two regions before it is acknowledged (MRSC)"
            yield Question("table's lag", "environment", lambda: said)

    def _lag(self, role: Role) -> str:
        peer = self._settings.region(PRIMARY if role == SECONDARY else SECONDARY)
        metric = {"Namespace": "AWS/DynamoDB", "MetricName": "ReplicationLatency"}
        dimensions = {"TableName": self._names.of(naming.PAYMENTS_TABLE), "ReceivingRegion": peer}
        values = self._values(self._settings.region(role), metric, dimensions, "Maximum", self._now() - BACK)
        if not values:
            return f"nothing was written here for {peer}"
        return f"{values[max(values)]:g} ms to {peer}, at {_at(max(values))}"

    def _budget(self, role: Role) -> str:
        """What the month's answers have left of what the availability allows: by answers, not by time."""
        begin = self._now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        region, day = self._settings.region(role), 24 * 60 * MINUTE
        answers = answers_of(self._settings, role, lambda service: self._acting().aws.client(service, region))
        count, failed = (
            sum(
                sum(self._values(region, metric, answers.dimensions, "Sum", begin, period=day).values())
                for metric in metrics
            )
            for metrics in (answers.all, answers.failed)
        )
        allowed = count * (100 - self._settings.objectives.availability_percent) / 100
        month = Allowance(self._settings.objectives.availability_percent).seconds(30 * 24 * 60 * MINUTE)
        used = f"{failed / allowed * 100:.0f} % of the allowed failures used" if allowed else "no payment was asked for"
        return f"{failed:g} of {count:g} payments failed this month: {used} ({month} s of a month)"

    def _own(self, role: Role, name: str, statistic: str, begin: datetime) -> dict[datetime, float]:
        """A metric that the functions of a region report."""
        dimensions = {"Environment": self._settings.name, "Suffix": self._settings.suffix, "Role": role}
        metric = {"Namespace": "Payments", "MetricName": name}
        return self._values(self._settings.region(role), metric, dimensions, statistic, begin)

    def _values(
        self,
        region: str,
        metric: Mapping[str, str],
        dimensions: Mapping[str, str],
        statistic: str,
        begin: datetime,
        *,
        period: int = MINUTE,
    ) -> dict[datetime, float]:
        cloudwatch = self._acting().aws.client("cloudwatch", region)
        return metric_values(cloudwatch, metric, dimensions, statistic, (begin, self._now()), period=period)


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
