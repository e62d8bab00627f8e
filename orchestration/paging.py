"""Whether people are reached: a test of both regions' notifications, from an alarm to every way that leads to somebody.

In each region an alarm that watches nothing, `page-test`, is set off as CloudWatch itself sets one off: so the way has
what an alarm's has, the topic's policy and its key among it. What it says carries a mark of this test's own, by which
it is known again wherever it arrives.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from orchestration import report, subscriptions
from orchestration.aws import Aws, account_id, asked, error_code
from orchestration.filed import filed
from orchestration.metrics import metric_values
from orchestration.person import go_ahead
from orchestration.reach import reach
from shared import naming
from shared.columns import columns
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import ROLES, Role
from shared.root import ROOT
from shared.signals import ended_in_order

if TYPE_CHECKING:
    from orchestration.choice import Choice
    from orchestration.reach import Reach

WAITS: Final = 120.0
"""Seconds by the target's clock: the record is filed in batches of 5 s, and SNS tries a few times within a minute."""
LOOKS: Final = 0.5
"""Seconds between two looks."""
EVIDENCE, ALARM = "evidence", "alarm"
COUNTED: Final = ("NumberOfNotificationsDelivered", "NumberOfNotificationsFailed")


@dataclass
class PagingWay:
    """One way from a region's alarms to somebody. `seconds`: after the alarm was set off; None: it was not seen."""

    role: Role
    region: str
    """Whose alarm."""
    by: str
    to: str
    """An address of mail, a pager's host, or the region whose bucket has the record."""
    reached: bool = False
    seconds: float | None = None
    said: str = ""

    def came(self, after: float) -> None:
        self.reached, self.seconds = True, round(max(after, 0.0), 1)
        self.said = f"arrived after {self.seconds:g} s"


def page(choice: Choice, *, test: bool, waits: float = WAITS) -> int:
    """Set off both alarms and wait. Returns 1 when a way reached nobody, as far as can be seen."""
    if not test:
        raise Problem("page: it wakes people: say --test")
    settings = Environment.load(choice.environment, ROOT)
    place = reach(choice.target, report.tell)
    go_ahead(
        place, choice, f"this tells everybody who is subscribed to the notifications of {settings.name}, as a test"
    )
    ways = list(_Test.begin(settings, place).ways(waits))
    if choice.json:
        report.print_json([asdict(way) for way in ways])
    else:
        print("\n".join(columns((way.region, way.by, way.to, way.said) for way in ways)))
    return 0 if all(way.reached for way in ways) else 1


