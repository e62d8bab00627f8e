"""The health checkers at work: when they ask, what becomes of each check's status, and when DNS hears of it."""

from __future__ import annotations

import asyncio
import random
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.traffic.checks import CheckerView, CheckState, places, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sandbox.checker_ranges import Place
    from sandbox.clock import VirtualClock
    from sandbox.traffic.checks import CheckSettings
    from sandbox.traffic.probe import EndpointProbe

LONGEST_PROPAGATION = 10.0
"""Virtual seconds from a check's status to DNS, at most: assumed, as AWS gives none."""
NOTICED_AFTER = 10.0
"""Virtual seconds until checkers know of a check that was made: assumed, as AWS gives none. They do not slow a
deployment by asking what it is still making."""


@dataclass
class _Known:
    """A check, its checkers, and what is thought of it."""

    state: CheckState
    healthy: bool
    since: float
    in_dns: bool
    on_their_way: list[tuple[float, asyncio.Task[None]]] = field(default_factory=list)
    """Changes that DNS has not heard of, oldest first, with their virtual times: each arrives after those before it."""
    places: tuple[Place, ...] = ()
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class CheckerFleet:
    """All checks. `tell` gets each change: of a check, of what DNS knows of it."""

    def __init__(
        self,
        clock: VirtualClock,
        prober: EndpointProbe,
        tell: Callable[..., None],
        *,
        remembered: Mapping[str, Mapping[str, bool]] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """`remembered` are the statuses that a checker process before this one has found, as `memory` told them."""
        self._clock = clock
        self._prober = prober
        self._tell = tell
        self._remembered = dict(remembered or {})
        self._chance = chance or random.Random()  # noqa: S311 - phases and delays are no secrets
        self._alarms: Mapping[tuple[str, str], str] = {}
        self._checks: dict[str, _Known] = {}

    def declare(self, checks: Iterable[CheckSettings]) -> None:
        """Take over what is declared now: new checks begin, changed ones go on by their new settings, others end."""
        wanted = {check.id: check for check in checks}
        for identifier in self._checks.keys() - wanted.keys():
            self._forget(self._checks.pop(identifier))
        for settings in wanted.values():
            known = self._checks.get(settings.id)
            if known is None:
                self._begin(settings)
            elif known.state.settings != settings:
                again = known.state.settings.same_endpoint != settings.same_endpoint
                known.state.settings = settings
                if again or settings.asks != bool(known.tasks):
                    self._end(known)
                    self._start(known)
        self._judge()

    def hear(self, alarms: Mapping[tuple[str, str], str]) -> None:
        """Take over the states of alarms, by region and name."""
        if alarms != self._alarms:
            self._alarms = dict(alarms)
            self._judge()

    @property
    def alarms(self) -> set[tuple[str, str]]:
        """The alarms that checks follow."""
        followed = (known.state.settings for known in self._checks.values())
        return {settings.alarm for settings in followed if settings.kind == "CLOUDWATCH_METRIC"}

    def in_dns(self, check: str) -> bool:
        """Whether DNS takes a check for healthy; one that is not there has nothing to say."""
        known = self._checks.get(check)
        return known is None or known.in_dns

    def statuses(self) -> dict[str, bool]:
        """The checks by id, as DNS knows them."""
        return {identifier: known.in_dns for identifier, known in self._checks.items()}

    def memory(self) -> dict[str, dict[str, bool]]:
        return {
            identifier: {"healthy": known.healthy, "in_dns": known.in_dns} for identifier, known in self._checks.items()
        }

    def report(self) -> list[dict[str, Any]]:
        """Every check as it stands, for people and for GetHealthCheckStatus; times are virtual seconds."""
        return [self._reported(known) for known in self._checks.values()]

    def close(self) -> None:
        for known in self._checks.values():
            self._forget(known)

    def _begin(self, settings: CheckSettings) -> None:
        remembered = self._remembered.pop(settings.id, {})
        after = 0.0 if remembered else NOTICED_AFTER
        healthy = remembered.get("healthy", not settings.inverted)
        known = _Known(CheckState(settings), healthy, self._clock.now(), remembered.get("in_dns", healthy))
        self._checks[settings.id] = known
        self._start(known, healthy=healthy != settings.inverted, after=after)
        if known.in_dns != healthy:  # it was on its way when the checkers ended
            self._send(known)

    def _start(self, known: _Known, *, healthy: bool = True, after: float = 0.0) -> None:
        """Let sixteen checkers ask, each in a phase of its own; they begin with what was known of the endpoint."""
        settings = known.state.settings
        known.places = places(settings.regions) if settings.asks else ()
        known.state.views = [CheckerView(healthy) for _ in known.places]
        known.tasks = [
            asyncio.create_task(self._check(known, place, view, after + self._chance.uniform(0, settings.interval)))
            for place, view in zip(known.places, known.state.views, strict=True)
        ]

    def _end(self, known: _Known) -> None:
        for task in known.tasks:
            task.cancel()
        known.tasks = []

    def _forget(self, known: _Known) -> None:
        self._end(known)
        for _, task in known.on_their_way:
            task.cancel()

    async def _check(self, known: _Known, place: Place, view: CheckerView, phase: float) -> None:
        """One checker of one check: it asks, and asks again an interval after the answer.

        What this machine is late does not count: else all that it has kept waiting would go on in step, as AWS's never
        are.
        """
        due = self._clock.monotonic() + phase
        while True:
            await self._clock.sleep(due - self._clock.monotonic())
            settings, began = known.state.settings, self._clock.monotonic()
            found = await self._prober.ask(settings, place)
            if view.take(good=found.good, reason=found.reason, threshold=settings.threshold, now=self._clock.now()):
                try:
                    self._judge()
                except Exception:  # noqa: BLE001 - a checker goes on, and the daemon's log says what is wrong
                    traceback.print_exc()
            ended = self._clock.monotonic()
            due += ended - began + settings.interval
            due += max(0.0, (ended - due) // settings.interval + 1) * settings.interval if due < ended else 0.0

    def _judge(self) -> None:
        """Find each check's status anew; those that depend on others come after them."""
        ordered = sorted(self._checks.values(), key=lambda known: known.state.settings.kind == "CALCULATED")
        for known in ordered:
            settings = known.state.settings
            children = [self._checks[child].healthy for child in settings.children if child in self._checks]
            alarm = self._alarms.get(settings.alarm, "INSUFFICIENT_DATA")
            healthy = status(known.state, alarm, children)
            if healthy == known.healthy:
                continue
            known.healthy, known.since = healthy, self._clock.now()
            self._tell("status", check=settings.id, healthy=healthy, checkers=known.state.healthy_checkers)
            self._send(known)

    def _send(self, known: _Known) -> None:
        """Let DNS hear of a check's status after a while. What it overtakes is older, and does not arrive any more."""
        at = self._clock.now() + self._chance.uniform(0, LONGEST_PROPAGATION)
        known.on_their_way = [each for each in known.on_their_way if not each[1].done()]
        while known.on_their_way and known.on_their_way[-1][0] >= at:
            known.on_their_way.pop()[1].cancel()
        known.on_their_way.append((at, asyncio.create_task(self._propagate(known, at, healthy=known.healthy))))

    async def _propagate(self, known: _Known, at: float, *, healthy: bool) -> None:
        await self._clock.sleep(at - self._clock.now())
        for earlier, task in known.on_their_way:  # a clock wakes who is to wake at nearly the same time in any order
            if earlier < at:
                task.cancel()
        if known.in_dns != healthy:
            known.in_dns = healthy
            self._tell("dns", check=known.state.settings.id, healthy=healthy)

    def _reported(self, known: _Known) -> dict[str, Any]:
        settings, state = known.state.settings, known.state
        failed = max(state.views, key=lambda view: view.failed_at, default=None)
        return {
            "id": settings.id,
            "name": settings.name or settings.id,
            "type": settings.kind,
            "healthy": known.healthy,
            "in_dns": known.in_dns,
            "since": known.since,
            "inverted": settings.inverted,
            "disabled": settings.disabled,
            "asks": f"{settings.host or settings.address}:{settings.port}{settings.path}" if settings.asks else "",
            "alarm": dict(zip(("region", "name"), settings.alarm, strict=True)) if settings.alarm[1] else None,
            "alarm_state": self._alarms.get(settings.alarm, "INSUFFICIENT_DATA") if settings.alarm[1] else "",
            "children": list(settings.children),
            "children_needed": settings.children_needed,
            "healthy_children": sum(self._checks[each].healthy for each in settings.children if each in self._checks),
            "checkers": len(state.views),
            "healthy_checkers": state.healthy_checkers,
            "last_failure": failed.failure if failed else "",
            "observations": [
                {
                    "region": place.region,
                    "address": place.address,
                    "status": view.reason,
                    "at": view.at,
                    "failure": view.failure,
                    "failed_at": view.failed_at,
                }
                for place, view in zip(known.places, state.views, strict=True)
                if view.at
            ],
        }
