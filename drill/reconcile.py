"""Whether the books agree: no payment lost, doubled, contradicted or left unaudited.

The tables say what the system believes, the processor's ledgers where money has moved, the audit buckets what was
written down for good, and clients what they were told. Each pair that disagrees is a finding, with what to do about it.
A payment that is not finished is none until it should be.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from drill.books import OWED_FOR
from lambdas.domain.audit import record as audit_record
from lambdas.domain.errors import InvalidField
from lambdas.domain.instruction import is_payment_id
from lambdas.domain.money import Money
from lambdas.domain.payment import PaymentStatus
from shared.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from drill.books import Books, ClientAnswer, LedgerCharge
    from lambdas.domain.payment import Payment

LOST, DOUBLED, CONTRADICTORY = "lost", "doubled", "contradictory"
UNAUDITED, UNFINISHED, UNREADABLE = "unaudited", "unfinished", "unreadable"

WAIT: Final = "the sweep finishes it, within a minute unless thousands wait; --fix runs it now"
BY_HAND: Final = "a person decides: compare with the processor's own report, then book the difference with finance"
REFUND: Final = "refund one of the two charges at the processor, by its reference"
RESTORE: Final = "write the payment again from its audit record; never charge it again"
STRAY: Final = "find out who charged it, and refund it at the processor, by its reference"
AUDIT: Final = "--fix runs the sweep, which writes the records that are owed"
CLIENT: Final = "tell the client what became of it, and find out who answered it"
REPAIR: Final = "find out who wrote it; restore the item to a time before (docs/runbooks/reconcile.md)"
DEPLOY: Final = "a newer release wrote it: deploy that release here as well"


@dataclass(frozen=True)
class Disagreement:
    """One thing in which books disagree."""

    kind: str
    payment: str
    what: str
    todo: str


@dataclass(frozen=True)
class Counts:
    """What became of everything that was asked for: attempted = paid + declined + refused + unknown.

    Of what clients remember, where they tell; else of what is in the tables.
    """

    attempted: int
    paid: int
    declined: int
    refused: int
    """No book has it: the client got an error, and may try again."""
    unknown: int
    """Not finished yet; or one book has it and no table, or no table that can be read."""


@dataclass(frozen=True)
class Reconciliation:
    """What comparing the books has come to."""

    counts: Counts
    findings: tuple[Disagreement, ...]
    charges_known: bool
    """Whether anybody has told what the processor knows."""
    unfinished: int
    drains_at: int
    """ms since 1970, until which every payment that is unknown now should be finished."""
    coming: int = 0
    """Payments that are no finding yet: a book may still get what it has not."""

    @property
    def clean(self) -> bool:
        return not self.findings

    def of(self, kind: str) -> int:
        """How many payments have a finding of this kind."""
        return len({finding.payment for finding in self.findings if finding.kind == kind})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings]}


def examine(books: Books) -> Reconciliation:
    """Compare them all."""
    unread = books.unreadable.primary.keys() | books.unreadable.secondary.keys()
    # How an unfinished payment stands nobody knows while a replica has an item that cannot be read: it may be newer.
    newest = {id_: each for id_, each in books.everywhere.items() if each.is_final or id_ not in unread}
    differing = _differing(books, unread)
    findings = [*_unreadable(books), *_regions(books, differing)]
    by_key: dict[str, list[LedgerCharge]] = defaultdict(list)
    for charge in books.charges or ():
        by_key[charge.key].append(charge)
    findings += [each for key, charges in sorted(by_key.items()) for each in _processed(key, charges)]
    for id_, payment in sorted(newest.items()):
        if books.charges is not None:
            approved = [charge for charge in by_key.get(id_, ()) if charge.what == "approved"]
            findings += _charged(books, payment, approved)
            findings += _charged_right(payment, approved)
        findings += _doubted(payment)
        findings += _audited(books, payment)
        findings += _finished(books, payment)
    known = newest.keys() | unread
    findings += _strange_charges(by_key, known)
    findings += _strange_records(books, known)
    findings += _told(books, newest, unread)
    unfinished = [payment for payment in newest.values() if not payment.is_final]
    return Reconciliation(
        _counts(books, newest),
        tuple(dict.fromkeys(findings)),
        books.charges is not None,
        len(unfinished),
        max((payment.updated + books.drains for payment in unfinished), default=books.at),
        len({*_coming(books, newest, by_key.keys()), *(id_ for id_ in differing if _fresh(books, id_))}),
    )


def _counts(books: Books, newest: Mapping[str, Payment]) -> Counts:
    known = {charge.key for charge in books.charges or () if charge.what == "approved"}
    known |= {answer.payment for answer in books.answers if not answer.refused}
    for role in ROLES:
        known |= books.audits.of(role).keys() | books.unreadable.of(role).keys()
    ids = set(books.keys.values()) or newest.keys() | known
    what: Counter[str] = Counter()
    for id_ in ids:
        payment = newest.get(id_)
        if payment is None:
            what["unknown" if id_ in known else "refused"] += 1
        elif payment.status is PaymentStatus.CAPTURED:
            what["paid"] += 1
        else:
            what["declined" if payment.is_final else "unknown"] += 1
    return Counts(len(ids), what["paid"], what["declined"], what["refused"], what["unknown"])


def _unreadable(books: Books) -> Iterator[Disagreement]:
    for role in ROLES:
        for id_, why in sorted(books.unreadable.of(role).items()):
            yield Disagreement(UNREADABLE, id_, f"the {role}'s item {why}", DEPLOY)


def _differing(books: Books, unread: AbstractSet[str]) -> list[str]:
    """The payments of which the replicas tell differently. One that a replica has and cannot be read is not lost."""
    primary, secondary = books.payments.primary, books.payments.secondary
    ids = sorted((primary.keys() | secondary.keys()) - unread)
    return [id_ for id_ in ids if primary.get(id_) != secondary.get(id_)]


def _regions(books: Books, differing: Sequence[str]) -> Iterator[Disagreement]:
    """Both replicas tell the same of what has not just been written."""
    for id_ in differing:
        if _fresh(books, id_):
            continue
        one, other = books.payments.primary.get(id_), books.payments.secondary.get(id_)
        if one is None or other is None:
            there, gone = ("primary", "secondary") if other is None else ("secondary", "primary")
            yield Disagreement(LOST, id_, f"the {there} has it and the {gone} has not", RESTORE)
        elif one.is_final and other.is_final and one.status is not other.status:
            yield Disagreement(
                CONTRADICTORY, id_, f"{one.status} in the primary, {other.status} in the secondary", BY_HAND
            )
        else:
            yield Disagreement(
                CONTRADICTORY, id_, f"version {one.version} in the primary, {other.version} in the secondary", REPAIR
            )


def _fresh(books: Books, id_: str) -> bool:
    """Whether a payment was written while the books were read, or so lately that a replica may not have it yet."""
    there = [each[id_] for each in (books.payments.primary, books.payments.secondary) if id_ in each]
    return any(payment.updated >= books.at - books.lag for payment in there)


def _processed(key: str, charges: Sequence[LedgerCharge]) -> Iterator[Disagreement]:
    """The processor has decided once, whatever the tables say."""
    approved = [charge for charge in charges if charge.what == "approved"]
    places = _places(approved)
    if len(places) > 1:
        yield Disagreement(DOUBLED, key, f"charged {len(places)} times: {', '.join(places)}", REFUND)
    elif len(approved) > 1:
        yield Disagreement(DOUBLED, key, f"approved {len(approved)} times at {approved[0].endpoint}", REFUND)
    for charge in charges:
        if charge.what == "declined" and any(each.endpoint == charge.endpoint for each in approved):
            yield Disagreement(CONTRADICTORY, key, f"{charge.endpoint} has both approved and declined it", BY_HAND)


def _places(approved: Sequence[LedgerCharge]) -> list[str]:
    return sorted({f"{charge.endpoint} ({charge.reference})" for charge in approved})


def _charged(books: Books, payment: Payment, approved: Sequence[LedgerCharge]) -> Iterator[Disagreement]:
    seen = payment.created >= books.since and not _fresh(books, payment.id)  # by the ledger, which is read first
    if payment.status is PaymentStatus.CAPTURED and not approved and seen:
        yield Disagreement(
            CONTRADICTORY, payment.id, "captured, and no endpoint of the processor has charged it", BY_HAND
        )
    if payment.status is PaymentStatus.DECLINED and approved:
        yield Disagreement(CONTRADICTORY, payment.id, f"declined, and charged at {_places(approved)[0]}", REFUND)


def _charged_right(payment: Payment, approved: Sequence[LedgerCharge]) -> Iterator[Disagreement]:
    """What was charged is what the payment says."""
    for charge in approved:
        if (charge.minor_units, charge.currency) != (payment.money.minor_units, payment.money.currency):
            said = f"{charge.minor_units} minor units of {charge.currency} were charged"
            yield Disagreement(CONTRADICTORY, payment.id, f"{said}, not {payment.money.minor_units}", BY_HAND)
        if charge.customer != payment.customer:
            yield Disagreement(CONTRADICTORY, payment.id, "another customer was charged", REFUND)
        if payment.endpoint is not None and charge.endpoint != payment.endpoint:
            yield Disagreement(
                DOUBLED, payment.id, f"charged at {charge.endpoint}, and belongs to {payment.endpoint}", REFUND
            )
        elif payment.reference and charge.reference != payment.reference:
            yield Disagreement(
                CONTRADICTORY,
                payment.id,
                f"its reference is {payment.reference}, the charge's {charge.reference}",
                BY_HAND,
            )


def _doubted(payment: Payment) -> Iterator[Disagreement]:
    if payment.in_doubt:
        said = f"the processor has also told another outcome than {payment.status}, and nobody has decided"
        yield Disagreement(CONTRADICTORY, payment.id, said, BY_HAND)


def _audited(books: Books, payment: Payment) -> Iterator[Disagreement]:
    if not payment.is_final:
        for role in ROLES:
            if payment.id in books.audits.of(role):
                yield Disagreement(
                    CONTRADICTORY,
                    payment.id,
                    f"the {role}'s bucket has a final record, and it is {payment.status}",
                    REPAIR,
                )
        return
    wanted = _parsed(audit_record(payment))
    late = _late(books, payment)
    for role in ROLES:
        record = books.audits.of(role).get(payment.id)
        if record is None:
            if payment.audit_pending and late:
                yield Disagreement(
                    UNAUDITED, payment.id, f"its record is owed to the {role}'s bucket for too long", AUDIT
                )
            elif not payment.audit_pending and late:
                yield Disagreement(UNAUDITED, payment.id, f"the {role}'s bucket has no record of it", AUDIT)
        elif record != wanted:
            differing = sorted(name for name in record.keys() | wanted.keys() if record.get(name) != wanted.get(name))
            yield Disagreement(
                CONTRADICTORY, payment.id, f"the {role}'s record has another {', '.join(differing)}", BY_HAND
            )


def _coming(books: Books, newest: Mapping[str, Payment], processed: AbstractSet[str]) -> Iterator[str]:
    """The final payments of which a bucket has no record yet, or which were charged after the ledger was read."""
    recorded = books.audits.primary.keys() & books.audits.secondary.keys()
    for id_, payment in newest.items():
        owed = payment.is_final and id_ not in recorded and not _late(books, payment)
        charging = payment.status is PaymentStatus.CAPTURED and id_ not in processed and _fresh(books, id_)
        if owed or charging:
            yield id_


def _late(books: Books, payment: Payment) -> bool:
    """Whether a record that is not there should be."""
    return books.at - payment.updated > OWED_FOR + books.drains


def _finished(books: Books, payment: Payment) -> Iterator[Disagreement]:
    if not payment.is_final and books.at - payment.updated > books.drains:
        minutes = (books.at - payment.updated) // 60_000
        yield Disagreement(
            UNFINISHED, payment.id, f"{payment.status} for {minutes} minutes: nobody has finished it", WAIT
        )


def _strange_charges(by_key: dict[str, list[LedgerCharge]], known: set[str]) -> Iterator[Disagreement]:
    for key, charges in sorted(by_key.items()):
        approved = [charge for charge in charges if charge.what == "approved"]
        if key not in known and approved:
            at = approved[0].endpoint
            if is_payment_id(key):
                yield Disagreement(LOST, key, f"charged at {at}, and no table has such a payment", RESTORE)
            else:
                yield Disagreement(LOST, key, f"charged at {at} under a key that is no payment's id", STRAY)


def _strange_records(books: Books, known: set[str]) -> Iterator[Disagreement]:
    for role in ROLES:
        for id_ in sorted(books.audits.of(role).keys() - known):
            yield Disagreement(
                LOST, id_, f"the {role}'s bucket has its record, and no table has such a payment", RESTORE
            )


def _told(books: Books, newest: Mapping[str, Payment], unread: AbstractSet[str]) -> Iterator[Disagreement]:
    """What clients were told is what is there, where it can be read."""
    ids: dict[str, set[str]] = defaultdict(set)
    statuses: dict[str, set[int]] = defaultdict(set)
    for answer in books.answers:
        if answer.refused:
            yield from _refused(answer, newest.get(books.keys.get(answer.key, "")))
            continue
        ids[answer.key].add(answer.payment)
        if (own := books.keys.get(answer.key, answer.payment)) != answer.payment:
            said = f"{answer.client} was told this payment for the key {answer.key}, which is that of {own}"
            yield Disagreement(CONTRADICTORY, answer.payment, said, CLIENT)
        statuses[answer.payment].add(answer.status)
        if answer.payment in newest or answer.payment not in unread:
            yield from _one_told(answer, newest.get(answer.payment))
    for key, payments in sorted(ids.items()):
        if len(payments) > 1:
            told = ", ".join(sorted(payments))
            yield Disagreement(
                DOUBLED, min(payments), f"clients were told {len(payments)} payments for the key {key}: {told}", REFUND
            )
    for id_, told_of in sorted(statuses.items()):
        if len(told_of) > 1:
            yield Disagreement(
                CONTRADICTORY, id_, "clients were told both that it is paid and that it is declined", CLIENT
            )


def _refused(answer: ClientAnswer, payment: Payment | None) -> Iterator[Disagreement]:
    if payment is not None and payment.status is PaymentStatus.CAPTURED:
        said = f"{answer.client} was refused with {answer.status} at last, and it is {payment.status}"
        yield Disagreement(CONTRADICTORY, payment.id, said, CLIENT)


def _one_told(answer: ClientAnswer, payment: Payment | None) -> Iterator[Disagreement]:
    told = PaymentStatus.CAPTURED if answer.status == 201 else PaymentStatus.DECLINED
    word = "paid" if told is PaymentStatus.CAPTURED else "declined"
    if payment is None:
        yield Disagreement(
            LOST, answer.payment, f"{answer.client} was told that it is {word}, and no table has it", RESTORE
        )
    elif not payment.is_final:
        yield Disagreement(
            LOST, payment.id, f"{answer.client} was told that it is {word}, and it is {payment.status}", RESTORE
        )
    elif payment.status is not told:
        yield Disagreement(
            CONTRADICTORY, payment.id, f"{answer.client} was told that it is {word}, and it is {payment.status}", CLIENT
        )
    elif answer.amount and _money(answer) != payment.money:
        yield Disagreement(
            CONTRADICTORY,
            payment.id,
            f"{answer.client} asked for {answer.amount} {answer.currency}, and it is {payment.money.amount}",
            CLIENT,
        )
    elif answer.customer and answer.customer != payment.customer:
        yield Disagreement(CONTRADICTORY, payment.id, f"{answer.client} asked for another customer", CLIENT)


def _money(answer: ClientAnswer) -> Money | None:
    try:
        return Money.of(Decimal(answer.amount), answer.currency)
    except (InvalidOperation, InvalidField):
        return None


def _parsed(record: bytes) -> dict[str, Any]:
    return dict(json.loads(record))
