"""Finishing what requests left unfinished: runs on a schedule in both regions, without any client.

The index tells candidates (possibly stale); the strongly consistent read and the conditional claim decide.

    money      oldest ─>  <─ newest    four fifths of the time, then
    audits     oldest ─>  <─ newest    the rest, then
    money      what is left of it, and only when none is left
    tidying    oldest ─>  <─ newest

Each list is taken from both of its ends, with the same time for each: what cannot be finished stays in the index and
is soon among the oldest, so it can hold up no more than half of the others. A crew of workers takes from one list at a
time: what a payment takes is waiting, and a processor's outage leaves thousands of them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from lambdas.domain.errors import Contradiction, InProgress, Rejected, Unavailable, Unreadable
from lambdas.domain.payment import WORK_TIME, Task
from lambdas.domain.ports import Lost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lambdas.domain.deadline import Deadline
    from lambdas.domain.payment import Payment, PaymentStatus
    from lambdas.domain.ports import Clock, Due
    from lambdas.domain.service import Payments

_OPEN: Final = frozenset({"unknown", "deferred", "stuck"})


@dataclass(slots=True)
class Swept:
    """What a run did.

    `done` counts what became of each payment: resolved, unknown, audited, forgotten, deleted; gone, taken (by another)
    or waiting; deferred (a dependency is out), contradicted, or stuck: it cannot be worked on, for a reason of its own.
    """

    done: Counter[str] = field(default_factory=Counter)
    finished: Counter[PaymentStatus] = field(default_factory=Counter)
    """Payments whose outcome this run has written down, by status; canaries' are left out."""
    oldest: int = 0
    """Age of the oldest payment that stays unfinished (ms)."""
    audits_owed: int = 0
    """Audit records that it could not write."""
    untidied: int | None = 0
    """For how long the longest of those that were tidied, or were to be, had been due (ms); None: nobody has looked."""
    failure: Unavailable | None = None
    """Part of the index could not be read."""

    def add(self, other: Swept) -> None:
        """Count what another worker of the run has done."""
        self.done += other.done
        self.finished += other.finished
        self.oldest = max(self.oldest, other.oldest)
        self.audits_owed += other.audits_owed
        self.untidied = max(self.untidied or 0, other.untidied or 0)


Crew = Callable[[Callable[[], Swept]], list[Swept]]
"""Lets one or several workers do the same work at once, and returns what each has done."""


def alone(work: Callable[[], Swept]) -> list[Swept]:
    """The crew of one: payments are worked on one after another."""
    return [work()]


class _Taken(NamedTuple):
    """An entry that somebody works on, from which end of the list it was taken, and when."""

    due: Due
    end: int
    began: int


@dataclass(slots=True)
class _DueList:
    """What is due for one task, each once, from both ends, then what was postponed until this task's turn.

    What one takes is counted against its end; the end that has had less time is the next. Several workers take from it.
    Where one end shows nothing, the other is not asked, unless a partition could not be read: most runs find nothing.
    """

    clock: Clock
    deadline: Deadline
    ends: Sequence[Iterator[Due]]
    swept: Swept
    """The run's: it knows whether part of the index could not be read."""
    postponed: list[Due] = field(default_factory=list)
    is_exhausted: bool = False
    """There was nothing left to take."""
    _spent: list[int] = field(default_factory=lambda: [0, 0])
    _seen: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def take(self, until: int) -> _Taken | None:
        """The next one, or None when there is none, or when it is too late to begin with it (ms)."""
        with self._lock:
            # Waiting for the others, whose turn may have read a slow index, has cost no time of the payment's.
            if self.clock.now() >= until:
                return None
            self.deadline.begin(until - self.clock.now() + WORK_TIME)
            began = self.clock.now()
            end = int(self._spent[0] > self._spent[1])
            taken = self._next(end, began)
            may_have_more = self._seen or self.swept.failure is not None
            if taken is None and may_have_more and self.clock.now() < until:
                taken = self._next(1 - end, began)
            if taken is None and self.postponed:
                taken = _Taken(self.postponed.pop(0), end, began)
            if self.clock.now() >= until:
                if taken is not None:
                    self.postponed.append(taken.due)
                return None
            self.is_exhausted = taken is None
            return taken

    def _next(self, end: int, began: int) -> _Taken | None:
        for due in self.ends[end]:
            if due.payment_id not in self._seen:
                self._seen.add(due.payment_id)
                self._spent[end] += 1
                return _Taken(due, end, began)
        return None

    def worked(self, taken: _Taken) -> None:
        """It is done with."""
        with self._lock:
            self._spent[taken.end] += self.clock.now() - taken.began


