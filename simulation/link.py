"""Calls between two parts: they take time, get lost, come twice, come late, and their caller may die around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from simulation.aws_errors import named
from simulation.faults import Faults
from simulation.history import short

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulation.cells import Turn
    from simulation.history import History
    from simulation.scheduler import Scheduler, SimulatedProcess

LATEST: Final = 30_000
"""No request is under way for longer than this (ms): TCP and every service give up before."""
ANSWERED: Final = "answered"
STALL: Final = 20_000
"""A process stands still for no longer than this at a time (ms)."""


class Unreachable(Exception):
    """What is called cannot be reached: the caller hears nothing."""


@dataclass(frozen=True, slots=True)
class Way:
    """How calls to a service go. Times in ms.

    `latency` is typical for one direction; the caller waits for `patience`, then it raises `silence()`. A service that
    can refuse for reasons of its own does so by `refusal(random)`, and one that asks for rights by `denial(random)`.
    `repeats`: requests may arrive twice.
    """

    latency: int
    patience: int
    silence: Callable[[], Exception]
    refusal: Callable[[Random], Exception] | None = None
    denial: Callable[[Random], Exception] | None = None
    repeats: bool = False


class Onlooker(Protocol):
    """Sees all calls: see `census`."""

    def employs(self, process: SimulatedProcess, region: str, *, sweeps: bool) -> None: ...
    def begins(self, what: str, about: str) -> Turn | None: ...
    def arrived(self, turn: Turn, what: str, about: str, answer: Any) -> None: ...
    def befalls_running(self, fault: str) -> None: ...
    def befalls_region(self, region: str, fault: str) -> None: ...


class Steering(Protocol):
    """Says what is to happen to some calls: see `aim`."""

    def fate(self, turn: Turn, what: str, way: Way) -> str | None: ...
    def after(self, turn: Turn) -> None: ...


@dataclass(slots=True)
class Link:
    """One seed's ways between parts. `faults` can be exchanged while it runs: at last nothing fails any more.

    `census` sees all calls; `director` says what is to happen to some.
    """

    scheduler: Scheduler
    history: History
    faults: Faults = field(default_factory=Faults)
    census: Onlooker | None = None
    director: Steering | None = None

    def call(self, what: str, effect: Callable[[], Any], way: Way, *, about: str = "") -> Any:
        """Call `effect` at the other end of the way and return what it returns, or raise what it raises.

        `what` names the call, `about` the thing that it is about.
        """
        label = f"{what} {short(about)}" if about else what
        turn = None if self.census is None else self.census.begins(what, about)
        if turn is not None:
            effect = self._noted(turn, what, effect, about)
        scheduler = self.scheduler
        self._may_break("before", label, turn)
        fate = self._fate(what, way, turn)
        there = self._travel(way, turn)
        result: Any = None
        failure: Exception | None = None
        refuse = way.refusal if fate == "refused" else way.denial if fate == "denied" else None
        if refuse is not None:
            scheduler.sleep(min(there, way.patience))
            failure = refuse(scheduler.random)
        elif fate in {"lost", "late"} or there >= way.patience:
            if fate != "lost":
                delay = way.patience + int(scheduler.random.random() * (LATEST - way.patience))
                scheduler.after(max(there, delay), lambda: self._arrive_unheard(label, effect))
            scheduler.sleep(way.patience)
            failure = way.silence()
        else:
            if fate == "repeated":
                delay = there + int(scheduler.random.random() * (LATEST - there))
                scheduler.after(delay, lambda: self._arrive_unheard(label, effect))
            scheduler.sleep(there)
            try:
                result = effect()
            except Exception as error:  # noqa: BLE001 - the other end's answer, whatever it is
                failure = error
            back = self._travel(way, turn)
            if fate == "unanswered" or there + back > way.patience or isinstance(failure, Unreachable):
                scheduler.sleep(way.patience - there)
                failure = way.silence()
            else:
                scheduler.sleep(back)
        self.history.trace(label, fate if failure is None else f"{fate}: {named(failure)}")
        self._may_break("after", label, turn)
        if failure is not None:
            raise failure
        return result

    def _noted(self, turn: Turn, what: str, effect: Callable[[], Any], about: str) -> Callable[[], Any]:
        """The effect, taken down where it happens, also when nobody hears of it."""

        def noted() -> Any:
            answer = None
            try:
                answer = effect()
            except Unreachable:
                turn.faults.add("loss")
                raise
            finally:
                if self.census is not None:
                    self.census.arrived(turn, what, about, answer)
            if self.director is not None and self.scheduler.running is turn.process:
                self.director.after(turn)
            return answer

        return noted

    def _travel(self, way: Way, turn: Turn | None) -> int:
        """How long one direction takes this time."""
        chance = self.scheduler.random.random
        duration = 1 + int(way.latency * 2 * chance())
        slow = self.faults.slow
        if slow and chance() < slow:
            duration += int(way.patience * 2 * chance())
            if turn is not None:
                turn.faults.add("slow")
        return duration

    def _fate(self, what: str, way: Way, turn: Turn | None) -> str:
        fate = None
        if self.director is not None and turn is not None:
            fate = self.director.fate(turn, what, way)
        fate = fate or self._drawn_fate(way)
        if turn is not None and fate != ANSWERED:
            turn.faults.add(fate)
        return fate

    def _drawn_fate(self, way: Way) -> str:
        faults = self.faults
        draw = self.scheduler.random.random()
        if draw >= faults.lost + faults.unanswered + faults.late + faults.refused + faults.denied + faults.repeated:
            return ANSWERED  # the most calls by far
        for name, rate in (
            ("lost", faults.lost),
            ("unanswered", faults.unanswered),
            ("late", faults.late),
            ("refused", faults.refused if way.refusal is not None else 0.0),
            ("denied", faults.denied if way.denial is not None else 0.0),
            ("repeated", faults.repeated if way.repeats else 0.0),
        ):
            draw -= rate
            if draw < 0:
                return name
        return ANSWERED

    def _may_break(self, when: str, what: str, turn: Turn | None) -> None:
        """The caller dies, or stands still, before or after a call."""
        if self.director is not None and turn is not None:
            self.director.after(turn)
        chance = self.scheduler.random.random
        faults = self.faults
        if faults.crash and chance() < faults.crash / 2:
            self.history.trace("crash", f"{when} {what}")
            self.scheduler.kill(self.scheduler.current)
        if faults.stall and chance() < faults.stall / 2:
            self.history.trace("stall", f"{when} {what}")
            if turn is not None:
                turn.faults.add("stall")
            self.scheduler.sleep(int(chance() * STALL))

    def _arrive_unheard(self, what: str, effect: Callable[[], Any]) -> None:
        """The request arrives where nobody waits for the answer any more."""
        try:
            effect()
            self.history.trace(what, "applied, unheard")
        except Exception as error:  # noqa: BLE001 - nobody hears it
            self.history.trace(what, f"failed, unheard: {named(error)}")
