"""The code broken on purpose: each of these mistakes the simulation must find.

Every mutant exchanges one function or value of `lambdas/` for one that makes a mistake which has been made in real
payment systems. A mutant that is not found within `BOUND` seeds is a hole in the simulation.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters import items, retry
from lambdas.adapters.audits import BucketAudits
from lambdas.adapters.clock import SystemClock
from lambdas.adapters.items import from_item, key, to_item
from lambdas.adapters.play_money import PlayMoney
from lambdas.adapters.store import DynamoPayments
from lambdas.domain import audit, instruction, payment, service
from lambdas.domain.deadline import Deadline
from lambdas.domain.errors import InProgress, NoAnswer, Rejected, Unavailable
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved, Declined, Outcome
from lambdas.domain.payment import Payment, PaymentStatus, opened
from lambdas.domain.ports import Lost
from lambdas.domain.service import Paid, Payments
from lambdas.domain.sweep import Sweep, Swept
from lambdas.web import view
from lambdas.web.answer import JSON
from simulation import region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from lambdas.adapters.store import TableClient
    from lambdas.domain.ports import Processor
    from lambdas.web.answer import Answer

BOUND: Final = 500
"""Seeds within which each mutant must be found."""


@dataclass(frozen=True, slots=True)
class KnownMistake:
    """A mistake: `owner.function` is exchanged for `broken`."""

    name: str
    mistake: str
    owner: type | ModuleType
    function: str
    broken: Any

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Make the mistake, within this block."""
        right = self.owner.__dict__[self.function]
        setattr(self.owner, self.function, self.broken)
        try:
            yield
        finally:
            setattr(self.owner, self.function, right)


MUTANTS: Final[dict[str, KnownMistake]] = {}


def _mutant(name: str, mistake: str, owner: type | ModuleType, function: str) -> Callable[[Any], Any]:
    def register(broken: Any) -> Any:
        MUTANTS[name] = KnownMistake(name, mistake, owner, function, broken)
        return broken

    return register


_write = DynamoPayments._write  # noqa: SLF001 - a mutant changes what is inside
_work = Payments._work  # noqa: SLF001
_outcome = Payments._outcome  # noqa: SLF001
_again = Payments._again  # noqa: SLF001
_insist = Payments._insist  # noqa: SLF001
_processor_of = Payments._processor_of  # noqa: SLF001
_payment_id = instruction.payment_id
_posted = view.posted
_document = view.document
_write_record = BucketAudits.write
_failure = retry._failure  # noqa: SLF001
_read = items._read  # noqa: SLF001
_due: Any = Payment.__dict__["due"]


@_mutant("create-unconditional", "a second create overwrites the first", DynamoPayments, "create")
def _create_unconditional(self: DynamoPayments, payment: Payment) -> None:
    self.retry(self.table.put_item, TableName=self.name, Item=to_item(payment))


@_mutant("replace-without-version", "a write is conditional on the status only", DynamoPayments, "_write")
def _replace_without_version(self: DynamoPayments, wanted: Payment | None, operation: Any, **arguments: Any) -> None:
    if "UpdateExpression" in arguments:
        values = dict(arguments["ExpressionAttributeValues"])
        del values[":seen_version"]
        arguments |= {"ConditionExpression": "#status = :seen_status", "ExpressionAttributeValues": values}
    _write(self, wanted, operation, **arguments)


@_mutant("lost-write-taken-for-won", "a failed condition counts as written", DynamoPayments, "_write")
def _lost_taken_for_won(self: DynamoPayments, wanted: Payment | None, operation: Any, **arguments: Any) -> None:
    creating = "Item" in arguments
    try:
        _write(self, wanted, operation, **arguments)
    except Lost:
        if creating:
            raise


@_mutant("whole-item-written", "an update writes all of the item as this release knows it", DynamoPayments, "replace")
def _whole_item_written(self: DynamoPayments, seen: Payment, new: Payment) -> None:
    _write(
        self,
        new,
        self.table.put_item,
        Item=to_item(new),
        ConditionExpression="#version = :seen_version",
        ExpressionAttributeNames={"#version": "version"},
        ExpressionAttributeValues={":seen_version": {"N": str(seen.version)}},
    )


