"""The use cases, by what they leave in the table, at the processor and in the bucket, with every failure in between."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from lambdas.domain.errors import NoAnswer
from lambdas.domain.payment import ABANDON_AFTER, CANARY_KEPT, LEASE, RESPONSE_KEPT
from lambdas.domain.ports import Approved, Declined
from lambdas.domain.service import FOREIGN_GRACE
from tests.doubles.payments import CANARY, START, Region, refused, timed_out

BODY = {"amount": 100, "currency": "USD", "customerId": "test-123"}


def customer(name):
    return {**BODY, "customerId": name}


@dataclass
class Acquirer:
    """A processor outside: one outcome a key. `silent`: calls that get no answer; `effect`: whether they count."""

    outcomes: dict[str, object] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    effect: bool = True
    refuse: bool = False

    def charge(self, key, amount, customer):
        self.calls.append("charge")
        if "charge" not in self.silent or self.effect:
            self.outcomes.setdefault(key, Declined("no") if self.refuse else Approved("ch_1"))
        self._answer("charge")
        return self.outcomes[key]

    def find(self, key):
        self.calls.append("find")
        self._answer("find")
        return self.outcomes.get(key)

    def cancel(self, key):
        self.calls.append("cancel")
        self.outcomes.setdefault(key, Declined("abandoned"))
        self._answer("cancel")
        return self.outcomes[key]

    def _answer(self, call):
        if call in self.silent:
            self.silent.remove(call)
            raise NoAnswer(call)


def only(region):
    (item,) = region.payments().values()
    return item


def statuses(item):
    return [step["S"].split()[0] for step in item["steps"]["L"]]


def test_a_payment_takes_three_writes_and_leaves_its_audit():
    region = Region(processor=(acquirer := Acquirer()))
    answer = region.post("k")
    assert answer["statusCode"] == 201
    assert region.wire.calls == ["PutItem", "UpdateItem", "UpdateItem"]
    assert acquirer.calls == ["charge"]
    item = only(region)
    assert statuses(item) == ["AUTHORIZING", "AUTHORIZED", "CAPTURED"]
    assert "audit_pending" not in item
    assert "lease_holder" not in item
    assert list(region.bucket.versions.values()) == [1]
    (record,) = region.bucket.objects.values()
    assert json.loads(record) == {
        "amount": "100.00",
        "client": "storefront",
        "currency": "USD",
        "customerId": "test-123",
        "fingerprint": item["fingerprint"]["S"],
        "paymentId": item["pk"]["S"],
        "reason": None,
        "reference": "ch_1",
        "region": "us-east-1",
        "status": "CAPTURED",
        "steps": [["AUTHORIZING", START], ["AUTHORIZED", START], ["CAPTURED", START]],
    }
    (key,) = region.bucket.objects
    assert key == f"payments/2026/11/18/{item['pk']['S']}.json"


def test_a_replay_answers_the_same_and_touches_nothing():
    region = Region(processor=(acquirer := Acquirer()))
    first = region.post("k")
    before = dict(region.table.items)
    again = region.post("k", {"customerId": "test-123", "currency": "USD", "amount": 100.0})
    assert again["body"] == first["body"]
    assert again["statusCode"] == 201
    assert again["headers"]["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first["headers"]
    assert region.table.items == before
    assert acquirer.calls == ["charge"]


def test_a_decline_is_final_and_replayed():
    region = Region(processor=(acquirer := Acquirer(refuse=True)))
    first, again = region.post("k"), region.post("k")
    assert first["statusCode"] == again["statusCode"] == 402
    assert first["body"] == again["body"]
    assert acquirer.calls == ["charge"]
    assert statuses(only(region)) == ["AUTHORIZING", "DECLINED"]


def test_no_answer_is_unknown_until_the_processor_tells():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])))
    first = region.post("k")
    assert first["statusCode"] == 202
    assert json.loads(first["body"])["status"] == "pending"
    assert "audit_pending" not in only(region)
    assert region.bucket.objects == {}
    again = region.post("k")
    assert again["statusCode"] == 201
    assert acquirer.calls == ["charge", "find"]
    assert statuses(only(region)) == ["AUTHORIZING", "UNKNOWN", "AUTHORIZING", "AUTHORIZED", "CAPTURED"]
    assert len(region.bucket.objects) == 1


def test_a_charge_that_never_arrived_is_asked_for_then_made():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"], effect=False)))
    assert region.post("k")["statusCode"] == 202
    assert region.post("k")["statusCode"] == 201
    assert acquirer.calls == ["charge", "find", "charge"]


def test_a_processor_that_stays_silent_keeps_it_unknown():
    region = Region(processor=(acquirer := Acquirer(silent=["charge", "find"])))
    assert region.post("k")["statusCode"] == 202
    assert region.post("k")["statusCode"] == 202
    assert acquirer.calls == ["charge", "find"]
    assert only(region)["attempts"]["N"] == "2"


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


def crash(region, operation, *, applied):
    """Run a request whose region dies around a call: nothing after it happens."""
    region.wire.fail(operation, KeyboardInterrupt(), applied=applied)
    with pytest.raises(KeyboardInterrupt):
        region.post("k")


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
    assert "audit_pending" not in only(region)


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


def test_just_before_that_it_is_charged():
    region = Region(processor=(acquirer := Acquirer()))
    crash(region, "PutItem", applied=True)
    region.clock.time += ABANDON_AFTER - 1
    assert region.sweep() == {"resolved": 1}
    assert acquirer.calls == ["find", "charge"]


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
@pytest.mark.parametrize("error", [timed_out(), refused("InternalServerError", 500)])
def test_a_write_whose_answer_was_lost_is_recognised(operation, error):
    region = Region(processor=(acquirer := Acquirer()))
    region.wire.fail(operation, error, applied=True)
    answer = region.post("k")
    assert answer["statusCode"] == 201
    assert "Idempotent-Replayed" not in answer["headers"]
    assert acquirer.calls == ["charge"]
    assert list(region.bucket.versions.values()) == [1]


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
def test_conflicts_between_regions_are_repeated(operation):
    region = Region(processor=(acquirer := Acquirer()))
    region.wire.fail(operation, refused("ReplicatedWriteConflictException"), times=3)
    assert region.post("k")["statusCode"] == 201
    assert acquirer.calls == ["charge"]
    assert region.clock.slept == [25, 50, 100]


def test_a_table_that_stays_out_is_503_and_charges_nothing():
    region = Region(processor=(acquirer := Acquirer()))
    region.wire.fail("PutItem", refused("InternalServerError", 500), times=4)
    answer = region.post("k")
    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "2"
    assert acquirer.calls == []


def test_a_table_that_throttles_is_429():
    region = Region()
    region.wire.fail("PutItem", refused("ThrottlingException"), times=4)
    answer = region.post("k")
    assert answer["statusCode"] == 429
    assert answer["headers"]["Retry-After"] == "1"


def test_an_outcome_that_cannot_be_written_is_503_and_found_later():
    region = Region(processor=(acquirer := Acquirer()))
    region.wire.fail("UpdateItem", timed_out(), times=4)
    assert region.post("k")["statusCode"] == 503
    region.clock.time += LEASE
    assert region.post("k")["statusCode"] == 201
    assert acquirer.calls == ["charge", "find"]


@pytest.mark.parametrize("error", [refused("AccessDenied", 403), refused("SlowDown", 503), timed_out()])
def test_an_audit_that_fails_never_fails_the_payment(error):
    region = Region()
    region.bucket.error = error
    assert region.post("k")["statusCode"] == 201
    assert only(region)["audit_pending"] == {"BOOL": True}
    assert [line["event"] for line in region.journal.lines] == ["audit_deferred", "request"]
    region.clock.time += 40_000
    assert region.sweep() == {"deferred": 1}
    region.bucket.error = None
    assert region.sweep() == {}, "claimed: the next attempt waits for the lease"
    region.clock.time += LEASE
    assert region.sweep() == {"audited": 1}
    assert list(region.bucket.versions.values()) == [1]
    assert "audit_pending" not in only(region)


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
    payment = second.service.payments.store.get(only(first)["pk"]["S"])
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
    assert "response_body" not in only(region)
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
    assert only(region)["client"]["S"] == "storefront"
    assert region.charges() == [f"charge#{only(region)['pk']['S']}"]
    assert sorted(key.split("/")[0] for key in region.bucket.objects) == ["canary", "payments"]


def test_a_canary_never_reaches_the_card_processor():
    region = Region(processor=(acquirer := Acquirer()))
    assert region.post("c", api_key=CANARY)["statusCode"] == 201
    assert acquirer.calls == []
    assert [charge.split("#")[0] for charge in region.charges()] == ["canary-charge"]


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


def test_a_processor_that_contradicts_itself_is_told_to_people(monkeypatch):
    region = Region(processor=(acquirer := Acquirer()))
    liar = Acquirer(refuse=True)
    other = Region("us-east-2", region.clock, region.table, processor=liar)
    charge = acquirer.charge

    def stall(key, amount, customer):
        region.clock.time += LEASE
        other.sweep()
        return charge(key, amount, customer)

    monkeypatch.setattr(acquirer, "charge", stall)
    answer = region.post("k")
    assert answer["statusCode"] == 500
    events = {line["event"]: line for line in region.journal.lines}
    assert events["contradiction"]["Contradictions"] == 1
    assert only(region)["status"]["S"] == "DECLINED"


def test_the_sweep_counts_contradictions_and_goes_on(monkeypatch):
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])))
    other = Region("us-east-2", region.clock, region.table, processor=Acquirer(refuse=True))
    region.post("k")
    region.clock.time += 5_000

    def stall(key):
        region.clock.time += LEASE
        other.sweep()
        return acquirer.outcomes[key]

    monkeypatch.setattr(acquirer, "find", stall)
    assert region.sweep() == {"contradicted": 1}


def test_under_mrec_the_processor_is_asked_before_a_new_charge():
    region = Region(processor=(acquirer := Acquirer()), strong=False)
    assert region.post("k")["statusCode"] == 201
    assert acquirer.calls == ["find", "charge"]
    # The other region has not seen the row yet: its own table is empty.
    other = Region("us-east-2", region.clock, processor=acquirer, strong=False)
    assert other.post("k")["statusCode"] == 201
    assert acquirer.calls == ["find", "charge", "find"]


def test_under_mrec_the_other_region_s_payment_is_left_alone_for_a_while():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])), strong=False)
    other = Region("us-east-2", region.clock, region.table, processor=acquirer, strong=False)
    region.post("k")
    region.clock.time += 5_000 + FOREIGN_GRACE - 1
    assert other.sweep() == {"waiting": 1}
    assert other.post("k")["statusCode"] == 409
    region.clock.time += 1
    assert other.sweep() == {"resolved": 1}


def test_under_mrec_a_region_s_own_payment_waits_for_nobody():
    region = Region(processor=Acquirer(silent=["charge"]), strong=False)
    region.post("k")
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
