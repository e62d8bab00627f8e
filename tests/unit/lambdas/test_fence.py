"""A region that clients are to leave makes no new payments, from when whoever honours the TTL has left."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.fence import KNOWN
from shared import fence as words
from tests.doubles.acquirer import Acquirer
from tests.doubles.payments import CANARY, Region, timed_out

BODY = {"amount": 1, "currency": "USD", "customerId": "c"}


def put_up(region, at, value=None):
    key = words.PARTITION, region.name
    region.table.items[key] = {"pk": {"S": key[0]}, "sk": {"S": key[1]}, words.FROM: value or {"N": str(at)}}


def title(answer):
    return json.loads(answer["body"])["type"]


@pytest.fixture
def region():
    return Region(processor=Acquirer())


def test_from_its_moment_on_a_fenced_region_makes_no_payment_and_asks_no_processor(region):
    put_up(region, region.clock.now() + 60_000)
    assert region.post("before")["statusCode"] == 201
    region.clock.time += 60_000
    asked = len(region.processor.calls)
    answer = region.post("after")
    assert (answer["statusCode"], title(answer)) == (503, "/problems/out-of-service")
    assert answer["headers"]["Retry-After"] == "1"
    assert len(region.processor.calls) == asked
    assert len(region.payments()) == 1


def test_what_was_paid_is_read_and_another_region_pays(region):
    region.post("k")
    put_up(region, 0)
    region.clock.time += KNOWN
    assert region.post("k")["statusCode"] == 503
    assert region.get(f"/payment/{region.payment()['pk']['S']}")["statusCode"] == 200
    other = Region("us-east-2", region.clock, region.table, processor=region.processor)
    assert other.post("new")["statusCode"] == 201


def test_a_canary_tells_whether_the_region_works_all_the_same(region):
    put_up(region, 0)
    assert region.post("k", api_key=CANARY)["statusCode"] == 201


def test_it_is_read_once_in_five_seconds_and_noticed_then_both_ways(region):
    region.post("a")
    put_up(region, 0)
    region.clock.time += KNOWN - 1
    assert region.post("b")["statusCode"] == 201
    region.clock.time += 1
    assert region.post("c")["statusCode"] == 503
    del region.table.items[words.PARTITION, region.name]
    region.clock.time += KNOWN
    assert region.post("c")["statusCode"] == 201
    assert region.wire.calls.count("GetItem") == 3


def test_what_cannot_be_read_fences_nothing_and_is_not_asked_for_again(region):
    put_up(region, 0)
    region.wire.fail("GetItem", timed_out())
    assert region.post("k")["statusCode"] == 201
    assert region.wire.calls.count("GetItem") == 1


@pytest.mark.parametrize("value", [{"S": "soon"}, {"N": "NaN"}, {"BOOL": True}])
def test_a_fence_of_another_release_fences_nothing(region, value):
    put_up(region, 0, value)
    assert region.post("k")["statusCode"] == 201


def test_a_clock_that_was_set_back_reads_anew(region):
    region.post("a")
    put_up(region, 0)
    region.clock.time -= 1
    assert region.post("b")["statusCode"] == 503
