"""`./invoke readiness`: every fact at once, each unknown when its answer is late, and the exit code that follows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from orchestration import commands, report
from orchestration.aws import Aws, account_id
from orchestration.operate import INTERRUPTED
from orchestration.operator import act
from orchestration.questions import Once, Unanswered, at_once
from orchestration.reach import reach
from orchestration.readiness import alike, ending, load, moving, records, replication, telling
from orchestration.readiness.facts import DAY, MINUTE, Examined, Fact, FactQuestion, Judged
from shared.environment import Environment
from shared.errors import Problem
from shared.roles import ROLES
from shared.root import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.choice import Choice
    from orchestration.readiness.records import LastDrill

DEADLINE: Final = 15.0
"""Seconds for all facts together, the way to the cloud included: all are asked for at once."""
WHOSE: Final = 5.0
"""Seconds to learn whose account it is, which some facts need first."""
LONGEST: Final = 3650
"""Days ahead that can be asked about."""
HEADINGS: Final = ("fact", "verdict", "asked in", "value", "age", "what to do")
COLOURS: Final[Mapping[str, str]] = {"ok": "green", "attention": "yellow", "not fit": "bold red", "unknown": "yellow"}
UNITS: Final = ((DAY, "d"), (60 * MINUTE, "h"), (MINUTE, "min"))


@dataclass(frozen=True)
class ReadinessRow:
    """A fact with its question."""

    question: FactQuestion
    fact: Fact

    def to_json(self) -> dict[str, Any]:
        observed = datetime.now(UTC) - timedelta(seconds=self.fact.age)
        return {
            "fact": self.question.what,
            "asked": self.question.asked,
            "value": self.fact.value,
            "verdict": self.fact.verdict,
            "observed": f"{observed:%Y-%m-%dT%H:%M:%SZ}",
            "age_seconds": round(self.fact.age),
            "todo": self.fact.todo,
        }

    def cells(self) -> tuple[str, ...]:
        fact = self.fact
        todo = fact.todo if fact.verdict != "ok" else ""
        return self.question.what, fact.verdict, self.question.asked, fact.value, shown_age(fact.age), todo


def readiness(
    choice: Choice,
    days: int,
    drilled: Callable[[Path], LastDrill | None],
    *,
    compare: bool = False,
    deadline: float = DEADLINE,
) -> int:
    """Print the facts. Returns 0 only when all are known, and well now and for so many days; it changes nothing.

    `compare`: all stacks with the cloud first. Where that cannot be done, the fact about it is unknown.
    """
    if not 0 <= days <= LONGEST:
        raise Problem(f"--days {days}: choose 0 to {LONGEST}")
    settings = Environment.load(choice.environment, ROOT)
    uncompared = _compare(choice) if compare else ""
    begun = time.monotonic()
    place = reach(choice.target, report.tell)
    own, acting = Aws(place.variables), Once(lambda: act(settings, place, lambda _: None))
    account = Once(lambda: _account(settings, own))
    examined = Examined(settings, place, own, acting, account, days, choice.options())
    # A busy machine is slow to get here, and whoever asks waits for all of it; a sandbox that had to start is no such.
    left = max(deadline / 2, deadline - (time.monotonic() - begun))
    rows = examine(list(_questions(examined, drilled, choice.target, uncompared)), left)
    counts = Counter(row.fact.verdict for row in rows)
    fit = counts["ok"] == len(rows)
    if choice.json:
        now = not counts["not fit"] and not counts["unknown"]
        told = {"environment": settings.name, "where": place.where, "days": days, "fit_now": now, "fit": fit}
        report.print_json({**told, "facts": [row.to_json() for row in rows]})
    else:
        report.show_rows(HEADINGS, [(row.cells(), COLOURS[row.fact.verdict]) for row in rows])
        print(f"\n{summed_up(counts, days)}")
    return 0 if fit else 1


def _compare(choice: Choice) -> str:
    """Compare all stacks with the cloud; return why that was not possible. Raises KeyboardInterrupt after Ctrl-C."""
    try:
        code = commands.compare(choice)
    except Problem as problem:
        return str(problem)
    if code == INTERRUPTED:  # the stacks' engines were ended in order
        raise KeyboardInterrupt
    return ""


def _account(settings: Environment, own: Aws) -> str:
    """Ask both regions whose account this is: one of them may be out. Raises Problem."""
    told = at_once([lambda role=role: account_id(own, settings.region(role)) for role in ROLES], WHOSE)  # type: ignore[misc]
    for each in told:
        if not isinstance(each, Unanswered):
            return each
    raise Problem(" and ".join(each.why for each in told if isinstance(each, Unanswered)))


def _questions(
    examined: Examined, drilled: Callable[[Path], LastDrill | None], target: str, uncompared: str
) -> Iterator[FactQuestion]:
    yield from moving.questions(examined)
    yield from replication.questions(examined)
    yield from load.questions(examined)
    yield from alike.questions(examined)
    yield from telling.questions(examined)
    yield from ending.questions(examined)
    yield from records.questions(examined, drilled, target, uncompared)


def examine(questions: Sequence[FactQuestion], deadline: float) -> list[ReadinessRow]:
    """Ask all at once; what fails, or is late, is unknown."""
    told = at_once([each.ask for each in questions], deadline)
    return [
        ReadinessRow(question, Fact(fact.why, "unknown", question.todo) if isinstance(fact, Unanswered) else fact)
        for question, fact in zip(questions, told, strict=True)
    ]


def summed_up(counts: Mapping[Judged, int], days: int) -> str:
    """One sentence for people."""
    if set(counts) <= {"ok"}:
        return f"Fit to take over now, and for {days} days."
    order: tuple[Judged, ...] = ("not fit", "unknown", "attention")
    told = [f"{counts[each]} {each}" for each in order if counts.get(each)]
    if counts.get("not fit") or counts.get("unknown"):
        return f"Not known to be fit to take over: {', '.join(told)}."
    return f"Fit to take over now, but not for {days} days: {', '.join(told)}."


def shown_age(seconds: float) -> str:
    """`now`, `5 min`, `3 d`: in the largest unit of which there is one."""
    return next((f"{seconds / size:.0f} {unit}" for size, unit in UNITS if seconds >= size), "now")
