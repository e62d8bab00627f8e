"""Crashes and races: who may work on a payment, and what whoever comes second answers."""

from __future__ import annotations

import functools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from lambdas.adapters.items import from_item, to_item
from lambdas.domain.instruction import payment_id
from lambdas.domain.outcome import Declined
from lambdas.domain.payment import ABANDON_AFTER, LEASE, RESPONSE_KEPT
from tests.doubles import openapi
from tests.doubles.acquirer import Acquirer
from tests.doubles.payments import START, Region, refused


def crash(region, operation, *, applied, work=None):
    """Run a request, or other work, whose region dies around a call: nothing after it happens."""
    region.wire.fail(operation, KeyboardInterrupt(), applied=applied)
    with pytest.raises(KeyboardInterrupt):
        (work or functools.partial(region.post, "k"))()


@pytest.mark.parametrize("applied", [False, True])
def test_a_crash_before_the_outcome_is_resolved_by_asking_first(applied):
    """The region dies around its second write: the charge is made, the table may not know."""
    region = Region(processor=(acquirer := Acquirer()))
    crash(region, "UpdateItem", applied=applied)
    if not applied:
        busy = region.post("k")
        assert (busy["statusCode"], busy["headers"]["Retry-After"]) == (409, "1")
    region.clock.time += LEASE
    answer = region.post("k")
    assert answer["statusCode"] == 201
    assert acquirer.calls == (["charge"] if applied else ["charge", "find"])
    region.clock.time += LEASE * 2
    region.sweep()
    assert list(region.bucket.versions.values()) == [1]
    assert "audit_pending" not in region.payment()


def test_a_lease_is_taken_over_by_the_other_region():
    primary = Region(processor=(acquirer := Acquirer()))
    secondary = Region("us-east-2", primary.clock, primary.table, processor=acquirer)
    crash(primary, "UpdateItem", applied=False)
    assert secondary.sweep() == {}
    assert secondary.post("k")["statusCode"] == 409
    primary.clock.time += LEASE
    assert secondary.sweep() == {"resolved": 1}
    assert acquirer.calls == ["charge", "find"]
    assert len(secondary.bucket.objects) == 1
    assert secondary.post("k")["statusCode"] == 201


def test_a_crash_before_anything_leaves_nothing():
    region = Region(processor=(acquirer := Acquirer()))
    crash(region, "PutItem", applied=False)
    assert acquirer.calls == []
    assert region.post("k")["statusCode"] == 201


def test_a_crash_after_creating_is_taken_over():
    region = Region(processor=(acquirer := Acquirer()))
    crash(region, "PutItem", applied=True)
    region.clock.time += LEASE
    assert region.sweep() == {"resolved": 1}
    assert acquirer.calls == ["find", "charge"]


def test_a_payment_that_nobody_expects_any_more_is_cancelled_not_charged():
    region = Region(processor=(acquirer := Acquirer()))
    crash(region, "PutItem", applied=True)
    region.clock.time += ABANDON_AFTER - 1
    other = Region(clock=region.clock, table=region.table, processor=acquirer)
    region.clock.time += 1
    assert other.sweep() == {"resolved": 1}
    assert acquirer.calls == ["find", "cancel"]
    answer = other.post("k")
    assert answer["statusCode"] == 402
    assert json.loads(answer["body"])["reason"] == "abandoned"


@pytest.mark.parametrize("crashed", [False, True])
def test_a_payment_whose_client_was_told_to_wait_is_charged_however_late_the_sweep_comes(crashed):
    """Thousands wait after a processor's outage: who is asked about last has done nothing else than the first."""
    region = Region(processor=(acquirer := Acquirer(silent=["charge"], effect=False)))
    assert region.post("k")["statusCode"] == 202
    region.clock.time += 2 * ABANDON_AFTER
    if crashed:
        crash(region, "UpdateItem", applied=True, work=region.sweep)
        region.clock.time += LEASE
    assert region.sweep() == {"resolved": 1}
    assert acquirer.calls == ["charge", "find", "charge"]
    assert region.post("k")["statusCode"] == 201


