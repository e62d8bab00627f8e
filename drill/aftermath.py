"""The evidence of a real failover: what health checks, alarms, people, the switch and the books have of a window.

Each source is asked by itself, in its own region and with a deadline: a region may still be out, and then what it would
have told is `unknown`, and the rest is gathered all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from drill import reading
from drill.reconcile import Reconciliation, examine
from orchestration.aws import account_id, asked
from orchestration.filed import filed
from orchestration.lever import Lever
from orchestration.questions import UNKNOWN, Question, answered
from orchestration.situation import HEALTH_CHECK_REGION
from orchestration.target import health_checks
from shared import naming, stop_switch
from shared.failover_time import MINUTE
from shared.roles import ROLES, SECONDARY, Role

if TYPE_CHECKING:
    from orchestration.target import Target
    from shared.environment import Environment

WITHIN: Final = 60.0
"""Seconds that all sources together may take: they are asked at once."""
ALARM_TYPES: Final = ["MetricAlarm", "CompositeAlarm"]
"""Both, by name: without AWS tells of the first alone, and a rule with two parts tells people by the second."""
DAY: Final = 86400.0
ALARMS_KEPT, EVENTS_KEPT = 14, 90
"""Days for which CloudWatch keeps alarms' history for certain, and CloudTrail events that no trail gets."""
PERIODS_KEPT: Final = ((14.9, MINUTE), (62.9, 5 * MINUTE))
"""Days for which CloudWatch keeps a metric's values by the minute and by 5 minutes, and something to spare."""
MOST: Final = 1000
"""Notifications of one region that are read."""


@dataclass(frozen=True)
class Gathered:
    """What one source had: a value for JSON, or why it is unknown."""

    name: str
    asked: str
    value: Any = None
    unknown: str = ""
    partly: str = ""
    """Why there may have been more than is told."""

    @property
    def entries(self) -> str:
        """How much there is, for people."""
        if self.unknown:
            return self.unknown
        told = f"{len(self.value)} entries" if isinstance(self.value, list | dict) else "there"
        return f"{told}, in part: {self.partly}" if self.partly else told

    @property
    def missing(self) -> str:
        """Why all or some of it is not known."""
        return self.unknown or self.partly


@dataclass(frozen=True)
class Window:
    """From when to when, in seconds since 1970."""

    since: float
    until: float

    @property
    def age(self) -> float:
        """Seconds from its beginning to its end, which is when the sources are asked."""
        return self.until - self.since

    @property
    def period(self) -> int:
        """Seconds of the finest period of which its metrics are kept."""
        return period_of(self.age)

    @property
    def first_period(self) -> float:
        """When the period begins in which it does."""
        return self.since // self.period * self.period

    @property
    def dates(self) -> tuple[datetime, datetime]:
        """As the SDK wants them."""
        return datetime.fromtimestamp(self.since, UTC), datetime.fromtimestamp(self.until, UTC)


def period_of(age: float) -> int:
    """The finest period, in seconds, of which CloudWatch still has what is so old: of others it tells nothing."""
    return next((seconds for days, seconds in PERIODS_KEPT if age < days * DAY), 3600)