@dataclass
class _Test:
    """One test of an environment's notifications."""

    settings: Environment
    place: Reach
    aws: Aws
    account: str
    mark: str
    seen: set[tuple[str, str]] = field(default_factory=set)
    """Buckets' objects that were looked at."""
    on: list[Role] = field(default_factory=list)
    """Whose alarm may be on."""

    @staticmethod
    def begin(settings: Environment, place: Reach) -> _Test:
        aws = Aws(place.variables)
        region = settings.region(ROLES[-1])
        return _Test(settings, place, aws, account_id(aws, region), f"test {secrets.token_hex(8)}")

    def ways(self, waits: float) -> list[PagingWay]:
        """Both regions', after what can be seen to arrive has, or the time is over."""
        try:
            with ended_in_order():
                found = self._set_off_and_wait(waits)
                return found + self._reset()
        except BaseException:  # Ctrl-C too, and in the midst of a reset: an alarm that stays on is red for everybody
            for way in self._reset():
                report.tell(f"{way.region}: {way.to} {way.said}")
            raise

    def _set_off_and_wait(self, waits: float) -> list[PagingWay]:
        begun: dict[Role, float] = {}
        found: list[PagingWay] = []
        for role in reversed(ROLES):
            region = self.settings.region(role)
            try:
                listed = list(self._listed(role))
                began = self.place.now()
                self._set_off(role)
            except Problem as problem:
                found.append(PagingWay(role, region, ALARM, self._alarm(role), said=f"not set off: {problem}"))
            else:
                found += listed
                begun[role] = began
        self._wait([way for way in found if way.role in begun and not way.said], begun, waits)
        return found

    def _set_off(self, role: Role) -> None:
        self.on.append(role)  # before it is: who gets no answer may have set it off all the same
        try:
            self._set(role, "ALARM")
        except Problem as problem:
            if error_code(problem):  # AWS has answered, and refused it
                self.on.remove(role)
            raise

    def _reset(self) -> list[PagingWay]:
        """End the alarms that are on, one region after the other; return those that could not be."""
        left = []
        for role in list(self.on):
            region = self.settings.region(role)
            try:
                self._set(role, "OK")
            except Problem as problem:
                way = PagingWay(role, region, ALARM, self._alarm(role))
                by_hand = f"aws cloudwatch set-alarm-state --region {region} --alarm-name {way.to}"
                way.said = f"may still be on ({problem}): {by_hand} --state-value OK --state-reason test"
                left.append(way)
            self.on.remove(role)  # interrupted before, it is still to be tried
        return left

    def _listed(self, role: Role) -> Iterator[PagingWay]:
        region = self.settings.region(role)
        listed = subscriptions.of_topic(self.aws, self.settings, self.account, role)
        people = [each for each in listed if each["Protocol"] in subscriptions.PEOPLE]
        if not people:
            yield PagingWay(role, region, "people", "nobody", said="no mail and no pager is subscribed")
        for each in people:
            by = subscriptions.PEOPLE[each["Protocol"]]
            to = each["Endpoint"] if by == "mail" else urlsplit(each["Endpoint"]).hostname or "pager"
            way = PagingWay(role, region, by, to)
            if not subscriptions.confirmed(each):
                way.said = "has not confirmed: it is told nothing"
            yield way
        for other in ROLES:
            yield PagingWay(role, region, EVIDENCE, self.settings.region(other))

    def _wait(self, ways: Sequence[PagingWay], begun: dict[Role, float], waits: float) -> None:
        if not begun:
            return
        end = max(begun.values()) + waits
        while True:
            self._look(ways, begun)
            missing = [way for way in ways if not way.reached and not way.said]
            if not missing or self.place.now() >= end:
                break
            time.sleep(LOOKS)
        for way in missing:
            way.said = f"did not arrive within {waits:g} s"

    def _look(self, ways: Sequence[PagingWay], begun: dict[Role, float]) -> None:
        heard = None if self.place.heard is None else list(self.place.heard())
        for role, at in begun.items():
            people = [way for way in ways if way.role == role and way.by != EVIDENCE and not way.reached]
            if heard is None:
                self._count(role, people, at)
            else:
                for way in people:
                    for each in heard:
                        if (each.by, each.to, each.region) == (
                            way.by,
                            way.to,
                            way.region,
                        ) and self.mark in each.message:
                            way.came(each.time - at)
        for other in ROLES:
            wanted = [w for w in ways if w.by == EVIDENCE and w.to == self.settings.region(other) and not w.reached]
            if wanted:
                self._filed(other, wanted, begun)

    def _filed(self, role: Role, wanted: Sequence[PagingWay], begun: dict[Role, float]) -> None:
        """Look through what has been filed in the bucket of `role` since; its copies in the other do not count."""
        region = self.settings.region(role)
        s3, bucket = self.aws.client("s3", region), self._named(naming.AUDIT_BUCKET, role)
        first = datetime.fromtimestamp(min(begun.values()), UTC) - timedelta(seconds=1)
        last = datetime.fromtimestamp(self.place.now(), UTC) + timedelta(minutes=1)
        try:
            for each in filed(s3, bucket, region, first, last):
                if (bucket, each["Key"]) not in self.seen:
                    self.seen.add((bucket, each["Key"]))
                    self._read(s3, bucket, each, wanted, begun)
        except Problem as problem:
            for way in wanted:
                way.said = f"cannot be seen: {problem}"

    def _read(self, s3: Any, bucket: str, found: Any, wanted: Sequence[PagingWay], begun: dict[Role, float]) -> None:
        answer = asked(lambda: s3.get_object(Bucket=bucket, Key=found["Key"]), "read what was filed", wanted[0].to)
        text = answer["Body"].read().decode("utf-8", "replace")
        if answer.get("ReplicationStatus") == "REPLICA" or self.mark not in text:
            return
        for way in wanted:
            if f":sns:{way.region}:" in text:
                way.came(found["LastModified"].timestamp() - begun[way.role])

    def _count(self, role: Role, people: Sequence[PagingWay], begun: float) -> None:
        """On AWS nobody can look into a mailbox: SNS counts what endpoints took, of a topic as a whole, and late."""
        region, topic = self.settings.region(role), {"TopicName": self._named(naming.NOTIFICATION_TOPIC, role)}
        start = datetime.fromtimestamp(begun // 60 * 60, UTC)
        window, client = (start, start + timedelta(minutes=10)), self.aws.client("cloudwatch", region)

        def count(name: str) -> float:
            metric = {"Namespace": "AWS/SNS", "MetricName": name}
            values = asked(
                lambda: metric_values(client, metric, topic, "Sum", window), "read the topic's metrics", region
            )
            return sum(values.values())

        try:
            delivered, failed = map(count, COUNTED)
        except Problem as problem:
            for way in people:
                way.said = f"cannot be seen: {problem}"
            return
        for way in people:
            if failed:
                way.said = f"SNS could not deliver {failed:g} of this topic's notifications, to whom it does not say"
            elif delivered:
                way.reached = True
                way.said = f"SNS has delivered {delivered:g} and failed with none; whether it was read, ask there"

    def _set(self, role: Role, state: str) -> None:
        region = self.settings.region(role)
        reason = f"TEST by ./invoke page --test: nothing is wrong, and nothing has to be done ({self.mark})"
        client = self.aws.client("cloudwatch", region)
        asked(
            lambda: client.set_alarm_state(AlarmName=self._alarm(role), StateValue=state, StateReason=reason),
            "set off the test's alarm",
            region,
        )

    def _alarm(self, role: Role) -> str:
        return self._named(naming.PAGE_TEST_ALARM, role)

    def _named(self, kind: naming.Kind, role: Role) -> str:
        return self.settings.foundation().names.of(kind, role, account=self.account)