def test_a_processor_that_is_silent_for_so_long_is_told_to_cancel():
    """Its silence was heard, and not by one who came late: the time that the client was told is over."""
    region = Region(processor=(acquirer := Acquirer(silent=["charge", *["find"] * 99], effect=False)))
    region.post("k")
    while int(region.payment()["due"]["N"]) < START + ABANDON_AFTER:
        region.clock.time = int(region.payment()["due"]["N"])
        assert region.sweep() == {"unknown": 1}
    acquirer.silent.clear()
    region.clock.time = int(region.payment()["due"]["N"])
    assert region.sweep() == {"resolved": 1}
    assert acquirer.calls[-2:] == ["find", "cancel"]


def test_just_before_that_it_is_charged():
    region = Region(processor=(acquirer := Acquirer()))
    crash(region, "PutItem", applied=True)
    region.clock.time += ABANDON_AFTER - 1
    assert region.sweep() == {"resolved": 1}
    assert acquirer.calls == ["find", "charge"]


def test_a_writer_that_lost_its_lease_takes_the_other_s_result(monkeypatch):
    """The first worker stalls at the processor; a sweep takes over meanwhile."""
    region = Region(processor=(acquirer := Acquirer()))
    other = Region("us-east-2", region.clock, region.table, processor=Acquirer(acquirer.outcomes))
    charge = acquirer.charge

    def stall(key, amount, customer):
        outcome = charge(key, amount, customer)
        region.clock.time += LEASE
        assert other.sweep() == {"resolved": 1}
        return outcome

    monkeypatch.setattr(acquirer, "charge", stall)
    answer = region.post("k")
    assert answer["statusCode"] == 201
    assert answer["headers"]["Idempotent-Replayed"] == "true"
    assert (len(region.bucket.objects), len(other.bucket.objects)) == (0, 1)


def overtake(region, other, became):
    """While the region asks its processor for the charge its lease runs out, and the other one's sweep takes over."""
    charge = region.processor.charge

    def stall(*asked):
        region.clock.time += LEASE
        assert other.sweep() == {became: 1}
        return charge(*asked)

    region.processor.charge = stall


def contradicting(*, recorded_refusal=True):
    """A region that hears another outcome than the other one has recorded meanwhile; and the other one."""
    region = Region(processor=Acquirer(refuse=not recorded_refusal))
    other = Region("us-east-2", region.clock, region.table, processor=Acquirer(refuse=recorded_refusal))
    overtake(region, other, "resolved")
    return region, other


def is_told_of_the_contradiction(answer):
    openapi.check("POST", "/payment", answer)
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["type"]) == (500, "/problems/internal")
    assert 1 <= int(answer["headers"]["Retry-After"]) <= 300
    assert "same Idempotency-Key" in problem["detail"]
    return "do not repeat" not in problem["detail"]


def is_under_examination(region, *answers):
    """Whether it is said so by these, and by whatever is asked now: nobody is told an outcome, or answered 5XX."""
    place = f"/payment/{region.payment()['pk']['S']}"
    for answer in (*answers, region.post("k")):
        openapi.check("POST", "/payment", answer)
        assert (answer["statusCode"], answer["headers"]["Location"]) == (202, place)
        assert 1 <= int(answer["headers"]["Retry-After"]) <= 300
        assert json.loads(answer["body"])["status"] == "pending"
    read = region.get(place)
    openapi.check("GET", "/payment/x", read)
    shown = json.loads(read["body"])
    return (read["statusCode"], shown["status"], "reason" in shown) == (200, "pending", False)


