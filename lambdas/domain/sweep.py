"""Finishing what requests left unfinished: runs on a schedule in both regions, without any client.

The index tells candidates (possibly stale); the strongly consistent read and the conditional claim decide.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lambdas.domain.errors import Contradiction, InProgress, Unavailable
from lambdas.domain.ports import Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.domain.payment import Payment
    from lambdas.domain.service import Payments

BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Sweep:
    """One region's sweep over the payments that are due."""

    payments: Payments
    forget_charge: Callable[[str], None]
    """Makes the simulated processor forget a canary's charge (by the payment's id). Raises Unavailable."""

    def run(self, until: int) -> Counter[str]:
        """Work until nothing is due or the time is up (ms).

        Counts what became of each payment: resolved, unknown, audited, forgotten, deleted; gone, taken (by another) or
        waiting; deferred (a dependency is out) or contradicted. Raises Unavailable when the index cannot be read.
        """
        clock = self.payments.clock
        done: Counter[str] = Counter()
        seen: set[str] = set()
        while clock.now() < until:
            found = [name for name in self.payments.store.due(clock.now(), BATCH) if name not in seen]
            if not found:
                break
            for payment_id in found:
                if clock.now() >= until:
                    break
                seen.add(payment_id)
                done[self._one(payment_id)] += 1
        return done

    def _one(self, payment_id: str) -> str:
        try:
            payment = self.payments.store.get(payment_id)
            return self._work(payment) if payment is not None else "gone"
        except (Lost, InProgress):
            return "taken"
        except Unavailable as error:
            self.payments.journal.tell("sweep_deferred", payment_id=payment_id, error=str(error))
            return "deferred"
        except Contradiction:
            return "contradicted"

    def _work(self, payment: Payment) -> str:
        now = self.payments.clock.now()
        if payment.due is None or payment.due > now or not self.payments.may_take(payment):
            return "waiting"
        if not payment.is_final:
            resolved = self.payments.resolve(payment).payment
            return "resolved" if resolved.is_final else "unknown"
        if payment.audit_pending:
            # Claimed first, so that two regions' sweeps do not write the record twice.
            claimed = payment.leased(self.payments.token(), now)
            self.payments.store.replace(payment, claimed)
            self.payments.audit(claimed)
            return "audited"
        if payment.is_canary:
            # The charge first: a final payment never asks for it again, and nobody would find it without its payment.
            self.forget_charge(payment.id)
            self.payments.store.delete(payment)
            return "deleted"
        self.payments.store.replace(payment, payment.forgotten(now))
        return "forgotten"
