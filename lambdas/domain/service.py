"""Making payments: the order of writes and calls that loses none and makes none twice.

    create under lease ──> charge ──> outcome + audit owed ──> audit record ──> audit cleared
          (1)                               (2)                                     (3)

A crash before (1) leaves nothing; between (1) and (2) a lease that expires, and whoever finds it (the client's retry,
or a sweep in either region) asks the processor by the payment's key before anything else; after (2) the payment is
final and only the audit record is owed, which the sweep writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lambdas.domain import audit
from lambdas.domain.errors import Contradiction, InProgress, KeyReused, NoAnswer, NotAsked, Unavailable
from lambdas.domain.instruction import is_payment_id
from lambdas.domain.payment import MINUTE, SECOND, PaymentStatus, opened
from lambdas.domain.ports import Lost

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from lambdas.domain.deadline import Deadline
    from lambdas.domain.instruction import Instruction
    from lambdas.domain.outcome import Outcome
    from lambdas.domain.payment import Payment, Response
    from lambdas.domain.ports import AuditWriter, Clock, Journal, PaymentStore, Processor

RETRY_SOON: Final = 1 * SECOND
INSISTENCE: Final = 4
"""How often a move is tried on what others have made of the payment: each of them moves it a few times at most."""
FOREIGN_GRACE: Final = 1 * MINUTE
"""Under MREC this region's copy of the other's payment may be seconds old: take it over only when it is surely left."""


@dataclass(frozen=True, slots=True)
class Paid:
    """What came of a request: the payment, final or UNKNOWN, and whether it is another request's result."""

    payment: Payment
    replayed: bool


