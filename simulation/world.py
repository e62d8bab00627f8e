"""Everything of one seed, put together, and what befalls it from the first payment to the last sweep."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from shared import clients
from shared.clients import CANARY, STOREFRONT
from simulation.aim import Aim, Director, target_of
from simulation.bucket import Bucket
from simulation.census import Census
from simulation.clients import CLIENTS, Client, Habits, Internet, draw_wishes
from simulation.faults import Faults
from simulation.history import History
from simulation.link import Link
from simulation.processor import CardProcessor
from simulation.region import SWEEP_EVERY, NewStatus, SimulatedRegion, SimulatedSecrets
from simulation.scheduler import EPOCH, Scheduler
from simulation.table import EventualTable, StrongTable
from simulation.watch import Watch

if TYPE_CHECKING:
    from random import Random

    from simulation.history import Wish
    from simulation.table import Item, Key

Mode = Literal["mrsc", "mrec"]
RIVAL: Final = "rival"
"""A second merchant."""
OWNERS: Final[dict[Mode, tuple[str, ...]]] = {
    "mrsc": (STOREFRONT, STOREFRONT, RIVAL, CANARY),
    "mrec": (STOREFRONT, STOREFRONT, RIVAL),
}
"""Who pays. A canary's processor is in the table, hence not one under MREC."""

REGIONS: Final = ("east", "west")
TOLERATED: Final = 5_000
"""While clocks differ by no more than this (ms), no lease may be taken from a living holder."""
TROUBLE: Final = 240_000
"""Faults happen for so long (ms) after the start; clients may come later."""
LONG_TROUBLE: Final = 20 * 60_000
"""In some seeds they go on for so long, and no sweep runs until shortly before their end: it finds payments that nobody
expects any more."""
CALM: Final = 45 * 60_000
"""When nothing fails any more, everything must be finished within this (ms): the processor is asked every 5 minutes at
the rarest, and what it never heard of is cancelled after 15."""
QUESTION: Final = 20_000
"""The last questions are answered within this (ms), as nothing fails any more."""
LAGS: Final = (1_000, 3_000, 60_000)
"""How long asynchronous replication takes at most, in a seed (ms); no service level bounds it."""
MUCH_LATER: Final = 73 * 3_600_000
"""Stored answers are dropped after 72 hours."""


def draw_endpoints(random: Random, mode: Mode) -> dict[str, dict[str, str]]:
    """Region -> release -> the processor's endpoint: mostly one for each region, in some seeds another one later.

    Under MREC a payment may be opened in both regions, before either knows of the other's: all have one endpoint then,
    which `shared.environment` sees to.
    """
    shared = mode == "mrec" or random.random() < 0.1
    moves = mode == "mrsc" and random.random() < 0.3
    return {
        region: {
            "current": "one for both" if shared else region,
            "next": f"{region} moved" if moves else "one for both" if shared else region,
        }
        for region in REGIONS
    }