@_mutant("stale-read", "a payment is read without ConsistentRead", DynamoPayments, "get")
def _stale_read(self: DynamoPayments, payment_id: str) -> Payment | None:
    answer = self.retry(self.table.get_item, TableName=self.name, Key=key(payment_id))
    return from_item(answer["Item"]) if "Item" in answer else None


@_mutant("lease-ignored", "whoever comes works on the payment, leased or not", Payment, "is_leased")
def _lease_ignored(_: Payment, __: int) -> bool:
    return False


_mutant("lease-too-short", "a lease ends while its holder waits for the processor", payment, "LEASE")(1_000)


@_mutant("charge-before-create", "the charge is made before the payment is in the table", Payments, "pay")
def _charge_before_create(self: Payments, instruction: Instruction) -> Paid:
    now = self.clock.now()
    payment = opened(instruction, region=self.region, endpoint=self.endpoint, holder=self.token(), now=now)
    try:
        outcome = _processor_of(self, payment).charge(payment.id, payment.money, payment.customer)
    except NoAnswer as error:
        raise Unavailable(str(error)) from error
    settled = payment.settled(outcome, now)
    settled = replace(settled.answering(self.render(settled)), version=1)
    try:
        self.store.create(settled)
    except Lost as lost:
        return _again(self, instruction, lost.current)
    return Paid(settled, replayed=False)


@_mutant("endpoint-ignored", "whoever works on a payment asks its own region's endpoint", Payments, "_processor_of")
def _endpoint_ignored(self: Payments, payment: Payment) -> Processor:
    return _processor_of(self, payment if payment.is_canary else replace(payment, endpoint=self.endpoint))


@_mutant("endpoint-not-kept", "a payment is written without its endpoint", DynamoPayments, "create")
def _endpoint_not_kept(self: DynamoPayments, payment: Payment) -> None:
    item = {name: value for name, value in to_item(payment).items() if name != "endpoint"}
    _write(self, payment, self.table.put_item, Item=item, ConditionExpression="attribute_not_exists(pk)")


@_mutant("canaries-pay-for-real", "canaries are charged at the card processor", Payments, "_processor_of")
def _canaries_pay_for_real(self: Payments, payment: Payment) -> Processor:
    return self.processor(payment.endpoint or self.endpoint)


@_mutant("all-pay-with-play-money", "everybody is charged at the canaries' processor", Payments, "_processor_of")
def _all_pay_with_play_money(self: Payments, _: Payment) -> Processor:
    return self.play_money


@_mutant("taken-over-without-asking", "an expired lease is charged again at once", Payments, "_outcome")
def _taken_over_without_asking(self: Payments, payment: Payment, *, ask_first: bool) -> Outcome:
    return _outcome(self, payment, ask_first=ask_first and payment.attempts > 0)


@_mutant("unknown-charged-again", "an unknown outcome is charged again without asking", Payments, "_outcome")
def _unknown_charged_again(self: Payments, payment: Payment, *, ask_first: bool) -> Outcome:
    return _outcome(self, payment, ask_first=ask_first and payment.attempts == 0)


@_mutant("silence-is-refusal", "a processor that does not answer has declined", Payments, "_outcome")
def _silence_is_refusal(self: Payments, payment: Payment, *, ask_first: bool) -> Outcome:
    try:
        return _outcome(self, payment, ask_first=ask_first)
    except NoAnswer:
        return Declined("no_answer")


@_mutant("answered-before-commit", "the client is told the outcome, committed or not", Payments, "_work")
def _answered_before_commit(self: Payments, mine: Payment, *, ask_first: bool) -> Paid:
    try:
        return _work(self, mine, ask_first=ask_first)
    except Unavailable:
        settled = mine.settled(Approved("ch_0"), self.clock.now())
        return Paid(settled.answering(self.render(settled)), replayed=False)


