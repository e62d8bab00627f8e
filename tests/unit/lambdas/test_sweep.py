"""What the sweep finishes, and what it leaves alone."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from lambdas.adapters.crew import AT_ONCE, threads
from lambdas.adapters.store import DynamoPayments
from lambdas.audit.sweeping import metrics, sweep
from lambdas.domain.errors import NoAnswer, Unavailable
from lambdas.domain.payment import ABANDON_AFTER, CANARY_KEPT, LEASE, RESPONSE_KEPT, WORK_TIME, Task
from lambdas.domain.service import FOREIGN_GRACE
from lambdas.domain.sweep import Sweep, Swept
from tests.doubles.acquirer import Acquirer
from tests.doubles.payments import CANARY, START, ManualClock, Region, refused, timed_out


def test_the_sweep_resolves_what_no_client_asks_for():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])))
    region.post("k")
    assert region.sweep() == {}
    region.clock.time += 5_000
    assert region.sweep() == {"resolved": 1}
    assert acquirer.calls == ["charge", "find"]
    assert len(region.bucket.objects) == 1
    assert region.post("k")["headers"]["Idempotent-Replayed"] == "true"


def test_the_sweep_says_what_stays_unknown():
    region = Region(processor=Acquirer(silent=["charge", "find"]))
    region.post("k")
    region.clock.time += 5_000
    assert region.sweep() == {"unknown": 1}


@pytest.mark.parametrize("error", [refused("AccessDenied", 403), refused("SlowDown", 503), timed_out()])
def test_an_audit_that_fails_never_fails_the_payment(error):
    region = Region()
    region.bucket.error = error
    assert region.post("k")["statusCode"] == 201
    assert region.payment()["audit_pending"] == {"BOOL": True}
    told = region.journal.lines[0]
    assert told["event"] == "audit_deferred"
    assert told["payment_id"] == region.payment()["pk"]["S"]
    assert told["error"] in {"AccessDenied", "SlowDown", "ReadTimeoutError"}
    region.clock.time += 40_000
    region.journal.lines.clear()
    assert region.sweep() == {"deferred": 1}
    (line,) = region.journal.lines
    assert {name: line[name] for name in ("event", "payment_id", "error")} == {
        "event": "sweep_deferred",
        "payment_id": told["payment_id"],
        "error": told["error"],
    }
    region.bucket.error = None
    assert region.sweep() == {}, "claimed: the next attempt waits for the lease"
    region.clock.time += LEASE
    assert region.sweep() == {"audited": 1}
    assert list(region.bucket.versions.values()) == [1]
    assert "audit_pending" not in region.payment()


def test_an_audit_written_by_a_region_that_died_is_not_written_again(monkeypatch):
    region = Region()
    put = region.bucket.put_object

    def put_then_die(**arguments):
        region.wire.fail("UpdateItem", KeyboardInterrupt())
        return put(**arguments)

    monkeypatch.setattr(region.bucket, "put_object", put_then_die)
    with pytest.raises(KeyboardInterrupt):
        region.post("k")
    monkeypatch.undo()
    region.clock.time += 40_000
    assert region.sweep() == {"audited": 1}
    assert list(region.bucket.versions.values()) == [1]


def test_records_are_equal_bytes_whoever_writes_them():
    first = Region()
    second = Region("us-east-2", first.clock, first.table)
    first.post("k")
    payment = second.service.payments.store.get(first.payment()["pk"]["S"])
    assert payment is not None
    second.service.payments.audit(payment)
    assert second.bucket.objects == first.bucket.objects
    assert len(first.bucket.objects) == 1


def test_the_stored_answer_goes_after_three_days_and_the_payment_stays():
    region = Region()
    first = region.post("k")
    region.clock.time = START + RESPONSE_KEPT - 1
    assert region.sweep() == {}
    region.clock.time += 1
    assert region.sweep() == {"forgotten": 1}
    assert "response_body" not in region.payment()
    again = region.post("k")
    assert (again["statusCode"], again["body"]) == (201, first["body"])
    region.clock.time += RESPONSE_KEPT * 100
    assert region.sweep() == {}
    assert region.get(first["headers"]["Location"])["statusCode"] == 200


def test_canaries_are_removed_after_a_day_with_their_charge():
    region = Region()
    region.post("c", api_key=CANARY)
    region.post("k")
    assert len(region.charges()) == 2
    region.clock.time = START + CANARY_KEPT - 1
    assert region.sweep() == {}
    region.clock.time += 1
    assert region.sweep() == {"deleted": 1}
    assert region.payment()["client"]["S"] == "storefront"
    assert region.charges() == [f"charge#{region.payment()['pk']['S']}"]
    assert sorted(key.split("/")[0] for key in region.bucket.objects) == ["canary", "payments"]


def test_the_sweep_counts_contradictions_and_goes_on(monkeypatch):
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])))
    ahead = ManualClock(START + 5_000 + LEASE)
    other = Region("us-east-2", ahead, region.table, processor=Acquirer(refuse=True))
    region.post("k")
    region.clock.time += 5_000

    def stall(key):
        other.sweep()
        return acquirer.outcomes[key]

    monkeypatch.setattr(acquirer, "find", stall)
    assert region.sweep() == {"contradicted": 1}
    assert region.post("k")["statusCode"] == 202, "no client is told an outcome"


def test_the_sweep_takes_each_payment_once_and_counts_them():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"] * 3)))
    for key in ("a", "b", "c"):
        region.post(key)
    region.clock.time += 5_000
    assert region.sweep() == {"resolved": 3}
    assert acquirer.calls == ["charge"] * 3 + ["find"] * 3


def test_the_sweep_leaves_to_others_what_they_are_doing():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"] * 3)))
    other = Region("us-east-2", region.clock, region.table, processor=acquirer)
    region.post("a")
    region.clock.time += 5_000

    def begin():
        other.wire.before("UpdateItem", lambda: other.wire.fail("UpdateItem", KeyboardInterrupt(), applied=True))
        with pytest.raises(KeyboardInterrupt):
            other.post("a")

    region.wire.before("UpdateItem", begin)
    assert region.sweep() == {"taken": 1}


def test_the_sweep_passes_what_the_index_still_has():
    region = Region(processor=Acquirer(silent=["charge"]))
    region.post("a")
    region.clock.time += 5_000
    region.wire.before("GetItem", region.table.items.clear)
    assert region.sweep() == {"gone": 1}


def test_the_sweep_passes_what_became_final_since():
    region = Region(processor=Acquirer(silent=["charge"]))
    region.post("a")
    region.clock.time += 5_000
    region.wire.before("GetItem", lambda: region.post("a"))
    assert region.sweep() == {"waiting": 1}


def test_the_sweep_stops_when_its_time_is_up():
    region = Region(processor=Acquirer(silent=["charge"] * 2))
    for key in ("a", "b"):
        region.post(key)
    region.clock.time += 5_000
    runner, now = region.service.sweep, region.clock.now()
    assert runner.run(now).done == {}

    def spend():
        region.clock.time += 10

    region.wire.before("GetItem", spend)
    assert runner.run(now + 10).done == {"resolved": 1}
    assert runner.run(now + 11).done == {"resolved": 1}


def test_a_part_of_the_index_that_is_out_holds_up_no_other_part_and_fails_the_run(monkeypatch):
    region = Region(processor=Acquirer(silent=["charge"] * 30))
    for number in range(30):
        region.post(f"k{number}")
    region.clock.time += 5_000
    due = DynamoPayments.due

    def partly(self, partition, now, *, newest_first):
        if partition == "payment-3":
            region.wire.fail("Query", refused("AccessDeniedException"))
        return due(self, partition, now, newest_first=newest_first)

    monkeypatch.setattr(DynamoPayments, "due", partly)
    with pytest.raises(Unavailable, match="AccessDeniedException"):
        sweep(region.service, 60_000)
    left = [item for item in region.payments().values() if item["status"]["S"] == "UNKNOWN"]
    assert {item["unfinished"]["S"] for item in left} == {"payment-3"}
    (line,) = [line for line in region.journal.lines if line["event"] == "sweep"]
    assert (line["SweepFailed"], line["error"]) == (1, "AccessDeniedException")
    assert line["SweepResolved"] + len(left) == 30
    monkeypatch.undo()
    sweep(region.service, 60_000)
    assert {item["status"]["S"] for item in region.payments().values()} == {"CAPTURED"}


def poison(item):
    item["status"] = {"S": "REFUNDED"}


def break_steps(item):
    item["steps"] = {"L": []}


def contradict_itself(item):
    item["status"] = {"S": "AUTHORIZED"}


BAD = {
    "newer status": poison,
    "damaged": break_steps,
    "in two states": contradict_itself,
    "refused": None,
    "unexpected": None,
}


TOLD = {
    "newer status": "cannot be read: ValueError: 'REFUNDED'",
    "damaged": "cannot be read: IndexError",
    "in two states": "cannot be read: ValueError: its status is AUTHORIZED, and its last step UNKNOWN",
    "refused": "ValidationException",
    "unexpected": "KeyError",
}
"""How what is told of it begins."""


@pytest.mark.parametrize("kind", BAD)
def test_one_bad_payment_holds_up_no_other(kind, monkeypatch):
    """Whatever is wrong with it: it is counted, told with its id, and the others are finished."""
    region = Region(processor=(acquirer := Acquirer(silent=["charge"] * 3)))
    region.post("bad")
    bad = region.payment()
    region.clock.time += 1
    region.post("good")
    region.post("other")
    damage = BAD[kind]
    if damage is not None:
        damage(bad)
    elif kind == "refused":
        region.wire.fail("UpdateItem", refused("ValidationException"))
    else:
        find = acquirer.find

        def confused(key):
            if key == bad["pk"]["S"]:
                raise KeyError("a card number, perhaps")
            return find(key)

        monkeypatch.setattr(acquirer, "find", confused)
    region.clock.time += 5_000
    region.journal.lines.clear()
    region.journal.correlate()
    assert sweep(region.service, 60_000)["resolved"] == 2
    told = [line for line in region.journal.lines if line["event"] in {"sweep_stuck", "unexpected"}]
    assert [line["payment_id"] for line in told] == [bad["pk"]["S"]]
    assert told[0]["error"].startswith(TOLD[kind])
    assert "card" not in str(told)
    if kind == "unexpected":
        assert region.payments()[bad["pk"]["S"]]["attempts"] == {"N": "2"}, "it was asked"
    (line,) = [line for line in region.journal.lines if line["event"] == "sweep"]
    assert line["SweepUnknown" if kind == "unexpected" else "SweepStuck"] == 1
    assert line["OldestUnfinished"] > 0
    assert line["PaymentsPaid"] == 2


def test_an_unexpected_error_of_one_payment_holds_up_no_other(monkeypatch):
    region = Region(processor=Acquirer(silent=["charge"] * 2))
    for key in ("a", "b"):
        region.post(key)
    region.clock.time += 5_000
    region.wire.fail("GetItem", RuntimeError("nobody thought of it"), times=4)
    assert region.sweep() == {"deferred": 1, "resolved": 1}
    monkeypatch.setattr(type(region.service.payments), "resolve", lambda *_: 1 / 0)
    region.clock.time += 60_000
    assert region.sweep() == {"stuck": 1}
    (told,) = [line for line in region.journal.lines if line["event"] == "unexpected"]
    (left,) = [item["pk"]["S"] for item in region.payments().values() if item["status"]["S"] == "UNKNOWN"]
    assert (told["payment_id"], told["error"]) == (left, "ZeroDivisionError")


def slow(region, bad, milliseconds):
    """Reading one of these payments takes so long."""
    get = region.service.payments.store.get

    def read(payment_id):
        if payment_id in bad:
            region.clock.time += milliseconds
            raise Unavailable("timed out")
        return get(payment_id)

    return SimpleNamespace(
        get=read,
        **{
            name: getattr(region.service.payments.store, name)
            for name in ("create", "replace", "delete", "due", "partitions", "timeout")
        },
    )


@pytest.mark.parametrize("bad", [1, 3, 120, 1_000])
def test_payments_that_cannot_be_finished_hold_up_no_fresh_one(bad):
    """They are the oldest of the index in every run, and each takes as long as one may: a fresh one is reached."""
    region = Region(processor=Acquirer(silent=["charge"] * (bad + 3)))
    for number in range(bad):
        region.post(f"bad{number}")
    stuck = {*region.payments()}
    region.clock.time += 1_000
    for number in range(3):
        region.post(f"fresh{number}")
    region.clock.time += 5_000
    payments = replace(region.service.payments, store=slow(region, stuck, WORK_TIME))
    swept = replace(region.service.sweep, payments=payments).run(region.clock.now() + 50_000)
    assert swept.done["resolved"] == 3
    assert swept.oldest > 6_000


def test_bad_payments_by_the_hundred_are_passed_in_one_run():
    region = Region(processor=Acquirer(silent=["charge"] * 1_200))
    for number in range(1_200):
        region.post(f"k{number}")
    for number, item in enumerate(region.payments().values()):
        if number % 300:
            poison(item)
    region.clock.time += 5_000
    assert region.sweep() == {"resolved": 4, "stuck": 1_196}


def test_money_is_finished_before_audits_and_those_before_tidying():
    """Though all of the others have been due for longer: with time for so many payments, these are they."""
    acquirer = Acquirer()
    region = Region(processor=acquirer)
    for number in range(4):
        region.post(f"old{number}")
    region.clock.time += RESPONSE_KEPT
    region.bucket.error = refused("SlowDown", 503)
    for number in range(4):
        region.post(f"owed{number}")
    region.bucket.error = None
    region.clock.time += 60_000
    acquirer.silent = ["charge"] * 4
    for number in range(4):
        region.post(f"fresh{number}")
    region.clock.time += 5_000
    order = []
    work = Sweep._work

    def note(self, payment, swept):
        order.append(payment.task)
        region.clock.time += 10
        return work(self, payment, swept)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sweep, "_work", note)
        done = region.service.sweep.run(region.clock.now() + 100_000).done
    assert order == [Task.FINISH] * 4 + [Task.AUDIT] * 4 + [Task.TIDY] * 4
    assert done == {"resolved": 4, "audited": 4, "forgotten": 4}


def test_what_an_earlier_release_has_put_into_one_list_is_done_in_this_order_too():
    acquirer = Acquirer()
    region = Region(processor=acquirer)
    region.post("old")
    region.clock.time += RESPONSE_KEPT
    acquirer.silent = ["charge"]
    region.post("fresh")
    for item in region.payments().values():
        item["unfinished"] = {"S": "payment-0"}
    region.clock.time += 5_000
    region.wire.calls.clear()
    assert region.sweep() == {"resolved": 1, "forgotten": 1}
    updates = [call for call in region.wire.calls if call == "UpdateItem"]
    assert len(updates) == 4, "claim, outcome, audit; and at last the forgetting"
    assert {line["event"] for line in region.journal.lines} == {"request", "no_answer"}


def test_a_silent_processor_leaves_time_for_the_audits():
    acquirer = Acquirer()
    region = Region(processor=acquirer)
    region.bucket.error = refused("SlowDown", 503)
    region.post("owed")
    region.bucket.error = None
    acquirer.silent = ["charge"] * 20
    for number in range(20):
        region.post(f"k{number}")
    region.clock.time += 60_000

    def find(_):
        region.clock.time += 3_000
        raise NoAnswer("find")

    acquirer.find = find
    swept = region.service.sweep.run(region.clock.now() + 50_000)
    assert swept.done["audited"] == 1
    assert 13 <= swept.done["unknown"] < 20


def test_what_the_sweep_finishes_is_counted_as_business_and_canaries_are_not():
    acquirer = Acquirer(silent=["charge"] * 2)
    region = Region(processor=acquirer)
    region.post("paid")
    acquirer.refuse = True
    region.post("declined")
    silence = functools.partial(region.wire.fail, "PutItem", timed_out(), times=4)
    region.wire.before("PutItem", lambda: region.wire.before("PutItem", silence))  # the second one: its charge
    region.post("canary", api_key=CANARY)
    region.clock.time += 5_000
    sweep(region.service, 60_000)
    (line,) = [line for line in region.journal.lines if line["event"] == "sweep"]
    assert (line["PaymentsPaid"], line["PaymentsDeclined"], line["SweepResolved"]) == (1, 1, 3)
    assert (line["OldestUnfinished"], line["AuditsOwed"]) == (0, 0)
    assert {metric["Name"]: metric["Unit"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == {
        "SweepResolved": "Count",
        "PaymentsPaid": "Count",
        "PaymentsDeclined": "Count",
        "OldestUnfinished": "Seconds",
        "AuditsOwed": "Count",
        "OldestUntidied": "Seconds",
    }


def test_what_another_region_has_finished_meanwhile_is_counted_there_alone():
    acquirer = Acquirer(silent=["charge"])
    region = Region(processor=acquirer)
    other = Region("us-east-2", region.clock, region.table, processor=acquirer)
    region.post("k")
    region.clock.time += 5_000
    region.wire.before("UpdateItem", lambda: sweep(other.service, 60_000))
    sweep(region.service, 60_000)
    lines = [line for each in (other, region) for line in each.journal.lines if line["event"] == "sweep"]
    assert [line["SweepResolved"] for line in lines] == [1, 1]
    assert [line.get("PaymentsPaid") for line in lines] == [1, None]


def test_a_run_tells_the_age_of_what_stays_unfinished_and_how_many_audits_are_owed():
    acquirer = Acquirer()
    region = Region(processor=acquirer)
    region.bucket.error = refused("AccessDenied", 403)
    for key in ("a", "b"):
        region.post(key)
    acquirer.silent = ["charge", *["find"] * 100]
    region.post("silent")
    for _ in range(12):
        region.clock.time += 60_000
        region.journal.lines.clear()
        sweep(region.service, 60_000)
    told = [line for line in region.journal.lines if line["event"] == "sweep"][-1]
    assert told["AuditsOwed"] == 2
    assert told["OldestUnfinished"] in {0, 720}, "0 in the runs before it is asked about again"
    region.bucket.error = None
    region.clock.time += 10 * LEASE
    sweep(region.service, 60_000)
    assert region.journal.lines[-1]["AuditsOwed"] == 0
    region.clock.time = int(region.payment_of("silent")["due"]["N"])
    sweep(region.service, 60_000)
    told = region.journal.lines[-1]
    assert told["OldestUnfinished"] == (region.clock.now() - START) / 1_000


def test_contradictions_that_the_sweep_meets_are_counted_with_all_others(monkeypatch):
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])))
    other = Region("us-east-2", ManualClock(START + 5_000 + LEASE), region.table, processor=Acquirer(refuse=True))
    region.post("k")
    region.clock.time += 5_000

    def stall(key):
        other.sweep()
        return acquirer.outcomes[key]

    monkeypatch.setattr(acquirer, "find", stall)
    sweep(region.service, 60_000)
    assert region.journal.lines[-1]["Contradictions"] == 1


def test_under_mrec_the_other_region_s_payment_is_left_alone_for_a_while():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])), strong=False)
    other = Region("us-east-2", region.clock, region.table, processor=acquirer, strong=False)
    region.post("k")
    region.clock.time += 5_000 + FOREIGN_GRACE - 1
    assert other.sweep() == {"waiting": 1}
    assert other.post("k")["statusCode"] == 409
    region.clock.time += 1
    assert other.sweep() == {"resolved": 1}


def test_a_crew_works_on_payments_at_once_each_within_its_own_time_and_counts_them_all():
    """One after another a silent processor lets a run ask about sixteen: an outage leaves thousands."""
    acquirer = Acquirer(silent=["charge"] * 10 * AT_ONCE, effect=False)
    region = Region(processor=acquirer)
    for number in range(10 * AT_ONCE):
        region.post(f"k{number}")
    region.clock.time += 5_000
    together, find, deadline = threading.Barrier(AT_ONCE, timeout=30), acquirer.find, region.service.deadline

    def wait(key):
        assert deadline.until == region.clock.now() + WORK_TIME - region.service.payments.store.timeout
        together.wait()
        return find(key)

    acquirer.find = wait
    deadline.begin(50_000)
    swept = replace(region.service.sweep, crew=threads).run(region.clock.now() + 40_000)
    assert swept.done == {"resolved": 10 * AT_ONCE}
    assert sum(swept.finished.values()) == 10 * AT_ONCE
    assert acquirer.calls.count("charge") == 20 * AT_ONCE
    assert deadline.until == region.clock.now() + 50_000, "the run's own"


def test_what_one_of_the_crew_raises_ends_the_run_and_no_other_worker():
    done = []

    def work():
        done.append(1)
        if len(done) == 1:
            raise ValueError("one")

    with pytest.raises(ValueError, match="one"):
        threads(work)
    assert len(done) == AT_ONCE


def test_a_run_tells_how_late_tidying_is():
    region = Region()
    for key in ("a", "b"):
        region.post(key)
        region.clock.time += 3_000
    region.clock.time += RESPONSE_KEPT + 1_000
    sweep(region.service, 60_000)
    assert region.journal.lines[-1]["OldestUntidied"] == 7
    sweep(region.service, 60_000)
    assert region.journal.lines[-1]["OldestUntidied"] == 0


def test_workers_of_a_run_tell_what_was_latest_of_any_of_them():
    for mine, other in ((7, 3), (3, 7), (None, 7)):
        swept = Swept(oldest=mine or 0, untidied=mine)
        swept.add(Swept(oldest=other, untidied=other))
        assert (swept.oldest, swept.untidied) == (7, 7)


def slow_index(region, milliseconds, queries=1_000):
    """So many queries take so long each."""

    def wait():
        region.clock.time += milliseconds

    for _ in range(queries):
        region.wire.before("Query", wait)


def test_a_slow_index_costs_payments_none_of_their_own_time():
    """16 partitions and ends, a second each: far more than the time for one payment."""
    region = Region(processor=(acquirer := Acquirer(silent=["charge"] * 5, effect=False)))
    for number in range(5):
        region.post(f"k{number}")
    region.clock.time += 5_000
    slow_index(region, 1_000)
    swept = region.service.sweep.run(region.clock.now() + 50_000)
    assert (swept.done, swept.failure) == ({"resolved": 5}, None)
    assert acquirer.calls.count("find") == 5


def test_what_was_taken_too_late_is_not_begun():
    """Reading the list took all of the time that the run had for it."""
    region = Region(processor=(acquirer := Acquirer(silent=["charge"], effect=False)))
    region.post("k")
    region.clock.time += 5_000
    slow_index(region, 1_000)
    swept = region.service.sweep.run(region.clock.now() + 10_000)
    assert (swept.done, swept.failure) == ({}, None)
    assert acquirer.calls == ["charge"]


def test_what_was_taken_too_late_has_the_turn_after_the_audits():
    """A slow index has used up the time that the first turn has: four fifths of the run's."""
    region = Region(processor=Acquirer(silent=["charge"], effect=False))
    region.post("k")
    region.clock.time += 5_000
    slow_index(region, 5_100, queries=8)
    assert region.service.sweep.run(region.clock.now() + 50_000).done == {"resolved": 1}