@pytest.mark.parametrize("refuse", [True, False])
def test_an_outcome_is_written_down_also_by_who_has_lost_the_lease(refuse):
    """Else it is nobody's, and who has the lease would record the other outcome without a word of this one."""
    region = Region(processor=(acquirer := Acquirer(refuse=refuse)))
    other = Region("us-east-2", region.clock, region.table, processor=(theirs := Acquirer(refuse=not refuse)))
    charge, find, is_asked, is_overtaken = acquirer.charge, theirs.find, threading.Event(), threading.Event()

    def stall(*asked):
        region.clock.time += LEASE
        is_asked.set()
        assert is_overtaken.wait(10)
        return charge(*asked)

    def take_over(key):
        is_overtaken.set()
        assert first.result(10)["statusCode"] == (402 if refuse else 201)
        return find(key)

    acquirer.charge, theirs.find = stall, take_over
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(region.post, "k")
        assert is_asked.wait(10)
        assert is_told_of_the_contradiction(other.post("k"))
    assert is_under_examination(region)
    assert region.payment()["status"]["S"] == ("DECLINED" if refuse else "CAPTURED")


@pytest.mark.parametrize("refuse", [True, False])
def test_an_outcome_is_written_down_where_who_has_taken_over_heard_nothing(refuse):
    region = Region(processor=Acquirer(refuse=refuse))
    other = Region("us-east-2", region.clock, region.table, processor=Acquirer(silent=["find"]))
    overtake(region, other, "unknown")
    for each in (region, other):
        assert each.post("k")["statusCode"] == (402 if refuse else 201)
    assert len(region.bucket.objects) == 1


def test_who_heard_nothing_takes_what_who_has_taken_over_has_written():
    region = Region(processor=Acquirer(silent=["charge"], effect=False))
    other = Region("us-east-2", region.clock, region.table, processor=Acquirer())
    overtake(region, other, "resolved")
    answer = region.post("k")
    assert (answer["statusCode"], answer["headers"]["Idempotent-Replayed"]) == (201, "true")
    assert (len(region.bucket.objects), len(other.bucket.objects)) == (0, 1)


UNWRITTEN = {
    "out": "AccessDeniedException",
    "gone": "the payment is gone",
    "of a newer release": "cannot be read: ValueError: 'REFUNDED'",
    "others, each time": "others were first each time",
}


@pytest.mark.parametrize("hindrance", UNWRITTEN)
def test_an_outcome_that_cannot_be_written_down_is_told(hindrance):
    """Nobody but this worker knows it: should the processor tell the next one otherwise, here it is found."""
    region = Region(processor=Acquirer())

    def act():
        if hindrance == "out":
            region.wire.fail("UpdateItem", refused("AccessDeniedException"))
        elif hindrance == "gone":
            region.table.items.clear()
        elif hindrance == "of a newer release":
            region.payment()["status"] = {"S": "REFUNDED"}
        else:
            region.payment()["version"] = {"N": str(int(region.payment()["version"]["N"]) + 1)}
            region.wire.before("UpdateItem", act)

    region.wire.before("UpdateItem", act)
    assert region.post("k")["statusCode"] == (409 if hindrance == "of a newer release" else 503)
    (line,) = [line for line in region.journal.lines if line["event"] == "outcome_unwritten"]
    assert (line["payment_id"], line["answered"]) == (payment_id("storefront", "k"), "CAPTURED")
    assert line["error"].startswith(UNWRITTEN[hindrance])
    assert region.wire.calls.count("UpdateItem") <= 4


def test_a_processor_that_contradicts_itself_is_told_to_people():
    region, _ = contradicting()
    assert is_told_of_the_contradiction(region.post("k"))
    assert is_under_examination(region)
    told, counted, _ = region.journal.lines[:3]
    assert (told["event"], told["payment_id"]) == ("contradiction", region.payment()["pk"]["S"])
    assert (told["recorded"], told["answered"]) == ("DECLINED", "CAPTURED")
    assert counted["Contradictions"] == 1
    assert sum("Contradictions" in line for line in region.journal.lines) == 1, "not each time that somebody asks"
    assert region.payment()["status"]["S"] == "DECLINED"


