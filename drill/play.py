"""Plays a drill: load, fault, the failover, the primary's return, the decision to go back; and writes down all of it.

    steady ── fault ── outage (detected, switched, latched) ── healed (nothing returns) ── restored ── failed back

The load goes on through all of it. Whatever ends the drill, what it broke is mended.
"""

from __future__ import annotations

import asyncio
import math
import random
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from drill.clients import TRYING, DrillClient, Merchandise, finished
from drill.example import LIMITS, ExampleClient
from drill.http import Connection
from drill.names import DnsClient, NameCache
from drill.records import CLIENTS, EVENTS, INCIDENT, NOTHING, SANDBOX, Attempt, Event, RecordFile
from drill.schedule import DrillSchedule
from drill.self_test import ILL, PROBED, SEEN, WELL
from shared import signals
from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from drill.records import DrillPlan
    from drill.stage import Stage

T = TypeVar("T")

LOOK_EVERY: Final = 1.0
"""Virtual seconds between two looks at how things stand."""
PROBE_EVERY: Final = 2.0
PROBE_WITHIN: Final = 6.0
"""Virtual seconds: between the drill's own questions to the primary's health route, and for an answer (as checkers)."""
QUIET: Final = 60.0
"""Virtual seconds for which a healed primary is watched: nothing may return to it by itself."""
SETTLES: Final = 90.0
"""Virtual seconds of load after everything is back: a TTL, and a minute in which clients must be served."""
READY_WITHIN: Final = 180.0
"""Virtual seconds in which health checks must be well before a drill begins."""
BACK_WITHIN: Final = 300.0
"""Virtual seconds in which clients must be back after `restore`."""
LONGEST_TRY: Final = LIMITS.connect + LIMITS.attempt
"""Virtual seconds of one attempt: of all clients the one that callers copy waits longest."""
PRIMARY, SECONDARY = "primary", "secondary"