@dataclass(frozen=True, slots=True)
class Payments:
    """The use cases of one region. All of the world comes in through the fields.

    `processor` gives the card processor's endpoint of a name, and `endpoint` is the name that new payments get here;
    `play_money` is the canaries' processor. `token` makes a name that no other request has; `render` the answer to
    store with a final payment; `strong` says whether a conditional write sees all regions (MRSC) or only this one.
    """

    store: PaymentStore
    processor: Callable[[str], Processor]
    endpoint: str
    play_money: Processor
    audits: AuditWriter
    journal: Journal
    clock: Clock
    deadline: Deadline
    token: Callable[[], str]
    render: Callable[[Payment], Response]
    region: str
    strong: bool = True

    def pay(self, instruction: Instruction) -> Paid:
        """Make the payment, or answer what the first request for it came to.

        Raises KeyReused, InProgress, Unavailable, Contradiction.
        """
        payment = opened(
            instruction, region=self.region, endpoint=self.endpoint, holder=self.token(), now=self.clock.now()
        )
        try:
            with self._time_for_one_write():
                self.store.create(payment)
        except Lost as lost:
            return self._again(instruction, lost.current)
        # Under MREC "nothing there" may only mean "not replicated yet": the processor knows better.
        ask_first = not self.strong
        return self._work(payment, ask_first=ask_first)

    def get(self, client: str, payment_id: str) -> Payment | None:
        """The client's payment, or None: also when it is another client's. Raises Unavailable."""
        payment = self.store.get(payment_id) if is_payment_id(payment_id) else None
        return payment if payment is not None and payment.client == client else None

    def resolve(self, payment: Payment) -> Paid:
        """Finish what somebody left: take the payment over and ask the processor what became of it.

        Raises InProgress when another is doing so, Unavailable, Contradiction.
        """
        mine = payment.leased(self.token(), self.clock.now()).at(self.endpoint)
        try:
            with self._time_for_one_write():
                self.store.replace(payment, mine)
        except Lost as lost:
            return Paid(self._others(lost), replayed=True)
        return self._work(mine, ask_first=True)

    def audit(self, payment: Payment) -> None:
        """Write the audit record that is owed, then say so in the table. Raises Unavailable, Lost."""
        self.audits.write(audit.key(payment), audit.record(payment))
        self.store.replace(payment, payment.audited(self.clock.now()))

    def may_take(self, payment: Payment) -> bool:
        """Nobody is working on it, as far as this region can know."""
        now = self.clock.now()
        if self.strong or payment.region == self.region:
            return not payment.is_leased(now)
        return payment.due is not None and now >= payment.due + FOREIGN_GRACE

    def _again(self, instruction: Instruction, current: Payment | None) -> Paid:
        if current is None:
            raise Unavailable("the payment was deleted while it was asked for")
        if current.fingerprint != instruction.fingerprint:
            raise KeyReused
        if current.is_final or not current.may_be_asked(self.clock.now()):
            # Before its time nothing is asked or written, however often a client comes: see `retry_at`.
            return Paid(current, replayed=True)
        if not self.may_take(current):
            raise InProgress(RETRY_SOON)
        return self.resolve(current)

    def _work(self, mine: Payment, *, ask_first: bool) -> Paid:
        """Get the outcome of a payment that is under our lease, and write it down."""
        if mine.lease is None or self.clock.now() >= mine.lease.until:
            # The write took so long that others may be at it: theirs to finish.
            raise InProgress(RETRY_SOON)
        asked = True
        try:
            with self._time_for_one_write():
                outcome = self._outcome(mine, ask_first=ask_first)
        except NoAnswer as silence:
            self.journal.tell("no_answer", payment_id=mine.id, endpoint=mine.endpoint, error=str(silence))
            asked = not isinstance(silence, NotAsked)
        except Exception as error:  # noqa: BLE001 - whatever it was, the charge may exist
            self.journal.tell("unexpected", payment_id=mine.id, error=type(error).__name__)
        else:
            return self._record(mine, outcome)
        new = mine.unanswered(self.clock.now(), asked=asked)
        try:
            self.store.replace(mine, new)
        except Lost as lost:
            return Paid(self._others(lost), replayed=True)
        return Paid(new, replayed=False)

    def _record(self, mine: Payment, outcome: Outcome) -> Paid:
        """Write the outcome down, whoever works on the payment by now.

        Left to who has taken it over, it would be lost where the processor tells that one the other outcome.
        """
        ours = self._final(mine, outcome)
        try:
            paid = self._insist(mine, lambda current: None if current.is_final else self._final(current, outcome))
        except Unavailable as error:
            self.journal.tell("outcome_unwritten", payment_id=mine.id, answered=ours.status, error=str(error))
            raise
        if paid.replayed:
            return replace(paid, payment=self._agreeing(paid.payment, ours))
        self._audit_now(paid.payment)
        return paid

    def _final(self, payment: Payment, outcome: Outcome) -> Payment:
        settled = payment.settled(outcome, self.clock.now())
        return settled.answering(self.render(settled))

    def _insist(self, payment: Payment, move: Callable[[Payment], Payment | None]) -> Paid:
        """Make the move on what the table holds, until it holds; theirs stays where the move is None.

        Raises Unavailable, also when others are first each time.
        """
        for _ in range(INSISTENCE):
            new = move(payment)
            if new is None:
                return Paid(payment, replayed=True)
            try:
                self.store.replace(payment, new)
            except Lost as lost:
                payment = self._there(lost)
            else:
                return Paid(new, replayed=False)
        raise Unavailable("others were first each time")

    def _outcome(self, payment: Payment, *, ask_first: bool) -> Outcome:
        processor = self._processor_of(payment)
        if ask_first:
            self._require_time(processor)
            known = processor.find(payment.id)
            if known is not None:
                return known
            if payment.is_abandoned(self.clock.now()):
                self._require_time(processor)
                return processor.cancel(payment.id)
        self._require_time(processor)
        return processor.charge(payment.id, payment.money, payment.customer)

    def _processor_of(self, payment: Payment) -> Processor:
        """Play money for canaries, and for nobody else; for all others the endpoint that the payment was opened with.

        There is no other way to a processor. A canary's payment names no endpoint, so none can be asked for it.
        """
        if payment.is_canary:
            return self.play_money
        if payment.endpoint is None:
            raise NoAnswer("nobody has given the payment an endpoint")
        return self.processor(payment.endpoint)

    def _require_time(self, processor: Processor) -> None:
        if not self.deadline.allows(processor.timeout):
            raise NotAsked("no time is left to ask")

    def _time_for_one_write(self) -> AbstractContextManager[None]:
        """Keep the time to write down what came of it, be it that nothing is known."""
        return self.deadline.keeping(self.store.timeout)

    def _audit_now(self, payment: Payment) -> None:
        """The audit must never fail a payment: what does not work here, the sweep does."""
        try:
            self.audit(payment)
        except (Unavailable, Lost) as error:
            self.journal.tell("audit_deferred", payment_id=payment.id, error=str(error))

    @staticmethod
    def _there(lost: Lost) -> Payment:
        if lost.current is None:
            raise Unavailable("the payment is gone") from lost
        return lost.current

    def _others(self, lost: Lost) -> Payment:
        """Another worker was first: its result is ours, if it has one."""
        theirs = self._there(lost)
        if theirs.is_final or theirs.status is PaymentStatus.UNKNOWN:
            return theirs
        raise InProgress(RETRY_SOON) from lost

    def _agreeing(self, theirs: Payment, ours: Payment) -> Payment:
        if theirs.status is not ours.status:
            self.journal.tell("contradiction", payment_id=ours.id, recorded=theirs.status, answered=ours.status)
            self._doubt(theirs)
            raise Contradiction(f"{ours.id} is {theirs.status}, the processor now says {ours.status}")
        return theirs

    def _doubt(self, payment: Payment) -> None:
        """Have no client told what is recorded: whom the processor has charged would pay again, told "declined"."""
        try:
            self._insist(payment, lambda current: current.doubted(self.clock.now()))
        except Unavailable as error:
            self.journal.tell("contradiction_unmarked", payment_id=payment.id, error=str(error))