@pytest.mark.parametrize("recorded_refusal", [True, False])
def test_what_a_processor_has_told_in_two_ways_no_client_is_told_until_a_person_has_decided(recorded_refusal):
    """Told "declined" the customer, who may be charged, pays again; told "paid" the shop delivers for nothing."""
    region, other = contradicting(recorded_refusal=recorded_refusal)
    region.post("k")
    for each in (region, other, Region(clock=region.clock, table=region.table)):
        assert is_under_examination(each)
    region.clock.time += 10 * LEASE
    region.sweep()
    region.clock.time += RESPONSE_KEPT
    assert other.sweep() == {"forgotten": 1}
    assert is_under_examination(other)
    assert len({*region.bucket.objects.values(), *other.bucket.objects.values()}) == 1
    del region.payment()["in_doubt"]
    assert region.post("k")["statusCode"] == (402 if recorded_refusal else 201)


@pytest.mark.parametrize("meanwhile", ["nothing", "audited", "gone", "always"])
def test_the_doubt_is_written_down_whatever_else_is_done_to_the_payment(meanwhile):
    region, other = contradicting()
    other.bucket.error = refused("SlowDown", 503)  # the record is owed

    def audited():
        other.bucket.error = None
        region.clock.time += 10 * LEASE
        assert other.sweep() == {"audited": 1}

    def always():
        region.payment()["version"] = {"N": str(int(region.payment()["version"]["N"]) + 1)}
        region.wire.before("UpdateItem", always)

    moves = {"nothing": lambda: None, "audited": audited, "gone": region.table.items.clear, "always": always}
    act = moves[meanwhile]
    region.wire.before("UpdateItem", lambda: region.wire.before("UpdateItem", act))
    answer = region.post("k")
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (500, "300")
    if meanwhile in {"nothing", "audited"}:
        assert is_under_examination(region)
    else:
        (line,) = [line for line in region.journal.lines if line["event"] == "contradiction_unmarked"]
        why = {"gone": "the payment is gone", "always": "others were first each time"}[meanwhile]
        assert (line["payment_id"], line["error"]) == (payment_id("storefront", "k"), why)


def test_a_doubt_that_cannot_be_written_down_is_told_all_the_same():
    region, _ = contradicting()
    down = refused("AccessDeniedException")
    region.wire.before(
        "UpdateItem", lambda: region.wire.before("UpdateItem", lambda: region.wire.fail("UpdateItem", down))
    )
    assert region.post("k")["statusCode"] == 500
    (line,) = [line for line in region.journal.lines if line["event"] == "contradiction_unmarked"]
    assert (line["payment_id"], line["error"]) == (region.payment()["pk"]["S"], "AccessDeniedException")


def test_who_comes_too_late_for_a_payment_in_doubt_is_told_no_outcome():
    """A third one waits for the processor while the other two contradict each other."""
    third = Region(processor=(acquirer := Acquirer(silent=["charge"])))
    third.post("k")
    third.clock.time += 5_000

    def meanwhile():
        third.clock.time += LEASE
        item = third.payment()
        settled = from_item(item).leased("x", third.clock.now()).settled(Declined("no"), third.clock.now())
        third.table.items[item["pk"]["S"], "payment"] = to_item(settled.doubted(third.clock.now()))

    third.wire.before("UpdateItem", meanwhile)
    answer = third.post("k")
    assert acquirer.calls == ["charge"]
    assert is_under_examination(third, answer)


def two_at_once(meanwhile):
    """A payment is unknown; while one region takes it over, the other one does something to it first."""
    first = Region(processor=(acquirer := Acquirer(silent=["charge"])))
    second = Region("us-east-2", first.clock, first.table, processor=acquirer)
    first.post("k")
    first.clock.time += 5_000
    first.wire.before("UpdateItem", lambda: meanwhile(second, acquirer))
    answer = first.post("k")
    return answer, acquirer


