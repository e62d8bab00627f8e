"""Seeds that are aimed at one cell: a worker is led to a step, meets a fault, dies there, and its successor comes.

Chance alone would take millions of seeds to some cells. Only the world is steered: when requests and sweeps come, which
calls go wrong, who dies. The code that runs is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from lambdas.domain.payment import FINAL, PaymentStatus
from shared.clients import CANARY, STOREFRONT
from simulation.cells import ABSENT, NONE, TIME, LastEffect, Successor, kind_of, possible
from simulation.clients import CLIENTS
from simulation.faults import SKEW, Faults
from simulation.history import Wish

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.cells import Cell, Turn
    from simulation.census import Census
    from simulation.clients import Internet
    from simulation.link import Link, Way
    from simulation.processor import Manner
    from simulation.region import SimulatedRegion
    from simulation.scheduler import Scheduler

EVERY: Final = 2
"""Every second seed is aimed."""
TARGETS: Final = tuple(Random(0).sample(possible(), len(possible())))  # noqa: S311 - any order, but always the same
"""All possible cells, mixed: a few seeds meet some of each kind."""
PROCESSOR: Final = kind_of("pending")
UNHEARD: Final = kind_of("lost")
REFUSED: Final = kind_of("refused")
REGION: Final = kind_of("loss")
DONE: Final = "done"
"""A worker comes to its end."""
SILENCE: Final = "silence"
"""It hears nothing of the processor."""
LATE: Final = "late"
"""It dies before its request to create the payment arrives."""
UNDECIDED_FOR: Final = 1_500
"""In an aimed seed the processor decides within this (ms)."""

_SWEEPS: Final = frozenset({Successor.SWEEP_HERE, Successor.SWEEP_THERE})
_HERE: Final = frozenset({Successor.REQUEST_HERE, Successor.SWEEP_HERE})
_UNDER_LEASE: Final = frozenset({LastEffect.CREATED, LastEffect.LEASED})
_LOOK: Final = 100
"""How often the script looks (ms)."""
_BRIEF: Final = 100
"""A processor that contradicts itself takes so long here (ms, one way)."""
_SHORT_STALL: Final = 300
_HOLD: Final = 19_000
"""How long a worker stands still to be overtaken (ms); a request's function is ended before."""
_TRIES: Final = 12
_PATIENCE: Final = 12_000
"""How long the script waits for a worker (ms)."""