@dataclass
class Played:
    """What came of it."""

    attempts: list[Attempt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    """Real seconds by which the drill's own loop was late."""
    trouble: list[str] = field(default_factory=list)
    """Why there can be no verdict."""
    broken_off: int = 0


class Play:
    """One drill on one stage."""

    def __init__(
        self, plan: DrillPlan, stage: Stage, *, api_key: str, name: str, folder: Path, tell: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._stage = stage
        self._clock = stage.clock
        self._schedule = DrillSchedule(plan.seed, plan.rate, plan.duration)
        self._goods = Merchandise(name, stage.port, api_key, plan.id, stage.tls)
        self._tell = tell
        self.played = Played()
        self._attempts = RecordFile(folder / CLIENTS)
        self._events = RecordFile(folder / EVENTS)
        self._resolver = DnsClient(stage.dns, stage.clock)
        self._paying: set[asyncio.Task[None]] = set()
        self._loading = True
        self._breaking = False
        """Whether something may be broken, also where breaking it has failed half-way."""
        self._acting: asyncio.Future[Any] | None = None
        """What is being done to the stage, in a thread that nothing can break off."""
        self._lasts = float(plan.bounds.get("latched", 0.0))

    async def run(self) -> Played:
        """Play it to its end. Raises Problem when it cannot begin; nothing was broken then."""
        life = self._stage.life()
        if broken := self._stage.broken():
            raise Problem(f"a fault is in force: {broken[0]}; ./invoke heal ends it")
        clients = list(self._clients())
        load = None
        watches: list[asyncio.Task[None]] = []
        begun = None
        try:
            await self._resolver.open()
            works = (self._watch_itself(), self._watch_names(), self._watch_health())
            watches += [asyncio.create_task(work) for work in works]
            await self._until_ready()
            self.played.lags.clear()  # nothing was measured yet
            begun = self._clock.now()
            self._phase("steady", f"{self._plan.rate:g} payments a second by {len(clients)} clients")
            load = asyncio.create_task(self._load(clients, begun))
            if self._plan.fault == NOTHING:
                await self._rest(begun)
            else:
                await self._pass(self._plan.fault_at)
                await (self._step_by_step() if self._plan.fault == INCIDENT else self._fail())
                await self._return(begun)
        except Problem as problem:
            if begun is None:
                raise
            self.played.trouble.append(str(problem))
        finally:
            self._loading = False
            for task in filter(None, (load, *watches)):
                self._lost(task)
                task.cancel()
            with uninterrupted(self._tell):
                if self._acting:
                    await asyncio.wait({self._acting})  # it would else break what has just been mended
                    self._acting.exception()  # who waits for it has told it, or is gone
                self._mend()
            self.played.broken_off = await finished(self._paying, self._clock, self._patience())
            for client in clients:
                client.close()
            self._resolver.close()
            self._look_back(life)
            self._attempts.close()
            self._events.close()
        return self.played

    def _look_back(self, life: Mapping[str, int]) -> None:
        """Write down what others have written down, and what of the stage is not there any more."""
        try:
            self._note_all()
            self.played.trouble += self._ended(life)
        except Problem as problem:
            self.played.trouble.append(str(problem))

    async def _act(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something to the stage. Who breaks the drill off meanwhile waits for its end."""
        acting = self._acting = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
        return await asyncio.shield(acting)

    def _lost(self, task: asyncio.Task[None]) -> None:
        """A task that has ended by a mistake of ours: without it nothing was measured."""
        if task.done() and not task.cancelled() and (error := task.exception()):
            told = f"the drill's own {task.get_coro().__name__.strip('_')} ended: {error!r}"  # type: ignore[union-attr]
            if told not in self.played.trouble:
                self.played.trouble.append(told)

    def _patience(self) -> float:
        """Virtual seconds for payments under way: none when nobody waits for a verdict any more."""
        ended = any(each.what == "settled" for each in self.played.events)
        return self._goods.patience if ended else 0.0

    def _ended(self, life: Mapping[str, int]) -> Iterator[str]:
        """Which of the stage's processes are not those that the drill began with."""
        now = self._stage.life()
        if ended := [name for name, pid in life.items() if now.get(name) != pid]:
            yield f"{self._stage.name}'s {', '.join(ended)} ended while the drill ran"

    def _clients(self) -> Iterator[DrillClient | ExampleClient]:
        for number, kind in enumerate(self._schedule.kinds, 1):
            # Each client has a resolver of its own, as clients in different places have.
            cache = NameCache(self._resolver, self._clock, floor=60.0 if kind == "floor-60" else 0.0)
            chance = random.Random(f"{self._plan.seed} client {number}")  # noqa: S311 - a drill is played again by its seed
            given: Any = {"resolve": cache, "clock": self._clock, "told": self._note, "chance": chance}
            example = kind == "example"
            yield (
                ExampleClient(number, self._goods, **given)
                if example
                else DrillClient(number, kind, self._goods, **given)
            )

    async def _until_ready(self) -> None:
        """Wait until health checks are well and the primary is answered."""
        end = self._clock.monotonic() + READY_WITHIN
        while self._clock.monotonic() < end:
            standing = self._stage.standing()
            if standing.gate and standing.answered == PRIMARY:
                return
            await self._clock.sleep(LOOK_EVERY)
        ill = ", ".join(name for name, well in self._stage.standing().checks.items() if not well) or "no check"
        raise Problem(
            f"the primary is not answered by DNS, so there is nothing to lose: unhealthy is {ill} (./invoke health)"
        )

    async def _load(self, clients: list[DrillClient | ExampleClient], begun: float) -> None:
        most = most_at_once(self._plan.rate, len(clients))
        for arrival in self._schedule.arrivals():
            due = begun + arrival.at
            await self._clock.sleep(due - self._clock.now())
            if not self._loading:
                return
            if len(self._paying) >= most:
                self._overwhelmed(most)
                continue
            task = asyncio.create_task(clients[arrival.client].pay(arrival, due))
            self._paying.add(task)
            task.add_done_callback(self._paying.discard)
            task.add_done_callback(self._lost)

    def _overwhelmed(self, most: int) -> None:
        """More payments are being tried than a dead region leaves open: going on would only end the sandbox."""
        told = f"{most} payments were being tried at once: the machine is too slow for this rate"
        if told not in self.played.trouble:
            self.played.trouble.append(told)

    async def _fail(self) -> None:
        """Break the primary; wait for the failover, and until it is one that lasts."""
        self._phase("outage", self._plan.fault)
        self._breaking = True
        self._happened(await self._act(self._stage.begin, self._plan.fault))
        begun = self._clock.monotonic()
        back = self._plan.objective or self._plan.objectives.get("failover", 0.0)
        while (passed := self._clock.monotonic() - begun) < self._lasts:
            lasts = await self._look(passed)
            if lasts and passed > back:
                return
            await self._clock.sleep(LOOK_EVERY)

    async def _step_by_step(self) -> None:
        """Play an outage's steps, each at its time, whatever has become of the one before."""
        begun = self._clock.monotonic()
        self._phase("outage", self._plan.incident)
        self._breaking = True
        self._happened(Event(self._clock.now(), "fault", "", INCIDENT, self._plan.incident))
        for step in self._plan.steps:
            while (left := begun + step["at"] - self._clock.monotonic()) > 0:
                await self._look(self._clock.monotonic() - begun)
                await self._clock.sleep(min(LOOK_EVERY, left))
            event = await self._act(self._stage.enact, step)
            self._happened(event)
            self._tell(event.detail)
        end = self._clock.monotonic() + (self._plan.objective or 0.0)
        while self._plan.steps[-1]["faults"] and self._clock.monotonic() < end:  # one that has no end of its own
            await self._look(self._clock.monotonic() - begun)
            await self._clock.sleep(LOOK_EVERY)

    async def _look(self, passed: float) -> bool:
        """See how far the failover is, and whether it is one that lasts. `passed`: since the fault."""
        standing = await asyncio.to_thread(self._stage.standing)
        phases = {each.what for each in self.played.events if each.kind == "phase"}
        if "switched" not in phases and standing.answered == SECONDARY:
            self._phase("switched", f"DNS answers the secondary after {passed:.0f} s")
            phases.add("switched")
        latched = any(name.endswith("stop-switch") and not well for name, well in standing.checks.items())
        if "switched" not in phases or not (latched or self._plan.returns):
            return False
        if latched and "latched" not in phases:
            self._phase("latched", f"the failover lasts from now on, after {passed:.0f} s")
        return True

    async def _return(self, begun: float) -> None:
        """Mend the primary and see that nothing returns; then decide to go back, and see that everything does."""
        self._happened(await self._act(self._stage.heal))
        returns = self._plan.returns
        self._phase(
            "healed", f"the primary serves again, and {'everybody' if returns else 'nobody'} goes back by himself"
        )
        left = any((each.kind, each.what) == ("phase", "switched") for each in self.played.events)
        if left and await self._answers(PRIMARY, within=BACK_WITHIN if returns else QUIET):
            self._phase("returned", "clients went back without a decision")
        self._happened(await self._act(self._stage.restore))
        self._phase("restored", "clients may go back")
        if await self._answers(PRIMARY, within=BACK_WITHIN):
            self._phase("failed back", "DNS answers the primary")
        else:
            self._phase("stayed away", f"DNS does not answer the primary after {BACK_WITHIN:.0f} s")
        await self._rest(begun)

    async def _rest(self, begun: float) -> None:
        """The load goes on for as long as was wished, and a while after whatever has happened."""
        left = self._plan.duration - (self._clock.now() - begun)
        await self._pass(max(left, SETTLES))
        self._phase("settled", "reconciling the books comes next")

    async def _pass(self, seconds: float) -> None:
        """Let time pass. The sandbox writes down what happens meanwhile; elsewhere nobody does who does not look."""
        end = self._clock.monotonic() + seconds
        while self._plan.target != SANDBOX and self._clock.monotonic() < end:
            await asyncio.to_thread(self._stage.standing)
            await self._clock.sleep(LOOK_EVERY)
        await self._clock.sleep(end - self._clock.monotonic())

    async def _answers(self, role: str, *, within: float) -> bool:
        end = self._clock.monotonic() + within
        while self._clock.monotonic() < end:
            if (await asyncio.to_thread(self._stage.standing)).answered == role:
                return True
            await self._clock.sleep(LOOK_EVERY)
        return False

    async def _watch_itself(self) -> None:
        """How late this process is: what it measures of others is late by as much."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.1)
            self.played.lags.append(loop.time() - before - 0.1)

    async def _watch_names(self) -> None:
        """What DNS answers, by the drill's own clock and without a cache: what DNS tells of itself must agree."""
        seen = ""
        while True:
            try:
                role = self._stage.regions.get((await self._resolver(self._goods.name)).address, "")
            except OSError:
                role = ""
            if role and role != seen:
                seen = role
                self._happened(Event(self._clock.now(), SEEN, self._goods.name, role))
            await self._clock.sleep(LOOK_EVERY)

    async def _watch_health(self) -> None:
        """What the primary's health route answers to a drill that is no checker: theirs must agree."""
        seen = ""
        while True:
            for address, name in self._stage.probed:
                connection = Connection((address, self._goods.port), self._goods.tls, name)
                try:
                    well = await self._clock.wait_for(_is_well(connection, name), PROBE_WITHIN)
                except (OSError, TimeoutError):
                    well = False
                finally:
                    connection.close()
                if seen != (seen := WELL if well else ILL):
                    self._happened(Event(self._clock.now(), PROBED, address, seen))
            await self._clock.sleep(PROBE_EVERY)

    def _mend(self) -> None:
        """End what this drill has begun, and let clients back: one that was broken off leaves nothing behind."""
        happened = {each.kind for each in self.played.events}
        for ended, mend in (("heal", self._stage.heal), ("restore", self._stage.restore)):
            if self._breaking and ended not in happened:
                try:
                    self._happened(mend())
                except Exception as problem:  # noqa: BLE001 - the next is to be mended all the same
                    by = f"./invoke {ended}" if self._plan.target == SANDBOX else "docs/runbooks/drill-on-aws.md"
                    told = f"cannot {ended}: {problem}; do it by {by}"
                    self.played.trouble.append(told)
                    self._tell(told)

    def _note(self, attempt: Attempt) -> None:
        self._attempts.add(attempt)
        self.played.attempts.append(attempt)

    def _happened(self, event: Event) -> None:
        self._events.add(event)
        self.played.events.append(event)

    def _phase(self, name: str, detail: str = "") -> None:
        self._happened(Event(self._clock.now(), "phase", "", name, detail))
        self._tell(f"{name}: {detail}" if detail else name)

    def _note_all(self) -> None:
        """What health checks, DNS and alarms have written down meanwhile."""
        since = self._plan.started
        for event in sorted(self._stage.events(since), key=lambda each: each.at):
            self._happened(event)


def most_at_once(rate: float, clients: int) -> int:
    """How many payments may be under way, however dead a region is: those that are tried again, and those tried once.

    Each of the second kind ends with its one attempt's time-out. They come at random (a Poisson process): four standard
    deviations more are left to chance. Waiting costs nothing; only a machine that keeps no time-out has more under way.
    """
    once = rate * LONGEST_TRY
    return clients * TRYING + math.ceil(once + 4 * math.sqrt(once))


@contextmanager
def uninterrupted(tell: Callable[[str], None]) -> Iterator[None]:
    """Let Ctrl-C wait, and say so: mending that is broken off would leave clients where they are."""
    with signals.handled(lambda *_: tell("mending what the drill has broken: one moment"), signal.SIGINT):
        yield


async def _is_well(connection: Connection, name: str) -> bool:
    await connection.open()
    return (await connection.ask("/health", {"Host": name}, b"", method="GET")).status < 400
