"""Every way in which a call can go wrong, and the card processor that remembers less than it promises."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from lambdas.domain.errors import NoAnswer
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved, Declined
from simulation.faults import Faults
from simulation.history import History
from simulation.link import LATEST, Link, Unreachable, Way
from simulation.processor import DECIDED, REMEMBERED, CardProcessor
from simulation.scheduler import EPOCH, Scheduler

WAY = Way(10, 500, silence=lambda: TimeoutError("silence"), refusal=lambda _: PermissionError("no"), repeats=True)


def called(faults: Faults, effect=None, way: Way = WAY):
    """What the caller got, when, and at which times the effect happened."""
    scheduler = Scheduler(3)
    link = Link(scheduler, History(scheduler), faults)
    happened: list[int] = []
    got: list[object] = []

    def happen() -> str:
        happened.append(scheduler.now - EPOCH)
        return "done"

    def body() -> None:
        try:
            got.append(link.call("call", effect or happen, way))
        except Exception as error:  # noqa: BLE001 - handed to the test
            got.append(str(error))
        got.append(scheduler.now - EPOCH)

    scheduler.spawn("caller", body)
    scheduler.run(EPOCH + 2 * LATEST)
    return got, happened


def test_without_faults_the_caller_gets_the_answer_after_both_ways():
    (answer, when), [happened] = called(Faults())
    assert answer == "done"
    assert 1 <= happened < when <= 42


def test_a_lost_request_has_no_effect():
    got, happened = called(Faults(lost=1))
    assert got == ["silence", 500]
    assert happened == []


def test_a_lost_answer_hides_an_effect():
    got, [happened] = called(Faults(unanswered=1))
    assert got == ["silence", 500]
    assert happened < 500


def test_a_late_request_has_its_effect_after_its_caller_gave_up():
    got, [happened] = called(Faults(late=1))
    assert got == ["silence", 500]
    assert 500 <= happened <= LATEST


def test_a_refusal_has_no_effect():
    (answer, when), happened = called(Faults(refused=1))
    assert answer == "no"
    assert when < 500
    assert happened == []


def test_a_repeated_request_has_its_effect_twice_and_one_answer():
    (answer, _), happened = called(Faults(repeated=1))
    assert answer == "done"
    assert len(happened) == 2


def test_a_slow_request_may_outlast_its_callers_patience_and_then_has_its_effect_unheard():
    outcomes = set()
    for seed in range(40):
        scheduler = Scheduler(seed)
        link = Link(scheduler, History(scheduler), Faults(slow=1))
        happened: list[int] = []

        def body(link=link, happened=happened, scheduler=scheduler) -> None:
            try:
                link.call("call", lambda: happened.append(scheduler.now), WAY)
                outcomes.add("answered")
            except TimeoutError:
                outcomes.add("silence")

        scheduler.spawn("caller", body)
        scheduler.run(EPOCH + 2 * LATEST)
        assert len(happened) == 1
    assert outcomes == {"answered", "silence"}


def test_what_cannot_be_reached_is_silent():
    def unreachable() -> None:
        raise Unreachable

    got, _ = called(Faults(), unreachable)
    assert got == ["silence", 500]


def test_a_crash_ends_the_caller_before_or_after_the_effect():
    ends = {(len(got), len(happened)) for got, happened in [called(Faults(crash=2))]}
    assert ends == {(0, 0)}
    seen = set()
    for seed in range(60):
        scheduler = Scheduler(seed)
        link = Link(scheduler, History(scheduler), Faults(crash=1))
        happened: list[int] = []
        process = scheduler.spawn("caller", partial(link.call, "call", partial(happened.append, 1), WAY))
        scheduler.run(EPOCH + LATEST)
        assert not process.alive
        seen.add(len(happened))
    assert seen == {0, 1}


class Till:
    """A card processor, called step by step."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.scheduler = Scheduler(5)
        link = Link(self.scheduler, History(self.scheduler), faults or Faults())
        self.processor = CardProcessor(link).at("east")

    def __call__(self, operation: str, *arguments: object):
        results = []

        def body() -> None:
            try:
                results.append(getattr(self.processor, operation)(*arguments))
            except NoAnswer as error:
                results.append(error)

        self.scheduler.spawn("caller", body)
        self.scheduler.run(self.scheduler.now + 4_000)
        return results[0]

    def charge(self):
        return self("charge", "pay_1", Money.of(Decimal(100), "USD"), "alice")


def test_the_processor_recognises_a_repeated_charge_for_a_while_only():
    till = Till()
    first = till.charge()
    assert isinstance(first, Approved)
    assert till.charge() == first
    assert len(till.processor.ledger) == 1
    till.scheduler.run(till.scheduler.now + REMEMBERED)
    assert till("find", "pay_1") == first
    for _ in range(8):  # some are declined
        till.charge()
        till.scheduler.run(till.scheduler.now + REMEMBERED)
    assert len(till.processor.ledger) > 2


def test_a_cancelled_key_is_never_charged_and_a_charged_one_not_cancelled():
    till = Till()
    assert till("find", "pay_1") is None
    assert till("cancel", "pay_1") == Declined("abandoned")
    till.scheduler.run(till.scheduler.now + 10 * REMEMBERED)
    assert till.charge() == Declined("abandoned")
    assert till.processor.ledger == []
    other = Till()
    charged = other.charge()
    assert other("cancel", "pay_1") == charged


def test_a_pending_charge_is_decided_later_and_tells_nothing_before():
    till = Till(Faults(pending=1))
    assert isinstance(till.charge(), NoAnswer)
    assert till.processor.ledger == [] or till.processor.outcomes
    till.scheduler.run(till.scheduler.now + DECIDED)
    assert isinstance(till("find", "pay_1"), Approved | Declined)


@pytest.mark.parametrize("seed", range(3))
def test_each_seed_draws_its_own_mixture_of_faults(seed):
    assert Faults.draw(Scheduler(seed).random) == Faults.draw(Scheduler(seed).random)
    assert Faults.draw(Scheduler(seed).random) != Faults.draw(Scheduler(seed + 1).random)
