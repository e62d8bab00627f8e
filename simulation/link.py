"""Calls between two parts: they take time, get lost, come twice, come late, and their caller may die around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from simulation.aws_errors import named
from simulation.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.history import History
    from simulation.scheduler import Scheduler

LATEST: Final = 30_000
"""No request is under way for longer than this (ms): TCP and every service give up before."""
STALL: Final = 20_000
"""A process stands still for no longer than this at a time (ms)."""


class Unreachable(Exception):
    """What is called cannot be reached: the caller hears nothing."""


@dataclass(frozen=True, slots=True)
class Way:
    """How calls to a service go. Times in ms.

    `latency` is typical for one direction; the caller waits for `patience`, then it raises `silence()`. A service that
    can refuse for reasons of its own does so by `refusal()`, and one that asks for rights by `denial()`. `repeats`:
    requests may arrive twice.
    """

    latency: int
    patience: int
    silence: Callable[[], Exception]
    refusal: Callable[[], Exception] | None = None
    denial: Callable[[], Exception] | None = None
    repeats: bool = False


@dataclass(slots=True)
class Link:
    """One seed's ways between parts. `faults` can be exchanged while it runs: at last nothing fails any more."""

    scheduler: Scheduler
    history: History
    faults: Faults = field(default_factory=Faults)

    def call(self, what: str, effect: Callable[[], Any], way: Way, *, about: str = "") -> Any:
        """Call `effect` at the other end of the way and return what it returns, or raise what it raises.

        `what` names the call for people, `about` the thing that it is about.
        """
        what = f"{what} {about}" if about else what
        scheduler = self.scheduler
        self._may_break("before", what)
        fate = self._fate(way)
        there = self._travel(way)
        result: Any = None
        failure: Exception | None = None
        refuse = {"refused": way.refusal, "denied": way.denial}.get(fate)
        if refuse is not None:
            scheduler.sleep(min(there, way.patience))
            failure = refuse()
        elif fate in {"lost", "late"} or there >= way.patience:
            if fate != "lost":
                delay = way.patience + int(scheduler.random.random() * (LATEST - way.patience))
                scheduler.after(max(there, delay), lambda: self._arrive_unheard(what, effect))
            scheduler.sleep(way.patience)
            failure = way.silence()
        else:
            if fate == "repeated":
                delay = there + int(scheduler.random.random() * (LATEST - there))
                scheduler.after(delay, lambda: self._arrive_unheard(what, effect))
            scheduler.sleep(there)
            try:
                result = effect()
            except Exception as error:  # noqa: BLE001 - the other end's answer, whatever it is
                failure = error
            back = self._travel(way)
            if fate == "unanswered" or there + back > way.patience or isinstance(failure, Unreachable):
                scheduler.sleep(way.patience - there)
                failure = way.silence()
            else:
                scheduler.sleep(back)
        self.history.trace(what, fate if failure is None else f"{fate}: {named(failure)}")
        self._may_break("after", what)
        if failure is not None:
            raise failure
        return result

    def _travel(self, way: Way) -> int:
        """How long one direction takes this time."""
        chance = self.scheduler.random.random
        duration = 1 + int(way.latency * 2 * chance())
        if self.faults.slow and chance() < self.faults.slow:
            duration += int(way.patience * 2 * chance())
        return duration

    def _fate(self, way: Way) -> str:
        faults = self.faults
        draw = self.scheduler.random.random()
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
        return "answered"

    def _may_break(self, when: str, what: str) -> None:
        """The caller dies, or stands still, before or after a call."""
        chance = self.scheduler.random.random
        if self.faults.crash and chance() < self.faults.crash / 2:
            self.history.trace("crash", f"{when} {what}")
            self.scheduler.kill(self.scheduler.current)
        if self.faults.stall and chance() < self.faults.stall / 2:
            self.history.trace("stall", f"{when} {what}")
            self.scheduler.sleep(int(chance() * STALL))

    def _arrive_unheard(self, what: str, effect: Callable[[], Any]) -> None:
        """The request arrives where nobody waits for the answer any more."""
        try:
            effect()
            self.history.trace(what, "applied, unheard")
        except Exception as error:  # noqa: BLE001 - nobody hears it
            self.history.trace(what, f"failed, unheard: {named(error)}")
