"""A fact of readiness, the question that it answers, and what all questions have at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from orchestration.aws import asked
from orchestration.metrics import metric_values
from shared import naming
from shared.errors import Problem
from shared.roles import ROLES, Role

if TYPE_CHECKING:
    from orchestration.aws import Aws
    from orchestration.operator import Acting
    from orchestration.reach import Reach
    from shared.environment import Environment

Judged = Literal["ok", "attention", "not fit", "unknown"]
"""`attention`: fit now, but not for as long as was asked, or nobody would be told. `unknown` never counts as ok."""
DAY: Final = 86_400
MINUTE: Final = 60


@dataclass(frozen=True)
class Fact:
    """What was found."""

    value: str
    verdict: Judged = "ok"
    todo: str = ""
    """A command or a page, where there is something to do."""
    age: float = 0.0
    """Seconds since it was observed; 0: just now."""


@dataclass(frozen=True)
class FactQuestion:
    """A fact before it is known. `ask` raises Problem, or anything that the SDK raises: then it is unknown."""

    what: str
    asked: str
    """A region, or who else is asked."""
    ask: Callable[[], Fact]
    todo: str
    """What to do when there is no answer."""


@dataclass(frozen=True)
class Examined:
    """The environment that is asked about, by whose rights, and for how long it is to be fit."""

    settings: Environment
    place: Reach
    own: Aws
    """Of the caller."""
    acting: Callable[[], Acting]
    """Of the role that moves clients, where the caller may take it on."""
    account_id: Callable[[], str]
    days: int
    options: str = ""
    """Options that a command needs to mean this environment and target."""

    @property
    def account(self) -> str:
        return self.account_id()

    @property
    def now(self) -> datetime:
        """By the target's clock."""
        return datetime.fromtimestamp(self.place.now(), UTC)

    @property
    def until(self) -> datetime:
        """To when it is to be fit."""
        return self.now + timedelta(days=self.days)

    @property
    def state(self) -> Path:
        """Folder of this checkout's runs against the target. Raises Problem."""
        if self.place.state is None:
            raise Problem(f"nothing is kept of runs against {self.place.where}")
        return self.place.state

    def client(self, service: str, role: Role) -> Any:
        return self.own.client(service, self.settings.region(role))

    def named(self, kind: naming.Kind, role: Role | None = None) -> str:
        account = self.account if kind.account else None
        return self.settings.foundation().names.of(kind, role, account=account)

    def called(self, service: str, role: Role, operation: str, **arguments: Any) -> Mapping[str, Any]:
        """The answer of one call. Raises Problem: what was asked, where, and what AWS said."""
        client, region = self.client(service, role), self.settings.region(role)
        answer = asked(lambda: getattr(client, operation)(**arguments), f"ask {service}'s {operation}", region)
        return dict(answer)

    def listed(self, service: str, role: Role, operation: str, key: str, **arguments: Any) -> list[Any]:
        """All that an operation lists, page by page. Raises Problem as `called`."""
        client, region = self.client(service, role), self.settings.region(role)

        def pages() -> list[Any]:
            return [
                each for page in client.get_paginator(operation).paginate(**arguments) for each in page.get(key, ())
            ]

        return asked(pages, f"ask {service}'s {operation}", region)

    def metric(
        self, role: Role, name: tuple[str, str], dimensions: Mapping[str, str], statistic: str, minutes: int
    ) -> dict[datetime, float]:
        """A metric of so many minutes, by namespace and name. Raises Problem as `called`."""
        metric, window = dict(zip(("Namespace", "MetricName"), name, strict=True)), timedelta(minutes=minutes)
        client, region, now = self.client("cloudwatch", role), self.settings.region(role), self.now
        return asked(
            lambda: metric_values(client, metric, dimensions, statistic, (now - window, now)), "read metrics", region
        )

    def of_each(self, what: str, ask: Callable[[Role], Fact]) -> Iterator[FactQuestion]:
        """A question of each region, the secondary first: it is what takes over."""
        for role in reversed(ROLES):
            region = self.settings.region(role)
            yield FactQuestion(f"{what}, {role}", region, lambda role=role: ask(role), self.unanswered)  # type: ignore[misc]

    @property
    def unanswered(self) -> str:
        """What to do when AWS gives no answer: it refuses, or a region is out."""
        return f"the rights in docs/readiness.md; ./invoke situation{self.options}, when a region is out"

    @property
    def both(self) -> str:
        return " and ".join(self.settings.region(role) for role in ROLES)


def ours(name: str, settings: Environment) -> bool:
    """Whether a physical name that is looked at without its tail is the environment's."""
    return name.endswith(f"-{settings.suffix}")
