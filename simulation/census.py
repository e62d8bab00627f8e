"""Who died at which payment, and who came next: sees all calls of one seed's workers. What it sees is in `cells`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lambdas.domain.payment import PaymentStatus
from simulation.cells import ABSENT, AT_WORK, NONE, STATES, TIME, Cell, LastEffect, Successor, Turn, kind_of
from simulation.history import payment_of

if TYPE_CHECKING:
    from simulation.scheduler import Scheduler, SimulatedProcess
    from simulation.table import Item, StrongTable

_ORDER: Final = {effect: place for place, effect in enumerate(LastEffect)}


@dataclass(slots=True)
class Death:
    """One worker's, with the payment as it was left."""

    payment: str
    region: str
    state: str
    effect: LastEffect
    faults: frozenset[str]
    successor: Successor = Successor.NOBODY

    @property
    def cells(self) -> list[Cell]:
        """One for each kind of fault that had befallen the worker."""
        kinds = sorted({kind_of(fault) for fault in self.faults} - {NONE}) or [NONE]
        return [Cell(self.state, self.effect, kind, self.successor) for kind in kinds]


@dataclass(slots=True)
class Census:
    """Sees all calls of the workers of one seed, and takes down their deaths and who came next."""

    scheduler: Scheduler
    table: StrongTable
    skew: int
    deaths: list[Death] = field(default_factory=list)
    unplaced: set[str] = field(default_factory=set)
    """Calls about a payment whose effect is not known here."""
    asking: bool = False
    """The questions of the end are asked: these requests do not count."""
    _workers: dict[SimulatedProcess, tuple[str, bool]] = field(default_factory=dict)
    _turns: dict[SimulatedProcess | None, Turn] = field(default_factory=dict)
    _left: dict[str, list[Death]] = field(default_factory=dict)

    def employs(self, process: SimulatedProcess, region: str, *, sweeps: bool) -> None:
        """This process is a worker."""
        if sweeps or not self.asking:
            self._workers[process] = region, sweeps

    def begins(self, what: str, about: str) -> Turn | None:
        """The running process makes a call: as which worker, or None if as none."""
        process = self.scheduler.current
        worker = self._workers.get(process)
        if worker is None:
            return None
        payment = payment_of(about) or ""
        turn = self._turns.get(process)
        seeks = what == "dynamodb Query"  # done with the payment before
        if turn is None or (turn.payment and (seeks or payment not in {"", turn.payment})):
            region, sweeps = worker
            turn = self._turns[process] = Turn(process, region, sweeps, is_there=not sweeps)
            if self.skew:
                turn.faults.add("skew")
        # What befalls it on the way to the payment counts as well: it takes of the time that is left.
        turn.payment = payment or turn.payment
        if turn.region in self.table.isolated:
            turn.faults.add("loss")
        self._comes(turn)
        return turn

    def arrived(self, turn: Turn, what: str, about: str, answer: Any) -> None:
        """The call has had its effect, whether or not the worker hears of it. `answer` is None for an error."""
        if payment_of(about) is None:
            return
        if what == "dynamodb GetItem" and turn.sweeps and not about.startswith("canary-charge"):
            turn.is_there |= answer is not None and "Item" in answer
            if answer is not None and not turn.is_there:
                self._turns.pop(turn.process, None)
        effect = self._effect(what, about, is_done=answer is not None)
        if effect is LastEffect.WRITTEN:
            self._overtakes(turn)
        if effect is not None and _ORDER[effect] > _ORDER[turn.effect]:  # a repeated request may arrive much later
            turn.effect = effect
        self._comes(turn)  # also what was on its way when the other one died

    def befalls_running(self, fault: str) -> None:
        """One of `Faults` befalls whoever is running."""
        turn = self._turns.get(self.scheduler.running)
        if turn is not None:
            turn.faults.add(fault)

    def befalls_region(self, region: str, fault: str) -> None:
        """One of `Faults` befalls all workers of a region."""
        for turn in self._turns.values():
            if turn.region == region:
                turn.faults.add(fault)

    def dies(self, process: SimulatedProcess) -> None:
        """The process is killed, at this moment."""
        turn = self._turns.get(process)
        if turn is None or not turn.payment:
            return
        if turn.region in self.table.isolated or turn.region in self.table.lost:
            turn.faults.add("loss")
        death = Death(turn.payment, turn.region, self.state(turn.payment), turn.effect, frozenset(turn.faults))
        self.deaths.append(death)
        self._left.setdefault(turn.payment, []).append(death)

    def state(self, payment: str) -> str:
        """What the table holds."""
        item = self.table.newest((payment, "payment"))
        if item is None:
            return ABSENT
        status: str = item["status"]["S"]
        return status if status in STATES else PaymentStatus.UNKNOWN

    def waits(self, payment: str) -> bool:
        """Somebody has died at this payment, and nobody has come since."""
        return payment in self._left

    @property
    def cells(self) -> Counter[Cell]:
        """Cell -> how many deaths were of that kind."""
        return Counter(cell for death in self.deaths for cell in death.cells)

    def _comes(self, turn: Turn) -> None:
        """Somebody is at the payment: those who died there have their successor."""
        if not turn.is_there or not turn.process.alive or turn.payment not in self._left:
            return
        for death in self._left.pop(turn.payment):
            here = death.region == turn.region
            if turn.sweeps:
                death.successor = Successor.SWEEP_HERE if here else Successor.SWEEP_THERE
            else:
                death.successor = Successor.REQUEST_HERE if here else Successor.REQUEST_THERE

    def _overtakes(self, turn: Turn) -> None:
        """An outcome is written under another's lease: what made its writer late has befallen the other one, too."""
        for other in self._turns.values():
            if other.payment == turn.payment and other.process is not turn.process and other.effect in AT_WORK:
                other.faults |= {fault for fault in turn.faults if kind_of(fault) == TIME}

    def _effect(self, what: str, about: str, *, is_done: bool) -> LastEffect | None:
        if what not in _EFFECTS:
            self.unplaced.add(what)
            return None
        effect = _EFFECTS[what]
        if what in _ASKED_FOR:
            return effect  # the processor has it, decided or not
        if not is_done or effect is None:
            return None
        if what == "dynamodb PutItem" and about.startswith("canary-charge"):
            return LastEffect.CHARGED
        if what == "dynamodb UpdateItem":
            before, after = self.table.newest_change((payment_of(about) or "", "payment"))
            return _move(before or {}, after or {})
        return effect


_EFFECTS: Final[dict[str, LastEffect | None]] = {
    "dynamodb GetItem": None,
    "dynamodb PutItem": LastEffect.CREATED,
    "dynamodb UpdateItem": LastEffect.WRITTEN,
    "dynamodb DeleteItem": LastEffect.TIDIED,
    "processor find": None,
    "processor charge": LastEffect.CHARGED,
    "processor cancel": LastEffect.CHARGED,
    "s3 PutObject": LastEffect.RECORDED,
}
"""Each call about a payment -> its effect."""
_ASKED_FOR: Final = frozenset({"processor charge", "processor cancel"})


def _move(before: Item, after: Item) -> LastEffect:
    """Which of `Payment`'s moves has made one item of the other."""
    if "audit_pending" in before and "audit_pending" not in after:
        return LastEffect.TICKED
    if "lease_holder" in after and before.get("lease_holder") != after["lease_holder"]:
        return LastEffect.LEASED
    if "response_body" in before and "response_body" not in after:
        return LastEffect.TIDIED
    return LastEffect.WRITTEN
