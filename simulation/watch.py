"""What must hold at each moment, looked at while the code runs.

Money is asked for, and evidence written, only by the one who may, and only in the right order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lambdas.domain.outcome import Approved
from lambdas.domain.payment import FINAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.money import Money
    from lambdas.domain.outcome import Outcome
    from lambdas.domain.ports import Processor
    from simulation.bucket import Bucket
    from simulation.scheduler import Scheduler, SimulatedProcess
    from simulation.table import GlobalTable

_FINAL: Final = frozenset(status.value for status in FINAL)
_TELLING: Final = frozenset({"contradiction", "outcome_unwritten"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be; `kind` is one of those that `checks.check` lists."""

    kind: str
    payment: str
    text: str


@dataclass(slots=True)
class Watch:
    """Sees each charge and each record as it is sent, and looks into the sender's replica of the table."""

    table: GlobalTable
    scheduler: Scheduler
    leases_hold: bool
    """A lease outlives its function by 5 s. Where clocks differ by more, or functions stand still, it may be taken from
    a living holder, and the processor's memory alone keeps the two from charging twice."""
    stands_still: bool
    """Functions may stand still: only then can one be ended for its time."""
    findings: list[Finding] = field(default_factory=list)
    holders: dict[str, SimulatedProcess] = field(default_factory=dict)
    """Whose each token is: leases name their holders by them."""
    outcomes: dict[SimulatedProcess, Outcome] = field(default_factory=dict)
    """What the processor has told each process last."""
    heard: dict[str, list[tuple[SimulatedProcess, Outcome]]] = field(default_factory=dict)
    """Payment -> what the processor has told of it, and whom."""
    told: set[str] = field(default_factory=set)
    """Payments of which the log tells people that the processor contradicts itself, or what it said in vain."""

    def token(self) -> str:
        """A name that no other request has, for the running process."""
        name = f"token-{len(self.holders)}"
        self.holders[name] = self.scheduler.current
        return name

    def charging(self, region: str, now: int, payment_id: str) -> None:
        """A function asks for money. It must hold the payment's lease, by its own clock."""
        item = self._item(region, payment_id)
        if item is None:
            self._find(payment_id, f"{self.scheduler.actor} charges a payment that is not in the table")
        elif self.leases_hold and not self._holds(item, now):
            self._find(payment_id, f"{self.scheduler.actor} charges without the payment's lease")

    def recording(self, region: str, now: int, key: str) -> None:
        """A function writes evidence: the payment must be final, and not be up to whoever is first."""
        payment_id = key.rsplit("/", 1)[-1].removesuffix(".json")
        item = self._item(region, payment_id)
        if item is None or item["status"]["S"] not in _FINAL:
            self._find(payment_id, f"{self.scheduler.actor} writes the audit record of a payment that is not final")
        elif self.leases_hold and "audit_pending" in item:
            leased = "lease_until" in item
            if (leased and not self._holds(item, now)) or (not leased and int(item["due"]["N"]) <= now):
                self._find(payment_id, f"{self.scheduler.actor} writes an audit record that it has not claimed")

    def too_slow(self, process: SimulatedProcess) -> None:
        """A function was ended for its time."""
        if not self.stands_still:
            self.findings.append(Finding("late", "", f"{process.name} was not over in its time"))

    def answering(self, status: int) -> None:
        """The running function answers its request: never otherwise than the processor has told it without a word."""
        outcome = self.outcomes.get(self.scheduler.current)
        if status in {201, 402} and outcome is not None and isinstance(outcome, Approved) != (status == 201):
            self._find("", f"{self.scheduler.actor} was told {outcome} and answers {status}", kind="untold")

    def telling(self, event: str, payment_id: str) -> None:
        """The running function writes a line to its log."""
        if event in _TELLING:
            self.told.add(payment_id)

    def contradicted(self) -> set[str]:
        """Payments of which the processor has told both outcomes, each to somebody who has lived on."""
        return {
            payment_id
            for payment_id, heard in self.heard.items()
            if len({isinstance(outcome, Approved) for process, outcome in heard if not process.killed}) > 1
        }

    def healthy_alone(self) -> None:
        """A region that is cut off from the others took itself for healthy."""
        self._find("", f"{self.scheduler.actor} has read what nobody can vouch for", kind="healthy")

    def broken(self, error: str) -> None:
        """A function met an exception that only a mistake in it explains, or let one out."""
        self.findings.append(Finding("bug", "", f"{self.scheduler.actor} raised {error}"))

    def _holds(self, item: dict[str, Any], now: int) -> bool:
        """The running process has the item's lease, and it has not expired."""
        return (
            "lease_until" in item
            and int(item["lease_until"]["N"]) > now
            and self.holders.get(item["lease_holder"]["S"]) is self.scheduler.current
        )

    def _item(self, region: str, payment_id: str) -> dict[str, Any] | None:
        return self.table.truth(region).get((payment_id, "payment"))

    def _find(self, payment_id: str, text: str, kind: str = "order") -> None:
        self.findings.append(Finding(kind, payment_id, text))


@dataclass(frozen=True, slots=True)
class WatchedProcessor:
    """The port `Processor`, seen by the watch."""

    processor: Processor
    watch: Watch
    region: str
    now: Callable[[], int]

    @property
    def timeout(self) -> int:
        """The port's."""
        return self.processor.timeout

    def charge(self, key: str, amount: Money, customer: str) -> Outcome:
        """Charge."""
        self.watch.charging(self.region, self.now(), key)
        return self._heard(key, self.processor.charge(key, amount, customer))

    def find(self, key: str) -> Outcome | None:
        """Find."""
        outcome = self.processor.find(key)
        return None if outcome is None else self._heard(key, outcome)

    def cancel(self, key: str) -> Outcome:
        """Cancel."""
        return self._heard(key, self.processor.cancel(key))

    def _heard(self, key: str, outcome: Outcome) -> Outcome:
        process = self.watch.scheduler.current
        self.watch.outcomes[process] = outcome
        self.watch.heard.setdefault(key, []).append((process, outcome))
        return outcome


@dataclass(frozen=True, slots=True)
class WatchedBucket:
    """A region's bucket, seen by the watch."""

    bucket: Bucket
    watch: Watch
    region: str
    now: Callable[[], int]

    def put_object(self, *, Key: str, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        """Store an object."""
        self.watch.recording(self.region, self.now(), Key)
        return self.bucket.put_object(Key=Key, **arguments)
