"""One payment and its moves.

    opened ──> AUTHORIZING ──> AUTHORIZED ──> CAPTURED
                  │   ^  │
                  v   │  └───> DECLINED
                UNKNOWN            (UNKNOWN moves like AUTHORIZING, once somebody has leased it)

A value of `Payment` never changes; each move returns the next one with `version` one higher. The table decides who may
write it: a write names the version it has seen. A lease says who is working on the payment; it keeps two workers from
asking the processor at once, and when it has expired anybody may take over. Nothing is charged twice even when clocks
disagree about a lease: the processor knows the payment by its key. The outcome that is written first stays, also when
its writer has lost the lease: whoever has it then loses the write, and finds out whether the processor agrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from lambdas.domain.errors import IllegalTransition
from lambdas.domain.outcome import Approved

if TYPE_CHECKING:
    from lambdas.domain.instruction import Instruction
    from lambdas.domain.money import Money
    from lambdas.domain.outcome import Outcome

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

WORK_TIME: Final = 9_500
"""Nobody works on a payment for longer than this, however long its function may run."""
LEASE: Final = 15 * SECOND
"""Longer than that, though clocks differ a little: a lease expires only when its holder is gone."""
ABANDON_AFTER: Final = 15 * MINUTE
"""A payment that is asked about, or was to be, so long after it was made, and that the processor has never heard of, is
cancelled there instead of charged: nobody expects it."""
AUDIT_GRACE: Final = 30 * SECOND
"""How long the sweep leaves a pending audit to the request that is writing it."""
RESPONSE_KEPT: Final = 72 * HOUR
"""Replays of this age get the first answer byte for byte; later ones get it rebuilt from the payment."""
CANARY_KEPT: Final = 24 * HOUR
"""Canaries' payments are deleted after this; all others are never deleted."""
CANARY_CLIENT: Final = "canary"

_FIRST_RETRY: Final = 5 * SECOND
_LAST_RETRY: Final = 5 * MINUTE

FIRST_STEPS: Final = 4
STEPS: Final = 20
"""A payment keeps its first 4 steps and its last 16: an item must stay far below DynamoDB's 400 KB, however long a
processor is silent."""

Step = tuple[str, int]
"""A status, and when it was reached (ms). A newer version's statuses may be among those of the past."""


class PaymentStatus(StrEnum):
    """Where a payment stands; `CAPTURED` and `DECLINED` are final."""

    AUTHORIZING = "AUTHORIZING"
    UNKNOWN = "UNKNOWN"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"


TRANSITIONS: Final = {
    PaymentStatus.AUTHORIZING: frozenset({PaymentStatus.AUTHORIZED, PaymentStatus.DECLINED, PaymentStatus.UNKNOWN}),
    PaymentStatus.UNKNOWN: frozenset({PaymentStatus.AUTHORIZING}),
    PaymentStatus.AUTHORIZED: frozenset({PaymentStatus.CAPTURED}),
    PaymentStatus.CAPTURED: frozenset[PaymentStatus](),
    PaymentStatus.DECLINED: frozenset[PaymentStatus](),
}
FINAL: Final = frozenset(status for status, following in TRANSITIONS.items() if not following)


class Task(StrEnum):
    """What is to be done about a payment, the most urgent first. The values are in the table already."""

    FINISH = "payment"
    """Money: get the outcome of what was left, or is unknown."""
    AUDIT = "audit"
    """Write the audit record that is owed."""
    TIDY = "tidy"
    """Drop what is old enough."""


