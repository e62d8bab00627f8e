"""A region that clients are to leave makes no new payments, from when whoever honours the TTL has left."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.fence import KNOWN
from shared import fence as words
from tests.doubles.acquirer import Acquirer
from tests.doubles.payments import CANARY, Region, timed_out

BODY = {"amount": 1, "currency": "USD", "customerId": "c"}


def put_up(region, at, value=None, **more):
    key = words.PARTITION, region.name
    region.table.items[key] = {"pk": {"S": key[0]}, "sk": {"S": key[1]}, words.FROM: value or {"N": str(at)}, **more}


def unreadable(region):
    """By both attempts of one reading."""
    for _ in range(2):
        region.wire.fail("GetItem", timed_out())


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
    put_up(region, region.clock.now())
    region.clock.time += KNOWN
    assert region.post("k")["statusCode"] == 503
    assert region.get(f"/payment/{region.payment()['pk']['S']}")["statusCode"] == 200
    other = Region("us-east-2", region.clock, region.table, processor=region.processor)
    assert other.post("new")["statusCode"] == 201


def test_a_canary_tells_whether_the_region_works_all_the_same(region):
    put_up(region, region.clock.now())
    assert region.post("k", api_key=CANARY)["statusCode"] == 201


def test_it_is_read_once_in_five_seconds_and_noticed_then_both_ways(region):
    region.post("a")
    put_up(region, region.clock.now())
    region.clock.time += KNOWN - 1
    assert region.post("b")["statusCode"] == 201
    region.clock.time += 1
    assert region.post("c")["statusCode"] == 503
    del region.table.items[words.PARTITION, region.name]
    region.clock.time += KNOWN
    assert region.post("c")["statusCode"] == 201
    assert region.wire.calls.count("GetItem") == 3


@pytest.mark.parametrize("until", [None, words.HOLDS - 1, 2 * words.HOLDS])
def test_it_ends_by_itself(region, until):
    """Whatever else is lost: who put it up, who would take it down, and the region that clients have gone to."""
    begin = region.clock.now()
    put_up(region, begin, **({} if until is None else {words.UNTIL: {"N": str(begin + until)}}))
    region.clock.time += (until or words.HOLDS) - 1
    assert region.post("k")["statusCode"] == 503
    region.clock.time += 1
    assert region.post("k")["statusCode"] == 201


def test_what_was_never_read_fences_nothing_and_is_not_asked_for_again(region):
    put_up(region, region.clock.now())
    unreadable(region)
    assert region.post("k")["statusCode"] == 201
    assert region.post("l")["statusCode"] == 201
    assert region.wire.calls.count("GetItem") == 2


def test_one_failed_attempt_is_no_answer(region):
    """A connection that has died while the function was frozen fails the first call after that, and no other."""
    put_up(region, region.clock.now())
    region.wire.fail("GetItem", timed_out())
    assert region.post("k")["statusCode"] == 503


@pytest.mark.parametrize("fenced", [True, False])
def test_what_was_read_last_holds_while_it_cannot_be_read(region, fenced):
    """Both ways: what cannot be asked has not changed."""
    if fenced:
        put_up(region, region.clock.now())
    before = region.post("k")["statusCode"]
    region.clock.time += KNOWN
    unreadable(region)
    assert region.post("l")["statusCode"] == before == (503 if fenced else 201)
    region.clock.time += words.HOLDS
    unreadable(region)
    assert region.post("m")["statusCode"] == 201, "it ends by itself all the same"


UNREADABLE = [{"S": "soon"}, {"N": "NaN"}, {"BOOL": True}]


@pytest.mark.parametrize("value", UNREADABLE)
def test_a_fence_of_another_release_fences_nothing(region, value):
    put_up(region, 0, value)
    assert region.post("k")["statusCode"] == 201


@pytest.mark.parametrize("value", UNREADABLE)
def test_an_end_of_another_release_fences_nothing(region, value):
    put_up(region, region.clock.now(), **{words.UNTIL: value})
    assert region.post("k")["statusCode"] == 201


def test_a_clock_that_was_set_back_reads_anew(region):
    region.post("a")
    put_up(region, region.clock.now() - 1)
    region.clock.time -= 1
    assert region.post("b")["statusCode"] == 503
