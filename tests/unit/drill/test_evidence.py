"""Evidence holds as it was made, and not otherwise: every file, every line, every figure, and the head."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from drill import records
from drill.books import Books, LedgerCharge, answers
from drill.evidence import FILES, gather
from drill.figures import measure
from drill.reconcile import examine
from drill.records import Attempt, RecordFile
from lambdas.domain.instruction import Instruction
from lambdas.domain.money import Money
from lambdas.domain.outcome import Approved
from lambdas.domain.payment import opened
from shared.errors import Problem
from shared.roles import PerRole
from tests.unit.drill.test_figures import EVENTS, FAULT, PLAN, SWITCH

HERE = "one.processor.example.com"


def a_payment(key):
    instruction = Instruction("storefront", key, Money(1250, "USD"), "drill-1")
    opening = opened(instruction, region="us-east-1", endpoint=HERE, holder="h", now=1)
    return opening.settled(Approved(f"ch_{key}"), 2).audited(3)


@pytest.fixture
def drill(tmp_path):
    """What a drill with two payments has left."""
    folder = tmp_path / "drill"
    folder.mkdir()
    one, other = a_payment("one"), a_payment("other")
    attempts = [
        Attempt("a", "fresh", "one", 1, 950.0, 950.0, 950.1, "created", 201, one.id),
        Attempt("a", "fresh", "other", 1, FAULT, FAULT, FAULT + 5, "failed"),
        Attempt("a", "fresh", "other", 2, FAULT, SWITCH + 9, SWITCH + 10, "created", 201, other.id),
    ]
    tables = {each.id: each for each in (one, other)}
    charges = [
        LedgerCharge(HERE, each.id, "approved", each.reference or "", 1250, "USD", "drill-1") for each in (one, other)
    ]
    books = Books(10, PerRole(tables, tables), charges=charges)
    found = measure(PLAN, attempts, EVENTS, examine(books))
    records.write(folder / records.PLAN, PLAN.to_json())
    for name, each in ((records.CLIENTS, attempts), (records.EVENTS, EVENTS)):
        file = RecordFile(folder / name)
        for record in each:
            file.add(record)
        file.close()
    records.write(folder / records.BOOKS, books.to_json())
    records.write(folder / records.RECONCILIATION, examine(books).to_json())
    records.write(folder / records.FIGURES, found.to_json())
    records.write(folder / records.OUTCOME, {"status": "passed"})
    return folder


def verify(folder, *words):
    return subprocess.run(
        [sys.executable, "-I", "-S", folder / "verify.py", *words], capture_output=True, text=True, check=False, cwd="/"
    )


@pytest.fixture
def evidence(drill, tmp_path):
    out = tmp_path / "evidence"
    head = gather(drill, out)
    return out, head


def test_it_holds_as_it_was_made(evidence):
    out, head = evidence
    answer = verify(out, head)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "2 payments acknowledged, 0 lost, 0 doubled; worst RTO fresh 45.0 s" in answer.stdout


def test_it_is_refused_without_the_head_that_was_published(evidence):
    out, head = evidence
    assert verify(out).returncode == 2
    assert verify(out, "0" * 64).returncode == 1
    assert verify(out, head[:-1]).returncode == 2


@pytest.mark.parametrize("name", [*FILES, "verify.py"])
def test_a_file_that_was_changed_is_named(evidence, name):
    out, head = evidence
    with (out / name).open("a") as file:
        file.write(" \n" if name.endswith(".json") else "# \n")
    answer = verify(out, head)
    assert answer.returncode == 1
    assert f"{name}: was changed" in answer.stderr
    (out / name).unlink()
    if name != "verify.py":
        assert f"{name}: is missing" in verify(out, head).stderr


def test_a_file_more_is_refused(evidence):
    out, head = evidence
    (out / "more.txt").write_text("x")
    assert "more.txt: is not in the chain" in verify(out, head).stderr


def test_files_in_another_order_are_others(evidence):
    out, head = evidence
    chain = (out / "chain.jsonl").read_text().splitlines()
    (out / "chain.jsonl").write_text("\n".join([chain[1], chain[0], *chain[2:]]) + "\n")
    assert "head is another one" in verify(out, head).stderr


def lie_in_figures(folder, change):
    told = json.loads((folder / records.FIGURES).read_text())
    change(told)
    records.write(folder / records.FIGURES, told)


def the(told, name):
    return next(each for each in told["figures"] if each["name"] == name)


LIES = {
    "a shorter outage": lambda told: told["outages"][0].update(worst=1.0),
    "no outage of a kind": lambda told: told["outages"].clear(),
    "payments lost": lambda told: next(e for e in told["figures"] if e["name"] == "payments lost").update(measured=1),
    "payments doubled": lambda told: next(e for e in told["figures"] if e["name"] == "payments doubled").update(
        measured=1
    ),
    "more acknowledged": lambda told: told.update(acknowledged=3),
    "a shorter RTO in the table": lambda told: told["figures"][0].update(measured=1.0),
    "no RTO in the table": lambda told: told["figures"].pop(0),
    "a laxer objective": lambda told: told["figures"][0].update(objective=999.0),
}


@pytest.mark.parametrize("lie", LIES)
def test_figures_that_are_not_those_of_the_records_are_refused_under_their_own_head(drill, tmp_path, lie):
    lie_in_figures(drill, LIES[lie])
    head = gather(drill, tmp_path / "lies")
    assert verify(tmp_path / "lies", head).returncode == 1


def drop(folder, name, word):
    path = folder / name
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if word not in line))


def test_a_dropped_failure_and_a_second_charge_change_the_figures(drill, tmp_path):
    drop(drill, records.CLIENTS, '"failed"')
    assert verify(tmp_path / "one", gather(drill, tmp_path / "one")).returncode == 1


def test_a_second_charge_in_the_ledger_is_a_doubled_payment(drill, tmp_path):
    told = json.loads((drill / records.BOOKS).read_text())
    told["charges"].append({**told["charges"][0], "endpoint": "two.processor.example.com"})
    records.write(drill / records.BOOKS, told)
    assert "payments doubled: 0 was told, and it is 1" in verify(tmp_path / "o", gather(drill, tmp_path / "o")).stderr


def test_a_payment_that_a_region_lacks_is_lost(drill, tmp_path):
    told = json.loads((drill / records.BOOKS).read_text())
    told["payments"]["secondary"].popitem()
    records.write(drill / records.BOOKS, told)
    assert "payments lost: 0 was told, and it is 1" in verify(tmp_path / "o", gather(drill, tmp_path / "o")).stderr


def measured_anew(folder, books, attempts):
    """The folder of a drill whose books say something else, with the figures that follow."""
    records.write(folder / records.BOOKS, books.to_json())
    records.write(folder / records.FIGURES, measure(PLAN, attempts, EVENTS, examine(books)).to_json())


def test_bad_news_that_is_true_holds(drill, tmp_path):
    attempts = [Attempt.read(each) for each in records.lines(drill / records.CLIENTS)]
    one, other = a_payment("one"), a_payment("other")
    keys = {"one": one.id, "other": other.id}
    told = answers(attempts)
    charge = LedgerCharge(HERE, one.id, "approved", one.reference or "", 1250, "USD", "drill-1")
    tables = PerRole({one.id: one}, {one.id: one})
    measured_anew(drill, Books(at=10, payments=tables, charges=[charge], answers=told, keys=keys), attempts)
    found = verify(tmp_path / "o", gather(drill, tmp_path / "o"))
    assert (found.returncode, "2 payments acknowledged, 1 lost" in found.stdout) == (0, True), found.stderr


def test_a_drill_without_a_verdict_has_no_evidence(drill, tmp_path):
    (drill / records.FIGURES).unlink()
    with pytest.raises(Problem, match="no verdict"):
        gather(drill, tmp_path / "out")


def test_nothing_old_gets_into_it(drill, tmp_path):
    with pytest.raises(Problem, match="is there already"):
        gather(drill, tmp_path)


def test_verify_is_short_and_needs_nothing_of_ours():
    text = Path("drill/verify.py").read_text()
    assert len(text.splitlines()) < 150
    assert "drill" not in {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("from", "import"))
    }