def test_an_end_of_the_list_that_fails_leaves_the_other_one():
    region = Region(processor=Acquirer(silent=["charge"], effect=False))
    region.post("k")
    region.clock.time += 5_000
    region.wire.fail("Query", refused("AccessDeniedException"), times=8)
    swept = region.service.sweep.run(region.clock.now() + 50_000)
    assert swept.done == {"resolved": 1}
    assert swept.failure is not None


def test_who_had_no_time_to_ask_the_processor_does_not_count_it_as_silent():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"], effect=False)))
    region.post("k")
    region.clock.time += 5_000
    region.wire.before("UpdateItem", lambda: setattr(region.clock, "time", region.clock.time + WORK_TIME - 4_000))
    assert region.sweep() == {"unknown": 1}
    assert acquirer.calls == ["charge"]
    assert region.payment()["attempts"] == {"N": "1"}
    told = [line for line in region.journal.lines if line["event"] == "no_answer"][-1]
    assert (told["payment_id"], told["error"]) == (region.payment()["pk"]["S"], "no time is left to ask")


@pytest.mark.parametrize("silent", [1, 2])
def test_a_late_question_that_is_not_answered_cancels_nothing(silent):
    """Its client was told to wait for seconds, and nothing else."""
    region = Region(processor=(acquirer := Acquirer(silent=["charge"], effect=False)))
    region.post("k")
    region.clock.time += 2 * ABANDON_AFTER
    acquirer.silent = ["find"] * silent
    for _ in range(silent):
        assert region.sweep() == {"unknown": 1}
        region.clock.time += 20_000
    assert region.sweep() == {"resolved": 1}
    assert acquirer.calls[-2:] == ["find", "charge"]


def test_a_run_that_did_not_come_to_tidying_does_not_say_that_all_is_tidy():
    region = Region(processor=Acquirer(silent=["charge", "find"], effect=False))
    region.post("k")
    region.clock.time += 5_000
    slow_index(region, 1_000)
    assert region.service.sweep.run(region.clock.now() + 5_000).untidied is None
    assert "OldestUntidied" not in metrics(region.service.sweep.run(region.clock.now() + 5_000))
    assert region.service.sweep.run(region.clock.now() + 60_000).untidied == 0


def test_a_run_with_nothing_to_do_asks_each_partition_of_the_index_once():
    """Most runs, in both regions, each minute: what the oldest end does not show, the newest end does not have."""
    region = Region()
    assert region.sweep() == {}
    partitions = sum(len(region.service.payments.store.partitions(task)) for task in Task)
    assert region.wire.calls == ["Query"] * partitions
