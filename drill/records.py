"""What a drill leaves, as JSON lines: what clients did and saw, and what happened when.

Times are virtual seconds since 1970.

A line is written when it happens and never changed. `plan.json` is on disk before the load begins, so a drill that was
broken off is in the history too.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypedDict

from shared.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ClientKind = Literal["fresh", "keep-alive", "floor-60", "example"]
AttemptOutcome = Literal["created", "replayed", "declined", "pending", "refused", "failed", "late"]
"""201; 201 again; 402; 202 or 409; another 4xx; no answer or 5xx; not sent in time."""
DrillStatus = Literal["passed", "missed", "inconclusive", "aborted"]

PLAN, CLIENTS, EVENTS = "plan.json", "clients.jsonl", "events.jsonl"
BOOKS, PAGE = "books.json", "report.html"
RECONCILIATION, FIGURES, OUTCOME = "reconciliation.json", "figures.json", "outcome.json"


EVACUATION: Final = "evacuate"
UNFENCED: Final = "unfenced"
MOVES: Final = frozenset({EVACUATION, UNFENCED})
"""Faults of a drill that moves clients away from a primary that serves: with a fence before it, and without."""
NOTICED: Final = "noticed"
"""Of a plan's bounds: when checkers must have noticed what they can, where nothing else bounds an outage."""
DECLINES: Final = "decline-"
"""Begins a customer's name whose payments the processor's stand-in declines (docs/processor.md)."""
INCIDENT: Final = "incident"
"""The fault of a drill that plays a published outage, step by step."""
SANDBOX: Final = "sandbox"
"""The target whose own processes play AWS."""
NOTHING: Final = "none"
"""The fault of a drill that breaks nothing: the load alone must fail nothing and move nobody."""


@dataclass(frozen=True)
class Record:
    """One line."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """From JSON; fields of a later version are left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in told.items() if name in known})