@dataclass(frozen=True, slots=True)
class Lease:
    """`holder` (one request or sweep, unique) works on the payment until `until` (ms)."""

    holder: str
    until: int


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it was first given: replays repeat it, whatever version of the code answers."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as the table holds it. Times in ms. `steps` is its history; of a long one the middle is left out.

    `endpoint` is the processor's https name. Whoever works on the payment asks there: another endpoint has never heard
    of it, and would charge again. Canaries' payments have none.
    """

    id: str
    client: str
    fingerprint: str
    money: Money
    customer: str
    region: str
    created: int
    updated: int
    steps: tuple[Step, ...]
    endpoint: str | None = None
    version: int = 1
    lease: Lease | None = None
    attempts: int = 0
    retry_at: int | None = None
    reference: str | None = None
    reason: str | None = None
    audit_pending: bool = False
    in_doubt: bool = False
    """The processor has also told the other outcome: a person decides, and until then nobody is told any."""
    response: Response | None = None

    @property
    def status(self) -> PaymentStatus:
        """The newest step's status."""
        return PaymentStatus(self.steps[-1][0])

    @property
    def is_final(self) -> bool:
        """Nothing about the money will change any more."""
        return self.status in FINAL

    @property
    def is_canary(self) -> bool:
        """Made by a canary: kept out of business figures and deleted after a day."""
        return self.client == CANARY_CLIENT

    @property
    def due(self) -> int | None:
        """When the sweep has something to do with this payment (ms), or None: never again."""
        if self.lease is not None:
            return self.lease.until
        if not self.is_final:
            return self.retry_at
        if self.audit_pending:
            return self.updated + AUDIT_GRACE
        if self.is_canary:
            return self.created + CANARY_KEPT
        return self.created + RESPONSE_KEPT if self.response is not None else None

    @property
    def task(self) -> Task | None:
        """What the sweep has to do when it is due, or None."""
        if not self.is_final:
            return Task.FINISH
        if self.audit_pending:
            return Task.AUDIT
        return Task.TIDY if self.due is not None else None

    def is_abandoned(self, now: int) -> bool:
        """Nobody expects it any more, should the processor have never heard of it.

        A client that was told to wait does: what counts is for how long it was told to, in sum. That whoever asks comes
        later than that changes nothing.
        """
        if any(status == PaymentStatus.UNKNOWN for status, _ in self.steps):
            return sum(_pause(number) for number in range(self.attempts)) >= ABANDON_AFTER
        return now >= self.created + ABANDON_AFTER

    def may_be_asked(self, now: int) -> bool:
        """Its processor may be asked: not before `retry_at`, which its client was told and the sweep keeps to."""
        return self.retry_at is None or now >= self.retry_at

    def is_leased(self, now: int) -> bool:
        """Somebody is working on it."""
        return self.lease is not None and now < self.lease.until

    # The moves. Each is written to the table on condition that the table still holds the payment it starts from.

    def leased(self, holder: str, now: int) -> Payment:
        """Take the payment over. Raises IllegalTransition while somebody holds it."""
        if self.is_leased(now):
            raise IllegalTransition(f"{self.id} is leased until {self.lease}")
        steps = (
            self._stepped(PaymentStatus.AUTHORIZING, now=now) if self.status is PaymentStatus.UNKNOWN else self.steps
        )
        return self._moved(now, steps=steps, lease=Lease(holder, now + LEASE), retry_at=None)

    def at(self, endpoint: str) -> Payment:
        """The same move, with this endpoint for a payment of an earlier release, which wrote none down.

        It stays with the first that works on it: not a write of its own.
        """
        return self if self.is_canary or self.endpoint is not None else replace(self, endpoint=endpoint)

    def unanswered(self, now: int, *, asked: bool = True) -> Payment:
        """The processor did not answer: release the payment, to be asked about again with growing pauses.

        Not `asked`, for want of time, it has not been silent: the pauses do not grow.
        """
        return self._moved(
            now,
            steps=self._stepped(PaymentStatus.UNKNOWN, now=now),
            lease=None,
            attempts=self.attempts + asked,
            retry_at=now + _pause(self.attempts),
        )

    def settled(self, outcome: Outcome, now: int) -> Payment:
        """The processor's answer, final, whoever holds the lease. The audit record is now owed."""
        way = (PaymentStatus.AUTHORIZING,) if self.status is PaymentStatus.UNKNOWN else ()
        if isinstance(outcome, Approved):
            steps = self._stepped(*way, PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED, now=now)
            settled = self._moved(now, steps=steps, reference=outcome.reference)
        else:
            steps = self._stepped(*way, PaymentStatus.DECLINED, now=now)
            settled = self._moved(now, steps=steps, reason=outcome.reason)
        return replace(settled, lease=None, retry_at=None, audit_pending=True)

    def answering(self, response: Response) -> Payment:
        """The same move, with the answer that replays repeat: not a write of its own."""
        self._require_final()
        return replace(self, response=response)

    def audited(self, now: int) -> Payment:
        """The audit record is written."""
        self._require_final()
        return self._moved(now, lease=None, audit_pending=False)

    def doubted(self, now: int) -> Payment:
        """The processor has told another outcome than the one that is recorded, which stays."""
        self._require_final()
        return self._moved(now, in_doubt=True)

    def forgotten(self, now: int) -> Payment:
        """The stored answer is old enough to go; the payment stays."""
        self._require_final()
        return self._moved(now, lease=None, response=None)

    def _require_final(self) -> None:
        if not self.is_final:
            raise IllegalTransition(f"{self.id} is not final but {self.status}")

    def _stepped(self, *statuses: PaymentStatus, now: int) -> tuple[Step, ...]:
        before, steps = self.status, self.steps
        for status in statuses:
            if status not in TRANSITIONS[before]:
                raise IllegalTransition(f"{self.id} cannot go from {before} to {status}")
            before, steps = status, (*steps, (status, now))
        excess = max(len(steps) - STEPS, 0)
        # Whole rounds of UNKNOWN and AUTHORIZING are left out, so that what is kept is still a path.
        return steps[:FIRST_STEPS] + steps[FIRST_STEPS + excess + excess % 2 :]

    def _moved(self, now: int, **changes: object) -> Payment:
        # mypy cannot check replace() through a mapping; every caller above names fields of this class.
        return replace(self, version=self.version + 1, updated=now, **changes)  # type: ignore[arg-type]


def _pause(attempts: int) -> int:
    """How long a processor that was asked so often before is left alone (ms)."""
    pause: int = _FIRST_RETRY * 2 ** min(attempts, 10)
    return min(pause, _LAST_RETRY)


def opened(instruction: Instruction, *, region: str, endpoint: str, holder: str, now: int) -> Payment:
    """A new payment under its first lease."""
    return Payment(
        id=instruction.payment_id,
        client=instruction.client,
        fingerprint=instruction.fingerprint,
        money=instruction.money,
        customer=instruction.customer,
        region=region,
        created=now,
        updated=now,
        steps=((PaymentStatus.AUTHORIZING, now),),
        endpoint=None if instruction.client == CANARY_CLIENT else endpoint,
        lease=Lease(holder, now + LEASE),
    )