@_mutant("audit-before-commit", "the record is written before the outcome is committed", Payments, "_work")
def _audit_before_commit(self: Payments, mine: Payment, *, ask_first: bool) -> Paid:
    try:
        outcome = _outcome(self, mine, ask_first=ask_first)
    except NoAnswer:
        new = mine.unanswered(self.clock.now())
    else:
        settled = mine.settled(outcome, self.clock.now())
        new = settled.answering(self.render(settled))
        self.audits.write(audit.key(new), audit.record(new))
    try:
        self.store.replace(mine, new)
    except Lost as lost:
        if lost.current is None or not lost.current.is_final:
            raise InProgress(service.RETRY_SOON) from lost
        return Paid(lost.current, replayed=True)
    return Paid(new, replayed=False)


@_mutant("audit-cleared-first", "the record is ticked off before it is written", Payments, "audit")
def _audit_cleared_first(self: Payments, payment: Payment) -> None:
    self.store.replace(payment, payment.audited(self.clock.now()))
    self.audits.write(audit.key(payment), audit.record(payment))


@_mutant("answer-rebuilt", "a replay is worded anew by the release that answers it", Payments, "_again")
def _answer_rebuilt(self: Payments, instruction: Instruction, current: Payment | None) -> Paid:
    paid = _again(self, instruction, current)
    return replace(paid, payment=replace(paid.payment, response=None))


@_mutant("payload-not-compared", "a key used for another payload replays the first payment", Payments, "_again")
def _payload_not_compared(self: Payments, instruction: Instruction, current: Payment | None) -> Paid:
    if current is not None and current.is_final:
        return Paid(current, replayed=True)
    return _again(self, instruction, current)


@_mutant("swept-without-claim", "a sweep audits and resolves what it has not claimed", Sweep, "_work")
def _swept_without_claim(self: Sweep, payment: Payment, _: Swept) -> str:
    now = self.payments.clock.now()
    if payment.due is None or payment.due > now:
        return "waiting"
    if payment.audit_pending:
        self.payments.audit(payment)
        return "audited"
    if not payment.is_final:
        _work(self.payments, payment.leased(self.payments.token(), now), ask_first=True)
        return "resolved"
    return "waiting"


def _fingerprint_without(*parts: str) -> property:
    """The payload's fingerprint, but for these of its parts."""

    def fingerprint(self: Instruction) -> str:
        money = self.money
        payload = {"amount": str(money.minor_units), "currency": money.currency, "customer": self.customer}
        return "|".join(value for name, value in payload.items() if name not in parts)

    return property(fingerprint)


for _part in ("amount", "currency", "customer"):
    _mutant(f"{_part}-not-compared", f"a key may be used again for another {_part}", Instruction, "fingerprint")(
        _fingerprint_without(_part)
    )


@_mutant("key-without-client", "two clients that use the same key share a payment", instruction, "payment_id")
def _key_without_client(_: str, key: str) -> str:
    return _payment_id("", key)


def _two_decimals(self: Money) -> Decimal:
    return Decimal(self.minor_units).scaleb(-2)


_mutant("two-decimals-for-all", "an amount is shown as if every currency had cents", Money, "amount")(
    property(_two_decimals)
)


@_mutant("shown-to-anybody", "a payment is shown to whoever knows its id", Payments, "get")
def _shown_to_anybody(self: Payments, _: str, payment_id: str) -> Payment | None:
    return self.store.get(payment_id)


@_mutant("replay-not-marked", "a replay looks like the first answer", Payments, "_again")
def _replay_not_marked(self: Payments, instruction: Instruction, current: Payment | None) -> Paid:
    return replace(_again(self, instruction, current), replayed=False)


@_mutant("replay-s-type", "a refusal is replayed as if it were a payment", view, "posted")
def _replay_s_type(paid: Paid, now: int) -> Answer:
    answer = _posted(paid, now)
    return replace(answer, headers={**answer.headers, "Content-Type": JSON}) if paid.replayed else answer