class World:
    """One seed's world. `run()` plays it to the end; afterwards the checks look at its parts."""

    def __init__(self, seed: int, mode: Mode) -> None:
        self.mode: Mode = mode
        self.scheduler = Scheduler(seed)
        random = self.scheduler.random
        self.history = History(self.scheduler)
        target = target_of(seed) if mode == "mrsc" else None
        aim = None if target is None else Aim.of(target, random)
        self.faults = Faults.draw(random) if aim is None else aim.faults
        self.link = Link(self.scheduler, self.history, self.faults)
        self.table: StrongTable | EventualTable = (
            StrongTable(self.scheduler, REGIONS)
            if mode == "mrsc"
            else EventualTable(self.scheduler, REGIONS, random.choice(LAGS))
        )
        self.census: Census | None = None
        """MRSC: there is one truth about each payment."""
        if isinstance(self.table, StrongTable):
            self.census = self.link.census = Census(self.scheduler, self.table, self.faults.skew)
            self.scheduler.on_death = self.census.dies
        self.processor = CardProcessor(self.link)
        self.endpoints = draw_endpoints(random, mode)
        self.buckets = tuple(Bucket(self.link) for _ in REGIONS)
        self.buckets[0].peer, self.buckets[1].peer = self.buckets[1], self.buckets[0]
        self.secrets = SimulatedSecrets(
            self.link, {name: {"current": f"{name}-key-1", "previous": None} for name in (*clients.CLIENTS, RIVAL)}
        )
        self.watch = Watch(
            self.table,
            self.scheduler,
            leases_hold=self.faults.skew <= TOLERATED and not self.faults.stall,
            stands_still=bool(self.faults.stall) or (aim is not None and aim.overtaker is not None),
        )
        status = NewStatus(used=random.random() < 0.5)
        self.regions = tuple(
            SimulatedRegion(
                name=name,
                scheduler=self.scheduler,
                history=self.history,
                link=self.link,
                table=self.table,
                bucket=bucket,
                secrets=self.secrets,
                processor=self.processor,
                endpoints=self.endpoints[name],
                watch=self.watch,
                status=status,
                strong=mode == "mrsc",
                skew=skew,
            )
            for name, bucket, skew in zip(REGIONS, self.buckets, (0, self.faults.skew), strict=True)
        )
        self.internet = Internet(
            self.scheduler, self.history, self.regions, self.secrets, lambda: self.link.faults.lost / 2
        )
        self.trouble = LONG_TROUBLE if random.random() < 0.1 else TROUBLE
        self.director: Director | None = None
        if aim is None or self.census is None:
            self.wishes = draw_wishes(random, OWNERS[mode])
        else:
            self.director = self.link.director = Director(
                aim, self.internet, self.link, self.census, self.processor.manner, self.lose, self.give_back
            )
            self.wishes = [[self.director.wish]]
            self.trouble = TROUBLE
        self.doomed: str | None = None
        self.gone: str | None = None
        """MREC: the region that never came back."""
        # When everything had the time to be finished, before clients asked for the last time:
        self.stuck: list[str] = []
        self.known: dict[str, dict[Key, Item]] = {}
        self.asked_at = 0
        self.sweeping = True

    @property
    def survivors(self) -> tuple[SimulatedRegion, ...]:
        """The regions that are still there."""
        return tuple(region for region in self.regions if region.name != self.gone)

    def run(self) -> None:
        """Play the seed: trouble, calm until all is finished, the clients' last questions, and the same much later."""
        scheduler = self.scheduler
        try:
            if self.director is not None:
                scheduler.spawn("director", self.director.play)
            else:
                self._admit_clients()
                self._schedule_trouble()
                self._schedule_sweeps()
            scheduler.run(EPOCH + self.trouble)
            self._calm_down()
            scheduler.run(scheduler.now + SWEEP_EVERY)  # what is still under way arrives
            self._until_finished()
            self.stuck, self.asked_at = self.unfinished(), scheduler.now
            self.known = {region.name: self.table.truth(region.name) for region in self.survivors}
            self.history.is_ending = True
            self._ask_again("last")
            if scheduler.random.random() < 0.2 if self.director is None else self.director.aim.ends_late:
                self._pass_time(MUCH_LATER)
                self._ask_again("late")
        finally:
            scheduler.on_death = None
            scheduler.kill_all()

    def unfinished(self) -> list[str]:
        """Payments that somebody still has to work on, in any surviving region."""
        return sorted(
            {
                pk
                for region in self.survivors
                for (pk, sk), item in self.table.truth(region.name).items()
                if sk == "payment" and (item["status"]["S"] not in {"CAPTURED", "DECLINED"} or "audit_pending" in item)
            }
        )

    def _admit_clients(self) -> None:
        random = self.scheduler.random
        for wishes in self.wishes:
            # Many at once, where two must be heard that contradict each other.
            for number, wish in enumerate(wishes * (3 if self.faults.lies else 1)):
                habits = Habits.draw(random)
                if self.faults.lies:
                    habits = replace(habits, start=int(random.random() * 2_500), patience=29_000)
                name = f"client {wish.key}.{number}"
                client = Client(name, wish, int(random.random() * 2), habits, self.internet)
                self.scheduler.spawn(name, client.run, place=CLIENTS, delay=habits.start)
            if random.random() < 0.2:
                begin = int(random.random() * self.trouble)
                self.scheduler.spawn("stranger", partial(self._pry, wishes[0]), place=CLIENTS, delay=begin)

    def _schedule_trouble(self) -> None:
        random, scheduler = self.scheduler.random, self.scheduler
        times = 3 if self.faults.loss == "flapping" else 1
        for _ in range(times):
            region = random.choice(self.regions)
            kind = random.choice(("function", "region", "isolated")) if times > 1 else self.faults.loss
            begin = EPOCH + int(random.random() ** 6 * self.trouble / 2)  # mostly early, while requests are under way
            if kind == "function":
                scheduler.at(begin, region.lose_functions)
            elif kind != "none":
                scheduler.at(begin, partial(self.lose, region, kind))
                back = begin + int(random.random() * self.trouble / 2)
                scheduler.at(back, partial(self.give_back, region))
        if random.random() < 0.3:
            scheduler.at(EPOCH + int(random.random() * self.trouble), self._rotate_keys)
        for region in self.regions:
            if random.random() < 0.4:
                region.release = "next"
            elif random.random() < 0.4:
                scheduler.at(EPOCH + int(random.random() * self.trouble), partial(self._release, region))

    def _schedule_sweeps(self) -> None:
        begin = self.trouble - TROUBLE  # 0 in most seeds
        for number, region in enumerate(self.regions):
            self.scheduler.after(begin + SWEEP_EVERY * (number + 1) // 2, partial(self._sweep, region))

    def lose(self, region: SimulatedRegion, kind: str) -> None:
        """A region is lost, or cut off from the others."""
        if self.table.lost or self.table.isolated or self.gone:
            return  # two of three places at once are beyond what the table promises
        self.history.trace(f"{kind} lost" if kind == "region" else kind, region.name)
        if self.mode == "mrec" and self.scheduler.random.random() < 0.5:
            self.doomed = region.name
        if kind == "isolated":
            self.table.isolated[region.name] = self.scheduler.now
            self.scheduler.after(1_000, region.probe)
            return
        self._lose_all_of(region)

    def _lose_all_of(self, region: SimulatedRegion) -> None:
        self.table.lost.add(region.name)
        region.bucket.lost = region.lost = True
        region.lose_functions()

    def give_back(self, region: SimulatedRegion) -> None:
        """It returns, unless it is gone for ever."""
        if region.name == self.gone or region.name not in self.table.lost | self.table.isolated.keys():
            return
        if region.name == self.doomed:
            self.gone = region.name
            self.history.trace("region lost for ever", region.name)
            self._lose_all_of(region)
            return
        self.history.trace("returned", region.name)
        self.table.lost.discard(region.name)
        self.table.isolated.pop(region.name, None)
        region.bucket.lost = region.lost = False
        if isinstance(self.table, EventualTable):
            self.table.rejoin(region.name)

    def _release(self, region: SimulatedRegion) -> None:
        region.release = "next" if region.release == "current" else "current"
        self.history.trace("released", f"{region.release} to {region.name}")

    def _rotate_keys(self) -> None:
        for keys in self.secrets.clients.values():
            keys["previous"], keys["current"] = keys["current"], f"{keys['current']}+"
        self.history.trace("API keys rotated")

    def _sweep(self, region: SimulatedRegion) -> None:
        if self.sweeping:
            region.sweep()
            self.scheduler.after(SWEEP_EVERY, lambda: self._sweep(region))

    def _calm_down(self) -> None:
        self.history.trace("no more faults")
        self.link.faults = Faults()
        if self.director is not None:
            self._schedule_sweeps()
        for region in self.regions:
            self.give_back(region)
        if all(region.release == "current" for region in self.survivors):
            # What the next release has begun it must finish: nobody goes back for good from a status that is in use.
            self._release(self.survivors[0])

    def _until_finished(self) -> None:
        scheduler, deadline = self.scheduler, self.scheduler.now + CALM
        while scheduler.now < deadline and (self.unfinished() or scheduler.is_busy(CLIENTS)):
            scheduler.run(scheduler.now + SWEEP_EVERY)

    def _pass_time(self, duration: int) -> None:
        """Long pauses need no sweep every minute: they end, time jumps, and then they run again."""
        self.sweeping = False
        self.scheduler.run(self.scheduler.now + duration)
        if self.director is not None:
            self.scheduler.spawn("director", self.director.play_late)
            self.scheduler.run(self.scheduler.now + TROUBLE)
        self.sweeping = True
        for region in self.survivors:
            self._sweep(region)
        self.scheduler.run(self.scheduler.now + 3 * SWEEP_EVERY)

    def _ask_again(self, when: str) -> None:
        """Every client's wish once more, in each region, when nothing fails: what clients know in the end."""
        for wishes in self.wishes:
            for wish in dict.fromkeys(wishes):
                if when == "late" and wish.client == CANARY:
                    continue  # canaries' payments are deleted after a day
                for home, region in enumerate(self.regions):
                    if region.name != self.gone:
                        self.scheduler.spawn(f"{when} {wish.key}", partial(self._ask, when, wish, home))
        if self.census is not None:
            self.census.asking = True
        self.scheduler.run(self.scheduler.now + QUESTION)
        if self.census is not None:
            self.census.asking = False
        self._until_finished()

    def _pry(self, wish: Wish) -> None:
        """Another merchant asks about this payment."""
        stranger = RIVAL if wish.client == STOREFRONT else STOREFRONT
        for home in range(len(self.regions)):
            self.internet.send("stranger", "GET", wish, home, 29_000, stranger=stranger)

    def _ask(self, actor: str, wish: Wish, home: int) -> None:
        self.internet.send(actor, "GET", wish, home, 29_000)
        self.internet.send(actor, "POST", wish, home, 29_000)
