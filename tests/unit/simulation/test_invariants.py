"""Each check finds what it is for: a finished history is tampered with, in one place at a time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lambdas.domain.outcome import Approved, Declined
from lambdas.domain.payment import Payment
from simulation.invariants import check
from simulation.region import ADDED
from simulation.run import play
from simulation.world import World


def is_fit(world: World) -> bool:
    """A client was told that it has paid, at a card processor that keeps to what it says."""
    return not world.faults.lies and any(
        operation.status == 201 and operation.wish.client == "storefront" and not operation.is_last
        for operation in world.history.operations
    )


@pytest.fixture
def world():
    return next(world for seed in range(100) if is_fit(world := play(seed, "mrsc")[0]))


@pytest.fixture
def paid(world):
    return next(operation for operation in world.history.operations if operation.status == 201)


def versions(world, paid):
    return world.table._items[paid.payment_id, "payment"].entries


def rewrite(world, paid, **attributes):
    """Change the newest version of the payment's item; None removes an attribute."""
    when, stamp, region, item = versions(world, paid)[-1]
    changed = {name: value for name, value in {**item, **attributes}.items() if value is not None}
    versions(world, paid)[-1] = (when, stamp, region, changed)
    for known in world.known.values():
        known[paid.payment_id, "payment"] = changed


def kinds(world):
    return {finding.kind for finding in check(world)}


def test_an_untouched_history_has_no_findings(world):
    assert check(world) == []


def test_a_payment_that_is_gone_is_lost(world, paid):
    for known in world.known.values():
        del known[paid.payment_id, "payment"]
    assert "lost" in kinds(world)


def test_a_payment_that_became_another_is_lost(world, paid):
    rewrite(world, paid, status={"S": "DECLINED"})
    assert {"lost", "unbooked"} <= kinds(world)


def test_a_second_charge_is_doubled(world, paid):
    charge = next(charge for charge in world.processor.ledger if charge.key == paid.payment_id)
    world.processor.ledger.append(charge)
    assert kinds(world) == {"doubled"}


def test_a_charge_of_another_amount_is_unbooked(world, paid):
    ledger = world.processor.ledger
    place = next(place for place, charge in enumerate(ledger) if charge.key == paid.payment_id)
    ledger[place] = replace(ledger[place], amount=replace(ledger[place].amount, minor_units=1))
    assert kinds(world) == {"unbooked"}


def test_a_payment_without_a_charge_is_unbooked(world, paid):
    world.processor.ledger[:] = [charge for charge in world.processor.ledger if charge.key != paid.payment_id]
    assert kinds(world) == {"unbooked"}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (402, None, "contradicted"),
        (500, None, "contradicted"),
        (409, '{"type":"/problems/in-progress"}', "contradicted"),
        (409, '{"type":"/problems/not-readable"}', "reworded"),
        (201, '{"status":"paid"}', "reworded"),
    ],
)
def test_an_answer_that_does_not_fit_the_others_is_contradicted(world, paid, status, body, kind):
    last = [
        operation
        for operation in world.history.operations
        if operation.payment_id == paid.payment_id and operation.stranger is None
    ][-1]
    assert last.status in {201, 422}
    last.status, last.body = status, body or last.body
    assert kinds(world) - {"reworded"} == {kind} - {"reworded"}, "headers of another status are another wording too"
    assert kind in kinds(world)


def asked(world, paid):
    return [
        operation
        for operation in world.history.operations
        if operation.payment_id == paid.payment_id and operation.stranger is None
    ]


def test_an_outcome_that_is_told_after_the_contradiction_was_told_is_untold(world, paid):
    answered = [each for each in asked(world, paid) if each.returned is not None]
    first, *later = answered
    assert first.returned < later[-1].invoked
    first.status = 500
    assert "untold" in kinds(world)
    for operation in later:
        operation.status, operation.headers = 500, {"Retry-After": "300"}
    assert "untold" not in kinds(world)


def test_an_outcome_that_is_told_after_it_was_written_down_as_in_doubt_is_untold(world, paid):
    rewrite(world, paid, in_doubt={"BOOL": True})
    assert kinds(world) == {"untold"}


def test_what_is_in_doubt_may_be_pending_again(world, paid):
    last = asked(world, paid)[-1]
    last.method, last.status = "GET", 200
    last.body = json.dumps({**json.loads(paid.body), "status": "pending"})
    assert "contradicted" in kinds(world)
    rewrite(world, paid, in_doubt={"BOOL": True})
    assert "contradicted" not in kinds(world)


def test_two_that_both_made_the_payment_are_contradicted(world, paid):
    for operation in world.history.operations:
        operation.headers.pop("Idempotent-Replayed", None)
    assert kinds(world) == {"contradicted"}


def evidence(world, paid):
    """The bucket that holds the payment's record, and the record's key."""
    return next(
        (bucket, key) for bucket in world.buckets for key in bucket.objects if key.endswith(f"/{paid.payment_id}.json")
    )


def test_a_missing_record_is_found(world, paid):
    for bucket in world.buckets:
        bucket.objects.clear()
    assert kinds(world) == {"audit"}


