"""Where workers die: the (status × last effect × fault × who comes next) that seeds have seen, and what cannot be.

A worker is a payment function with a POST, or a sweep, at work on one payment. When it dies, what counts is what the
world is left with: the status that the table holds then, and the last thing that the worker itself has done. Dying
after an effect, before the next call, and while that call is lost are one case: nobody can tell them apart.

Every cell is visited, or one of `RULES` says why it cannot be. Reaching an impossible one is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from lambdas.domain.payment import FINAL, PaymentStatus
from simulation.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simulation.scheduler import SimulatedProcess

ABSENT: Final = "absent"
STATES: Final = (ABSENT, *PaymentStatus)
"""What the table holds. A status that only the next release knows is the one that it stands for."""


class LastEffect(StrEnum):
    """What the dead worker has done last to the payment, in the order in which a worker comes to it.

    Both ways to take a lease are one, and so are charging and cancelling, both outcomes' writes, and all tidying: the
    status tells them apart.
    """

    NOTHING = "nothing"
    CREATED = "created"
    LEASED = "leased"
    CHARGED = "charged"
    WRITTEN = "outcome written"
    RECORDED = "audit recorded"
    TICKED = "audit ticked off"
    TIDIED = "tidied"


NONE: Final = "none"
_KINDS: Final = {
    **dict.fromkeys(("lost", "unanswered", "late", "repeated"), "unheard"),
    **dict.fromkeys(("refused", "denied"), "refused"),
    **dict.fromkeys(("slow", "stall", "skew"), "time"),
    **dict.fromkeys(("pending", "lies"), "processor"),
    "loss": "region",
    "crash": NONE,
}
"""Fault -> its kind. Those of one kind leave the worker with the same question: was it done? is it mine still?"""


def kind_of(fault: str) -> str:
    """The kind of one of `Faults`' fields. One that nobody has put into a kind is a kind of its own."""
    return _KINDS.get(fault, fault)


TIME: Final = kind_of("stall")
KINDS: Final = tuple(dict.fromkeys((NONE, *(kind_of(each.name) for each in fields(Faults)))))
"""`none`: nothing but its death has befallen the worker."""


class Successor(StrEnum):
    """Who is the next at the payment: a client's request or a sweep, in the dead worker's region or in the other one.

    The questions that every history ends with do not count.
    """

    REQUEST_HERE = "request here"
    REQUEST_THERE = "request there"
    SWEEP_HERE = "sweep here"
    SWEEP_THERE = "sweep there"
    NOBODY = "nobody"


class Cell(NamedTuple):
    """One way to die."""

    state: str
    effect: LastEffect
    fault: str
    successor: Successor

    def __str__(self) -> str:
        return f"{self.state} × {self.effect} × {self.fault} × {self.successor}"


CELLS: Final = tuple(Cell(*each) for each in product(STATES, LastEffect, KINDS, Successor))


@dataclass(frozen=True, slots=True)
class Rule:
    """Why some cells cannot be reached. `reason` names the code that sees to it."""

    reason: str
    holds: Callable[[Cell], bool]


_OPEN: Final = frozenset(status for status in PaymentStatus if status not in FINAL)
_REQUESTS: Final = frozenset({Successor.REQUEST_HERE, Successor.REQUEST_THERE})
AT_WORK: Final = frozenset({LastEffect.CREATED, LastEffect.LEASED, LastEffect.CHARGED})
_EVIDENCE: Final = frozenset({LastEffect.RECORDED, LastEffect.TICKED, LastEffect.TIDIED})


def _is_overtaken(cell: Cell) -> bool:
    """Somebody else has moved the payment on while its worker was alive."""
    moved = cell.state in FINAL | {PaymentStatus.UNKNOWN}
    if cell.effect is LastEffect.LEASED:
        return cell.state == PaymentStatus.UNKNOWN  # final ones are leased too, for their audit
    if cell.effect is LastEffect.WRITTEN:
        return cell.state == PaymentStatus.AUTHORIZING
    return moved and cell.effect in AT_WORK


RULES: Final = (
    Rule(
        "AUTHORIZED is a step on the way, never written by itself: Payment.settled goes on to CAPTURED",
        lambda cell: cell.state == PaymentStatus.AUTHORIZED,
    ),
    Rule(
        "a payment that is there stays for a day, longer than any function runs: Payment.due, CANARY_KEPT",
        lambda cell: cell.state == ABSENT and cell.effect not in {LastEffect.NOTHING, LastEffect.TIDIED},
    ),
    Rule(
        "only what is final is recorded and tidied up, and it stays final: Payment.audited, forgotten, Sweep._work",
        lambda cell: cell.state in _OPEN and cell.effect in _EVIDENCE,
    ),
    Rule(
        "the processor is asked under a lease only, and a new payment is charged at once: Payments.pay, _outcome",
        lambda cell: (
            cell.fault == kind_of("pending")
            and cell.effect in {LastEffect.NOTHING, LastEffect.CREATED, LastEffect.TIDIED}
        ),
    ),
    Rule(
        "a lease outlives its holder, unless clocks differ or the holder stands still: LEASE, WORK_TIME",
        lambda cell: cell.fault == NONE and _is_overtaken(cell),
    ),
    Rule(
        "an outcome is unknown only where a call went wrong: Payments._work",
        lambda cell: cell.fault == NONE and cell.state == PaymentStatus.UNKNOWN and cell.effect is LastEffect.WRITTEN,
    ),
    Rule(
        "only a canary's payment is deleted, a day later, and no canary comes back: each run has a new key",
        lambda cell: cell.state == ABSENT and cell.effect is LastEffect.TIDIED and cell.successor in _REQUESTS,
    ),
    Rule(
        "what is not final is due, and the sweeps go on until nothing is: Payment.due, Sweep.run",
        lambda cell: cell.state in _OPEN and cell.successor is Successor.NOBODY,
    ),
    Rule(
        "an audit that is owed is due as well: Payment.due; that another has seen to it takes an overtaken worker",
        lambda cell: (
            cell.fault == NONE
            and cell.state in FINAL
            and cell.successor is Successor.NOBODY
            and cell.effect in {LastEffect.LEASED, LastEffect.WRITTEN, LastEffect.RECORDED}
        ),
    ),
)


def why_impossible(cell: Cell, rules: Sequence[Rule] = RULES) -> str | None:
    """The reason, or None when it is possible."""
    return next((rule.reason for rule in rules if rule.holds(cell)), None)


def possible(rules: Sequence[Rule] = RULES) -> tuple[Cell, ...]:
    """All cells that no rule excludes."""
    return tuple(cell for cell in CELLS if why_impossible(cell, rules) is None)


def neither(visited: Iterable[Cell], rules: Sequence[Rule] = RULES) -> list[Cell]:
    """Cells that were not visited, though nothing says why: holes in the simulation, or rules that are missing."""
    seen = frozenset(visited)
    return [cell for cell in possible(rules) if cell not in seen]


@dataclass(eq=False, slots=True)
class Turn:
    """What one worker has done about one payment so far; `payment` is empty while it is on its way to one."""

    process: SimulatedProcess
    region: str
    sweeps: bool
    is_there: bool
    """It is at the payment: a sweep is when it has read it."""
    payment: str = ""
    effect: LastEffect = LastEffect.NOTHING
    faults: set[str] = field(default_factory=set)
