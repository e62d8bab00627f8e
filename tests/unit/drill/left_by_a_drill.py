"""What a drill leaves to be gathered as evidence, lies that can be told in it, and what the checker answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from drill import records
from drill.books import Books, LedgerCharge, answers
from drill.figures import measure, verdict
from drill.reconcile import examine
from drill.records import Attempt, DrillOutcome, DrillPlan, Event, RecordFile
from lambdas.domain.instruction import Instruction, payment_id
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved
from lambdas.domain.payment import Payment, opened
from shared.roles import PerRole
from tests.unit.drill.test_figures import BACK, EVENTS, FAULT, PLAN, SWITCH

HERE = "one.processor.example.com"

Lie = Callable[[dict[str, Any]], object]


# What happened


def a_payment(key: str) -> Payment:
    instruction = Instruction("storefront", key, Money(1250, "USD"), "drill-1")
    opening = opened(instruction, region="us-east-1", endpoint=HERE, holder="h", now=1)
    return opening.settled(Approved(f"ch_{key}"), 2).audited(3)


PAYMENTS = {key: a_payment(key) for key in ("one", "other", "third", "fourth")}


def failed_over(client: str, key: str, seconds: float, kind: str = "fresh") -> list[Attempt]:
    """A client's payment that fails with the fault, and is made so many seconds after it."""
    return [
        Attempt(client, kind, key, 1, FAULT, FAULT, FAULT + 5, "failed"),
        Attempt(client, kind, key, 2, FAULT, FAULT + seconds - 1, FAULT + seconds, "created", 201, PAYMENTS[key].id),
    ]


STEADY = Attempt("a", "fresh", "one", 1, 950.0, 950.0, 950.1, "created", 201, PAYMENTS["one"].id)
ONE_CLIENT = [STEADY, *failed_over("a", "other", SWITCH + 10 - FAULT)]
MISSED = [STEADY, *failed_over("a", "other", 250.0)]
"""The only client came back too late."""
RETURNED = [*EVENTS, Event(BACK, "phase", "", "well")]


def a_charge(payment: Payment, endpoint: str = HERE, **other: Any) -> LedgerCharge:
    told = LedgerCharge(endpoint, payment.id, "approved", payment.reference or "", 1250, "USD", "drill-1")
    return replace(told, **other)


def books_of(attempts: Sequence[Attempt], **other: Any) -> Books:
    """Books in which a drill's payments are."""
    tables = {each.id: each for each in PAYMENTS.values() if any(made.payment == each.id for made in attempts)}
    told = Books(
        10,
        PerRole(tables, tables),
        charges=[a_charge(each) for each in tables.values()],
        answers=answers(attempts),
        keys={each.key: payment_id("storefront", each.key) for each in attempts},
    )
    return replace(told, **other)


# What is kept of it


def left(
    folder: Path,
    attempts: Sequence[Attempt],
    plan: DrillPlan = PLAN,
    events: Sequence[Event] = EVENTS,
    books: Books | None = None,
) -> Path:
    """What a drill has left, with books in which its payments are."""
    folder.mkdir()
    books = books or books_of(attempts)
    found = measure(plan, attempts, events, examine(books))
    (folder / plan.settings).write_text("ttl: 30\n")
    records.write(folder / records.PLAN, plan.to_json())
    for name, each in ((records.CLIENTS, attempts), (records.EVENTS, events)):
        file = RecordFile(folder / name)
        for record in each:
            file.add(record)
        file.close()
    records.write(folder / records.BOOKS, books.to_json())
    records.write(folder / records.RECONCILIATION, examine(books).to_json())
    records.write(folder / records.FIGURES, found.to_json())
    records.write(folder / records.OUTCOME, DrillOutcome(*verdict(found, [])).to_json())
    return folder


def verify(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify.py", *words], capture_output=True, text=True, check=False, cwd="/"
    )


# Lies in its figures


WORST = "RTO, worst client that honours the TTL"
LONGEST = "longest of all outages, worst client that honours the TTL"
RECOMPUTED = ("RTO, p50", "RTO, p99", "detection", "DNS answers the secondary", LONGEST)


def lie_in_figures(folder: Path, change: Lie) -> None:
    told = json.loads((folder / records.FIGURES).read_text())
    change(told)
    records.write(folder / records.FIGURES, told)


def the(told: dict[str, Any], name: str) -> dict[str, Any]:
    """The figure of that name."""
    found: dict[str, Any] = next(each for each in told["figures"] if each["name"] == name)
    return found


def telling(name: str, **what: Any) -> Lie:
    return lambda told: the(told, name).update(what)


def keeping_quiet(name: str) -> Lie:
    return lambda told: told["figures"].remove(the(told, name))