def test_a_record_under_two_names_or_with_two_contents_is_found(world, paid):
    bucket, key = evidence(world, paid)
    bucket.objects[key].append(b"{}")
    assert kinds(world) == {"audit"}


def test_a_record_written_twice_is_found(world, paid):
    bucket, key = evidence(world, paid)
    bucket.written[key] = 2
    assert kinds(world) == {"audit"}


@pytest.mark.parametrize("name", ["status", "reference", "amount", "paymentId", "steps"])
def test_a_record_that_says_something_else_is_found(world, paid, name):
    _, key = evidence(world, paid)
    for bucket in world.buckets:
        for place, content in enumerate(bucket.objects.get(key, [])):
            bucket.objects[key][place] = json.dumps({**json.loads(content), name: "0"}).encode()
    assert kinds(world) == {"audit"}


def test_what_is_left_to_do_is_stuck(world, paid):
    rewrite(world, paid, audit_pending={"BOOL": True})
    assert kinds(world) == {"stuck"}


@pytest.mark.parametrize(
    "attributes",
    [
        {"version": {"N": "99"}},
        {"client": {"S": "somebody"}},
        {"steps": {"L": [{"S": "CAPTURED 1"}]}},
        {ADDED: {"S": "made up"}},
    ],
)
def test_an_item_that_moved_as_it_must_not_is_altered(world, paid, attributes):
    rewrite(world, paid, **attributes)
    assert "altered" in kinds(world)


def test_an_exception_of_the_code_is_a_bug(monkeypatch):
    def broken(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(Payment, "settled", broken)
    world, _ = play(0, "mrsc")
    assert any(finding.kind == "bug" and "KeyError" in finding.text for finding in check(world))


def test_an_answer_that_is_stored_for_too_long_is_kept(world, paid):
    rewrite(world, paid, response_body={"S": "{}"})
    world.scheduler.now += 5 * 24 * 3_600_000
    assert "kept" in kinds(world)


def answer_of(world, paid, statuses):
    return next(
        each
        for each in reversed(world.history.operations)
        if each.status in statuses and each.payment_id == paid.payment_id
    )


@pytest.mark.parametrize("name", ["Content-Type", "Location"])
def test_a_replay_with_another_header_is_reworded(world, paid, name):
    answer_of(world, paid, {201}).headers[name] = "another"
    assert "reworded" in kinds(world)


def test_an_answer_that_must_say_when_to_come_again_and_does_not_is_found(world, paid):
    last = next(operation for operation in world.history.operations if operation.payment_id == paid.payment_id)
    last.status, last.headers = 503, {}
    assert "reworded" in kinds(world)
    last.headers = {"Retry-After": "2"}
    assert "reworded" not in kinds(world)


def test_another_s_payment_that_is_shown_is_found(world, paid):
    operation = next(each for each in world.history.operations if each.method == "GET" and each.status == 200)
    operation.stranger = "rival"
    assert "shown" in kinds(world)


def test_what_is_taken_up_before_its_time_is_found(world, paid):
    when, stamp, region, item = versions(world, paid)[-1]
    unknown = {**item, "status": {"S": "UNKNOWN"}, "retry_at": {"N": str(int(item["updated"]["N"]) + 1)}}
    taken_up = {**item, "status": {"S": "AUTHORIZING"}}
    versions(world, paid)[-1:] = [(when, stamp, region, each) for each in (unknown, taken_up)]
    assert "order" in kinds(world)
    versions(world, paid).append((when, stamp, region, item))
    del versions(world, paid)[-2]
    assert "order" not in kinds(world), "an outcome that comes late asks nobody"


def test_a_time_that_no_clock_has_shown_is_altered(world, paid):
    rewrite(world, paid, created={"N": "1790000000"})
    assert "altered" in kinds(world)


def test_an_answer_against_the_processor_s_word_is_untold(world):
    process = world.scheduler.spawn("somebody", lambda: world.watch.answering(402))
    world.watch.outcomes[process] = Approved("ch_1")
    world.scheduler.run(world.scheduler.now + 1)
    assert "untold" in kinds(world)


def test_a_function_that_is_ended_for_its_time_is_late(world):
    process = world.scheduler.spawn("slow", lambda: None)
    world.watch.stands_still = True
    world.watch.too_slow(process)
    assert "late" not in kinds(world)
    world.watch.stands_still = False
    world.watch.too_slow(process)
    assert "late" in kinds(world)


@pytest.mark.parametrize("known", ["nobody", "by the log", "by the table", "it died with who heard it"])
def test_two_outcomes_of_one_payment_that_nobody_knows_of_are_untold(world, paid, known):
    (process, _), *_ = heard = world.watch.heard[paid.payment_id]
    late = world.scheduler.spawn("somebody", lambda: None)
    heard.append((late, Declined("no")))
    late.killed = known == "it died with who heard it"
    if known == "by the log":
        world.watch.telling("contradiction", paid.payment_id)
    elif known == "by the table":
        _, stamp, region, item = versions(world, paid)[-1]
        versions(world, paid)[-1] = (world.scheduler.now, stamp, region, {**item, "in_doubt": {"BOOL": True}})
    assert not process.killed
    assert ("untold" in kinds(world)) == (known == "nobody")