class Aftermath:
    """The sources of one environment and window."""

    def __init__(self, target: Target, environment: Environment, window: Window) -> None:
        self._target = target
        self._environment = environment
        self._window = window
        self._where = reading.places(target, environment)
        self._found: dict[str, Any] = {}
        self._partly: dict[str, str] = {}

    def gather(self, deadline: float = WITHIN) -> list[Gathered]:
        """Ask all sources at once; in their order."""
        sources = list(self._sources())
        rows = answered(
            [Question(name, region, partial(self._keep, name, ask)) for name, region, ask in sources], deadline
        )
        return [
            Gathered(row.what, row.asked, self._found.get(row.what), partly=self._partly.get(row.what, ""))
            if row.known
            else Gathered(row.what, row.asked, unknown=row.said.removeprefix(f"{UNKNOWN}: "))
            for row in rows
        ]

    def _keep(self, name: str, ask: Callable[[], Any]) -> str:
        self._found[name] = ask()
        return ""

    def _sources(self) -> Iterator[tuple[str, str, Callable[[], Any]]]:
        secondary = self._environment.region(SECONDARY)
        yield "health", HEALTH_CHECK_REGION, self._health
        yield "switch", secondary, self._switch
        for role in reversed(ROLES):
            region = self._environment.region(role)
            yield f"alarms-{role}", region, partial(self._alarms, role)
            yield f"notifications-{role}", region, partial(self._notifications, role)
            yield f"who-{role}", region, partial(self._who, role)
        yield "books", "both regions", self._books

    def _health(self) -> dict[str, list[tuple[str, float]]]:
        """Each health check's status by the minute: 1 while it was healthy, 0 where it was not in a moment of it.

        Of a window that begins long ago by 5 minutes, or by the hour: AWS keeps nothing finer.
        """
        ids = health_checks(self._target, self._environment.name)
        client = self._where.aws.client("cloudwatch", HEALTH_CHECK_REGION)
        begin, end = self._window.dates
        period = self._window.period
        begin = datetime.fromtimestamp(self._window.first_period - period, UTC)
        queries = [
            {
                "Id": f"m{number}",
                "Label": name,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Route53",
                        "MetricName": "HealthCheckStatus",
                        "Dimensions": [{"Name": "HealthCheckId", "Value": identifier}],
                    },
                    "Period": period,
                    "Stat": "Minimum",
                },
            }
            for number, (name, identifier) in enumerate(sorted(ids.items()))
        ]
        pages = client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=begin, EndTime=end, ScanBy="TimestampAscending"
        )
        found: dict[str, list[tuple[str, float]]] = {name: [] for name in sorted(ids)}
        for page in asked(lambda: list(pages), "read the health checks' metrics", HEALTH_CHECK_REGION):
            for result in page["MetricDataResults"]:
                points = zip(result["Timestamps"], result["Values"], strict=True)
                found[result["Label"]] += [(_text(at), float(value)) for at, value in points]
        return found

    def _switch(self) -> list[dict[str, str]]:
        """Every version of the stop switch, the newest first; what it said before the window tells how that began."""
        region = self._environment.region(SECONDARY)
        account = account_id(self._where.aws, region)
        bucket = Lever.of(self._environment, self._where.aws, account).bucket
        client = self._where.aws.client("s3", region)
        place = {"Bucket": bucket, "ExpectedBucketOwner": account}
        pages = client.get_paginator("list_object_versions").paginate(**place, Prefix=stop_switch.KEY)
        return [
            {
                "version": each["VersionId"],
                "at": _text(each["LastModified"]),
                "says": self._said(client, place, each, region),
            }
            for page in asked(lambda: list(pages), "list the switch", region)
            for each in page.get("Versions", ())
            if each["Key"] == stop_switch.KEY
        ]

    @staticmethod
    def _said(client: Any, place: Mapping[str, str], version: Mapping[str, Any], region: str) -> str:
        ask = partial(client.get_object, **place, Key=stop_switch.KEY, VersionId=version["VersionId"])
        answer = asked(ask, "read the switch", region)
        return str(answer["Body"].read(stop_switch.SEARCHED_BYTES).decode(errors="replace"))

    def _alarms(self, role: Role) -> list[dict[str, str]]:
        """Each change of an alarm of this environment's."""
        self._keeps(f"alarms-{role}", ALARMS_KEPT, "the history of alarms")
        region = self._environment.region(role)
        client = self._where.aws.client("cloudwatch", region)
        begin, end = self._window.dates
        own = f"-{self._environment.suffix}"
        return [
            {"at": _text(each["Timestamp"]), "alarm": each["AlarmName"], "what": each["HistorySummary"]}
            for each in alarm_history(client, region, "StateUpdate", StartDate=begin, EndDate=end)
            if each["AlarmName"].endswith(own) and begin <= each["Timestamp"] <= end
        ]

    def _notifications(self, role: Role) -> list[dict[str, Any]]:
        """What the region's audit function has filed of both regions' notifications."""
        region, bucket = self._environment.region(role), self._where.buckets.of(role)
        client = self._where.aws.client("s3", region)
        begin, end = self._window.dates
        found: list[dict[str, Any]] = []
        for each in islice(filed(client, bucket, region, begin, end + timedelta(minutes=1)), MOST + 1):
            if len(found) == MOST:
                self._partly[f"notifications-{role}"] = f"cut after the first {MOST}"
                break
            ask = partial(client.get_object, Bucket=bucket, Key=each["Key"])
            body = asked(ask, "read a notification", region)["Body"].read()
            found.append({"filed": _text(each["LastModified"]), "key": each["Key"], "told": _told(body)})
        return sorted(found, key=lambda each: str(each["filed"]))

    def _who(self, role: Role) -> list[dict[str, str]]:
        """Who took the operations role on, and who changed it, as CloudTrail has it.

        What was written under it is no event of those: the switch and the fence are data, told to a trail alone.
        """
        self._keeps(f"who-{role}", EVENTS_KEPT, "events without a trail")
        region = self._environment.region(role)
        client = self._where.aws.client("cloudtrail", region)
        begin, end = self._window.dates
        name = self._environment.foundation().names.of(naming.OPERATIONS_ROLE)
        found: dict[str, Mapping[str, Any]] = {}
        # CloudTrail compares whole names: who takes a role on is told by its ARN, who changes it by its name.
        for each in (f"arn:aws:iam::{account_id(self._where.aws, region)}:role/{name}", name):
            by = [{"AttributeKey": "ResourceName", "AttributeValue": each}]
            pages = client.get_paginator("lookup_events").paginate(LookupAttributes=by, StartTime=begin, EndTime=end)
            told: list[Mapping[str, Any]] = asked(partial(list, pages), "ask CloudTrail", region)
            for page in told:
                found |= {event["EventId"]: event for event in page["Events"]}
        return [
            {"at": _text(each["EventTime"]), "who": each.get("Username", ""), "what": each["EventName"]}
            for each in sorted(found.values(), key=lambda each: each["EventTime"])
        ]

    def _keeps(self, name: str, days: int, what: str) -> None:
        """Tell that a source may have had more than AWS keeps of it."""
        if self._window.age > days * DAY:
            self._partly[name] = (
                f"AWS keeps {what} for {days} days, and the window begins {self._window.age // DAY:.0f} days ago"
            )

    def _books(self) -> dict[str, Any]:
        now = int(self._window.until * 1000)
        ledger = list(reading.ledger(self._target.ledger, grows=True)) if self._target.ledger else None
        books = reading.read(self._where, since=int(self._window.since * 1000), now=now, ledger=ledger)
        return {"books": books.to_json(), "reconciliation": examine(books)}