@dataclass(frozen=True)
class Attempt(Record):
    """One request of one client for one payment: asked for, sent, answered."""

    client: str
    kind: ClientKind
    key: str
    """The Idempotency-Key: the same for all attempts of a payment."""
    attempt: int
    """From 1 on."""
    due: float
    """When the schedule wanted the payment's first attempt."""
    sent: float
    ended: float
    outcome: AttemptOutcome
    status: int = 0
    """HTTP's; 0 without an answer."""
    payment: str = ""
    """The id that was answered."""
    region: str = ""
    """Who says that it has served."""
    address: str = ""
    """Where it was sent."""
    reason: str = ""
    amount: str = ""
    currency: str = ""
    customer: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether it should have been a payment, and was none: every payment of a drill is valid.

        A first attempt is to make a new payment, whatever else it is answered. One that is repeated may be told that
        the first is under way, or what has come of it.
        """
        if self.outcome == "declined":
            return not self.customer.startswith(DECLINES)
        if self.outcome in {"pending", "replayed"}:
            return self.attempt == 1
        return self.outcome != "created"

    @property
    def begins(self) -> float:
        """When its client began to wait for it: the first when the payment was due (open loop), others when sent."""
        return self.due if self.attempt == 1 else self.sent


@dataclass(frozen=True)
class Event(Record):
    """Something that happened."""

    at: float
    kind: str
    """phase, fault, heal, checker, health, dns, alarm, notification, switch, restore or self-test."""
    subject: str = ""
    what: str = ""
    detail: str = ""


class PlannedFault(TypedDict):
    """One thing that is broken: where by its role, the rest in the words of `./invoke fault`."""

    region: str
    kind: str
    part: str
    how: str
    probability: float | None
    seconds: float | None
    says: str
    source: str


class PlannedStep(TypedDict):
    """What is broken from a moment on, until the next step: nothing, when an outage is over."""

    at: float
    """Virtual seconds after the first."""
    faults: list[PlannedFault]


@dataclass(frozen=True)
class DrillPlan(Record):
    """What a drill is going to do, and what it is measured against."""

    id: str
    seed: int
    fault: str
    """`NOTHING` for a drill that breaks nothing."""
    rate: float
    """New payments per virtual second."""
    duration: float
    """Virtual seconds of load, from the first payment on."""
    fault_at: float
    """Virtual seconds after the first payment."""
    speed: float
    environment: str
    target: str
    objectives: Mapping[str, float] = field(default_factory=dict)
    propagation: str = ""
    """Whose figure the bounds' propagation is: a source, or `assumed: why`."""
    bounds: Mapping[str, float] = field(default_factory=dict)
    clients: Mapping[str, int] = field(default_factory=dict)
    """How many of each kind."""
    regions: Mapping[str, str] = field(default_factory=dict)
    """Role of the region that an address leads to."""
    commit: str = ""
    contract: str = ""
    """A digest of all layers' contracts."""
    who: str = ""
    started: float = 0.0
    incident: str = ""
    """The outage that is played, by its name; `steps` are its."""
    source: str = ""
    steps: Sequence[PlannedStep] = ()
    file: str = ""
    """That the outage was read from."""
    compression: float = 1.0
    """By how much the outage's own minutes are shortened: the sandbox's rules keep theirs."""
    caution: str = ""
    """What the shortening changes of what is shown."""
    consistency: str = "strong"
    """Of the payments table: with an eventual one writes may be lost at a failover."""
    failback: str = "manual"
    """automatic: clients go back when the primary is well again, and nothing latches."""
    wished: float = 0.0
    """The rate that was asked for."""
    capacity: float | None = None
    """Payments a real second that this machine serves; None where that has not been measured."""

    def role_of(self, attempt: Attempt) -> str:
        """The role of the region that an attempt was sent to, else of the one that says it has served; or nothing."""
        return self.regions.get(attempt.address) or self.regions.get(attempt.region.partition(" ")[0], "")

    @property
    def settings(self) -> str:
        """The file that has the environment's settings, in `environments` and among the drill's own."""
        return f"{self.environment}.yaml"

    @property
    def planned(self) -> bool:
        """Whether clients are moved by a decision: nothing fails first, so nothing of it is a recovery time."""
        return self.fault in MOVES

    @property
    def returns(self) -> bool:
        """Whether clients must go back by themselves once the primary is well."""
        return self.failback == "automatic" and not self.planned

    @property
    def objective(self) -> float | None:
        """Seconds within which clients must be served again; nothing was promised of a planned move."""
        return None if self.planned else self._objective_of(self.measured)

    @property
    def longest_objective(self) -> float | None:
        """The longest of all that is broken in the drill: in an outage other faults may follow the first."""
        kinds = {each["kind"] for step in self.steps for each in step["faults"]} or {self.measured}
        known = [each for each in map(self._objective_of, kinds) if each is not None]
        return max(known, default=None) if not self.planned else None

    def _objective_of(self, fault: str) -> float | None:
        return self.objectives.get("grey_failure" if fault == "grey" else "failover")

    @property
    def first_fault(self) -> tuple[float, PlannedFault] | None:
        """An outage's first fault in the primary, and when it comes: virtual seconds after the first step."""
        found = ((step["at"], each) for step in self.steps for each in step["faults"] if each["region"] == "primary")
        return next(found, None)

    @property
    def measured(self) -> str:
        """The fault that objective and bounds are for: of an outage its first one in the primary."""
        return self.first_fault[1]["kind"] if self.first_fault else self.fault

    def breaks(self, role: str) -> bool:
        """Whether the outage that is played breaks something in that region, too."""
        return any(each["region"] == role for step in self.steps for each in step["faults"])

    @property
    def measured_at(self) -> float:
        """When that comes, in virtual seconds after the drill has begun to break something."""
        return self.first_fault[0] if self.first_fault else 0.0

    @property
    def title(self) -> str:
        """What is broken, in a word or two: drills that may be compared have the same."""
        return f"incident {PurePath(self.file).stem}" if self.file else self.fault

    @property
    def again(self) -> str:
        """The options that play the same drill again."""
        outage = f"--incident {shlex.quote(self.file)} --compress {_exactly(self.compression)}"
        what = outage if self.file else f"--fault {self.fault}"
        numbers = {"rate": self.rate, "duration": self.duration, "speed": self.speed, "seed": self.seed}
        where = {"environment": (self.environment, "payments"), "target": (self.target, SANDBOX)}
        return " ".join(
            [
                what,
                *(f"--{name} {_exactly(value)}" for name, value in numbers.items()),
                *(f"--{name} {shlex.quote(value)}" for name, (value, usual) in where.items() if value != usual),
            ]
        )

    @property
    def first_lasts(self) -> float:
        """Virtual seconds for which an outage's first fault in the primary is in force; infinite: to the end."""
        if self.first_fault is None:
            return 0.0
        begin, first = self.first_fault
        ends = (step["at"] for step in self.steps if step["at"] > begin and first not in step["faults"])
        return next(ends, math.inf) - begin


@dataclass(frozen=True)
class DrillOutcome(Record):
    """How a drill ended."""

    status: DrillStatus
    code: int
    """The exit code."""
    why: str = ""


def _exactly(value: float) -> str:
    """A number as it is typed: without a point where it needs none."""
    return str(int(value)) if value == int(value) else repr(value)


class RecordFile:
    """Appends records to a file, each in one write: a kill leaves whole lines and at most one torn one."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, record: Record) -> None:
        os.write(self._file, json.dumps(record.to_json(), separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        os.fsync(self._file)
        os.close(self._file)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal; none where there is no file. Raises Problem, with its place, for a damaged one."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return
    for number, line in enumerate(text.split(b"\n")[:-1], 1):
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise Problem(f"{path}:{number}: is no line of a journal: the drill's records are damaged")
        yield told


def read(path: Path) -> dict[str, Any] | None:
    """A JSON file's object; None where there is none, or it is damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write(path: Path, value: Any) -> None:
    """Write a JSON file that is there, whole and on disk, or not at all."""
    beside = path.with_suffix(".new")
    with beside.open("w") as file:
        file.write(json.dumps(value, indent=2, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
