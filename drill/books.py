"""Everybody's books of the same payments: both regions' tables, the processor's ledgers, audit buckets, and clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lambdas.adapters.items import from_item
from lambdas.domain.errors import Unreadable
from lambdas.domain.payment import AUDIT_GRACE, LEASE, Payment
from shared.roles import PerRole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from drill.records import Attempt


@dataclass(frozen=True)
class LedgerCharge:
    """What one endpoint of the processor has decided of one key. Its key should be a payment's id."""

    endpoint: str
    key: str
    what: str
    """approved, declined or lost."""
    reference: str = ""
    minor_units: int = 0
    currency: str = ""
    customer: str = ""
    at: int = 0
    """ms since 1970."""


@dataclass(frozen=True)
class ClientAnswer:
    """What one client has been told of one payment for good: it was answered, and did not just hear of an error."""

    client: str
    key: str
    payment: str
    """Nothing where it was refused."""
    status: int
    """201 or 402; another 4xx where the last answer to its key was a refusal."""
    amount: str = ""
    currency: str = ""
    customer: str = ""

    @property
    def refused(self) -> bool:
        """Whether it is told that there is no payment."""
        return self.status not in TOLD.values()


@dataclass(frozen=True)
class Books:
    """All of them, as of one moment."""

    at: int
    """ms since 1970."""
    payments: PerRole[Mapping[str, Payment]]
    """By id, as each region's replica has them."""
    unreadable: PerRole[Mapping[str, str]] = field(default_factory=lambda: PerRole({}, {}))
    """Ids of items that this release cannot read, and why."""
    charges: Sequence[LedgerCharge] | None = ()
    """None when nobody has told what the processor knows."""
    audits: PerRole[Mapping[str, Mapping[str, Any]]] = field(default_factory=lambda: PerRole({}, {}))
    """The records in each region's bucket, by the payment's id."""
    answers: Sequence[ClientAnswer] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    """Every key that a client has sent, and the payment that it can only be."""
    drains: int = 0
    """ms after which nothing may be unfinished any more: a lease, the sweep's next run and the processor's silence."""
    lag: int = 0
    """ms from a write's own stamp until both replicas must have it."""
    since: int = 0
    """ms since 1970: what was opened before may have been charged before the processor's report begins."""

    def to_json(self) -> dict[str, Any]:
        """What somebody else needs to compare them again: the tables' payments and the processor's decisions."""
        return {
            "at": self.at,
            "lag": self.lag,
            "payments": {
                role: {
                    each.id: {
                        "status": each.status.value,
                        "version": each.version,
                        "updated": each.updated,
                        "minor_units": each.money.minor_units,
                        "currency": each.money.currency,
                        "customer": each.customer,
                        "endpoint": each.endpoint,
                        "reference": each.reference,
                        "steps": [list(step) for step in each.steps],
                    }
                    for each in payments.values()
                }
                for role, payments in self.payments.items()
            },
            "unreadable": dict(self.unreadable.items()),
            "charges": None if self.charges is None else [asdict(charge) for charge in self.charges],
            "audits": {role: sorted(audits) for role, audits in self.audits.items()},
            "keys": dict(self.keys),
        }

    @property
    def everywhere(self) -> dict[str, Payment]:
        """Each payment by its newest version."""
        newest = dict(self.payments.primary)
        for id_, payment in self.payments.secondary.items():
            if id_ not in newest or newest[id_].version < payment.version:
                newest[id_] = payment
        return newest


REPLICATED: Final = LEASE
"""ms that a write may take to be in both replicas: it is stamped before it is made, by a worker who has at most its
lease, and with eventual consistency it arrives about a second later."""
OWED_FOR = AUDIT_GRACE + 2 * LEASE
"""ms that an audit record may be owed before it counts as missing, beside the sweep's interval."""


def read_items(items: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Payment], dict[str, str]]:
    """Payments of a table's items, and why others cannot be read, by id. Canaries' are left out."""
    payments, unreadable = {}, {}
    for item in items:
        id_ = str(item["pk"]["S"])
        try:
            payment = from_item(item)
        except Unreadable as error:
            unreadable[id_] = str(error)
        else:
            if not payment.is_canary:
                payments[id_] = payment
    return payments, unreadable


TOLD: Mapping[str, int] = {"created": 201, "replayed": 201, "declined": 402}
"""The status that says what a client was told, whether it posted the payment again or read it."""
REFUSED, UNANSWERED = "refused", frozenset({"failed", "late"})
"""Outcomes of an attempt: told for good that there is no payment; and not told anything."""
ASKED, DECIDED = frozenset({"charge", "cancel"}), frozenset({"approved", "declined", "lost"})
"""What a ledger's line may be: a request, or a decision."""


def charge(line: Mapping[str, Any]) -> LedgerCharge | None:
    """The decision in a ledger's line; None for a request. Raises ValueError, KeyError or TypeError for others."""
    what, amount = line["what"], line.get("amount", {})
    found = LedgerCharge(
        endpoint=str(line["endpoint"]),
        key=str(line["key"]),
        what=what,
        reference=str(line.get("reference", "")),
        minor_units=int(amount.get("value", 0)),
        currency=str(amount.get("currency", "")),
        customer=str(line.get("customer", "")),
        at=int(line["at"]),
    )
    if what not in ASKED | DECIDED:
        raise ValueError(what)
    return found if what in DECIDED else None


def charges(lines: Iterable[Mapping[str, Any]]) -> list[LedgerCharge]:
    """The decisions in a ledger's lines (sandbox/processor/ledger.py; docs/processor.md for a real processor's)."""
    return [found for line in lines if (found := charge(line)) is not None]


def answers(attempts: Iterable[Attempt]) -> list[ClientAnswer]:
    """What clients remember of their attempts, as far as it was final: a refusal is when it was the last answer.

    attempts: as they were written down, each when it had ended.
    """
    told = [each for each in attempts if each.outcome not in UNANSWERED]
    last = {each.key: each for each in told}
    return [
        ClientAnswer(
            each.client,
            each.key,
            each.payment if each.outcome in TOLD else "",
            TOLD.get(each.outcome, each.status),
            each.amount,
            each.currency,
            each.customer,
        )
        for each in told
        if each.outcome in TOLD or (each.outcome == REFUSED and each is last[each.key])
    ]