@dataclass(frozen=True, slots=True)
class Sweep:
    """One region's sweep over the payments that are due."""

    payments: Payments
    forget_charge: Callable[[str], None]
    """Makes the canaries' processor forget a charge (by the payment's id). Raises Unavailable."""
    crew: Crew = alone

    def run(self, until: int) -> Swept:
        """Work until nothing is due or the time is up (ms); what is begun last ends `WORK_TIME` later at most."""
        clock, swept = self.payments.clock, Swept()
        began = clock.now()
        lists = {task: self._list(task, swept) for task in Task}
        for task, end in (
            (Task.FINISH, began + (until - began) * 4 // 5),
            (Task.AUDIT, until),
            (Task.FINISH, until),
            (Task.TIDY, until),
        ):
            for done in self.crew(partial(self._take, task, lists, end)):
                swept.add(done)
        if not swept.untidied and not (lists[Task.TIDY].is_exhausted and swept.failure is None):
            swept.untidied = None
        return swept

    def _take(self, task: Task, lists: Mapping[Task, _DueList], end: int) -> Swept:
        """One worker's part."""
        clock, swept = self.payments.clock, Swept()
        while clock.now() < end:
            taken = lists[task].take(end)
            if taken is None:
                break
            self.payments.deadline.begin(WORK_TIME)
            if task is Task.TIDY:
                swept.untidied = max(swept.untidied or 0, clock.now() - taken.due.since)
            self._count(swept, task, taken.due, lists)
            lists[task].worked(taken)
        return swept

    def _list(self, task: Task, swept: Swept) -> _DueList:
        now = self.payments.clock.now()
        ends = [self._from(task, now, swept, newest_first=newest_first) for newest_first in (False, True)]
        return _DueList(self.payments.clock, self.payments.deadline, ends, swept)

    def _from(self, task: Task, now: int, swept: Swept, *, newest_first: bool) -> Iterator[Due]:
        store = self.payments.store

        def readable(partition: str) -> Iterator[Due]:
            try:
                yield from store.due(partition, now, newest_first=newest_first)
            except Unavailable as error:
                swept.failure = error  # the other partitions may be there

        return heapq.merge(*map(readable, store.partitions(task)), reverse=newest_first)

    def _count(self, swept: Swept, task: Task, due: Due, lists: Mapping[Task, _DueList]) -> None:
        """Work on one payment, and count what became of it: nothing about one may end the run for all."""
        journal, payment, what = self.payments.journal, None, "stuck"
        try:
            payment = self.payments.store.get(due.payment_id)
            if task is Task.FINISH and payment is not None and payment.task in (Task.AUDIT, Task.TIDY):
                # Earlier releases have one list for all tasks.
                lists[payment.task].postponed.append(due)
                return
            what = "gone" if payment is None else self._work(payment, swept)
        except (Lost, InProgress):
            what = "taken"
        except Contradiction:
            what = "contradicted"
        except (Rejected, Unreadable) as error:
            journal.tell("sweep_stuck", payment_id=due.payment_id, error=str(error))
        except Unavailable as error:
            journal.tell("sweep_deferred", payment_id=due.payment_id, error=str(error))
            what = "deferred"
        except Exception as error:  # noqa: BLE001 - see above
            journal.tell("unexpected", payment_id=due.payment_id, error=type(error).__name__)
        swept.done[what] += 1
        if what in _OPEN and task is Task.FINISH:
            since = due.since if payment is None else payment.created
            swept.oldest = max(swept.oldest, self.payments.clock.now() - since)
        if what in _OPEN and task is Task.AUDIT:
            swept.audits_owed += 1

    def _work(self, payment: Payment, swept: Swept) -> str:
        now = self.payments.clock.now()
        if payment.due is None or payment.due > now or not self.payments.may_take(payment):
            return "waiting"
        if not payment.is_final:
            paid = self.payments.resolve(payment)
            if not paid.payment.is_final:
                return "unknown"
            if not paid.replayed and not payment.is_canary:
                swept.finished[paid.payment.status] += 1
            return "resolved"
        if payment.audit_pending:
            # Claimed first, so that two regions' sweeps do not write the record twice.
            claimed = payment.leased(self.payments.token(), now)
            self.payments.store.replace(payment, claimed)
            self.payments.audit(claimed)
            return "audited"
        if payment.is_canary:
            # The charge first: a final payment never asks for it again, and nobody would find it without its payment.
            self.forget_charge(payment.id)
            self.payments.store.delete(payment)
            return "deleted"
        self.payments.store.replace(payment, payment.forgotten(now))
        return "forgotten"