@dataclass(frozen=True)
class Failover:
    """What a window comes to. Moments are as the sources have them.

    Those of metrics are the begin of a period: of a minute, and the older the window is, of a longer one.
    """

    detected: str = ""
    """The first period in which the gate was not healthy."""
    well_again: str = ""
    """The first healthy one after the last that was not."""
    stopped: str = ""
    """When the switch first said stop within the window."""
    notified: int = 0
    found: Reconciliation | None = None


def summed_up(gathered: Sequence[Gathered], window: Window) -> Failover:
    """What is known of the failover."""
    by_name = {each.name: each.value for each in gathered if not each.unknown}
    gate = by_name.get("health", {}).get("gate", [])
    begin = _text(window.dates[0])
    first_period = _text(datetime.fromtimestamp(window.first_period, UTC))
    ill = [at for at, value in gate if value < 1 and at >= first_period]
    stops = [
        each["at"] for each in by_name.get("switch", ()) if stop_switch.STOPPED in each["says"] and each["at"] >= begin
    ]
    told = {each["key"].rpartition("/")[2] for role in ROLES for each in by_name.get(f"notifications-{role}", ())}
    return Failover(
        detected=min(ill, default=""),
        well_again=min((at for at, value in gate if ill and at > max(ill) and value == 1), default=""),
        stopped=min(stops, default=""),
        notified=len(told),
        found=by_name.get("books", {}).get("reconciliation"),
    )


def files(gathered: Sequence[Gathered]) -> dict[str, str]:
    """The sources as JSON texts, by file name. The books are two: what was read, and what that comes to."""
    found: dict[str, Any] = {each.name: each.value for each in gathered if not each.unknown}
    if books := found.pop("books", None):
        found |= {"books": books["books"], "reconciliation": books["reconciliation"].to_json()}
    found["unknown"] = {each.name: each.missing for each in gathered if each.missing}
    return {f"{name}.json": json.dumps(value, indent=2, sort_keys=True) + "\n" for name, value in found.items()}


def alarm_history(client: Any, region: str, kind: str, **window: datetime) -> list[dict[str, Any]]:
    """What happened of a kind to a region's alarms, in order of time. Raises Problem."""
    pages = client.get_paginator("describe_alarm_history").paginate(
        AlarmTypes=ALARM_TYPES, HistoryItemType=kind, ScanBy="TimestampAscending", **window
    )
    found: list[dict[str, Any]] = asked(lambda: list(pages), "read the alarms' history", region)
    return [each for page in found for each in page["AlarmHistoryItems"]]


def told(failover: Failover) -> dict[str, Any]:
    """As JSON."""
    return {**asdict(failover), "found": failover.found.to_json() if failover.found else None}


def _told(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