def target_of(seed: int) -> Cell | None:
    """The cell that a seed is aimed at; the others are left to chance."""
    return TARGETS[seed // EVERY % len(TARGETS)] if seed % EVERY == EVERY - 1 else None


@dataclass(frozen=True, slots=True)
class Aim:
    """How to bring a cell about.

    `prelude` is how an earlier worker leaves the payment: the effect after which it dies, or `DONE`, `SILENCE`, `LATE`.
    The worker that is to die is a sweep or a request. `overtaker` moves the payment on while that worker stands still.
    `is_late`: it happens when stored answers and canaries' payments are dropped.
    """

    cell: Cell
    prelude: str | None
    sweeps: bool
    overtaker: str | None
    lies: bool
    is_late: bool
    canary: bool
    home: int
    skew: int

    @classmethod
    def of(cls, cell: Cell, random: Random) -> Aim:
        """With what does not matter left to chance."""
        state, effect, fault, successor = cell
        final, nobody = state in FINAL, successor is Successor.NOBODY
        claims = effect is LastEffect.LEASED and final and fault != PROCESSOR
        # A processor that is undecided leaves the outcome unknown: what goes on with it was told a lie.
        lies = fault == PROCESSOR and (
            effect in {LastEffect.LEASED, LastEffect.RECORDED, LastEffect.TICKED}
            or (effect is LastEffect.WRITTEN and final)
        )
        is_late = effect is LastEffect.TIDIED
        seen_to = final and nobody and (claims or effect in {LastEffect.WRITTEN, LastEffect.RECORDED})
        moved = (
            (effect in {LastEffect.CREATED, LastEffect.CHARGED} and state != PaymentStatus.AUTHORIZING)
            or (effect is LastEffect.LEASED and (state == PaymentStatus.UNKNOWN or (final and not claims)))
            or (effect is LastEffect.WRITTEN and state == PaymentStatus.AUTHORIZING)
        )
        prelude: str | None = None
        sweeps = is_late or claims or seen_to
        if effect is LastEffect.NOTHING and state == ABSENT:
            prelude = LATE if successor in _SWEEPS else None  # somebody else's request, which arrives at last
        elif effect is LastEffect.NOTHING:
            if final:
                prelude = LastEffect.WRITTEN if successor in _SWEEPS else DONE
            else:
                prelude = LastEffect.CREATED if state == PaymentStatus.AUTHORIZING else SILENCE
                sweeps = random.random() < 0.5
        elif lies:
            prelude = LastEffect.CHARGED
            sweeps = sweeps or random.random() < 0.5
        elif claims or (seen_to and effect is LastEffect.RECORDED):
            prelude = LastEffect.WRITTEN
        elif effect is LastEffect.LEASED or seen_to:
            prelude = LastEffect.CREATED
            sweeps = sweeps or random.random() < 0.5
        overtaker = "sweep" if seen_to else "request" if moved else None
        if effect is LastEffect.LEASED and lies and final:
            overtaker = "request"
        return cls(
            cell=cell,
            prelude=prelude,
            sweeps=sweeps,
            overtaker=overtaker,
            lies=lies,
            is_late=is_late,
            canary=is_late and (state == ABSENT or (state == PaymentStatus.CAPTURED and successor in _SWEEPS)),
            home=0 if overtaker else int(random.random() * 2),  # the second region's clock is the one that is ahead
            skew=SKEW if overtaker else random.choice((0, 50, 2_000)) if fault == TIME else 0,
        )

    @property
    def faults(self) -> Faults:
        """The seed's: what else goes wrong is decided call by call."""
        return Faults(lies=float(self.lies), skew=self.skew)

    @property
    def ends_late(self) -> bool:
        """Only the sweep that tidies up comes to a payment that is done."""
        return self.is_late or (self.cell.effect is LastEffect.TICKED and self.cell.successor in _SWEEPS)

    @property
    def bystander(self) -> bool:
        """The successor is a sweep that has read the payment before it was deleted."""
        return self.is_late and self.cell.state == ABSENT and self.cell.successor in _SWEEPS

    @property
    def overtaken_at(self) -> str:
        """Where the overtaker stops."""
        if self.cell.state == PaymentStatus.AUTHORIZING:
            return LastEffect.LEASED
        if self.cell.state == PaymentStatus.UNKNOWN:
            return SILENCE
        return LastEffect.WRITTEN if self.cell.successor in _SWEEPS else DONE

    @property
    def hears_nothing(self) -> bool:
        """The worker's calls to the processor are lost."""
        return self.cell.effect is LastEffect.WRITTEN and self.cell.state not in FINAL and self.cell.fault != PROCESSOR


@dataclass(slots=True)
class Director:
    """Carries an aim out in one world."""

    aim: Aim
    internet: Internet
    link: Link
    census: Census
    manner: Manner
    lose: Callable[[SimulatedRegion, str], None]
    give_back: Callable[[SimulatedRegion], None]
    wish: Wish = field(init=False)
    hit: bool = False
    _role: str | None = None
    _roles: dict[Turn, str | None] = field(default_factory=dict)
    _held: Turn | None = None
    _sent: int = 0

    def __post_init__(self) -> None:
        amount, currency = self._random.choice((("100", "USD"), ("99.5", "EUR"), ("100", "JPY")))
        self.wish = Wish(CANARY if self.aim.canary else STOREFRONT, "key-0", amount, currency, "alice")
        self.manner.decided, self.manner.slow = UNDECIDED_FOR, _BRIEF
        if self.aim.cell.state in FINAL:
            self.manner.declined = float((self.aim.cell.state == PaymentStatus.DECLINED) != self.aim.lies)

    # The script, which runs as a process among the clients.

    def play(self) -> None:
        """While there is trouble."""
        if self.aim.prelude is not None or self.aim.is_late:
            self._role = "prelude"
            # What is still under way must not be lost with the region in which the next worker dies.
            self._request(1 - self.aim.home if self.aim.prelude == LATE else self.aim.home)
            self._until(lambda: self._is_over("prelude"), _PATIENCE)
        if not self.aim.is_late:
            self._hunt()
            if not self.aim.ends_late:
                self._succeed()
        self._role = None

    def play_late(self) -> None:
        """When what is old is dropped."""
        if self.aim.bystander:
            self._role = "bystander"
            self._bring("sweep", self._next_home)
            self._until(lambda: self._role != "bystander", _PATIENCE)
        if self.aim.is_late:
            self._hunt()
        self._succeed()
        self._role = None

    def _hunt(self) -> None:
        """Bring the worker that is to die, again and again: leases and times to wait must be over."""
        base = self.link.faults
        for _ in range(_TRIES):
            if self.aim.cell.fault == PROCESSOR and not self.aim.lies:
                self.link.faults = Faults(pending=1.0, skew=self.aim.skew)
            self._role = "target"
            self._bring("sweep" if self.aim.sweeps else "request", self.aim.home)
            self._until(lambda: self.hit or self._held is not None or self._is_over("target"), _PATIENCE)
            self.link.faults = base
            if self._held is not None:
                self._overtake(self._held)
                self._held = None
            if self.hit:
                return
            self._sleep(5_000)

    def _overtake(self, held: Turn) -> None:
        """Move the payment on while its worker stands still, which then dies."""
        if self.aim.cell.fault == PROCESSOR and not self.aim.lies:
            self._sleep(UNDECIDED_FOR)
        for _ in range(_HOLD // 1_000):
            if not held.process.alive:
                return
            if self._is_moved():
                self.hit = True
                self._kill(held)
                return
            self._role = "overtaker"
            self._bring(self.aim.overtaker or "", 1 - self.aim.home)
            self._until(lambda: self._is_moved() or self._is_over("overtaker"), 4_000)
            if not self._is_moved():
                self._sleep(1_000)

    def _is_moved(self) -> bool:
        cell = self.aim.cell
        if self._state() != cell.state:
            return False
        if self.aim.overtaken_at != DONE:
            return self._is_over("overtaker")
        item = self.census.table.newest((self._payment, "payment"))
        return item is not None and "audit_pending" not in item and self._is_over("overtaker")

    def _succeed(self) -> None:
        """Bring the successor."""
        successor = self.aim.cell.successor
        if not self.hit or successor is Successor.NOBODY:
            return
        for attempt in range(_TRIES):
            if not self.census.waits(self._payment):
                return
            self._role = None
            self._bring("sweep" if successor in _SWEEPS else "request", self._next_home)
            # What is done is found only while the index is stale.
            self._sleep(300 if attempt < 3 and self.aim.is_late else 7_000)

    def _bring(self, kind: str, home: int) -> None:
        if kind == "sweep":
            self.internet.regions[home].sweep()
        else:
            self._request(home)

    def _request(self, home: int) -> None:
        name = f"client {self.wish.key}.{self._sent}"
        self._sent += 1
        send = partial(self.internet.send, name, "POST", self.wish, home, _PATIENCE)
        self._scheduler.spawn(name, send, place=CLIENTS)

    def _until(self, holds: Callable[[], bool], limit: int) -> None:
        end = self._scheduler.now + limit
        while not holds() and self._scheduler.now < end:
            self._sleep(_LOOK)

    def _sleep(self, milliseconds: int) -> None:
        self._scheduler.sleep(milliseconds)

    def _is_over(self, role: str) -> bool:
        """Somebody has had the role, and is gone."""
        had = [turn for turn, its in self._roles.items() if its == role]
        return self._role != role and bool(had) and not any(turn.process.alive for turn in had)

    @property
    def _next_home(self) -> int:
        return self.aim.home if self.aim.cell.successor in _HERE else 1 - self.aim.home

    @property
    def _scheduler(self) -> Scheduler:
        return self.link.scheduler

    @property
    def _random(self) -> Random:
        return self._scheduler.random

    @property
    def _payment(self) -> str:
        return self.internet.history.operations[0].payment_id

    def _state(self) -> str:
        return self.census.state(self._payment)

    # What happens to calls: asked by the link.

    def fate(self, turn: Turn, what: str, way: Way) -> str | None:
        """What must happen to this call, or None."""
        if not turn.payment:
            return None
        role, fault = self._role_of(turn), self.aim.cell.fault
        asks = what.startswith("processor")
        if role == "target" and not self.hit:
            if fault == UNHEARD and not turn.faults & {"lost", "unanswered"}:
                may_arrive = self.aim.cell.effect is not LastEffect.NOTHING
                return self._random.choice(("lost", "unanswered")) if may_arrive else "lost"
            if fault == REFUSED and "refused" not in turn.faults and way.refusal is not None:
                return "refused"
            return "lost" if asks and self.aim.hears_nothing else None
        if role == "prelude" and self.aim.prelude == LATE:
            return LATE
        mute = (role == "prelude" and self.aim.prelude == SILENCE) or (
            role == "overtaker" and self.aim.overtaken_at == SILENCE
        )
        return "lost" if asks and mute else None

    def after(self, turn: Turn) -> None:
        """The running worker is between two calls, or a call of it has had its effect: it may have to die here."""
        if not turn.payment:
            return
        role = self._role_of(turn)
        if role == "prelude" and (turn.effect == self.aim.prelude or self.aim.prelude in turn.faults):
            self._crash(turn)
        elif role == "bystander" and turn.is_there and not self.hit:
            self._until(lambda: self.hit, _PATIENCE)
        elif role == "overtaker" and turn.effect == self.aim.overtaken_at:
            self._crash(turn)
        elif role == "target" and not self.hit and self._held is None:
            if turn.effect is self.aim.cell.effect:
                self._look_at(turn)
            elif self._may_be_visited(turn):
                # Another request meanwhile must see the lease, and go.
                self._request(int(self._random.random() * 2))
                self._stall(turn, _SHORT_STALL)

    def _may_be_visited(self, turn: Turn) -> bool:
        is_early = turn.effect in _UNDER_LEASE and "stall" not in turn.faults
        return is_early and self.aim.cell.fault == TIME and self.aim.overtaker is None

    def _role_of(self, turn: Turn) -> str | None:
        if turn not in self._roles:
            self._roles[turn] = self._role
            if self._role is not None:
                self._role = ""  # there is one of each
        return self._roles[turn]

    def _look_at(self, turn: Turn) -> None:
        fault = self.aim.cell.fault
        kinds = {kind_of(each) for each in turn.faults} - {NONE}
        if fault == TIME and fault not in kinds:
            self._stall(turn, _SHORT_STALL)
        elif (fault == NONE and kinds) or (fault not in {NONE, TIME, REGION} and fault not in kinds):
            return
        if self.aim.overtaker is not None:
            self._held = turn
            self._stall(turn, _HOLD)
        elif self._state() == self.aim.cell.state:
            self.hit = True
            self._kill(turn)

    def _stall(self, turn: Turn, duration: int) -> None:
        self.internet.history.trace("stall", turn.effect)
        turn.faults.add("stall")
        self._sleep(duration)

    def _crash(self, turn: Turn) -> None:
        self.internet.history.trace("crash", f"{turn.process.name} after {turn.effect}")
        self._scheduler.kill(turn.process)

    def _kill(self, turn: Turn) -> None:
        if self.aim.cell.fault != REGION:
            self._crash(turn)
            return
        region = self.internet.regions[self.aim.home]
        kind = self._random.choice(("function", "region", "isolated"))
        if self.aim.bystander:
            kind = "isolated"  # it must stay
        elif self.aim.is_late and self.aim.cell.successor in _HERE:
            kind = "function"  # what is done is found only while the index is stale: there is no time to return
        back = 3_000 + int(self._random.random() * 10_000)
        if kind == "function":
            self._scheduler.after(0, region.lose_functions)
        else:
            self._scheduler.after(0, partial(self.lose, region, kind))
            self._scheduler.after(back, partial(self.give_back, region))
        self._sleep(1)
        if kind == "isolated":
            self._crash(turn)