def test_who_loses_the_takeover_answers_what_the_winner_got():
    answer, acquirer = two_at_once(lambda second, _: second.post("k"))
    assert answer["statusCode"] == 201
    assert answer["headers"]["Idempotent-Replayed"] == "true"
    assert acquirer.calls == ["charge", "find"]


def test_who_loses_the_takeover_to_silence_answers_unknown():
    def still_silent(second, acquirer):
        acquirer.silent.append("find")
        second.post("k")

    answer, acquirer = two_at_once(still_silent)
    assert answer["statusCode"] == 202
    assert acquirer.calls == ["charge", "find"]


def test_who_loses_the_takeover_to_one_that_is_at_work_is_told_to_wait():
    def begin(second, _):
        second.wire.before("UpdateItem", lambda: second.wire.fail("UpdateItem", KeyboardInterrupt(), applied=True))
        with pytest.raises(KeyboardInterrupt):
            second.post("k")

    answer, acquirer = two_at_once(begin)
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (409, "1")
    assert acquirer.calls == ["charge"]


def test_who_loses_the_takeover_of_what_is_gone_is_told_to_come_again():
    answer, _ = two_at_once(lambda second, _: second.table.items.clear())
    assert answer["statusCode"] == 503


def test_a_payment_that_is_deleted_while_it_is_asked_for_is_503():
    region = Region()
    region.post("k")
    write = region.table.write

    def lose(name, key, change):
        try:
            write(name, key, change)
        except ClientError as error:
            error.response.pop("Item", None)
            raise

    region.table.write = lose
    assert region.post("k")["statusCode"] == 503
    errors = [line["error"] for line in region.journal.lines if line["event"] == "dependency_out"]
    assert errors == ["the payment was deleted while it was asked for"]


@pytest.mark.parametrize(("pause", "status", "calls"), [(LEASE - 1, 201, ["charge"]), (LEASE, 409, [])])
def test_nothing_is_charged_under_a_lease_that_is_over(pause, status, calls):
    """The write took so long that another may be at work."""
    region = Region(processor=(acquirer := Acquirer()))

    def stall():
        region.clock.time += pause

    region.wire.before("PutItem", stall)
    answer = region.post("k")
    assert (answer["statusCode"], acquirer.calls) == (status, calls)
    assert status != 409 or answer["headers"]["Retry-After"] == "1"


def test_under_mrec_the_processor_is_asked_before_a_new_charge():
    region = Region(processor=(acquirer := Acquirer()), strong=False)
    assert region.post("k")["statusCode"] == 201
    assert acquirer.calls == ["find", "charge"]
    # The other region has not seen the row yet: its own table is empty.
    other = Region("us-east-2", region.clock, processor=acquirer, strong=False)
    assert other.post("k")["statusCode"] == 201
    assert acquirer.calls == ["find", "charge", "find"]


def test_under_mrec_a_region_s_own_payment_waits_for_nobody():
    region = Region(processor=Acquirer(silent=["charge"]), strong=False)
    region.post("k")
    region.clock.time += 5_000
    assert region.post("k")["statusCode"] == 201


def test_64_threads_with_one_key_make_one_payment():
    primary = Region()
    secondary = Region("us-east-2", primary.clock, primary.table)
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda n: (primary, secondary)[n % 2].post("race"), range(64)))
    assert {answer["statusCode"] for answer in answers} <= {201, 409}
    assert len({answer["body"] for answer in answers if answer["statusCode"] == 201}) == 1
    assert len(primary.payments()) == len(primary.charges()) == 1
    final = [region.post("race") for region in (primary, secondary)]
    assert {answer["body"] for answer in final} == {a["body"] for a in answers if a["statusCode"] == 201}