@_mutant("retry-after-missing", "a client that must wait is not told how long", view, "posted")
def _retry_after_missing(paid: Paid, now: int) -> Answer:
    answer = _posted(paid, now)
    return replace(answer, headers={name: value for name, value in answer.headers.items() if name != "Retry-After"})


@_mutant("late-outcome-dropped", "who has lost the lease leaves the payment to who has it", Payments, "_insist")
def _late_outcome_dropped(self: Payments, payment: Payment, move: Callable[[Payment], Payment | None]) -> Paid:
    def left(current: Payment) -> Payment | None:
        if current is not payment and not current.is_final:
            raise InProgress(service.RETRY_SOON)
        return move(current)

    return _insist(self, payment, left)


@_mutant("contradiction-swallowed", "who hears another outcome than is recorded says nothing", Payments, "_agreeing")
def _contradiction_swallowed(_: Payments, theirs: Payment, __: Payment) -> Payment:
    return theirs


@_mutant("contradiction-not-kept", "the next who asks is told an outcome that is in doubt", Payments, "_doubt")
def _contradiction_not_kept(_: Payments, __: Payment) -> None:
    pass


@_mutant("doubt-not-answered", "a repeated payment is told an outcome that is in doubt", view, "posted")
def _doubt_not_answered(paid: Paid, now: int) -> Answer:
    return _posted(replace(paid, payment=replace(paid.payment, in_doubt=False)), now)


@_mutant("doubt-not-shown", "who reads a payment is told an outcome that is in doubt", view, "document")
def _doubt_not_shown(payment: Payment) -> dict[str, Any]:
    return _document(replace(payment, in_doubt=False))


@_mutant("canary-charge-kept", "a canary's charge outlives its payment", PlayMoney, "forget")
def _canary_charge_kept(_: PlayMoney, __: str) -> None:
    pass


@_mutant("denied-record-taken-for-written", "access refused to the bucket counts as written", BucketAudits, "write")
def _denied_record(self: BucketAudits, key: str, record: bytes, *, content_type: str = "") -> None:
    try:
        _write_record(self, key, record, content_type=content_type)
    except Unavailable as error:
        if str(error) != "AccessDenied":
            raise


@_mutant("denial-let-out", "a call that AWS denies ends the function", retry, "_failure")
def _denial_let_out(error: Exception) -> Unavailable:
    failure = _failure(error)
    if isinstance(failure, Rejected):
        raise error
    return failure


@_mutant("clock-in-seconds", "the clock tells seconds", SystemClock, "now")
def _clock_in_seconds(self: SystemClock) -> int:
    return self.time_ns() // 1_000_000_000


@_mutant("sleep-in-seconds", "a pause is taken for seconds", SystemClock, "sleep")
def _sleep_in_seconds(self: SystemClock, milliseconds: int) -> None:
    self.wait(milliseconds)


@_mutant("health-read-not-strong", "health is what an eventually consistent read says", region, "read_strongly")
def _health_read_not_strong(table: TableClient, name: str) -> None:
    table.get_item(TableName=name, Key={"pk": {"S": "health"}, "sk": {"S": "probe"}})


@_mutant("deadline-ignored", "there is always time for one more call", Deadline, "allows")
def _deadline_ignored(_: Deadline, __: int) -> bool:
    return True


@_mutant("asked-before-its-time", "each request asks the processor, whatever it said before", Payment, "may_be_asked")
def _asked_before_its_time(_: Payment, __: int) -> bool:
    return True


@_mutant("newer-status-let-out", "a status of the next release is an error of its own", items, "_read")
def _newer_status_let_out(item: Any) -> Payment:
    try:
        return _read(item)
    except ValueError as error:
        raise RuntimeError(str(error)) from error


def _unknown_forgotten(self: Payment) -> int | None:
    due: int | None = _due.fget(self)
    return None if self.status is PaymentStatus.UNKNOWN else due


_mutant("unknown-forgotten", "an unknown outcome waits for its client for ever", Payment, "due")(
    property(_unknown_forgotten)
)
