"""What the sweep finishes, and what it leaves alone."""

from __future__ import annotations

import pytest

from lambdas.domain.errors import Unavailable
from lambdas.domain.payment import CANARY_KEPT, LEASE, RESPONSE_KEPT
from lambdas.domain.service import FOREIGN_GRACE
from tests.doubles.acquirer import Acquirer
from tests.doubles.payments import CANARY, START, Region, refused, timed_out


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
    other = Region("us-east-2", region.clock, region.table, processor=Acquirer(refuse=True))
    region.post("k")
    region.clock.time += 5_000

    def stall(key):
        region.clock.time += LEASE
        other.sweep()
        return acquirer.outcomes[key]

    monkeypatch.setattr(acquirer, "find", stall)
    assert region.sweep() == {"contradicted": 1}


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
    sweep, now = region.service.sweep, region.clock.now()
    assert sweep.run(now) == {}

    def spend():
        region.clock.time += 10

    region.wire.before("GetItem", spend)
    assert sweep.run(now + 10) == {"resolved": 1}
    assert sweep.run(now + 11) == {"resolved": 1}


def test_the_sweep_fails_when_the_index_is_out():
    region = Region()
    region.wire.fail("Query", refused("InternalServerError", 500), times=4)
    with pytest.raises(Unavailable, match="InternalServerError"):
        region.sweep()


def test_under_mrec_the_other_region_s_payment_is_left_alone_for_a_while():
    region = Region(processor=(acquirer := Acquirer(silent=["charge"])), strong=False)
    other = Region("us-east-2", region.clock, region.table, processor=acquirer, strong=False)
    region.post("k")
    region.clock.time += 5_000 + FOREIGN_GRACE - 1
    assert other.sweep() == {"waiting": 1}
    assert other.post("k")["statusCode"] == 409
    region.clock.time += 1
    assert other.sweep() == {"resolved": 1}
